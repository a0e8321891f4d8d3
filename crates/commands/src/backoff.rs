//! Which subjects' effects wait after a fault: longer each time, a minute at most.

use std::collections::HashMap;

use octocity_domain::Timestamp;
use uuid::Uuid;

const WAIT_SECONDS_AT_MOST: i64 = 60;
/// How long after its end a wait still counts as one of the same trouble.
const FORGOTTEN_SECONDS: i64 = 3600;

#[derive(Default)]
pub(crate) struct Backoffs(HashMap<Uuid, Backoff>);

struct Backoff {
    faults: u32,
    until: Timestamp,
}

impl Backoffs {
    /// Whether it is the first one.
    pub fn fault(&mut self, subject: Uuid, now: Timestamp) -> bool {
        // Those that were cancelled meanwhile are not tried again, and would stay for ever.
        self.0.retain(|_, known| known.until.plus_seconds(FORGOTTEN_SECONDS) > now);
        let faults = self.0.get(&subject).map_or(0, |known| known.faults) + 1;
        let wait_seconds = (1_i64 << faults.min(6)).min(WAIT_SECONDS_AT_MOST);
        self.0.insert(subject, Backoff { faults, until: now.plus_seconds(wait_seconds) });
        faults == 1
    }

    pub fn over(&mut self, subject: Uuid) {
        self.0.remove(&subject);
    }

    /// Those that met a fault, whether or not they wait.
    pub fn known(&self) -> impl Iterator<Item = Uuid> {
        self.0.keys().copied()
    }

    pub fn waiting(&self, now: Timestamp) -> impl Iterator<Item = Uuid> {
        self.0.iter().filter(move |(_, known)| known.until > now).map(|(subject, _)| *subject)
    }
}
