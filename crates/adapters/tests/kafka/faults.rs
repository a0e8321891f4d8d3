//! A relay that dies, and a broker that does.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use octocity_adapters::kafka::{KafkaOptions, Reader};
use octocity_adapters::sqlite::{SqliteLog, SqliteLogOptions};
use octocity_log::{EventLog, MemoryLog, Position};
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use tempfile::TempDir;

use crate::broker::{Broker, shared};
use crate::support::*;

/// As left by a relay that was killed between its records and their commit: they are delivered, and nobody ends the
/// transaction.
fn die_in_a_transaction(kafka: &KafkaOptions) {
    let dying: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", &kafka.brokers)
        .set("transactional.id", &kafka.relay)
        .create()
        .unwrap();
    dying.init_transactions(Duration::from_secs(60)).unwrap();
    dying.begin_transaction().unwrap();
    for number in 0..500 {
        let record = BaseRecord::<[u8], [u8]>::to(&kafka.log_topic).partition(number % kafka.partitions);
        dying.send(record.payload(b"of the dead")).map_err(|(error, _)| error).unwrap();
    }
    dying.flush(Duration::from_secs(60)).unwrap();
    std::mem::forget(dying);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_dead_relay_left_uncommitted_is_seen_by_nobody() {
    let (kafka, log) = (options(shared(), 3), MemoryLog::default());
    start(Arc::new(log.clone()), &kafka).await.stop().await;
    // Before anything was ever committed, and after.
    for round in 0..2 {
        for number in 0..6 {
            fill(&log, number, round * 40, 20).await;
        }
        die_in_a_transaction(&kafka);
        let relay = start(Arc::new(log.clone()), &kafka).await;
        for number in 0..6 {
            fill(&log, number, round * 40 + 20, 20).await;
        }
        assert_all_is_there(&kafka, &log).await;
        relay.stop().await;
    }
}

/// For the process that is killed: which log it relays, and to where.
const LOG: &str = "OCTOCITY_TEST_RELAYED_LOG";
const TOPICS: &str = "OCTOCITY_TEST_RELAYED_TO";
/// What it says once it is worth killing.
const AT_WORK: &str = "it publishes";

fn open(path: &Path) -> Arc<SqliteLog> {
    Arc::new(SqliteLog::open(path, SqliteLogOptions::default()).unwrap())
}

fn topics(kafka: &KafkaOptions) -> String {
    [&kafka.brokers, &kafka.log_topic, &kafka.events_topic, &kafka.relay].map(String::as_str).join(" ")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_that_is_killed_again_and_again_leaves_no_gap_and_no_double() {
    let (folder, kafka) = (TempDir::new().unwrap(), options(shared(), 4));
    let path = folder.path().join("log.db");
    drop(open(&path));
    let mut heads = vec![Position::default()];
    for round in 0..6_u64 {
        let mut relay = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "faults::a_relay_to_be_killed", "--ignored", "--nocapture"])
            .env(LOG, &path)
            .env(TOPICS, topics(&kafka))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(relay.stdout.take().unwrap()).lines();
        assert!(said.any(|line| line.unwrap() == AT_WORK), "it publishes");
        tokio::time::sleep(Duration::from_millis(50 + 137 * round)).await;
        // Nobody says goodbye: this is kill -9.
        relay.kill().unwrap();
        relay.wait().unwrap();
        heads.push(*open(&path).head().borrow());
    }
    assert!(heads.is_sorted_by(|one, next| one < next), "each had work: {heads:?}");
    let log = open(&path);
    let relay = start(log.clone(), &kafka).await;
    assert_all_is_there(&kafka, &*log).await;
    relay.stop().await;
}

/// Appends and relays until it is killed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a process of the test above"]
async fn a_relay_to_be_killed() {
    let (Ok(path), Ok(topics)) = (std::env::var(LOG), std::env::var(TOPICS)) else { return };
    let names: Vec<&str> = topics.split(' ').collect();
    let [brokers, log_topic, events_topic, relay] = names[..] else { panic!("{topics}") };
    let kafka = KafkaOptions {
        log_topic: log_topic.to_owned(),
        events_topic: events_topic.to_owned(),
        relay: relay.to_owned(),
        ..options(brokers, 4)
    };
    let log = open(Path::new(&path));
    let relay = start(log.clone(), &kafka).await;
    tokio::spawn(async move {
        until("it publishes", || relay.stats.events.load(Ordering::Relaxed) > 0).await;
        println!("\n{AT_WORK}");
        relay.task.await
    });
    let mut done = [0_u64; 8];
    for (number, done) in done.iter_mut().enumerate() {
        let stream =
            octocity_log::StreamId::new(octocity_domain::Category::Parking, facility(number as u128).uuid());
        *done = log
            .read_stream_back(stream, u64::MAX, 1)
            .await
            .unwrap()
            .first()
            .map_or(0, |last| last.revision + 1);
    }
    loop {
        for (number, done) in done.iter_mut().enumerate() {
            fill(&*log, number as u128, *done, 10).await;
            *done += 10;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_is_stopped_and_started_loses_nothing() {
    let broker = Broker::start();
    let (kafka, log) = (options(&broker.address, 3), MemoryLog::default());
    let relay = start(Arc::new(log.clone()), &kafka).await;
    for number in 0..6 {
        fill(&log, number, 0, 50).await;
    }
    let all = from(3, Position::default());
    let mut reader = Reader::of_partitions(kafka.clone(), of_log(&log), all, Arc::default()).unwrap();
    let mut events = reader.next().await.unwrap().events.clone();
    broker.stop();
    for number in 0..6 {
        fill(&log, number, 50, 100).await;
    }
    until("it has noticed", || relay.stats.faults.load(Ordering::Relaxed) > 0).await;
    broker.start_again();
    assert_all_is_there(&kafka, &log).await;
    // One that read on all the while has missed nothing either.
    let all = log.read_all(Position::default(), usize::MAX, &[], &[]).await.unwrap().events;
    while events.len() < all.len() {
        let next = tokio::time::timeout(Duration::from_secs(60), reader.next()).await;
        events.extend(next.expect("the rest in time").unwrap().events.iter().cloned());
    }
    assert_same(all, events);
    relay.stop().await;
}
