//! The table `[kafka]` as its client takes it.

use std::sync::Arc;

use octocity_adapters::kafka::{KafkaFault, KafkaOptions, prepare};

use super::BrokerAway;
use crate::config::KafkaConfig;
use crate::failure::Failure;

pub fn options(config: &KafkaConfig) -> KafkaOptions {
    let usual = KafkaOptions::default();
    let partitions = config.partitions.cast_signed();
    let config = config.clone();
    KafkaOptions {
        brokers: config.brokers,
        log_topic: config.log_topic.unwrap_or(usual.log_topic),
        events_topic: config.events_topic.unwrap_or(usual.events_topic),
        partitions,
        replication: config.replication.map_or(usual.replication, u32::cast_signed),
        retention_hours: config.retention_hours.unwrap_or(usual.retention_hours),
        create_topics: config.create_topics.unwrap_or(usual.create_topics),
        relay: config.relay.unwrap_or(usual.relay),
        group: config.group.unwrap_or(usual.group),
        source: config.source.unwrap_or(usual.source),
        client: config.client,
    }
}

/// What is configured wrongly is refused here, before any work.
pub async fn check(options: &KafkaOptions, away: BrokerAway) -> Result<(), Failure> {
    match prepare(&Arc::new(options.clone())).await {
        Err(fault) if fault.is_transient() && away == BrokerAway::TryAgain => Ok(()),
        prepared => prepared.map_err(|fault| failure(&fault)),
    }
}

pub fn failure(fault: &KafkaFault) -> Failure {
    let sentence = format!("[kafka]: {fault}.");
    match fault {
        KafkaFault::Unavailable(_) | KafkaFault::Log(_) | KafkaFault::Fenced => Failure::fault(sentence),
        _ => Failure::usage(sentence),
    }
}
