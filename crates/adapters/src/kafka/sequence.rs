//! That of each stream one revision follows the other. Kafka keeps the order that the relay wrote; this is the net
//! beneath it: what the topic lacks is read from the log before what follows it is handed on.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use octocity_log::{EventLog, LogError, Position, RecordedEvent, Retry, StreamId, partition_of};

use super::fault::KafkaFault;
use super::reader::ReaderStats;
use crate::clock::shortened;

/// Of how many streams one remembers the next revision, at least.
const REMEMBERED: usize = 100_000;
/// The pauses while the log cannot be read, each twice the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The streams of all partitions that one reader has.
pub(super) struct Sequence {
    log: Arc<dyn EventLog>,
    partitions: i32,
    stats: Arc<ReaderStats>,
    /// The next revision of the streams seen lately, and of those seen before them.
    recent: HashMap<StreamId, u64>,
    older: HashMap<StreamId, u64>,
    /// The last position handed on, as it was when `older` was full, and when what was before `older` was.
    seen: Position,
    older_seen: Position,
    forgotten_seen: Position,
    /// Up to where each partition was handed on.
    reached: BTreeMap<i32, Position>,
}

impl Sequence {
    /// For partitions that are read from behind `begun`: what is before was applied, or is read from the log.
    pub fn new(
        log: Arc<dyn EventLog>,
        partitions: i32,
        begun: &BTreeMap<i32, Position>,
        stats: Arc<ReaderStats>,
    ) -> Self {
        let (recent, older) = (HashMap::new(), HashMap::new());
        let [seen, older_seen, forgotten_seen] = [Position::default(); 3];
        let reached = begun.clone();
        Self { log, partitions, stats, recent, older, seen, older_seen, forgotten_seen, reached }
    }

    /// Drops what was there before, and puts what is missing before what follows it. While the log cannot be read
    /// nothing is handed on; the error is damage, or what the log lacks, too.
    pub async fn fill(
        &mut self,
        events: Vec<RecordedEvent>,
        begun: &BTreeMap<i32, Position>,
        reached: &BTreeMap<i32, Position>,
    ) -> Result<Vec<RecordedEvent>, KafkaFault> {
        let mut filled = Vec::with_capacity(events.len());
        for event in events {
            let partition = partition_of(event.meta.key, self.partitions);
            let of = |known: &BTreeMap<i32, Position>| known.get(&partition).copied().unwrap_or_default();
            let next = self.recent.get(&event.stream).or_else(|| self.older.get(&event.stream)).copied();
            if next.is_some_and(|next| event.revision < next) {
                continue;
            }
            if next.unwrap_or_default() < event.revision {
                let reached = of(&self.reached);
                // Other partitions may be further than this one.
                let applied = of(begun).max(self.forgotten_seen.min(reached));
                filled.extend(self.missing(&event, next, applied, reached).await?);
            }
            self.note(&event);
            filled.push(event);
        }
        self.reached.extend(reached);
        Ok(filled)
    }

    /// The events before this one that were not handed on, in order. Of a stream that is not remembered (`next` is None),
    /// those up to `applied` were.
    async fn missing(
        &self,
        event: &RecordedEvent,
        next: Option<u64>,
        applied: Position,
        reached: Position,
    ) -> Result<Vec<RecordedEvent>, KafkaFault> {
        let mut missing = Vec::new();
        let mut before = event.revision;
        while before > next.unwrap_or_default() {
            let mut earlier = self.before(event.stream, before).await?;
            if next.is_none() && earlier.position <= applied {
                break;
            }
            before = earlier.revision;
            // What is behind where its followers are is not taken by them.
            if earlier.position <= reached {
                earlier.position = event.position;
            }
            missing.push(earlier);
        }
        if !missing.is_empty() {
            let (stream, revision) = (event.stream.to_string(), before);
            tracing::warn!(stream, revision, "the log's topic lacked events; they were read from the log");
        }
        missing.reverse();
        Ok(missing)
    }

    async fn before(&self, stream: StreamId, revision: u64) -> Result<RecordedEvent, KafkaFault> {
        let mut retry = Retry::new(FIRST_PAUSE, LONGEST_PAUSE);
        loop {
            match self.log.read_stream_back(stream, revision, 1).await {
                Ok(found) => {
                    self.stats.held_keys.store(0, Ordering::Relaxed);
                    let earlier = found.into_iter().next().filter(|earlier| earlier.revision + 1 == revision);
                    let lacks = || KafkaFault::Gap { stream: stream.to_string(), revision: revision - 1 };
                    return earlier.ok_or_else(lacks);
                }
                Err(error @ LogError::Damaged(_)) => return Err(error.into()),
                // Another reader would not know any more what was handed on.
                Err(error) => {
                    self.stats.held_keys.store(1, Ordering::Relaxed);
                    if retry.begins() {
                        let stream = stream.to_string();
                        tracing::warn!(stream, %error, "what precedes an event cannot be read; it is tried again");
                    }
                    tokio::time::sleep(shortened(retry.pause().unwrap_or_default())).await;
                }
            }
        }
    }

    fn note(&mut self, event: &RecordedEvent) {
        if self.recent.len() >= REMEMBERED {
            self.older = std::mem::take(&mut self.recent);
            (self.forgotten_seen, self.older_seen) = (self.older_seen, self.seen);
        }
        self.recent.insert(event.stream, event.revision + 1);
        self.seen = self.seen.max(event.position);
    }
}

#[cfg(test)]
mod tests {
    use octocity_domain::Category;
    use octocity_log::MemoryLog;
    use octocity_log::contract::{batch, client_id, must_append};
    use uuid::Uuid;

    use super::*;

    fn stream(number: u128) -> StreamId {
        StreamId::new(Category::Session, Uuid::from_u128(number))
    }

    /// Two streams of one partition, whose events alternate.
    async fn log() -> (Arc<MemoryLog>, Vec<RecordedEvent>) {
        let log = MemoryLog::default();
        for revision in 0..4 {
            for number in [1, 2] {
                let command = client_id(revision * 2 + u64::from(number == 2));
                must_append(&log, batch(stream(number), revision, command, &["noted"])).await;
            }
        }
        let all = log.read_all(Position::default(), usize::MAX, &[], &[]).await.unwrap().events;
        (Arc::new(log), all)
    }

    struct Given {
        sequence: Sequence,
        begun: BTreeMap<i32, Position>,
    }

    impl Given {
        fn new(log: &Arc<MemoryLog>, begun: Position) -> Self {
            let begun = BTreeMap::from([(0, begun)]);
            let sequence = Sequence::new(Arc::clone(log) as _, 1, &begun, Arc::default());
            Self { sequence, begun }
        }

        /// The (stream, revision) that come out of these.
        async fn takes(&mut self, events: &[&RecordedEvent]) -> Vec<(u128, u64)> {
            let reached = events.iter().map(|event| (0, event.position)).collect();
            let events = events.iter().map(|event| (*event).clone()).collect();
            let filled = self.sequence.fill(events, &self.begun, &reached).await.unwrap();
            filled.iter().map(|event| (event.stream.id.as_u128(), event.revision)).collect()
        }
    }

    #[tokio::test]
    async fn what_is_whole_passes_and_doubles_are_dropped() {
        let (log, all) = log().await;
        let mut given = Given::new(&log, Position::default());
        assert_eq!(given.takes(&[&all[0], &all[1], &all[2]]).await, [(1, 0), (2, 0), (1, 1)]);
        assert_eq!(given.takes(&[&all[0], &all[2], &all[3], &all[4]]).await, [(2, 1), (1, 2)]);
    }

    #[tokio::test]
    async fn a_missing_revision_is_read_from_the_log_at_once() {
        let (log, all) = log().await;
        let mut given = Given::new(&log, Position::default());
        let filled = given.takes(&[&all[0], &all[1], &all[6], &all[3]]).await;
        assert_eq!(filled, [(1, 0), (2, 0), (1, 1), (1, 2), (1, 3), (2, 1)]);
    }

    #[tokio::test]
    async fn the_first_revision_seen_follows_what_was_applied_before_the_partition_was_taken_up() {
        let (log, all) = log().await;
        let mut given = Given::new(&log, all[1].position);
        // Revision 0 of both was applied; of the first stream revisions 1 and 2 are missing.
        assert_eq!(given.takes(&[&all[3], &all[6]]).await, [(2, 1), (1, 1), (1, 2), (1, 3)]);
    }

    #[tokio::test]
    async fn one_that_comes_after_its_place_was_passed_stands_where_its_follower_does() {
        let (log, all) = log().await;
        let mut given = Given::new(&log, Position::default());
        given.takes(&[&all[0], &all[1], &all[3]]).await;
        let (begun, reached) = (given.begun.clone(), BTreeMap::from([(0, all[4].position)]));
        let filled = given.sequence.fill(vec![all[4].clone()], &begun, &reached).await.unwrap();
        let places: Vec<_> = filled.iter().map(|event| (event.revision, event.position)).collect();
        assert_eq!(places, [(1, all[4].position), (2, all[4].position)]);
    }

    #[tokio::test]
    async fn what_the_log_lacks_too_is_a_fault() {
        let (log, all) = log().await;
        let mut given = Given::new(&log, Position::default());
        let foreign = RecordedEvent { revision: 9, ..all[7].clone() };
        let lacks = given.sequence.fill(vec![foreign], &given.begun, &BTreeMap::new()).await.unwrap_err();
        assert_eq!(lacks, KafkaFault::Gap { stream: stream(2).to_string(), revision: 8 });
        assert!(lacks.is_transient(), "another node may know more of the log");
    }
}
