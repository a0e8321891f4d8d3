//! Beginning to hold what is followed: rows as they are stored, and what came since.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use octocity_domain::FacilityId;
use octocity_log::partition_of;

use super::Feed;
use crate::fresh::Stored;
use crate::row::{Field, Table, Value};
use crate::store::{Checkpoint, Filter, Select, StoreError};

/// How many facilities are read at once.
const AT_ONCE: usize = 500;

/// Whose rows of a table are followed.
type Followed = (&'static Table, Vec<FacilityId>);

impl Feed {
    /// Holds what is followed and not held yet, all tables of a facility at once: they are read beside each other.
    pub(super) async fn hold(&mut self) -> Result<(), StoreError> {
        let tables = self.fresh.tables();
        let stored = tables.iter().filter_map(|table| self.models.progress.borrow().get(table.name).copied());
        let stored = stored.min().unwrap_or_default();
        while let Some(oldest) = self.recent.pop_front_if(|oldest| oldest.reached <= stored) {
            self.recent_since = oldest.reached;
        }
        let missing = |table| (table, self.fresh.missing(table, self.models.live.facilities(table)));
        let mut missing: Vec<Followed> = tables.into_iter().map(missing).collect();
        missing.retain(|(_, facilities)| !facilities.is_empty());
        for (table, facilities) in &mut missing {
            // What stands still is read where it is stored: its key, or its stream's name, has the facility in it.
            let models = self.models.clone();
            let parked = self.reading_on(async { models.parked(table).await }).await?;
            facilities.retain(|facility| {
                let id = facility.to_string();
                !parked.iter().any(|parked| parked.key.contains(&id) || parked.stream.contains(&id))
            });
        }
        let all: BTreeSet<FacilityId> =
            missing.iter().flat_map(|(_, facilities)| facilities).copied().collect();
        for some in all.into_iter().collect::<Vec<_>>().chunks(AT_ONCE) {
            let among = |facility: &&FacilityId| some.binary_search(facility).is_ok();
            let of_some = missing.iter().map(|(table, facilities)| {
                (*table, facilities.iter().filter(among).copied().collect::<Vec<_>>())
            });
            let of_some = of_some.filter(|(_, facilities)| !facilities.is_empty()).collect();
            self.hold_of(of_some).await?;
        }
        Ok(())
    }

    /// Rows and their checkpoint are of one moment where the checkpoint is the same before and after them. Where it is not, the
    /// facility is tried again at the next look.
    async fn hold_of(&mut self, missing: Vec<Followed>) -> Result<(), StoreError> {
        let before = self.known.clone();
        let mut found = Vec::new();
        for (table, facilities) in &missing {
            let asked = Filter::In("facility", facilities.iter().map(Field::to_value).collect());
            let select = Select { filters: vec![asked], ..Select::new(table) };
            let store = Arc::clone(&self.models.store);
            found.push(self.reading_on(async { store.select(select).await }).await?.rows);
        }
        self.look().await?;
        let unmoved = |(table, facilities): &Followed| (*table, self.unmoved(table, facilities, &before));
        let mut stored: Vec<_> = missing.iter().map(unmoved).collect();
        let moved = missing.iter().zip(&stored).flat_map(|((_, facilities), (_, stored))| {
            facilities.iter().copied().filter(|facility| !stored.contains_key(facility))
        });
        let moved: HashSet<FacilityId> = moved.collect();
        for ((_, stored), rows) in stored.iter_mut().zip(found) {
            stored.retain(|facility, _| !moved.contains(facility));
            for row in rows {
                let facility = row.first().cloned().map(FacilityId::from_value).and_then(Result::ok);
                if let Some(stored) = facility.and_then(|facility| stored.get_mut(&facility)) {
                    stored.rows.push(row);
                }
            }
        }
        for (table, held) in self.fresh.hold(stored, &self.recent, self.after) {
            self.tell_held(table, held);
        }
        Ok(())
    }

    /// Of these facilities, those whose checkpoint is what it was `before`, and from which on all events are known.
    fn unmoved(
        &self,
        table: &'static Table,
        facilities: &[FacilityId],
        before: &[Checkpoint],
    ) -> HashMap<FacilityId, Stored> {
        let partitions = self.models.store.partitions();
        let checkpoint = |known: &[Checkpoint], facility| {
            let partition = partition_of(facility, partitions);
            let is_it = |known: &&Checkpoint| known.view == table.name && known.partition == partition;
            known.iter().find(is_it).cloned()
        };
        let (log, epoch) = (self.tail.id(), self.tail.epoch());
        let stored = facilities.iter().filter_map(|facility| {
            let now = checkpoint(&self.known, *facility)?;
            let is_usable = checkpoint(before, *facility).as_ref() == Some(&now)
                && (now.log, now.epoch) == (log, epoch)
                && now.position >= self.recent_since;
            is_usable.then_some((*facility, Stored { rows: Vec::new(), as_of: now.position }))
        });
        stored.collect()
    }

    /// What waited until it is stored is in what they read now.
    fn tell_held(&self, table: &'static Table, held: HashSet<FacilityId>) {
        let of_table = || self.waiting.iter().filter(|waiting| waiting.table == table);
        let all_wait = of_table().any(|waiting| waiting.keys.is_empty());
        let keys = of_table().flat_map(|waiting| &waiting.keys);
        let waiting: HashSet<&Value> = keys.filter_map(|key| key.first()).collect();
        let waits = |facility: &FacilityId| all_wait || waiting.contains(&facility.to_value());
        for facility in held.into_iter().filter(waits) {
            self.models.live.publish_facility(table, facility, self.after);
        }
    }
}
