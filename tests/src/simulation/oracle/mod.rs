//! What must hold, told from the log alone by a recount of its own: none of the system's folds is used here.
//!
//! The oracle reads every event once, in order. What contradicts an invariant of ARCHITECTURE.md is a sentence
//! that names its number.

mod book;
mod till;
mod yard;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};

use octocity_adapters::gateway::Totals;
use octocity_domain::parking::ParkingEvent;
use octocity_domain::{Category, CommandId, Currency, Event, FacilityId, PaymentId, Timestamp, VisitId};
use octocity_log::{Position, RecordedEvent, StreamId};
use octocity_projections::parking::OccupancyRow;

pub use book::Book;
pub use till::{Account, Till};
pub use yard::{PoolCount, Yard};

use super::traffic::Seen;

/// How late a deadline may fire: after a fault it is tried again, later each time.
const DEADLINE_SECONDS: i64 = 300;
/// How many things of a kind senders remember.
const REMEMBERED: usize = 12;

#[derive(Default)]
pub struct Oracle {
    revisions: HashMap<StreamId, u64>,
    last_position: Position,
    /// The streams and revisions of every command's events.
    pub effects: HashMap<(StreamId, CommandId), Vec<RecordedEvent>>,
    pub yards: BTreeMap<FacilityId, Yard>,
    pub books: BTreeMap<FacilityId, Book>,
    pub tills: BTreeMap<PaymentId, Till>,
    pub accounts: BTreeMap<VisitId, Account>,
    /// The plan that was in force when a command of a gate was first sent.
    asked_on: HashMap<CommandId, u64>,
}

impl Oracle {
    /// A command goes out to a car park now.
    pub fn asked(&mut self, facility: FacilityId, id: CommandId) {
        let version = self.yards.get(&facility).map_or(0, Yard::plan_version);
        self.asked_on.entry(id).or_insert(version);
    }

    /// A plan that changed while the command was under way may have been overtaken; an older one may not be used.
    fn check_plan(&self, event: &ParkingEvent, id: CommandId) -> Result<(), String> {
        let ParkingEvent::EntryGranted { plan_version, .. } = event else { return Ok(()) };
        match self.asked_on.get(&id) {
            Some(asked_on) if plan_version < asked_on => {
                Err(format!("9: a grant is decided on plan {plan_version}, asked for on plan {asked_on}"))
            }
            _ => Ok(()),
        }
    }

    /// Reads the next events of the log; the first thing that contradicts an invariant ends it.
    pub fn read(&mut self, events: &[RecordedEvent]) -> Result<(), String> {
        for event in events {
            self.take(event).map_err(|sentence| {
                let (stream, revision) = (event.stream, event.revision);
                let data = String::from_utf8_lossy(&event.data);
                let history = self.history(stream);
                format!("{sentence}\n  at {stream}@{revision} {} {data}\n  {history}", event.event_type)
            })?;
        }
        // A command's events are one append: what must hold of visits holds between commands.
        for (facility, yard) in &self.yards {
            yard.check().map_err(|sentence| {
                let history = self.history(StreamId::new(Category::Parking, facility.uuid()));
                format!("{sentence}\n  {history}")
            })?;
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
            Event::Parking(event) => {
                self.check_plan(&event, recorded.meta.command_id)?;
                self.yards.entry(facility).or_default().take(&event)
            }
            Event::Reservations(event) => self.books.entry(facility).or_default().take(&event),
            Event::Session(event) => {
                let visit = VisitId(recorded.stream.id);
                self.accounts.entry(visit).or_default().take(&event)
            }
            Event::Payment(event) => {
                self.tills.entry(PaymentId(recorded.stream.id)).or_default().take(&event)
            }
            Event::Skips(_) => Err("11: an event is skipped that nobody asked to be skipped".to_owned()),
        }
    }

    /// Where the events of a car park's gates stand, in order.
    pub fn parking_positions(&self, facility: FacilityId) -> Vec<Position> {
        let stream = StreamId::new(Category::Parking, facility.uuid());
        let of_stream = self.effects.iter().filter(|((of, _), _)| *of == stream);
        let mut positions: Vec<_> =
            of_stream.flat_map(|(_, events)| events.iter().map(|event| event.position)).collect();
        positions.sort_unstable();
        positions
    }

    /// A stream's events, one a line.
    fn history(&self, stream: StreamId) -> String {
        let mut events: Vec<_> =
            self.effects.iter().filter(|((of, _), _)| *of == stream).flat_map(|(_, events)| events).collect();
        events.sort_by_key(|event| event.revision);
        let line = |event: &&RecordedEvent| {
            let data = String::from_utf8_lossy(&event.data);
            format!("{} {} {data}", event.meta.happened_at, event.event_type)
        };
        events.iter().map(line).collect::<Vec<_>>().join("\n  ")
    }

    /// What senders at a car park know: of each kind the newest.
    pub fn seen(&self, facility: FacilityId) -> Seen {
        let visits = self.yards.get(&facility).into_iter();
        let reservations = self.books.get(&facility).into_iter();
        Seen {
            visits: newest(
                visits.flat_map(|yard| yard.visits_inside().chain(yard.visits_in_review())).collect(),
            ),
            reservations: newest(reservations.flat_map(|book| book.known.keys().copied()).collect()),
            payments: newest(self.tills.keys().copied().collect()),
        }
    }

    /// How many events of each type were read.
    pub fn counts(&self) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        for event in self.effects.values().flatten() {
            *counts.entry(event.event_type.to_string()).or_default() += 1;
        }
        counts
    }

    /// Once all is settled: nothing is left open that had its time.
    pub fn check_deadlines(&self, now: Timestamp) -> Result<(), String> {
        for (facility, yard) in &self.yards {
            if let Some(grant) = yard.overdue_grant(now) {
                return Err(format!("9: grant {grant} of {facility} was never used, and never lapsed"));
            }
        }
        for (facility, book) in &self.books {
            if let Some(reservation) = book.overdue(now) {
                let history = self.history(StreamId::new(Category::Reservations, facility.uuid()));
                return Err(format!("9: reservation {reservation} of {facility} never ended\n  {history}"));
            }
        }
        match self.tills.iter().find(|(_, till)| till.is_open()) {
            Some((payment, _)) => {
                let history = self.history(StreamId::new(Category::Payment, payment.uuid()));
                Err(format!("10: a gateway call of payment {payment} is open for ever:\n  {history}"))
            }
            None => Ok(()),
        }
    }

    /// Once all is settled: a place is kept for every promise that is due, and the book knows who came.
    pub fn check_reservations(&self, now: Timestamp) -> Result<(), String> {
        for (facility, book) in &self.books {
            let Some(yard) = self.yards.get(facility) else { continue };
            let history = || self.history(StreamId::new(Category::Parking, facility.uuid()));
            if let Some(reservation) = book.due(now).find(|due| !yard.keeps(*due)) {
                return Err(format!("9: no place is kept for reservation {reservation}\n  {}", history()));
            }
            for (pool, places) in &book.reservable {
                let kept = yard.reserved_parts.get(pool);
                if kept != Some(places) {
                    return Err(format!(
                        "9: the book may promise {places} of {pool}, parking keeps {kept:?}"
                    ));
                }
            }
            // A driver may show a reservation that the book has not.
            let came = yard.entered_on.iter().filter(|used| book.known.contains_key(used));
            if !came.eq(&book.checked_in) {
                let checked_in = &book.checked_in;
                return Err(format!(
                    "9: the book knows of the entries on {checked_in:?} only\n  {}",
                    history()
                ));
            }
        }
        Ok(())
    }

    /// Once all is settled: the ledger says what the gateway says moved.
    pub fn check_gateway(&self, moved: &BTreeMap<Currency, Totals>) -> Result<(), String> {
        let mut ledger: BTreeMap<Currency, Totals> = BTreeMap::new();
        for till in self.tills.values() {
            let Some(currency) = till.currency else { continue };
            let totals = ledger.entry(currency).or_default();
            totals.authorized_minor += till.authorized;
            totals.captured_minor += till.captured;
            totals.refunded_minor += till.refunded;
            totals.voided_minor += till.voided;
        }
        let mut moved = moved.clone();
        ledger.retain(|_, totals| *totals != Totals::default());
        moved.retain(|_, totals| *totals != Totals::default());
        match ledger == moved {
            true => Ok(()),
            false => Err(format!("10: the ledger says {ledger:?}, the gateway {moved:?}")),
        }
    }

    /// What the read model must say of every pool.
    pub fn check_occupancy(&self, rows: &[OccupancyRow]) -> Result<(), String> {
        for (facility, yard) in &self.yards {
            for (pool, expected) in yard.counts() {
                let row = rows.iter().find(|row| row.facility == *facility && row.pool == pool);
                let found = row.map(|row| PoolCount {
                    visits: row.visits,
                    unidentified: row.unidentified,
                    granted: row.granted,
                    held: row.held,
                    out_of_service: row.out_of_service,
                });
                if found.unwrap_or_default() != expected {
                    return Err(format!(
                        "12: {facility} pool {pool}: rows say {found:?}, the log {expected:?}"
                    ));
                }
            }
        }
        Ok(())
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
        if expected != found {
            return Err(format!("10: sessions were credited {found:?}, payments say {expected:?}"));
        }
        for (visit, account) in &self.accounts {
            let Some(into) = account.merged_into else { continue };
            let taken = self.accounts.get(&into).and_then(|kept| kept.taken.get(visit)).copied();
            if taken.unwrap_or(0) != account.paid() {
                let paid = account.paid();
                return Err(format!("10: {paid} was paid for {visit}, and {into} has {taken:?} of it"));
            }
        }
        Ok(())
    }
}

/// Ids lead with their time.
fn newest<T: Ord>(mut ids: Vec<T>) -> Vec<T> {
    ids.sort_unstable();
    ids.split_off(ids.len().saturating_sub(REMEMBERED))
}
