//! The read models as their readers see them: rows, how far they are, and who is told of changes.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use octocity_domain::{FacilityId, Timestamp};
use octocity_log::{EventLog, LogError, Position, StreamId};
use tokio::sync::watch;

use crate::analytics::Figures;
use crate::fresh::Fresh;
use crate::live::Live;
use crate::mending::{self, MendError, Mended};
use crate::query::{Query, Rows};
use crate::row::{Row, Table};
use crate::store::{Parked, RowStore, StoreError};
use crate::view::key_text;

/// Up to where each view's rows are, by the name of its table.
pub type Progress = HashMap<&'static str, Position>;

/// How far one view is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ViewStanding {
    /// The name of its table.
    pub view: &'static str,
    pub position: Position,
    /// When the first event was decided that it has not folded. None: it is at the log's head.
    pub oldest_unprocessed: Option<Timestamp>,
}

/// Counters since the start.
#[derive(Debug, Default)]
pub struct Stats {
    pub events: AtomicU64,
    pub rows: AtomicU64,
    pub commits: AtomicU64,
    /// Keys that stand still now.
    pub parked: AtomicU64,
    /// The engine met a fault that is not over; until then no row changes.
    pub faulty: AtomicBool,
}

/// What the engine writes and everybody else reads.
#[derive(Clone)]
pub struct ReadModels {
    pub store: Arc<dyn RowStore>,
    /// What analysts ask: from the rows, unless an engine of its own answers.
    pub figures: Arc<dyn Figures>,
    pub live: Arc<Live>,
    pub(crate) progress: watch::Receiver<Progress>,
    /// What is told before it is stored, where another process writes the rows.
    pub(crate) fresh: Option<Arc<Fresh>>,
    pub stats: Arc<Stats>,
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

    /// The rows of these facilities as whoever follows them is told of them: ahead of those that are stored, or the same.
    pub async fn followed<R: Row>(&self, facilities: &[FacilityId]) -> Result<Rows<R>, StoreError> {
        let stored = self.progress.borrow().get(R::TABLE.name).copied();
        match self.fresh.as_ref().and_then(|fresh| fresh.rows(facilities)) {
            Some((rows, position)) if Some(position) >= stored => {
                Ok(Rows { rows, position, has_more: false, total: None })
            }
            _ => self.of_facilities(facilities).await,
        }
    }

    /// The rows of these facilities as they are stored.
    pub async fn of_facilities<R: Row>(&self, facilities: &[FacilityId]) -> Result<Rows<R>, StoreError> {
        Query::<R>::new().is_in("facility", facilities).run(&*self.store).await
    }

    /// Up to where all views are.
    pub fn position(&self) -> Position {
        self.progress.borrow().values().min().copied().unwrap_or_default()
    }

    /// Whether the engine is gone, and no row will change any more.
    pub fn ended(&self) -> bool {
        self.progress.has_changed().is_err()
    }

    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.clone()
    }

    /// How far each view is, by name.
    pub async fn standings(&self, log: &dyn EventLog) -> Result<Vec<ViewStanding>, LogError> {
        let mut progress: Vec<_> = self.progress.borrow().iter().map(|(view, at)| (*view, *at)).collect();
        progress.sort_unstable();
        // Most views are at one position.
        let mut known = HashMap::new();
        let mut standings = Vec::new();
        for (view, position) in progress {
            let oldest_unprocessed = match known.get(&position) {
                Some(oldest) => *oldest,
                None => log.decided_after(position).await?,
            };
            known.insert(position, oldest_unprocessed);
            standings.push(ViewStanding { view, position, oldest_unprocessed });
        }
        Ok(standings)
    }

    /// Why this row stands still, if it does: what a query says instead of passing old news off as new. A stream
    /// that cannot be read stands still with all its rows: `streams` are those that this row is folded from.
    pub async fn standing_still<R: Row>(
        &self,
        key: &R::Key,
        streams: &[StreamId],
    ) -> Result<Option<Parked>, StoreError> {
        if self.stats.parked.load(Ordering::Relaxed) == 0 {
            return Ok(None);
        }
        let keys: Vec<String> = streams.iter().map(StreamId::to_string).chain([key_text(key)]).collect();
        Ok(self.parked(R::TABLE).await?.into_iter().find(|parked| keys.contains(&parked.key)))
    }

    /// Mends the keys of a table that `asked` is true of ([`mending::retry`]), and tells who follows them.
    pub async fn mend(
        &self,
        log: &dyn EventLog,
        table: &'static Table,
        asked: impl Fn(&Parked) -> bool,
    ) -> Result<Mended, MendError> {
        let mended = mending::retry(log, &*self.store, table, asked).await?;
        let parked = self.store.parked(&[]).await?;
        self.stats.parked.store(parked.len() as u64, Ordering::Relaxed);
        self.fresh.as_ref().inspect(|fresh| fresh.forget(table));
        self.live.publish_all(table, self.position());
        Ok(mended)
    }

    /// The keys of a table that stand still; see [`Parked::key`].
    pub async fn parked(&self, table: &'static Table) -> Result<Vec<Parked>, StoreError> {
        self.store.parked(&[table.name]).await
    }
}
