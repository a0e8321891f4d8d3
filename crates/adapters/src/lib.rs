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
#[cfg(feature = "postgres")]
pub mod postgres;
mod sql;
pub mod sqlite;

pub use counters::LogCounters;
