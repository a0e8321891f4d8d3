//! The row store in memory: the oracle of the contract, and a store for tests.

use std::cmp::Ordering;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use octocity_log::Position;

use crate::row::{Table, Value};
use crate::store::{Batch, Checkpoint, Direction, Filter, Parked, RowStore, Select, Selected, StoreError};

type Rows = BTreeMap<Vec<Value>, Vec<Value>>;

#[derive(Default)]
struct Inner {
    tables: BTreeMap<&'static str, (&'static Table, Rows)>,
    checkpoints: BTreeMap<(String, i32), Checkpoint>,
    parked: BTreeMap<(String, String), Parked>,
    faults: VecDeque<Option<CommitFault>>,
}

/// What befalls one commit, on demand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitFault {
    NotWritten,
    /// All is written, but the caller hears that it failed.
    ReplyLost,
}

pub struct MemoryRows {
    inner: Mutex<Inner>,
    partitions: i32,
}

impl Default for MemoryRows {
    fn default() -> Self {
        Self::of_partitions(1)
    }
}

impl MemoryRows {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn of_partitions(partitions: i32) -> Self {
        Self { inner: Mutex::default(), partitions }
    }

    /// The next commits meet these in turn; None lets one pass.
    pub fn inject(&self, faults: impl IntoIterator<Item = Option<CommitFault>>) {
        self.lock().faults.extend(faults);
    }

    /// Ends all faults that are still to come.
    pub fn heal(&self) {
        self.lock().faults.clear();
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn rows(&mut self, table: &'static Table) -> Result<&mut Rows, StoreError> {
        let missing = || StoreError::Query(format!("there is no table {}", table.name));
        self.tables.get_mut(table.name).map(|(_, rows)| rows).ok_or_else(missing)
    }

    fn forget(&mut self, view: &str) {
        for known in self.checkpoints.values_mut().filter(|known| known.view == view) {
            known.position = Position::default();
            known.generation += 1;
        }
        self.parked.retain(|(parked_view, _), _| parked_view != view);
    }
}

#[async_trait]
impl RowStore for MemoryRows {
    fn partitions(&self) -> i32 {
        self.partitions
    }

    async fn ensure(&self, tables: &[&'static Table]) -> Result<(), StoreError> {
        let mut inner = self.lock();
        for table in tables {
            match inner.tables.get(table.name) {
                Some((known, _)) if known == table => {}
                Some(_) => return Err(StoreError::OtherForm(table.name.to_owned())),
                None => _ = inner.tables.insert(table.name, (table, Rows::new())),
            }
        }
        Ok(())
    }

    async fn reform(&self, tables: &[&'static Table]) -> Result<(), StoreError> {
        let mut inner = self.lock();
        for table in tables {
            if inner.tables.get(table.name).is_some_and(|(known, _)| known == table) {
                continue;
            }
            inner.tables.insert(table.name, (table, Rows::new()));
            inner.forget(table.name);
        }
        Ok(())
    }

    async fn load(
        &self,
        table: &'static Table,
        keys: Vec<Vec<Value>>,
    ) -> Result<Vec<Vec<Value>>, StoreError> {
        let mut inner = self.lock();
        let rows = inner.rows(table)?;
        Ok(keys.iter().filter_map(|key| rows.get(key).cloned()).collect())
    }

    async fn commit(&self, batch: Arc<Batch>) -> Result<(), StoreError> {
        let mut inner = self.lock();
        let fault = inner.faults.pop_front().flatten();
        let failed = || Err(StoreError::Unavailable("a commit failed on demand".to_owned()));
        if fault == Some(CommitFault::NotWritten) {
            return failed();
        }
        let place = |to: &Checkpoint| (to.view.clone(), to.partition);
        for one in &batch.moves {
            if !one.begins_at(inner.checkpoints.get(&place(&one.to))) {
                return Err(StoreError::Overtaken(one.to.view.clone()));
            }
        }
        for writes in &batch.writes {
            inner.rows(writes.table)?;
        }
        for writes in &batch.writes {
            let rows = inner.rows(writes.table)?;
            for row in &writes.upserts {
                rows.insert(row[..writes.table.key_columns].to_vec(), row.clone());
            }
            for key in &writes.deletes {
                rows.remove(key);
            }
        }
        for one in &batch.moves {
            inner.checkpoints.insert(place(&one.to), one.to.clone());
        }
        for key in &batch.mended {
            inner.parked.remove(key);
        }
        for parked in &batch.parked {
            let key = (parked.view.clone(), parked.key.clone());
            inner.parked.entry(key).or_insert_with(|| parked.clone());
        }
        if fault.is_some() { failed() } else { Ok(()) }
    }

    async fn select(&self, select: Select) -> Result<Selected, StoreError> {
        let order = select.order_columns()?;
        let filters = select.filters.iter().map(|filter| Ok((select.index(filter.column())?, filter)));
        let filters = filters.collect::<Result<Vec<_>, StoreError>>()?;
        let mut inner = self.lock();
        let of = |partition| inner.checkpoints.get(&(select.table.name.to_owned(), partition));
        let position = (0..self.partitions).map(|at| of(at).map(|known| known.position)).min().flatten();
        let rows = inner.rows(select.table)?;
        let holds = |row: &&Vec<Value>| filters.iter().all(|(index, filter)| filter.holds(&row[*index]));
        let mut found = rows.values().filter(holds).collect::<Vec<_>>();
        let total = select.count.then_some(found.len() as u64);
        found.sort_by(|one, other| in_order(&order, one, |index| &other[index]));
        let relation = |row: &[Value], cursor: &[Value]| {
            let place = |index| order.iter().position(|(known, _)| *known == index).unwrap_or(0);
            in_order(&order, row, |index| &cursor[place(index)])
        };
        if let Some(after) = select.cursor_values(select.after.as_deref())? {
            found.retain(|row| relation(row, after) == Ordering::Greater);
        }
        if let Some(before) = select.cursor_values(select.before.as_deref())? {
            found.retain(|row| relation(row, before) == Ordering::Less);
        }
        let has_more = found.len() > select.limit;
        let rows = match (has_more, select.from_end) {
            (true, true) => found.split_off(found.len() - select.limit),
            (true, false) => {
                found.truncate(select.limit);
                found
            }
            (false, _) => found,
        };
        let rows = rows.into_iter().cloned().collect();
        Ok(Selected { rows, position: position.unwrap_or_default(), has_more, total })
    }

    async fn checkpoints(&self) -> Result<Vec<Checkpoint>, StoreError> {
        Ok(self.lock().checkpoints.values().cloned().collect())
    }

    async fn parked(&self, views: &[&str]) -> Result<Vec<Parked>, StoreError> {
        let inner = self.lock();
        let asked = |parked: &&Parked| views.is_empty() || views.contains(&parked.view.as_str());
        Ok(inner.parked.values().filter(asked).cloned().collect())
    }

    async fn reset(&self, table: &'static Table) -> Result<(), StoreError> {
        let mut inner = self.lock();
        inner.rows(table)?.clear();
        inner.forget(table.name);
        Ok(())
    }
}

fn in_order<'a>(order: &[(usize, Direction)], row: &[Value], other: impl Fn(usize) -> &'a Value) -> Ordering {
    for (index, direction) in order {
        let compared = row[*index].cmp(other(*index));
        let compared = if *direction == Direction::Descending { compared.reverse() } else { compared };
        if compared != Ordering::Equal {
            return compared;
        }
    }
    Ordering::Equal
}

impl Filter {
    /// Whether a value holds it, as every store must see it: nothing but `IsNull` holds for a null.
    fn holds(&self, value: &Value) -> bool {
        let known = *value != Value::Null;
        match self {
            Self::Eq(_, wanted) => known && value == wanted,
            Self::In(_, wanted) => known && wanted.contains(value),
            Self::From(_, least) => known && value >= least,
            Self::Below(_, limit) => known && value < limit,
            Self::IsNull(_) => !known,
            Self::NotNull(_) => known,
            Self::StartsWith(_, start) => matches!(value, Value::Text(text) if text.starts_with(start)),
        }
    }
}
