//! Rows that somebody follows on a node whose rows another process writes: folded on here from what is stored, so that whoever
//! follows them need not wait until they are stored. All others are read where they are stored.

use std::any::Any;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use octocity_domain::FacilityId;
use octocity_log::Position;

use crate::projector::Decoded;
use crate::row::{Row, RowError, Table, Value};
use crate::view::{Slot, View};
use crate::views;

/// What was read of the log, behind one position and up to another.
pub(crate) struct ReadPage {
    pub events: Vec<Decoded>,
    pub reached: Position,
}

/// All rows of one facility in one table, as they were stored.
pub(crate) struct Stored {
    pub rows: Vec<Vec<Value>>,
    /// What they have.
    pub as_of: Position,
}

/// What is held, of each view that can be. One lock for all: it is held for as long as a page is folded, and never awaited under.
pub struct Fresh(Mutex<Vec<Box<dyn Folds>>>);

impl Default for Fresh {
    fn default() -> Self {
        Self(Mutex::new(views::followed()))
    }
}

impl Fresh {
    pub(crate) fn tables(&self) -> Vec<&'static Table> {
        self.views().iter().map(|view| view.table()).collect()
    }

    /// All rows of these facilities, and as of when; None where one of them is not held.
    pub(crate) fn rows<R: Row>(&self, facilities: &[FacilityId]) -> Option<(Vec<R>, Position)> {
        let views = self.views();
        let view = views.iter().find(|view| view.table().name == R::TABLE.name)?;
        view.held().downcast_ref::<Held<R>>()?.rows(facilities)
    }

    pub(crate) fn holds(&self, table: &'static Table, facility: FacilityId) -> bool {
        self.of(table, |view| view.holds(facility)).unwrap_or(false)
    }

    /// Lets go of whom nobody follows any more, and says who is followed and not held.
    pub(crate) fn missing(&self, table: &'static Table, followed: Vec<FacilityId>) -> Vec<FacilityId> {
        self.of(table, |view| view.missing(followed)).unwrap_or_default()
    }

    /// Folds what was read on; says of whom rows changed.
    pub(crate) fn fold(&self, page: &ReadPage) -> Vec<(&'static Table, HashSet<FacilityId>)> {
        let fold = |view: &mut Box<dyn Folds>| {
            let changed = page.events.iter().filter_map(|event| view.fold(event)).collect();
            view.reach(page.reached);
            (view.table(), changed)
        };
        self.views().iter_mut().map(fold).collect()
    }

    /// Holds these facilities from now on, all at one moment: `recent` is all that came since they were stored, up to `reached`.
    /// Says who is held. One that cannot be read, or whose events cannot be applied, is not.
    pub(crate) fn hold(
        &self,
        stored: Vec<(&'static Table, HashMap<FacilityId, Stored>)>,
        recent: &VecDeque<ReadPage>,
        reached: Position,
    ) -> Vec<(&'static Table, HashSet<FacilityId>)> {
        let mut views = self.views();
        let hold = |(table, stored): (&'static Table, HashMap<FacilityId, Stored>)| {
            let view = views.iter_mut().find(|view| view.table().name == table.name)?;
            let mut new: HashSet<FacilityId> = stored.keys().copied().collect();
            for (facility, stored) in stored {
                // Whoever reads it where it is stored is told what is wrong with it.
                let _ = view.put(facility, stored);
            }
            let events = recent.iter().flat_map(|page| &page.events);
            for event in events.filter(|event| new.contains(&event.recorded.meta.key)) {
                view.fold(event);
            }
            view.reach(reached);
            new.retain(|facility| view.holds(*facility));
            Some((table, new))
        };
        stored.into_iter().filter_map(hold).collect()
    }

    /// Forgets all rows of a table.
    pub(crate) fn forget(&self, table: &'static Table) {
        self.of(table, |view| view.forget());
    }

    pub(crate) fn forget_all(&self) {
        self.views().iter_mut().for_each(|view| view.forget());
    }

    fn of<T>(&self, table: &'static Table, what: impl FnOnce(&mut Box<dyn Folds>) -> T) -> Option<T> {
        self.views().iter_mut().find(|view| view.table().name == table.name).map(what)
    }

    fn views(&self) -> MutexGuard<'_, Vec<Box<dyn Folds>>> {
        // A fold that panics has taken its rows out of what is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A view whose rows are held, whatever their type. All keys of an event are of one facility, that of its envelope.
pub(crate) trait Folds: Send {
    fn table(&self) -> &'static Table;
    /// A `Held` of its row type.
    fn held(&self) -> &dyn Any;
    fn holds(&self, facility: FacilityId) -> bool;
    fn missing(&mut self, followed: Vec<FacilityId>) -> Vec<FacilityId>;
    fn put(&mut self, facility: FacilityId, stored: Stored) -> Result<(), RowError>;
    /// Of whom rows changed, here or already where they were read. What cannot be applied stands still where it is stored, and is
    /// read there.
    fn fold(&mut self, event: &Decoded) -> Option<FacilityId>;
    fn reach(&mut self, reached: Position);
    fn forget(&mut self);
}

/// The rows of one table, by facility.
struct Held<R: Row> {
    facilities: HashMap<FacilityId, Rows<R>>,
    /// All that are held have everything up to here.
    reached: Position,
}

struct Rows<R: Row> {
    rows: BTreeMap<R::Key, R>,
    /// They had so much already when they were read.
    as_of: Position,
}

impl<R: Row> Held<R> {
    fn rows(&self, facilities: &[FacilityId]) -> Option<(Vec<R>, Position)> {
        let (mut rows, mut position) = (Vec::new(), Position(u64::MAX));
        for facility in facilities {
            let held = self.facilities.get(facility)?;
            rows.extend(held.rows.values().cloned());
            position = position.min(held.as_of.max(self.reached));
        }
        Some((rows, position))
    }
}

/// A [`View`] whose rows are held.
pub(crate) struct Folding<V: View>(Held<V::Row>);

impl<V: View> Default for Folding<V> {
    fn default() -> Self {
        Self(Held { facilities: HashMap::new(), reached: Position::default() })
    }
}

impl<V: View> Folds for Folding<V> {
    fn table(&self) -> &'static Table {
        V::Row::TABLE
    }

    fn held(&self) -> &dyn Any {
        &self.0
    }

    fn holds(&self, facility: FacilityId) -> bool {
        self.0.facilities.contains_key(&facility)
    }

    fn missing(&mut self, followed: Vec<FacilityId>) -> Vec<FacilityId> {
        let followed: HashSet<FacilityId> = followed.into_iter().collect();
        self.0.facilities.retain(|facility, _| followed.contains(facility));
        followed.into_iter().filter(|facility| !self.holds(*facility)).collect()
    }

    fn put(&mut self, facility: FacilityId, Stored { rows, as_of }: Stored) -> Result<(), RowError> {
        let keyed = |values| V::Row::from_values(values).map(|row| (row.key(), row));
        let rows = rows.into_iter().map(keyed).collect::<Result<_, _>>()?;
        self.0.facilities.insert(facility, Rows { rows, as_of });
        Ok(())
    }

    fn fold(&mut self, event: &Decoded) -> Option<FacilityId> {
        let (recorded, facility) = (&event.recorded, event.recorded.meta.key);
        if !V::CATEGORIES.contains(&recorded.stream.category) {
            return None;
        }
        let mut held = self.0.facilities.remove(&facility)?;
        let (record, is_covered) = (event.record(V::CATEGORIES), recorded.position <= held.as_of);
        let mut keys = Vec::new();
        if let Some(record) = &record {
            V::keys(record, &mut keys);
        }
        let is_changed = !keys.is_empty();
        if !is_covered {
            let record = record?;
            let slot = |key| match held.rows.remove_entry(&key) {
                Some((key, row)) => (key, Some(row)),
                None => (key, None),
            };
            let mut slots: Vec<Slot<V::Row>> = keys.into_iter().map(slot).collect();
            V::apply_joint(&mut slots, &record).ok()?;
            held.rows.extend(slots.into_iter().filter_map(|(key, row)| Some((key, row?))));
        }
        self.0.facilities.insert(facility, held);
        is_changed.then_some(facility)
    }

    fn reach(&mut self, reached: Position) {
        self.0.reached = reached;
    }

    fn forget(&mut self) {
        self.0.facilities.clear();
    }
}
