//! The read models as their readers see them: rows, how far they are, and who is told of changes.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use octocity_log::Position;
use tokio::sync::watch;

use crate::live::Live;
use crate::row::Table;
use crate::store::{Parked, RowStore, StoreError};

/// Up to where each view's rows are, by the name of its table.
pub type Progress = HashMap<&'static str, Position>;

/// What the engine writes and everybody else reads.
#[derive(Clone)]
pub struct ReadModels {
    pub store: Arc<dyn RowStore>,
    pub live: Arc<Live>,
    pub(crate) progress: watch::Receiver<Progress>,
}

impl ReadModels {
    /// Waits, at most so long, until the rows of all these tables are at `position` or further. False: they did
    /// not get there in time.
    pub async fn wait_for(&self, tables: &[&'static Table], position: Position, at_most: Duration) -> bool {
        let mut progress = self.progress.clone();
        let there = progress.wait_for(|progress| {
            tables.iter().all(|table| progress.get(table.name).is_some_and(|known| *known >= position))
        });
        matches!(tokio::time::timeout(at_most, there).await, Ok(Ok(_)))
    }

    /// Up to where all views are.
    pub fn position(&self) -> Position {
        self.progress.borrow().values().min().copied().unwrap_or_default()
    }

    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.clone()
    }

    /// The keys of a table that stand still; see [`Parked::key`].
    pub async fn parked(&self, table: &'static Table) -> Result<Vec<Parked>, StoreError> {
        self.store.parked(&[table.name]).await
    }
}
