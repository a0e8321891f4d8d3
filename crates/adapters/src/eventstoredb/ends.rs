//! Whether a stream has ended, asked without asking for the stream: where `$all` ends is one small question for all that ask
//! at a time, and the subscription tells everything up to there.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use octocity_log::{LogError, Position};

use super::all::Wanted;
use super::streams::{Remembered, Start, Streams};
use super::wire::ReadReq;

/// How long a look waits for others who ask, where there was one under way.
const OTHERS: Duration = Duration::from_millis(1);

/// Looks at the end of `$all`, each for all who asked before it began.
#[derive(Default)]
pub struct Looks {
    asked: AtomicU64,
    last: tokio::sync::Mutex<Look>,
}

#[derive(Clone, Copy, Default)]
struct Look {
    /// For the first so many who asked.
    serves: u64,
    end: Position,
}

impl Streams {
    /// Whether the stream has no event from this revision on: as of now, not of when it was last seen. False also where only the
    /// stream itself can tell.
    pub async fn has_ended(&self, remembered: &Remembered, revision: u64) -> bool {
        let has_ended = || remembered.end().is_some_and(|end| end.revision <= revision);
        if !has_ended() || !self.told.is_prompt() {
            return false;
        }
        // A fault shows where the stream is asked.
        let looked = async { self.told.reach(self.last_record().await.ok()?).await };
        self.told.soon(looked).await.is_some() && has_ended()
    }

    /// Where the last record of ours stands.
    async fn last_record(&self) -> Result<Position, LogError> {
        let number = self.looks.asked.fetch_add(1, Ordering::SeqCst);
        let (mut last, many_ask) = match self.looks.last.try_lock() {
            Ok(last) => (last, false),
            Err(_) => (self.looks.last.lock().await, true),
        };
        if last.serves <= number {
            if many_ask {
                tokio::time::sleep(OTHERS).await;
            }
            let serves = self.looks.asked.load(Ordering::SeqCst);
            let filter = self.filter(Wanted { categories: &[], event_types: &[] });
            let records = self.connection.read(ReadReq::all(Start::End, 1, Some(filter))).await?;
            let end = records.first().map_or(Position::default(), |record| Position(record.commit_position));
            *last = Look { serves, end };
        }
        Ok(last.end)
    }
}
