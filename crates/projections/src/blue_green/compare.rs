//! Two sets of rows of one view, merged in key order.

use std::cmp::Ordering;
use std::collections::{BTreeMap, VecDeque};

use crate::row::{Table, Value};
use crate::store::{Parked, StoreError};
use crate::view::values_text;

use super::Snapshot;

const ROWS_PER_READ: usize = 1_000;

/// A row that is not the same in both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// As a parked key is written.
    pub key: String,
    pub kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    OnlyLive,
    OnlyNew,
    /// In these columns.
    Differs(Vec<&'static str>),
}

/// What a comparison came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// The live rows are of the form of another version: none were compared.
    pub form_changed: bool,
    pub live_rows: u64,
    pub new_rows: u64,
    pub only_live: u64,
    pub only_new: u64,
    pub differing: u64,
    /// Of the differing rows, how many differ in which column.
    pub columns: BTreeMap<&'static str, u64>,
    pub live_parked: Vec<Parked>,
    pub new_parked: Vec<Parked>,
}

impl Comparison {
    pub const fn differences(&self) -> u64 {
        self.only_live + self.only_new + self.differing
    }

    /// Keys that stand still in the new rows alone.
    pub fn newly_parked(&self) -> impl Iterator<Item = &Parked> {
        let is_known = |new: &&Parked| self.live_parked.iter().any(|live| live.key == new.key);
        self.new_parked.iter().filter(move |new| !is_known(new))
    }

    fn count(&mut self, kind: &Kind) {
        match kind {
            Kind::OnlyLive => self.only_live += 1,
            Kind::OnlyNew => self.only_new += 1,
            Kind::Differs(columns) => {
                self.differing += 1;
                columns.iter().for_each(|column| *self.columns.entry(column).or_default() += 1);
            }
        }
    }
}

/// Compares all rows, a page of each at a time. Both are as of one position. `told` hears of every difference.
pub async fn compare(
    table: &'static Table,
    live: &mut dyn Snapshot,
    new: &mut dyn Snapshot,
    told: &mut (dyn FnMut(&Difference) + Send),
) -> Result<Comparison, StoreError> {
    let (live_parked, new_parked) = (live.parked().to_vec(), new.parked().to_vec());
    let mut found = Comparison { live_parked, new_parked, ..Comparison::default() };
    let (mut live, mut new) = (Pages::of(table, live), Pages::of(table, new));
    loop {
        let key = |row: &Vec<Value>| row[..table.key_columns].to_vec();
        let order = match (live.first().await?.map(key), new.first().await?.map(key)) {
            (None, None) => break,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(live), Some(new)) => live.cmp(&new),
        };
        let live = if order == Ordering::Greater { None } else { live.take() };
        let new = if order == Ordering::Less { None } else { new.take() };
        found.live_rows += u64::from(live.is_some());
        found.new_rows += u64::from(new.is_some());
        if let Some(difference) = difference(table, live, new) {
            found.count(&difference.kind);
            told(&difference);
        }
    }
    Ok(found)
}

/// Of rows with one key.
fn difference(table: &Table, live: Option<Vec<Value>>, new: Option<Vec<Value>>) -> Option<Difference> {
    let key = |row: &[Value]| values_text(&row[..table.key_columns]);
    match (live, new) {
        (Some(live), Some(new)) if live == new => None,
        (Some(live), Some(new)) => {
            let pairs = table.columns.iter().zip(live.iter().zip(&new));
            let columns = pairs.filter(|(_, (live, new))| live != new).map(|(column, _)| column.name);
            Some(Difference { key: key(&live), kind: Kind::Differs(columns.collect()) })
        }
        (Some(live), None) => Some(Difference { key: key(&live), kind: Kind::OnlyLive }),
        (None, Some(new)) => Some(Difference { key: key(&new), kind: Kind::OnlyNew }),
        (None, None) => None,
    }
}

/// The rows of a snapshot, read on as they are taken.
struct Pages<'a> {
    table: &'static Table,
    snapshot: &'a mut dyn Snapshot,
    page: VecDeque<Vec<Value>>,
    last: Option<Vec<Value>>,
    ended: bool,
}

impl<'a> Pages<'a> {
    fn of(table: &'static Table, snapshot: &'a mut dyn Snapshot) -> Self {
        Self { table, snapshot, page: VecDeque::new(), last: None, ended: false }
    }

    async fn first(&mut self) -> Result<Option<&Vec<Value>>, StoreError> {
        if self.page.is_empty() && !self.ended {
            self.page = self.snapshot.rows(self.last.take(), ROWS_PER_READ).await?.into();
            self.last = self.page.back().map(|row| row[..self.table.key_columns].to_vec());
            self.ended = self.page.is_empty();
        }
        Ok(self.page.front())
    }

    fn take(&mut self) -> Option<Vec<Value>> {
        self.page.pop_front()
    }
}
