//! Analysts' figures by ClickHouse, where the configuration has a table `[clickhouse]`: who tells it the facts of the log,
//! and who asks it. Without the table the rows of the read models answer.

#[cfg(feature = "distributed")]
mod clickhouse;
#[cfg(not(feature = "distributed"))]
#[path = "absent.rs"]
mod clickhouse;

pub use clickhouse::{Telling, TellingVitals, figures, look, rows_per_second};

/// What to do about a server that is away at the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerAway {
    /// Nothing that is to run can do without it: say so.
    #[allow(dead_code, reason = "the role that does nothing else is started elsewhere")]
    Refuse,
    /// Gates do not wait for figures.
    TryAgain,
}
