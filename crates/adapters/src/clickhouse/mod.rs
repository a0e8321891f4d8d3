//! ClickHouse: analysts' figures from facts.
//!
//! - **fact**: what one event alone says; a row of `schema/clickhouse`, known by stream, revision and number. The same
//!   fact told again is the same row, and every question reads with `FINAL`.
//! - **block**: the facts that are inserted at once: tens of thousands, or those of some seconds.
//! - **sum**: a pool's day. Made anew from the facts of the day, never added to.
//! - **checkpoint**: written after the block's facts and sums. Whoever stopped in between tells the block again.
//! - **green**, **blue**: databases beside the live one: told anew, and kept from before a switch.
//!
//! No plate, ticket, card or free text gets here: facts have none.

mod fault;
mod figures;
mod rows;
mod schema;
mod server;
mod sink;
mod stays;
mod switch;

pub use fault::{Fault, OpenError};
pub use figures::ClickHouseFigures;
pub use server::{ClickHouse, ClickHouseOptions};
pub use sink::{AnalyticsSink, SinkOptions};
pub use switch::{Retelling, TableRows};
