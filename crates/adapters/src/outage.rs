//! How long a service is away.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A server restarts or fails over in this time: until then nobody need be told.
const SHORT: Duration = Duration::from_secs(3);

/// Since when a service does not answer, if it does not. Clones are one.
#[derive(Clone, Debug, Default)]
pub struct Outage(Arc<Mutex<Option<Instant>>>);

impl Outage {
    /// Takes note of a fault; true where none came before it.
    pub fn begins(&self) -> bool {
        let mut since = self.since();
        let is_first = since.is_none();
        since.get_or_insert_with(Instant::now);
        is_first
    }

    /// Takes note that it went well; true where a fault came before it.
    pub fn is_over(&self) -> bool {
        self.since().take().is_some()
    }

    pub fn is_on(&self) -> bool {
        self.since().is_some()
    }

    /// Whether it is on for longer than a restart takes.
    pub fn lasts(&self) -> bool {
        self.since().is_some_and(|since| since.elapsed() >= SHORT)
    }

    fn since(&self) -> MutexGuard<'_, Option<Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_one_is_not_told_and_the_last_fault_does_not_begin_it_anew() {
        let outage = Outage::default();
        assert!(!outage.is_over() && outage.begins() && !outage.begins() && !outage.lasts());
        *outage.since() = Instant::now().checked_sub(SHORT);
        assert!(!outage.begins() && outage.lasts());
        assert!(outage.is_over() && !outage.is_on() && !outage.lasts());
    }
}
