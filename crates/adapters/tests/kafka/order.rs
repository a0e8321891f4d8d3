//! The whole log arrives: each event once, those of a key in order, and every partition says how far it is.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use octocity_adapters::kafka::{KafkaOptions, Reader, RelayOptions};
use octocity_domain::Category;
use octocity_log::contract::{batch, client_id, must_append};
use octocity_log::{EventLog, MemoryLog, Position, StreamId, partition_of};
use octocity_published::{CloudEvent, HEADERS, publish};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{Headers, Message};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::broker::shared;
use crate::support::*;

/// A message of the public topic: its partition, key, headers and value.
type Told = (i32, Vec<u8>, Vec<(String, String)>, Vec<u8>);

/// All that is committed in these partitions of a topic.
fn messages(brokers: &str, topic: &str, partitions: i32) -> Vec<Told> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "none")
        .set("isolation.level", "read_committed")
        .set("enable.partition.eof", "true")
        .create()
        .unwrap();
    let mut all = TopicPartitionList::new();
    (0..partitions).for_each(|partition| {
        all.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
    });
    consumer.assign(&all).unwrap();
    let (mut found, mut ended) = (Vec::new(), 0);
    while ended < partitions {
        match consumer.poll(Duration::from_secs(60)).expect("an answer in time") {
            Ok(message) => {
                let text = |value: &[u8]| String::from_utf8(value.to_vec()).unwrap();
                let headers = message.headers().unwrap().iter();
                let headers = headers.map(|header| (header.key.to_owned(), text(header.value.unwrap())));
                let (key, value) = (message.key().unwrap_or_default(), message.payload().unwrap_or_default());
                found.push((message.partition(), key.to_vec(), headers.collect(), value.to_vec()));
            }
            Err(KafkaError::PartitionEOF(_)) => ended += 1,
            Err(error) => panic!("{error}"),
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_whole_log_arrives_in_order_per_key_once() {
    let (kafka, log) = (options(shared(), 5), MemoryLog::default());
    for number in 0..20 {
        fill(&log, number, 0, 45).await;
    }
    let relay = start(Arc::new(log.clone()), &kafka).await;
    // And while it runs.
    for number in 0..20 {
        fill(&log, number, 45, 30).await;
    }
    assert_all_is_there(&kafka, &log).await;
    assert_public_events(&kafka, &log).await;
    relay.stop().await;
}

async fn assert_public_events(kafka: &KafkaOptions, log: &dyn EventLog) {
    let all = log.read_all(Position::default(), usize::MAX, &[], &[]).await.unwrap().events;
    let expected = all.iter().map(|recorded| {
        let event =
            octocity_log::decode(recorded.stream.category, &recorded.event_type, 1, &recorded.data).unwrap();
        let published = publish(&event, recorded.stream, &recorded.meta).expect("an entry is told");
        let message = CloudEvent::try_new(&published, recorded, &kafka.source).unwrap();
        let headers = HEADERS.into_iter().map(str::to_owned).zip(message.headers).collect();
        let (key, partition) = (recorded.meta.key, partition_of(recorded.meta.key, kafka.partitions));
        (partition, key.to_string().into_bytes(), headers, message.data)
    });
    let by_key = |messages: Vec<Told>| {
        let mut keys = BTreeMap::<Vec<u8>, Vec<Told>>::new();
        messages.into_iter().for_each(|message| keys.entry(message.1.clone()).or_default().push(message));
        keys
    };
    let found = messages(&kafka.brokers, &kafka.events_topic, kafka.partitions);
    assert_eq!(by_key(found), by_key(expected.collect()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_begins_behind_any_position() {
    let (kafka, log) = (options(shared(), 3), MemoryLog::default());
    for round in 0..10 {
        for number in 0..6 {
            fill(&log, number, round * 10, 10).await;
        }
    }
    let relay = start(Arc::new(log.clone()), &kafka).await;
    let all = log.read_all(Position::default(), usize::MAX, &[], &[]).await.unwrap().events;
    let head = all.last().unwrap().position;
    for index in [0, 1, 99, 100, 301, all.len() - 2] {
        let after = all[index].position;
        // The one before is no place of any event where positions leave gaps.
        for after in [after, Position(after.0 - 1)] {
            let expected = all.iter().filter(|event| event.position > after).cloned().collect();
            assert_same(expected, read(&kafka, &log, after, head).await);
        }
    }
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_of_megabytes_arrives() {
    let (kafka, log) = (options(shared(), 2), MemoryLog::default());
    fill(&log, 1, 0, 10).await;
    // Of random bits, which no compression makes small.
    let text: String = (0..40_000).map(|_| octocity_adapters::clock::new_command_id().to_string()).collect();
    let stream = StreamId::new(Category::Facility, facility(1).uuid());
    must_append(&log, batch(stream, 0, client_id(77), &[&text])).await;
    fill(&log, 1, 10, 10).await;
    let relay = start(Arc::new(log.clone()), &kafka).await;
    assert_all_is_there(&kafka, &log).await;
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn quiet_partitions_make_progress() {
    let (kafka, log) = (options(shared(), 6), MemoryLog::default());
    fill(&log, 1, 0, 10).await;
    let last = *log.head().borrow();
    let (head, _keep) = tokio::sync::watch::channel(last);
    let staged = Staged { head: Some(head.clone()), ..Staged::new(log.clone()) };
    let relay = start(Arc::new(staged), &kafka).await;
    let mut reader =
        Reader::of_partitions(kafka.clone(), of_log(&log), from(6, Position::default()), Arc::default())
            .unwrap();
    let mut reached = from(6, Position::default());
    // Events of others moved the log's head, and none of ours came.
    for due in [last, Position(last.0 + 100), Position(last.0 + 200)] {
        head.send_replace(due);
        while reached.values().any(|position| *position < due) {
            let next = tokio::time::timeout(Duration::from_secs(60), reader.next());
            reached.extend(&next.await.expect("watermarks in time").unwrap().reached);
        }
        assert!(reached.values().all(|position| *position == due), "{reached:?}");
    }
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_stands_still_is_marked_before_its_topic_forgets_how_far_it_was_written() {
    let (kafka, log) = (options(shared(), 2), MemoryLog::default());
    fill(&log, 1, 0, 10).await;
    let still = RelayOptions { still: Duration::from_millis(100), ..RELAY };
    let relay = start_with(Arc::new(log.clone()), &kafka, still).await;
    let transactions = || relay.stats.transactions.load(std::sync::atomic::Ordering::Relaxed);
    until("it is marked again and again", || transactions() > 3).await;
    assert_all_is_there(&kafka, &log).await;
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partitions_added_from_outside_stay_empty() {
    let (kafka, log) = (options(shared(), 3), MemoryLog::default());
    for number in 0..12 {
        fill(&log, number, 0, 10).await;
    }
    let relay = start(Arc::new(log.clone()), &kafka).await;
    assert_all_is_there(&kafka, &log).await;
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", &kafka.brokers).create().unwrap();
    let more = [&kafka.log_topic, &kafka.events_topic].map(|topic| NewPartitions::new(topic, 8));
    for added in admin.create_partitions(&more, &AdminOptions::new()).await.unwrap() {
        added.unwrap();
    }
    for number in 0..12 {
        fill(&log, number, 10, 20).await;
    }
    assert_all_is_there(&kafka, &log).await;
    relay.stop().await;
    // Nor does a relay that starts now use them.
    let relay = start(Arc::new(log.clone()), &kafka).await;
    for number in 0..12 {
        fill(&log, number, 30, 10).await;
    }
    assert_all_is_there(&kafka, &log).await;
    relay.stop().await;
    for topic in [&kafka.log_topic, &kafka.events_topic] {
        let found = messages(&kafka.brokers, topic, 8);
        assert!(found.iter().all(|(partition, ..)| *partition < 3), "{topic}");
    }
}

/// Prints a rate; what it asserts is that all arrives.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_thousand_events() {
    let (kafka, log) = (options(shared(), 12), MemoryLog::default());
    for number in 0..50 {
        fill(&log, number, 0, 1_000).await;
    }
    let begun = Instant::now();
    let relay = start_with(Arc::new(log.clone()), &kafka, RelayOptions::default()).await;
    let head = log.head().borrow().0;
    let published = || relay.stats.position.load(std::sync::atomic::Ordering::Relaxed) == head;
    until("all is published", published).await;
    let relayed = begun.elapsed();
    let begun = Instant::now();
    assert_all_is_there(&kafka, &log).await;
    let rate = |took: Duration| 50_000.0 / took.as_secs_f64();
    println!("{:.0} events relayed a second, {:.0} read back", rate(relayed), rate(begun.elapsed()));
    relay.stop().await;
}
