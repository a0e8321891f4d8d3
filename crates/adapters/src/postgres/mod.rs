//! PostgreSQL: read models, what processes remember, and snapshots, for nodes that are several.
//!
//! - **database**: a pool of connections to the schema that is ours alone.
//! - **form**: the version of the schema's tables, and the log they belong to; kept in a table of its own.
//! - **lease**: what one process at a time may hold; it ends with the connection that holds it.
//! - **green**, **blue**: schemas beside the one that is configured, for rows that are made anew, or kept.
//! - **transient**: a fault that passes by itself (a server that restarts or fails over). Reads are tried again, for
//!   a bounded time; a write is not, as nobody knows whether it was done: its caller looks.
//!
//! No text that is stored here holds a NUL, which PostgreSQL knows no place for: the domain takes no control
//! characters.

mod blue_green;
mod bulk;
mod connection;
mod database;
mod fault;
mod form;
mod lease;
mod process_state;
mod processes;
mod rows;
mod scratch;
mod snapshots;
mod tables;
mod together;

pub use blue_green::PostgresBlueGreen;
pub use connection::{PostgresOptions, Tls};
pub use database::Database;
pub use fault::OpenError;
pub use lease::Lease;
pub use processes::PostgresProcessStore;
pub use rows::PostgresRows;
pub use scratch::Scratch;
pub use snapshots::PostgresSnapshots;
