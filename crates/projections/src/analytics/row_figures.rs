//! Figures from the rows of any store.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use octocity_domain::{Interval, Timestamp};
use octocity_log::Position;

use super::figures::{Figures, Scope};
use super::hours::{Hours, of_pool};
use super::revenue::{RevenueDay, RevenueDays};
use super::stays::{StayDay, StayDays};
use crate::parking::{OccupancyHourRow, VisitRow};
use crate::query::Query;
use crate::row::Row;
use crate::sessions::SessionRow;
use crate::store::{RowStore, StoreError};

/// Rows that are read at a time.
const PAGE: usize = 5_000;

pub struct RowFigures {
    store: Arc<dyn RowStore>,
}

impl RowFigures {
    pub const fn new(store: Arc<dyn RowStore>) -> Self {
        Self { store }
    }

    /// Each row of a facility whose `ended_at` lies within the interval.
    async fn each_ended<R: Row>(
        &self,
        scope: &Scope,
        interval: Interval,
        mut each: impl FnMut(&R) + Send,
    ) -> Result<(), StoreError> {
        let ended = Query::<R>::new()
            .eq("facility", &scope.facility)
            .from("ended_at", &interval.start)
            .below("ended_at", &interval.end)
            .ascending("ended_at")
            .first(PAGE);
        let mut after = None;
        loop {
            let page = ended.clone().after(after).run(&*self.store).await?;
            page.rows.iter().for_each(&mut each);
            after = page.rows.last().map(|row| ended.cursor(row));
            if !page.has_more {
                return Ok(());
            }
        }
    }
}

#[async_trait]
impl Figures for RowFigures {
    /// The rows are those of the read models, whose position the asker waits for anyhow.
    async fn reached(&self, _: Position, _: Duration) -> Result<bool, StoreError> {
        Ok(true)
    }

    async fn pool_hours(&self, scopes: &[Scope], hours: Hours) -> Result<Vec<OccupancyHourRow>, StoreError> {
        let mut all = Vec::new();
        for scope in scopes {
            for pool in &scope.pools {
                let rows = Query::<OccupancyHourRow>::new().eq("facility", &scope.facility).eq("pool", pool);
                let before =
                    rows.clone().below("hour", &hours.first).descending("hour").first(1).run(&*self.store);
                let inside = before.await?.rows.first().map_or(0, |row| row.start_count + row.net);
                let rows = rows.from("hour", &hours.first).below("hour", &hours.end).run(&*self.store);
                of_pool((scope.facility, *pool), hours, inside, rows.await?.rows, &mut all);
            }
        }
        Ok(all)
    }

    async fn stay_days(&self, scopes: &[Scope], interval: Interval) -> Result<Vec<StayDay>, StoreError> {
        let mut all = Vec::new();
        for scope in scopes {
            let mut days = StayDays::new(scope);
            self.each_ended(scope, interval, |visit: &VisitRow| {
                if let Some((entered_at, ended_at)) = visit.seen_whole() {
                    days.add(visit.pool, entered_at, ended_at);
                }
            })
            .await?;
            all.extend(days.done());
        }
        Ok(all)
    }

    async fn revenue_days(
        &self,
        scopes: &[Scope],
        interval: Interval,
    ) -> Result<Vec<RevenueDay>, StoreError> {
        let mut all = Vec::new();
        for scope in scopes {
            let mut days = RevenueDays::new(scope);
            self.each_ended(scope, interval, |session: &SessionRow| days.add(session)).await?;
            all.extend(days.done());
        }
        Ok(all)
    }
}

impl VisitRow {
    /// When it entered and ended, if both were seen.
    fn seen_whole(&self) -> Option<(Timestamp, Timestamp)> {
        use crate::parking::{EndKind, EntryKind};
        let seen = self.entry_kind == Some(EntryKind::Seen) && self.end_kind == Some(EndKind::Seen);
        self.entered_at.zip(self.ended_at).filter(|_| seen)
    }
}
