//! Two subscribers of each car park, as the API has them: one of its state, one of its events.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use octocity_domain::{Category, FacilityId};
use octocity_log::{EventLog, Position};
use octocity_projections::parking::OccupancyRow;
use octocity_projections::{Query, ReadModels, Rows};

/// What they saw. Outlives a crash, as a client does: it resumes after what it has.
#[derive(Clone, Default)]
pub struct Watched(Arc<Mutex<Saw>>);

#[derive(Default)]
pub struct Saw {
    /// The whole state, as the last message had it.
    pub states: BTreeMap<FacilityId, (Position, Vec<OccupancyRow>)>,
    /// The positions of all events, in the order they came.
    pub events: BTreeMap<FacilityId, Vec<Position>>,
    /// A state that went back.
    pub went_back: bool,
}

impl Watched {
    pub fn saw(&self) -> MutexGuard<'_, Saw> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Each message is the whole state at a position; those in between may be merged, the last always arrives.
    pub async fn watch_state(self, models: ReadModels, facility: FacilityId) {
        let mut changes = models.live.facility::<OccupancyRow>(facility);
        loop {
            let asked = Query::<OccupancyRow>::new().eq("facility", &facility);
            if let Ok(Rows { rows, position, .. }) = asked.run(&*models.store).await {
                self.note_state(facility, position, rows);
            }
            if changes.changed().await.is_none() {
                return;
            }
        }
    }

    fn note_state(&self, facility: FacilityId, position: Position, rows: Vec<OccupancyRow>) {
        let mut saw = self.saw();
        let state = saw.states.entry(facility).or_default();
        let back = position < state.0;
        *state = (position, rows);
        saw.went_back |= back;
    }

    fn note(&self, facility: FacilityId, positions: impl Iterator<Item = Position>) {
        self.saw().events.entry(facility).or_default().extend(positions);
    }

    /// Each event once, in order, from the log; a slow reader makes no queue.
    pub async fn watch_events(self, log: Arc<dyn EventLog>, facility: FacilityId) {
        let mut head = log.head();
        let last = self.saw().events.get(&facility).and_then(|seen| seen.last().copied());
        let mut after = last.unwrap_or_default();
        loop {
            head.borrow_and_update();
            let Ok(page) = log.read_all(after, 7, &[Category::Parking], &[]).await else {
                tokio::task::yield_now().await;
                continue;
            };
            let of_facility = page.events.iter().filter(|event| event.meta.key == facility);
            self.note(facility, of_facility.map(|event| event.position));
            if page.next == after && head.changed().await.is_err() {
                return;
            }
            after = page.next;
        }
    }
}
