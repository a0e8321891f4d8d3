//! A view made anew beside the live one, compared with it row by row, and put in its place.
//!
//! - **live**: the rows that are served, and that engines keep at the log's head.
//! - **green**: those that are made anew, by this process alone, in all partitions.
//! - **blue**: those that were live before the last switch; kept, so that there is a way back.
//! - **switch**: rows, checkpoints and parked keys of a view change places in one transaction, which raises the live
//!   generation: whoever folds is refused, and takes up what is live then.
//!
//! Invariant: what becomes live is in every partition at or ahead of what was, so that nobody who waited for a position
//! is answered from rows before it.

mod compare;
#[cfg(any(test, feature = "testing"))]
pub mod contract;
mod fault;
mod renewal;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;

use crate::row::{Table, Value};
use crate::store::{Checkpoint, Parked, RowStore, Select, StoreError};

pub use compare::{Comparison, Difference, Kind, compare};
pub use fault::RenewalError;
pub use renewal::Renewal;

/// Which rows beside the live ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beside {
    Green,
    Blue,
}

/// What a store has of a view beside the live rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    Nothing,
    Rows,
    /// Of another definition, or of another number of partitions, than this program's.
    OtherForm,
}

/// What came of a switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switched {
    Done,
    /// In some partition what was to become live is behind what is.
    Behind,
    /// In some partition the live rows are of another generation, log or epoch than was expected.
    Changed,
    /// Others read or write the live rows just now.
    Busy,
}

/// The stores of live, green and blue rows.
#[async_trait]
pub trait BlueGreen: Send + Sync + 'static {
    fn live(&self) -> Arc<dyn RowStore>;

    /// An ordinary store, with nothing in it where there was none.
    async fn open(&self, which: Beside) -> Result<Arc<dyn RowStore>, StoreError>;

    async fn holds(&self, which: Beside, table: &'static Table) -> Result<Holds, StoreError>;

    /// The live rows of a view as of one moment, however they move on.
    async fn snapshot(&self, table: &'static Table) -> Result<Box<dyn Snapshot>, StoreError>;

    /// Makes the green rows live, and the live ones blue; or lets live and blue ones change places. All or nothing.
    async fn switch(
        &self,
        table: &'static Table,
        with: Beside,
        expected: &Generations,
    ) -> Result<Switched, StoreError>;

    /// Takes the green rows away.
    async fn forget_green(&self, table: &'static Table) -> Result<(), StoreError>;
}

/// The rows of one view as of one moment.
#[async_trait]
pub trait Snapshot: Send {
    fn checkpoints(&self) -> &[Checkpoint];
    fn parked(&self) -> &[Parked];
    /// In key order, those after a key; none are left where none come.
    async fn rows(&mut self, after: Option<Vec<Value>>, limit: usize) -> Result<Vec<Vec<Value>>, StoreError>;
}

/// Of a store that nobody writes meanwhile.
pub struct StillSnapshot {
    store: Arc<dyn RowStore>,
    table: &'static Table,
    checkpoints: Vec<Checkpoint>,
    parked: Vec<Parked>,
}

impl StillSnapshot {
    pub async fn of(store: Arc<dyn RowStore>, table: &'static Table) -> Result<Self, StoreError> {
        let checkpoints = of_view(&*store, table).await?;
        let parked = store.parked(&[table.name]).await?;
        Ok(Self { store, table, checkpoints, parked })
    }
}

#[async_trait]
impl Snapshot for StillSnapshot {
    fn checkpoints(&self) -> &[Checkpoint] {
        &self.checkpoints
    }
    fn parked(&self) -> &[Parked] {
        &self.parked
    }
    async fn rows(&mut self, after: Option<Vec<Value>>, limit: usize) -> Result<Vec<Vec<Value>>, StoreError> {
        Ok(self.store.select(Select { after, limit, ..Select::new(self.table) }).await?.rows)
    }
}

/// A view's checkpoints.
async fn of_view(store: &dyn RowStore, table: &'static Table) -> Result<Vec<Checkpoint>, StoreError> {
    let known = store.checkpoints().await?;
    Ok(known.into_iter().filter(|known| known.view == table.name).collect())
}

/// Whether rows at these checkpoints may take the place of the live ones.
pub fn may_switch(live: &[Checkpoint], next: &[Checkpoint], expected: &Generations) -> Switched {
    if generations(live) != *expected {
        return Switched::Changed;
    }
    for live in live.iter().filter(|live| live.position.0 > 0) {
        match next.iter().find(|next| next.partition == live.partition) {
            Some(next) if (next.log, next.epoch) != (live.log, live.epoch) => return Switched::Changed,
            Some(next) if next.position >= live.position => {}
            _ => return Switched::Behind,
        }
    }
    Switched::Done
}

/// Of a view's partitions. Without those of the first generation, which a partition also is in before anything of it is
/// folded.
pub type Generations = BTreeMap<i32, u32>;

pub fn generations(checkpoints: &[Checkpoint]) -> Generations {
    let raised = checkpoints.iter().filter(|known| known.generation > 0);
    raised.map(|known| (known.partition, known.generation)).collect()
}

/// Above those of all partitions.
pub fn next_generation(checkpoints: &[Checkpoint]) -> u32 {
    generations(checkpoints).into_values().max().unwrap_or_default() + 1
}

#[cfg(test)]
mod tests {
    use octocity_log::{LogId, Position};
    use uuid::Uuid;

    use super::*;

    /// Of the same generation, in as many partitions.
    fn at(epoch: u32, positions: &[u64]) -> Vec<Checkpoint> {
        let checkpoint = |(partition, position): (usize, &u64)| Checkpoint {
            view: "visits".to_owned(),
            partition: partition as i32,
            log: LogId(Uuid::from_u128(7)),
            epoch,
            position: Position(*position),
            generation: 3,
        };
        positions.iter().enumerate().map(checkpoint).collect()
    }

    #[test]
    fn what_becomes_live_is_nowhere_behind_what_was() {
        let live = at(1, &[5, 9, 0]);
        for (next, wanted) in [
            (at(1, &[5, 9, 0]), Switched::Done),
            (at(1, &[8, 9]), Switched::Done),
            (at(1, &[8, 8, 8]), Switched::Behind),
            (at(1, &[8]), Switched::Behind),
            (at(2, &[9, 9, 9]), Switched::Changed),
        ] {
            assert_eq!(may_switch(&live, &next, &generations(&live)), wanted, "{next:?}");
        }
        assert_eq!(may_switch(&[], &at(1, &[9]), &Generations::new()), Switched::Done);
    }
    #[test]
    fn a_mend_in_any_partition_is_not_switched_away() {
        let mut live = at(1, &[5, 9]);
        live[0].generation = 0;
        let (expected, next) = (generations(&live), at(1, &[9, 9]));
        assert_eq!(may_switch(&live, &next, &expected), Switched::Done);
        live[0].generation = 1;
        assert_eq!(may_switch(&live, &next, &expected), Switched::Changed, "below that of the other one");
        assert_eq!(next_generation(&live), 4);
    }
}
