//! Analysts' figures by ClickHouse, where the configuration has a table `[clickhouse]`: who tells it the facts of the log,
//! and who asks it. Without the table the rows of the read models answer.

#[cfg(feature = "distributed")]
mod clickhouse;
#[cfg(not(feature = "distributed"))]
#[path = "absent.rs"]
mod clickhouse;

#[cfg(feature = "distributed")]
mod retelling;

pub use clickhouse::{Telling, TellingVitals, check_log, figures, look, rows_per_second};
#[cfg(not(feature = "distributed"))]
pub use clickhouse::{go_back, tell_anew};

#[cfg(feature = "distributed")]
pub use retelling::{go_back, tell_anew};

/// What was live and what is new: of each table its name, and how many rows.
pub struct Retold {
    pub tables: Vec<(&'static str, u64, u64)>,
}

/// What to do about a server that is away at the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerAway {
    /// Nothing that is to run can do without it: say so, and who starts waits for it.
    Refuse,
    /// Gates do not wait for figures.
    TryAgain,
}
