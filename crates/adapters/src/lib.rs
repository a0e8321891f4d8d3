//! What touches the world, one module each.

#[cfg(feature = "clickhouse")]
pub mod clickhouse;
pub mod clock;
mod counters;
#[cfg(feature = "eventstoredb")]
pub mod eventstoredb;
pub mod gateway;
#[cfg(feature = "kafka")]
pub mod kafka;
mod newest;
mod outage;
#[cfg(feature = "postgres")]
pub mod postgres;
mod process_state;
mod sql;
pub mod sqlite;

pub use counters::LogCounters;
pub use outage::Outage;
pub use process_state::{ProcessState, StoredEffect};
