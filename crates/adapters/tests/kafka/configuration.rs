//! What is configured wrongly is told in one sentence, before any work.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use octocity_adapters::kafka::{KafkaFault, KafkaOptions, Reader, Relay, prepare};
use octocity_log::{EventLog, LogId, MemoryLog, Position};
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use uuid::Uuid;

use crate::broker::{Broker, USER, shared};
use crate::support::*;

async fn refused(kafka: KafkaOptions) -> KafkaFault {
    let log = Arc::new(MemoryLog::default());
    Relay::new(log, kafka, RELAY).prepare().await.expect_err("it is refused")
}

/// What a relay that could be opened ends with.
async fn ended(log: &MemoryLog, kafka: &KafkaOptions) -> KafkaFault {
    let relay = start(Arc::new(log.clone()), kafka).await;
    tokio::time::timeout(Duration::from_secs(30), relay.task).await.expect("soon").unwrap().unwrap_err()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_is_not_there_is_named() {
    let fault = refused(options("127.0.0.1:1", 3)).await;
    assert_eq!(fault.code(), "KAFKA_UNREACHABLE");
    let told = fault.to_string();
    assert!(told.starts_with("no Kafka broker answers at '127.0.0.1:1' ("), "{told}");
    assert!(told.ends_with("start one there or correct 'brokers'"), "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_credentials_are_told_and_right_ones_let_in() {
    let broker = Broker::start();
    let with = |password: &str| {
        let client = [
            ("security.protocol", "sasl_plaintext"),
            ("sasl.mechanism", "PLAIN"),
            ("sasl.username", USER.0),
            ("sasl.password", password),
        ];
        let client = client.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        KafkaOptions { client, ..options(&broker.guarded_address, 3) }
    };
    let fault = refused(with("wrong")).await;
    assert_eq!(fault.code(), "KAFKA_CREDENTIALS", "{fault}");
    assert!(fault.to_string().ends_with("correct the options under 'client'"), "{fault}");
    assert!(!fault.to_string().contains("wrong"), "{fault}");
    let (kafka, log) = (with(USER.1), MemoryLog::default());
    let relay = start(Arc::new(log.clone()), &kafka).await;
    fill(&log, 1, 0, 10).await;
    assert_all_is_there(&kafka, &log).await;
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_option_that_the_client_does_not_know_is_named() {
    let client = BTreeMap::from([("sasl.usernam".to_owned(), "city".to_owned())]);
    let fault = refused(KafkaOptions { client, ..options(shared(), 3) }).await;
    assert_eq!(fault.code(), "KAFKA_OPTION");
    assert!(fault.to_string().contains("sasl.usernam"), "{fault}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_is_made_only_where_that_is_wanted() {
    let without = KafkaOptions { create_topics: false, ..options(shared(), 3) };
    let fault = refused(without.clone()).await;
    assert_eq!(fault.code(), "KAFKA_TOPIC_UNKNOWN");
    assert_eq!(
        fault.to_string(),
        format!(
            "Kafka has no topic '{}'; make it with 3 partitions, or set 'create_topics = true'",
            without.log_topic
        )
    );
    let too_many_copies = KafkaOptions { replication: 3, ..options(shared(), 3) };
    assert_eq!(refused(too_many_copies).await.code(), "KAFKA_TOPIC_NOT_MADE");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_count_of_partitions_is_refused() {
    let (kafka, log) = (options(shared(), 3), MemoryLog::default());
    fill(&log, 1, 0, 10).await;
    let relay = start(Arc::new(log.clone()), &kafka).await;
    assert_all_is_there(&kafka, &log).await;
    relay.stop().await;
    let more = KafkaOptions { partitions: 4, ..kafka.clone() };
    assert_eq!(refused(more).await.code(), "KAFKA_TOO_FEW_PARTITIONS");
    let fewer = KafkaOptions { partitions: 2, ..kafka.clone() };
    let fault = ended(&log, &fewer).await;
    assert_eq!(fault.code(), "KAFKA_PARTITIONS_DIFFER");
    assert!(fault.to_string().contains("'partitions = 3', and 2 are configured"), "{fault}");
    let mut reader =
        Reader::of_partitions(fewer, of_log(&log), from(2, Position::default()), Arc::default()).unwrap();
    let fault = loop {
        match reader.next().await {
            Ok(_) => {}
            Err(fault) => break fault,
        }
    };
    assert_eq!(fault.code(), "KAFKA_PARTITIONS_DIFFER");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_topic_of_another_log_is_refused() {
    let (kafka, log) = (options(shared(), 3), MemoryLog::default());
    fill(&log, 1, 0, 10).await;
    let relay = start(Arc::new(log.clone()), &kafka).await;
    assert_all_is_there(&kafka, &log).await;
    relay.stop().await;
    let other = MemoryLog::new(LogId(Uuid::from_u128(7)));
    fill(&other, 1, 0, 20).await;
    let fault = ended(&other, &kafka).await;
    assert_eq!(fault.code(), "KAFKA_OTHER_LOG");
    assert!(fault.to_string().contains(&format!("is of log {} (epoch 1)", log.id().0)), "{fault}");
    // The same log, put back as it was before: it waits, and writes nothing.
    let older = MemoryLog::default();
    fill(&older, 1, 0, 5).await;
    let relay = start(Arc::new(older), &kafka).await;
    until("it has noticed", || relay.stats.faults.load(std::sync::atomic::Ordering::Relaxed) > 0).await;
    assert_eq!(relay.stats.transactions.load(std::sync::atomic::Ordering::Relaxed), 0);
    relay.stop().await;
    assert_all_is_there(&kafka, &log).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn topics_that_are_exchanged_or_of_somebody_else_are_refused() {
    let (kafka, log) = (options(shared(), 3), MemoryLog::default());
    fill(&log, 1, 0, 10).await;
    let relay = start(Arc::new(log.clone()), &kafka).await;
    assert_all_is_there(&kafka, &log).await;
    relay.stop().await;
    let (log_topic, events_topic) = (kafka.events_topic.clone(), kafka.log_topic.clone());
    let exchanged = KafkaOptions { log_topic, events_topic, ..kafka };
    assert_eq!(refused(exchanged).await.code(), "KAFKA_EVENTS_TOPIC");
    // Not in the partition whose watermarks are asked first.
    let of_others = options(shared(), 3);
    prepare(&Arc::new(of_others.clone())).await.unwrap();
    let other: BaseProducer =
        ClientConfig::new().set("bootstrap.servers", &of_others.brokers).create().unwrap();
    let record = BaseRecord::<[u8], [u8]>::to(&of_others.log_topic).partition(2);
    other.send(record.payload(b"of others")).map_err(|(error, _)| error).unwrap();
    other.flush(Duration::from_secs(20)).unwrap();
    assert_eq!(ended(&log, &of_others).await.code(), "KAFKA_FOREIGN_RECORD");
}
