//! Projectors that share the partitions write what one engine would, whoever comes and goes; and live readers follow.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use octocity_adapters::kafka::{KafkaFault, KafkaOptions, LiveReader, Projector, ReaderStats};
use octocity_log::{EventLog, Position, RecordedEvent, Tail};
use octocity_projections::testing::{Behind, Garage, History, Move, Way, hashes, play};
use octocity_projections::{Feed, MemoryRows, ReadModels, RowStore, StoreError};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::broker::shared;
use crate::support::*;

const PARTITIONS: i32 = 6;
/// One that cannot write holds partitions for up to half a minute each time it has them.
const UNTIL_ALL_IS_PROJECTED: Duration = Duration::from_secs(180);

struct City {
    kafka: KafkaOptions,
    garages: Vec<Garage>,
    history: History,
    rows: Arc<dyn RowStore>,
}

fn moves(seed: u32, count: usize) -> Vec<Move> {
    let mut chance = seed;
    let mut next = || {
        chance = chance.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        chance >> 16
    };
    (0..count).map(|_| (next() as u8, next() as u8, (next() % 20_000) as u16, next() % 2 == 0)).collect()
}

impl City {
    async fn new() -> Self {
        let kafka = options(shared(), PARTITIONS);
        let kafka = KafkaOptions { group: format!("{}.group", kafka.log_topic), ..kafka };
        let mut garages: Vec<_> = (1..=20).map(Garage::new).collect();
        let history = play(&mut garages, &moves(3, 1_500)).await;
        Self { kafka, garages, history, rows: Arc::new(MemoryRows::of_partitions(PARTITIONS)) }
    }

    fn log(&self) -> Arc<dyn EventLog> {
        Arc::new(self.history.log.clone())
    }

    fn head(&self) -> Position {
        *self.history.log.head().borrow()
    }

    async fn go_on(&mut self, seed: u32) {
        for (number, step) in moves(seed, 300).into_iter().enumerate() {
            let which = number % self.garages.len();
            self.garages[which].act(&mut self.history, step).await;
        }
    }

    async fn projector(&self) -> Projecting {
        self.projector_of(Arc::clone(&self.rows)).await
    }

    async fn projector_of(&self, rows: Arc<dyn RowStore>) -> Projecting {
        let projector = Projector::open(self.kafka.clone(), self.log(), rows).await.unwrap();
        let (stop, stopped) = watch::channel(false);
        let (models, stats) = (projector.models(), projector.stats());
        Projecting { models, stats, _stop: stop, task: tokio::spawn(projector.run(stopped)) }
    }

    /// How far the rows of all partitions are.
    async fn position(&self) -> Position {
        let known = self.rows.checkpoints().await.unwrap();
        let all = octocity_projections::views::tables().len() * PARTITIONS as usize;
        if known.len() < all { Position(0) } else { known.iter().map(|at| at.position).min().unwrap() }
    }

    async fn until_all_is_projected(&self) {
        let begun = std::time::Instant::now();
        while self.position().await < self.head() {
            assert!(
                begun.elapsed() < UNTIL_ALL_IS_PROJECTED,
                "{:?} of {:?}",
                self.position().await,
                self.head()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn is_as_of_one_engine(&self, models: &ReadModels) {
        let alone = self.history.read(Arc::new(MemoryRows::new()), 64).await;
        assert_eq!(hashes(models).await, hashes(&alone).await);
    }
}

struct Projecting {
    models: ReadModels,
    stats: Arc<ReaderStats>,
    _stop: watch::Sender<bool>,
    task: JoinHandle<Result<(), KafkaFault>>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_event_is_in_the_rows_once_while_projectors_come_and_go() {
    let mut city = City::new().await;
    let relay = start(city.log(), &city.kafka).await;
    let live = LiveReader::new(city.kafka.clone(), city.log());
    let feed = Feed::open(live.tail(), Arc::clone(&city.rows)).await.unwrap();
    let told = feed.models();
    let (_stop, stopped) = watch::channel(false);
    tokio::spawn(live.run(stopped.clone()));
    tokio::spawn(feed.run(stopped));
    let first = city.projector().await;
    until("the first projects", || first.models.stats.events.load(Ordering::Relaxed) > 0).await;
    let second = city.projector().await;
    city.go_on(4).await;
    until("both have partitions", || second.stats.partitions.load(Ordering::Relaxed) > 0).await;
    city.go_on(5).await;
    until("the second projects", || second.models.stats.events.load(Ordering::Relaxed) > 0).await;
    city.until_all_is_projected().await;
    // As by a kill.
    first.task.abort();
    city.go_on(6).await;
    city.until_all_is_projected().await;
    city.is_as_of_one_engine(&second.models).await;
    assert!(!second.task.is_finished(), "it met no fault");
    let tables = octocity_projections::views::tables();
    assert!(told.wait_for(&tables, city.head(), Duration::from_secs(60)).await, "the live reader follows");
    second.task.abort();
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_topic_no_longer_keeps_is_read_from_the_log() {
    let mut city = City::new().await;
    let relay = start(city.log(), &city.kafka).await;
    let head = city.head();
    until("all is published", || Position(relay.stats.position.load(Ordering::Relaxed)) >= head).await;
    forget_half(&city.kafka).await;
    let projector = city.projector().await;
    city.go_on(4).await;
    city.until_all_is_projected().await;
    city.is_as_of_one_engine(&projector.models).await;
    // A live reader that was away for as long.
    let live = LiveReader::new(city.kafka.clone(), city.log());
    let tail = live.tail();
    tail.restart(Position(1));
    let (_stop, stopped) = watch::channel(false);
    tokio::spawn(live.run(stopped));
    until("it follows", || tail.reached() >= city.head()).await;
    let mut after = Position(1);
    let mut read = Vec::new();
    while after < city.head() {
        let page = tail.read_after(after, 200).await.unwrap();
        assert!(page.next > after);
        read.extend(page.events);
        after = page.next;
    }
    let all = city.log().read_all(Position(1), usize::MAX, &[], &[]).await.unwrap().events;
    assert!(read == all, "it misses nothing");
    projector.task.abort();
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_topic_lacks_is_read_from_the_log() {
    let city = City::new().await;
    let all = city.log().read_all(Position::default(), usize::MAX, &[], &[]).await.unwrap().events;
    // With its successor right behind it.
    let follow = |pair: &&[RecordedEvent]| pair[0].stream == pair[1].stream && pair[0].revision > 0;
    let missing = all.windows(2).filter(follow).nth(100).unwrap()[0].position;
    let lacking = Staged { lacks: Some(missing), ..Staged::new(city.history.log.clone()) };
    let relay = start(Arc::new(lacking), &city.kafka).await;
    let in_topic = read(&city.kafka, &*city.log(), Position::default(), city.head()).await;
    assert!(in_topic.len() == all.len() - 1, "the topic lacks it");
    let projector = city.projector().await;
    city.until_all_is_projected().await;
    city.is_as_of_one_engine(&projector.models).await;
    projector.task.abort();
    relay.stop().await;
}

/// This projector cannot write, though others can.
struct Unwritten(StoreError);

#[async_trait]
impl Way for Unwritten {
    async fn writes(&self) -> Result<(), StoreError> {
        Err(self.0.clone())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_cannot_write_gives_its_partitions_to_others() {
    let city = City::new().await;
    let relay = start(city.log(), &city.kafka).await;
    let unwritten =
        |error: StoreError| Arc::new(Behind(Unwritten(error), Arc::clone(&city.rows))) as Arc<dyn RowStore>;
    let away = city.projector_of(unwritten(StoreError::Unavailable("away".to_owned()))).await;
    until("it has all partitions", || away.stats.partitions.load(Ordering::Relaxed) == 6).await;
    let other = city.projector().await;
    city.until_all_is_projected().await;
    assert!(!away.task.is_finished(), "it tries again");
    away.task.abort();
    other.task.abort();
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_of_another_version_end_a_projector() {
    let mut city = City::new().await;
    let relay = start(city.log(), &city.kafka).await;
    let of_another = StoreError::OtherForm("visits".to_owned());
    city.rows = Arc::new(Behind(Unwritten(of_another.clone()), Arc::clone(&city.rows)));
    let old = city.projector().await;
    assert_eq!(old.task.await.unwrap(), Err(KafkaFault::Rows(of_another)));
    relay.stop().await;
}

/// As retention does.
async fn forget_half(kafka: &KafkaOptions) {
    let admin: AdminClient<_> =
        ClientConfig::new().set("bootstrap.servers", &kafka.brokers).create().unwrap();
    let middles: BTreeMap<i32, i64> = (0..kafka.partitions)
        .map(|partition| {
            let bounds = admin.inner().fetch_watermarks(&kafka.log_topic, partition, Duration::from_secs(10));
            (partition, bounds.unwrap().1 / 2)
        })
        .collect();
    let mut before = TopicPartitionList::new();
    for (partition, offset) in middles {
        before.add_partition_offset(&kafka.log_topic, partition, Offset::Offset(offset)).unwrap();
    }
    admin.delete_records(&before, &AdminOptions::new()).await.unwrap();
    let first = admin.inner().fetch_watermarks(&kafka.log_topic, 0, Duration::from_secs(10)).unwrap().0;
    assert!(first > 0, "records are gone");
}
