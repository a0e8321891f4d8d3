//! What must hold, told from the log alone by a recount of its own: none of the system's folds is used here.
//!
//! The oracle reads every event once, in order. What contradicts an invariant of ARCHITECTURE.md is a sentence
//! that names its number.

mod book;
mod till;
mod yard;

use std::collections::{BTreeMap, HashMap};

use octocity_domain::{Category, Event, FacilityId, PaymentId, VisitId};
use octocity_log::{RecordedEvent, StreamId};

pub use book::Book;
pub use till::{Account, Till};
pub use yard::{PoolCount, Yard};

use super::traffic::Seen;

/// How many things of a kind senders remember.
const REMEMBERED: usize = 12;

#[derive(Default)]
pub struct Oracle {
    revisions: HashMap<StreamId, u64>,
    last_position: octocity_log::Position,
    /// The streams and revisions of every command's events.
    pub effects: HashMap<(StreamId, octocity_domain::CommandId), Vec<RecordedEvent>>,
    pub yards: BTreeMap<FacilityId, Yard>,
    pub books: BTreeMap<FacilityId, Book>,
    pub tills: BTreeMap<PaymentId, Till>,
    pub accounts: BTreeMap<VisitId, Account>,
}

impl Oracle {
    /// Reads the next events of the log; the first thing that contradicts an invariant ends it.
    pub fn read(&mut self, events: &[RecordedEvent]) -> Result<(), String> {
        for event in events {
            self.take(event).map_err(|sentence| {
                let (stream, revision) = (event.stream, event.revision);
                let data = String::from_utf8_lossy(&event.data);
                format!("{sentence}\n  at {stream}@{revision} {} {data}", event.event_type)
            })?;
        }
        // A command's events are one append: what must hold of visits holds between commands.
        for (facility, yard) in &self.yards {
            yard.check().map_err(|sentence| format!("{sentence}\n  at facility {facility}"))?;
        }
        Ok(())
    }

    fn take(&mut self, recorded: &RecordedEvent) -> Result<(), String> {
        let next = self.revisions.entry(recorded.stream).or_default();
        if recorded.revision != *next || recorded.position <= self.last_position {
            return Err("11: the log's order has a gap, or goes back".to_owned());
        }
        *next += 1;
        self.last_position = recorded.position;
        self.effects.entry((recorded.stream, recorded.meta.command_id)).or_default().push(recorded.clone());
        let event = octocity_log::decode(
            recorded.stream.category,
            &recorded.event_type,
            recorded.version,
            &recorded.data,
        )
        .map_err(|error| format!("an event cannot be read again: {error}"))?;
        let facility = recorded.meta.key;
        match event {
            Event::Facility(event) => {
                self.yards.entry(facility).or_default().plan(&event);
                Ok(())
            }
            Event::Parking(event) => self.yards.entry(facility).or_default().take(&event),
            Event::Reservations(event) => self.books.entry(facility).or_default().take(&event),
            Event::Session(event) => {
                let visit = VisitId(recorded.stream.id);
                self.accounts.entry(visit).or_default().take(&event)
            }
            Event::Payment(event) => {
                self.tills.entry(PaymentId(recorded.stream.id)).or_default().take(&event)
            }
        }
    }

    /// What senders know: of each kind the newest.
    pub fn seen(&self) -> Seen {
        let visits = self.yards.values().flat_map(|yard| yard.visits_inside().chain(yard.visits_in_review()));
        let reservations = self.books.values().flat_map(|book| book.known.iter().copied());
        Seen {
            visits: newest(visits.collect()),
            reservations: newest(reservations.collect()),
            payments: newest(self.tills.keys().copied().collect()),
        }
    }

    /// How many events of each category were read.
    pub fn counts(&self) -> BTreeMap<Category, u64> {
        let mut counts = BTreeMap::new();
        for (stream, revisions) in &self.revisions {
            *counts.entry(stream.category).or_default() += revisions;
        }
        counts
    }

    /// Once all is settled: each session was credited what payments captured for it, less what they refunded.
    pub fn check_credits(&self) -> Result<(), String> {
        let mut expected: BTreeMap<(VisitId, PaymentId), i64> = BTreeMap::new();
        for (payment, till) in &self.tills {
            for (visit, amount) in till.credits() {
                *expected.entry((visit, *payment)).or_default() += amount;
            }
        }
        let mut found: BTreeMap<(VisitId, PaymentId), i64> = BTreeMap::new();
        for (visit, account) in &self.accounts {
            for (payment, amount) in &account.credits {
                *found.entry((*visit, *payment)).or_default() += amount;
            }
        }
        expected.retain(|_, amount| *amount != 0);
        found.retain(|_, amount| *amount != 0);
        if expected == found {
            return Ok(());
        }
        Err(format!("10: sessions were credited {found:?}, payments say {expected:?}"))
    }
}

/// Ids lead with their time.
fn newest<T: Ord>(mut ids: Vec<T>) -> Vec<T> {
    ids.sort_unstable();
    ids.split_off(ids.len().saturating_sub(REMEMBERED))
}
