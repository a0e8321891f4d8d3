//! The table `[kafka]` as its client takes it.

use std::sync::Arc;

use octocity_adapters::kafka::{self, KafkaFault, KafkaOptions, check_log, prepare};
use octocity_log::{EventLog, Position};

use super::BrokerAway;
use crate::config::KafkaConfig;
use crate::failure::Failure;

/// Who shares a topic shares its relay and its group: two cities on one Kafka do not meet there.
pub fn options(config: &KafkaConfig) -> KafkaOptions {
    let usual = KafkaOptions::default();
    let partitions = config.partitions.cast_signed();
    let config = config.clone();
    let log_topic = config.log_topic.unwrap_or(usual.log_topic);
    KafkaOptions {
        brokers: config.brokers,
        relay: config.relay.unwrap_or_else(|| format!("{log_topic}-relay")),
        group: config.group.unwrap_or_else(|| format!("{log_topic}-projectors")),
        log_topic,
        events_topic: config.events_topic.unwrap_or(usual.events_topic),
        partitions,
        replication: config.replication.map_or(usual.replication, u32::cast_signed),
        retention_hours: config.retention_hours.unwrap_or(usual.retention_hours),
        create_topics: config.create_topics.unwrap_or(usual.create_topics),
        source: config.source.unwrap_or(usual.source),
        client: config.client,
    }
}

/// Which brokers and topics these would be, without changing anything there.
pub async fn look(config: &KafkaConfig) -> Result<String, Failure> {
    kafka::look(&Arc::new(options(config))).await.map_err(|fault| failure(&fault))
}

/// Up to where the log stands on Kafka.
pub async fn published(config: &KafkaConfig, log: &dyn EventLog) -> Result<Position, Failure> {
    let options = Arc::new(options(config));
    kafka::published(&options, log.id(), log.epoch()).await.map_err(|fault| failure(&fault))
}

/// What is configured wrongly is refused here, before any work.
pub async fn check(options: &KafkaOptions, log: &dyn EventLog, away: BrokerAway) -> Result<(), Failure> {
    let options = Arc::new(options.clone());
    let checked = async {
        prepare(&options).await?;
        check_log(&options, log.id(), log.epoch()).await
    };
    match checked.await {
        Err(fault) if fault.is_transient() && away == BrokerAway::TryAgain => {
            tracing::warn!(code = fault.code(), %fault, "Kafka cannot be used yet; it is tried again");
            Ok(())
        }
        checked => checked.map_err(|fault| failure(&fault)),
    }
}

pub fn failure(fault: &KafkaFault) -> Failure {
    let sentence = format!("[kafka]: {fault}.");
    match fault {
        KafkaFault::Unreachable { .. } => Failure::usage(sentence).of_service("Kafka"),
        KafkaFault::Unavailable(_) => Failure::fault(sentence).of_service("Kafka"),
        KafkaFault::Log(_) | KafkaFault::Fenced => Failure::fault(sentence),
        _ => Failure::usage(sentence),
    }
}
