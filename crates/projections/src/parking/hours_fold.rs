//! How movements become occupancy hours. Not a [`View`](crate::view::View): late news of one hour moves the
//! start of every later one, so the rows of a pool are folded together, newest first in memory.

use std::collections::{BTreeMap, HashMap, HashSet};

use async_trait::async_trait;
use octocity_domain::{Category, Event, FacilityId, PoolId};

use super::movements::{Movement, Passing, movements};
use super::occupancy_hours::OccupancyHourRow;
use super::queries::hour_and_second;
use crate::projector::{Decoded, Folded, Projector, StandingStill};
use crate::query::Query;
use crate::row::{Key, Row, Table, Value};
use crate::skips::Skipped;
use crate::store::{RowStore, StoreError, TableWrites};
use crate::view::{EventRecord, key_text};

/// How many of a pool's newest hours stay in memory: news is rarely later than that (10.7 hours in a real garage).
const HOURS_KEPT: usize = 26;
const POOLS_KEPT_AT_MOST: usize = 4_096;
const CATEGORIES: &[Category] = &[Category::Parking];

type PoolKey = (FacilityId, PoolId);

/// The newest hours of one pool: every row from `complete_from` on.
struct Tail {
    complete_from: i64,
    /// Inside when `complete_from` began.
    before: i64,
    hours: BTreeMap<i64, OccupancyHourRow>,
    dirty_from: Option<i64>,
    dirty: HashSet<i64>,
    used_in: u64,
}

impl Tail {
    fn apply(&mut self, key: &PoolKey, movement: Movement) {
        let (hour, second) = hour_and_second(movement.at);
        if !self.hours.contains_key(&hour) {
            let earlier = self.hours.range(..hour).next_back().map(|(_, row)| row.start_count + row.net);
            self.hours.insert(hour, OccupancyHourRow::quiet(*key, hour, earlier.unwrap_or(self.before)));
        }
        if let Some(row) = self.hours.get_mut(&hour) {
            row.apply(second, movement);
            self.dirty.insert(hour);
        }
        if movement.change != 0 {
            let mut later = self.hours.range_mut(hour + 1..).peekable();
            if later.peek().is_some() {
                self.dirty_from = Some(self.dirty_from.map_or(hour + 1, |from| from.min(hour + 1)));
            }
            later.for_each(|(_, row)| row.start_count += i64::from(movement.change));
        }
    }

    fn take_rows(&mut self, upserts: &mut Vec<Vec<Value>>) {
        let from = self.dirty_from.take().unwrap_or(i64::MAX);
        let mut first_written = i64::MAX;
        for (hour, row) in &mut self.hours {
            if *hour >= from || self.dirty.contains(hour) {
                row.peak = row.highest();
                upserts.push(row.to_values());
                first_written = first_written.min(*hour);
            }
        }
        self.dirty.clear();
        // What is being written now is not loaded again before it is written.
        while self.hours.len() > HOURS_KEPT
            && self.hours.first_key_value().is_some_and(|(hour, _)| *hour < first_written)
        {
            self.hours.pop_first();
            if let Some((hour, row)) = self.hours.first_key_value() {
                self.complete_from = *hour;
                self.before = row.start_count;
            }
        }
    }
}

impl OccupancyHourRow {
    fn apply(&mut self, second: u16, movement: Movement) {
        match movement.passing {
            Passing::Entry => self.entries += 1,
            Passing::Exit => self.exits += 1,
            Passing::Refusal => self.refused += 1,
            Passing::Other => {}
        }
        if movement.change == 0 {
            return;
        }
        self.net += i64::from(movement.change);
        // Nearly always the last one, or after it.
        let index = self.changes.partition_point(|(at, _)| *at < second);
        match self.changes.get_mut(index) {
            Some((at, change)) if *at == second => *change = change.saturating_add(movement.change),
            _ => self.changes.insert(index, (second, movement.change)),
        }
        if self.changes[index].1 == 0 {
            self.changes.remove(index);
        }
    }

    pub(super) fn highest(&self) -> i64 {
        let mut inside = self.start_count;
        let after = self.changes.iter().map(|(_, change)| {
            inside += i64::from(*change);
            inside
        });
        after.max().map_or(self.start_count, |highest| highest.max(self.start_count))
    }
}

/// Drives the occupancy hours.
pub(crate) struct OccupancyHours {
    tails: HashMap<PoolKey, Tail>,
    standing: StandingStill,
    batch: u64,
}

impl OccupancyHours {
    pub fn new() -> Self {
        let standing = StandingStill::new(OccupancyHourRow::TABLE.name);
        Self { tails: HashMap::new(), standing, batch: 0 }
    }

    /// Loads the rows of a pool from `from` on, as far as they are not in memory.
    async fn extend(&mut self, store: &dyn RowStore, key: PoolKey, from: i64) -> Result<(), StoreError> {
        if let Some(tail) = self.tails.get_mut(&key) {
            tail.used_in = self.batch;
            if tail.complete_from <= from {
                return Ok(());
            }
        }
        let of_pool = || Query::<OccupancyHourRow>::new().eq("facility", &key.0).eq("pool", &key.1);
        let before = of_pool().below("hour", &from).descending("hour").first(1).run(store).await?;
        let before = before.rows.first().map_or(0, |row| row.start_count + row.net);
        let mut missing = of_pool().from("hour", &from);
        if let Some(tail) = self.tails.get(&key) {
            missing = missing.below("hour", &tail.complete_from);
        }
        let missing = missing.run(store).await?.rows;
        let tail = self.tails.entry(key).or_insert_with(|| Tail {
            complete_from: from,
            before,
            hours: BTreeMap::new(),
            dirty_from: None,
            dirty: HashSet::new(),
            used_in: 0,
        });
        tail.complete_from = from;
        tail.before = before;
        tail.used_in = self.batch;
        tail.hours.extend(missing.into_iter().map(|row| (row.hour, row)));
        Ok(())
    }

    fn apply(&mut self, record: &EventRecord, decoded: &Decoded) {
        let Event::Parking(event) = record.event else { return };
        let Some((pool, moved)) = movements(event, record.happened_at()) else { return };
        let key = (record.facility(), pool);
        if self.standing.has(&key) {
            return;
        }
        // Where nothing moved, no hour is loaded.
        let mut moved = moved.into_iter().flatten().peekable();
        match self.tails.get_mut(&key) {
            Some(tail) => moved.for_each(|movement| tail.apply(&key, movement)),
            None if moved.peek().is_none() => {}
            None => {
                self.standing.park(key_text(&key), &decoded.recorded, "its hours were not loaded".to_owned())
            }
        }
    }
}

#[async_trait]
impl Projector for OccupancyHours {
    fn table(&self) -> &'static Table {
        OccupancyHourRow::TABLE
    }

    fn categories(&self) -> &'static [Category] {
        CATEGORIES
    }

    /// Late news also moves the hours after these; nobody follows a single hour.
    fn keys(&mut self, decoded: &Decoded, keys: &mut Vec<Vec<Value>>) {
        let Some(record) = decoded.record(CATEGORIES) else { return };
        let Event::Parking(event) = record.event else { return };
        let Some((pool, moved)) = movements(event, record.happened_at()) else { return };
        let hour = |movement: Movement| hour_and_second(movement.at).0;
        keys.extend(
            moved.into_iter().flatten().map(|moved| (record.facility(), pool, hour(moved)).to_values()),
        );
    }

    fn restart(&mut self, parked: HashSet<String>, skipped: Skipped) {
        self.tails.clear();
        self.standing.restart(parked, skipped);
    }

    async fn prepare(&mut self, store: &dyn RowStore, events: &[&Decoded]) -> Result<(), StoreError> {
        self.batch += 1;
        let mut earliest = HashMap::<PoolKey, i64>::new();
        for decoded in events {
            let Ok(Event::Parking(event)) = &decoded.event else { continue };
            let meta = &decoded.recorded.meta;
            let Some((pool, moved)) = movements(event, meta.happened_at) else { continue };
            for movement in moved.into_iter().flatten() {
                let (hour, _) = hour_and_second(movement.at);
                let known = earliest.entry((meta.key, pool)).or_insert(hour);
                *known = hour.min(*known);
            }
        }
        for (key, hour) in earliest {
            self.extend(store, key, hour).await?;
        }
        Ok(())
    }

    fn fold(&mut self, events: &[&Decoded]) -> Folded {
        for decoded in events {
            if let Some(record) = self.standing.admit(decoded, CATEGORIES) {
                self.apply(&record, decoded);
            }
        }
        let mut upserts = Vec::new();
        self.tails.values_mut().for_each(|tail| tail.take_rows(&mut upserts));
        if self.tails.len() > POOLS_KEPT_AT_MOST {
            let batch = self.batch;
            self.tails.retain(|_, tail| tail.used_in == batch);
        }
        let writes = TableWrites { table: OccupancyHourRow::TABLE, upserts, deletes: Vec::new() };
        Folded { writes, parked: self.standing.take_new() }
    }
}
