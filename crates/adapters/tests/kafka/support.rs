//! Logs to relay, and what came of it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use octocity_adapters::kafka::{
    KafkaFault, KafkaOptions, Reader, ReaderOptions, Relay, RelayOptions, RelayStats,
};
use octocity_domain::{Category, CommandId, FacilityId, Timestamp};
use octocity_log::contract::{client_id, entry, event};
use octocity_log::{
    Append, AppendError, Appended, EventLog, LedgerEntry, LedgerWindow, LogError, LogId, MemoryLog, Page,
    Position, RecordedEvent, StreamId,
};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use uuid::Uuid;

/// How long anything may take that is awaited.
const PATIENCE: Duration = Duration::from_secs(60);

/// Topics and a transactional id that no other test has.
pub fn options(brokers: &str, partitions: i32) -> KafkaOptions {
    let name = octocity_adapters::clock::new_command_id();
    KafkaOptions {
        brokers: brokers.to_owned(),
        log_topic: format!("test.{name}.log"),
        events_topic: format!("test.{name}.events"),
        relay: format!("test.{name}.relay"),
        partitions,
        ..KafkaOptions::default()
    }
}

/// Impatient, so that tests are short; small transactions, so that there are many.
pub const RELAY: RelayOptions = RelayOptions {
    batch_events: 100,
    quiet: Duration::from_millis(200),
    still: Duration::from_secs(600),
    patience: Duration::from_millis(1_500),
    retry_at_most: Duration::from_secs(1),
};

pub fn facility(number: u128) -> FacilityId {
    FacilityId(Uuid::from_u128(number << 64))
}

/// Appends `count` events to one stream of a facility, one append each ten.
pub async fn fill(log: &dyn EventLog, number: u128, from: u64, count: u64) {
    let stream = StreamId::new(Category::Parking, facility(number).uuid());
    for first in (from..from + count).step_by(10) {
        let command = client_id(first + 1_000_000 * u64::try_from(number).unwrap());
        let revisions = first..(first + 10).min(from + count);
        let events: Vec<_> = revisions
            .map(|revision| {
                let mut event = event(command, "VehicleEntered", "");
                let visit =
                    CommandId::from_source(Timestamp::from_seconds(1), "visit", &revision.to_string());
                event.data =
                    format!(r#"{{"visit":"{visit}","lane":"in-1","pool":"p","area":null}}"#).into_bytes();
                event.meta.key = facility(number);
                event
            })
            .collect();
        let entries = vec![entry(command, first, u32::try_from(events.len()).unwrap())];
        log.append(Append { stream, expected: first, events, entries }).await.expect("this batch fits");
    }
}

/// A relay at work.
pub struct Running {
    pub stats: Arc<RelayStats>,
    pub stop: watch::Sender<bool>,
    pub task: JoinHandle<Result<(), KafkaFault>>,
}

pub async fn start(log: Arc<dyn EventLog>, kafka: &KafkaOptions) -> Running {
    start_with(log, kafka, RELAY).await
}

pub async fn start_with(log: Arc<dyn EventLog>, kafka: &KafkaOptions, options: RelayOptions) -> Running {
    let relay = Relay::new(log, kafka.clone(), options);
    relay.prepare().await.unwrap();
    let (stop, shutdown) = watch::channel(false);
    Running { stats: relay.stats(), stop, task: tokio::spawn(relay.run(shutdown)) }
}

impl Running {
    pub async fn stop(self) {
        self.stop.send(true).unwrap();
        self.task.await.unwrap().unwrap();
    }
}

pub async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

pub fn of_log(log: &dyn EventLog) -> ReaderOptions {
    ReaderOptions::new(log.id(), log.epoch())
}

/// All of these partitions, from behind a position.
pub fn from(partitions: i32, position: Position) -> BTreeMap<i32, Position> {
    (0..partitions).map(|partition| (partition, position)).collect()
}

/// What stands in the log's topic after `after`, in the order of its partitions, up to `head` in each of them.
pub async fn read(
    kafka: &KafkaOptions,
    log: &dyn EventLog,
    after: Position,
    head: Position,
) -> Vec<RecordedEvent> {
    let from = from(kafka.partitions, after);
    let mut reader = Reader::of_partitions(kafka.clone(), of_log(log), from.clone(), Arc::default()).unwrap();
    let (mut reached, mut events) = (from, Vec::new());
    while reached.values().any(|position| *position < head) {
        let batch = tokio::time::timeout(PATIENCE, reader.next()).await.expect("the rest in time").unwrap();
        reached.extend(&batch.reached);
        events.extend(batch.events.iter().cloned());
    }
    events
}

/// Every event of the log stands in the topic once, and those of a key in the log's order.
pub async fn assert_all_is_there(kafka: &KafkaOptions, log: &dyn EventLog) {
    let all = log.read_all(Position::default(), usize::MAX, &[], &[]).await.unwrap().events;
    let head = all.last().unwrap().position;
    assert_same(all, read(kafka, log, Position::default(), head).await);
}

pub fn assert_same(expected: Vec<RecordedEvent>, found: Vec<RecordedEvent>) {
    assert_eq!(found.len(), expected.len(), "as many events as in the log");
    let by_key = |events: Vec<RecordedEvent>| {
        let mut keys = HashMap::<FacilityId, Vec<RecordedEvent>>::new();
        for event in events {
            keys.entry(event.meta.key).or_default().push(event);
        }
        keys
    };
    let found = by_key(found);
    for (key, expected) in by_key(expected) {
        assert!(found.get(&key) == Some(&expected), "the events of {key} are not as in the log");
    }
}

/// A log whose readers can be stopped after they have read, whose head may be ahead of its last event, as with a store
/// that has events of others in between, and which may withhold one.
#[derive(Clone)]
pub struct Staged {
    pub log: MemoryLog,
    pub goes: watch::Sender<bool>,
    pub head: Option<watch::Sender<Position>>,
    /// What it does not hand out in the order of the log.
    pub lacks: Option<Position>,
}

impl Staged {
    pub fn new(log: MemoryLog) -> Self {
        Self { log, goes: watch::Sender::new(true), head: None, lacks: None }
    }
}

#[async_trait]
impl EventLog for Staged {
    fn id(&self) -> LogId {
        self.log.id()
    }
    fn epoch(&self) -> u32 {
        self.log.epoch()
    }
    async fn append(&self, batch: Append) -> Result<Appended, AppendError> {
        self.log.append(batch).await
    }
    async fn read_stream(
        &self,
        stream: StreamId,
        from: u64,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, LogError> {
        self.log.read_stream(stream, from, limit).await
    }
    async fn read_stream_back(
        &self,
        stream: StreamId,
        before: u64,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, LogError> {
        self.log.read_stream_back(stream, before, limit).await
    }
    async fn read_all(
        &self,
        after: Position,
        limit: usize,
        categories: &[Category],
        event_types: &[&str],
    ) -> Result<Page, LogError> {
        let mut page = self.log.read_all(after, limit, categories, event_types).await?;
        page.events.retain(|event| Some(event.position) != self.lacks);
        self.goes.subscribe().wait_for(|goes| *goes).await.unwrap();
        if let Some(head) = &self.head
            && page.events.len() < limit
        {
            page.next = page.next.max(*head.borrow());
        }
        Ok(page)
    }
    fn head(&self) -> watch::Receiver<Position> {
        self.head.as_ref().map_or_else(|| self.log.head(), watch::Sender::subscribe)
    }
    async fn ledger_window(&self, stream: StreamId, limit: usize) -> Result<LedgerWindow, LogError> {
        self.log.ledger_window(stream, limit).await
    }
    async fn ledger_entries(
        &self,
        stream: StreamId,
        ids: &[CommandId],
    ) -> Result<Vec<Option<LedgerEntry>>, LogError> {
        self.log.ledger_entries(stream, ids).await
    }
    async fn prune_ledger(&self, before: Timestamp) -> Result<u64, LogError> {
        self.log.prune_ledger(before).await
    }
}
