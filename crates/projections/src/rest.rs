//! How long the engine rests at the log's head. What comes meanwhile costs one commit; whoever follows or waits hears of it so
//! much later at most.

use std::time::Duration;

use tokio::time::Instant;

/// An event is worth so much of the time from one commit to the next: where more come, the same rows and pages change again and
/// again, and are written once.
const AN_EVENT: Duration = Duration::from_micros(250);
const LONGEST: Duration = Duration::from_millis(100);

/// From the beginning of one batch to that of the next.
pub(crate) struct Pace {
    begun: Instant,
}

impl Pace {
    pub fn begin() -> Self {
        Self { begun: Instant::now() }
    }

    /// After a batch of so many events that is stored.
    pub async fn rest(self, least: Duration, events: usize) {
        tokio::time::sleep(rest(least, events, self.begun.elapsed())).await;
    }
}

/// What the batch itself took is taken off: a disk that stood still is not rested after.
fn rest(least: Duration, events: usize, took: Duration) -> Duration {
    let worth = AN_EVENT.saturating_mul(u32::try_from(events).unwrap_or(u32::MAX));
    worth.min(LONGEST).saturating_sub(took).max(least)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_events_are_rested_after_for_what_their_batch_did_not_take() {
        let least = Duration::from_millis(2);
        let millis = |events, took| rest(least, events, Duration::from_millis(took)).as_millis();
        assert_eq!([millis(0, 0), millis(4, 0), millis(40, 0), millis(usize::MAX, 0)], [2, 2, 10, 100]);
        assert_eq!([millis(40, 4), millis(40, 9), millis(4_000, 300)], [6, 2, 2]);
    }
}
