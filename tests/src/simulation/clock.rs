//! A clock that only the scheduler moves.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use octocity_commands::Clock;
use octocity_domain::Timestamp;

/// 2026-03-28T20:00:00Z: the clocks of Prague and London go forward in the night that follows.
const BEGIN_MS: i64 = 1_774_728_000_000;

#[derive(Clone, Debug)]
pub struct VirtualClock(Arc<AtomicI64>);

impl Default for VirtualClock {
    fn default() -> Self {
        Self(Arc::new(AtomicI64::new(BEGIN_MS)))
    }
}

impl VirtualClock {
    pub fn advance(&self, ms: i64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}
