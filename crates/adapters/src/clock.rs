//! The one clock and the one source of random ids.

use std::time::Duration;

use octocity_commands::Clock;
use octocity_domain::{CommandId, Timestamp};
use uuid::Uuid;

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
    fn now(&self) -> Timestamp {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Timestamp::from_millis(since.map_or(0, |elapsed| elapsed.as_millis() as i64))
    }
}

/// From 0 to 1.
pub fn chance() -> f64 {
    let random = new_command_id().uuid().as_u128() as u32;
    f64::from(random) / f64::from(u32::MAX)
}

/// From a half of it to all of it: so that not all who wait try again at once.
pub fn shortened(pause: Duration) -> Duration {
    pause.mul_f64(0.5 + chance() / 2.0)
}

/// A new id as a client makes it (UUIDv7).
#[allow(clippy::disallowed_methods, reason = "this is the one place that makes random ids")]
pub fn new_command_id() -> CommandId {
    CommandId::new(Uuid::now_v7())
}
