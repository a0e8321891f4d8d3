//! The two topics: that they can be reached, that they are there, and that they are as configured.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::types::RDKafkaRespErr;

use super::fault::KafkaFault;
use super::hearing::Hearing;
use super::options::{ANSWER, KafkaOptions, RECORD_MAX_BYTES};

/// One question in many: so that wrong credentials are told at once.
const QUESTION: Duration = Duration::from_secs(1);

/// Reaches a broker, and makes the topics that are missing, if it may. What this refuses is refused before any work
/// begins: it is for whoever configured it.
pub async fn prepare(options: &Arc<KafkaOptions>) -> Result<(), KafkaFault> {
    options.check()?;
    for topic in [&options.log_topic, &options.events_topic] {
        let found = match partitions(options, topic).await? {
            0 if options.create_topics => make(options, topic).await?,
            0 => {
                let (topic, partitions) = (topic.clone(), options.partitions);
                return Err(KafkaFault::TopicUnknown { topic, partitions });
            }
            found => found,
        };
        if found < options.partitions {
            let (topic, configured) = (topic.clone(), options.partitions);
            return Err(KafkaFault::TooFewPartitions { topic, found, configured });
        }
    }
    Ok(())
}

/// How many partitions a topic has; 0 where there is none.
async fn partitions(options: &Arc<KafkaOptions>, topic: &str) -> Result<i32, KafkaFault> {
    let (options, topic) = (Arc::clone(options), topic.to_owned());
    super::blocking(move || {
        let consumer = BaseConsumer::from_config_and_context(&options.scanner(), Hearing::default())?;
        let begun = Instant::now();
        loop {
            let error = match consumer.fetch_metadata(Some(&topic), QUESTION) {
                Ok(metadata) => return count(&metadata, &topic),
                Err(error) => error,
            };
            // Serves what was said aside.
            drop(consumer.poll(Duration::from_millis(50)));
            let heard = consumer.client().context().fault(&options.brokers);
            match heard {
                Some(fault @ KafkaFault::Credentials { .. }) => return Err(fault),
                _ if begun.elapsed() < ANSWER => {}
                Some(fault) => return Err(fault),
                None => {
                    let brokers = options.brokers.clone();
                    return Err(KafkaFault::Unreachable { brokers, reason: error.to_string() });
                }
            }
        }
    })
    .await
}

fn count(metadata: &rdkafka::metadata::Metadata, topic: &str) -> Result<i32, KafkaFault> {
    let Some(found) = metadata.topics().iter().find(|found| found.name() == topic) else { return Ok(0) };
    match found.error() {
        None => Ok(i32::try_from(found.partitions().len()).unwrap_or(i32::MAX)),
        Some(RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) => Ok(0),
        Some(error) => Err(KafkaError::MetadataFetch(error.into()).into()),
    }
}

/// Makes it, and says how many partitions it has: another relay may have made it meanwhile.
async fn make(options: &Arc<KafkaOptions>, topic: &str) -> Result<i32, KafkaFault> {
    let admin = AdminClient::from_config_and_context(&options.scanner(), Hearing::default())?;
    let retention_ms = (u64::from(options.retention_hours) * 3_600_000).to_string();
    let largest = RECORD_MAX_BYTES.to_string();
    // Two of three copies: one broker may be away, and nothing acknowledged is lost with another.
    let in_sync = (options.replication - 1).max(1).to_string();
    let new = NewTopic::new(topic, options.partitions, TopicReplication::Fixed(options.replication))
        .set("cleanup.policy", "delete")
        .set("retention.ms", &retention_ms)
        .set("max.message.bytes", &largest)
        .set("min.insync.replicas", &in_sync);
    let timeouts = AdminOptions::new().request_timeout(Some(ANSWER)).operation_timeout(Some(ANSWER));
    let not_made = |reason: String| KafkaFault::TopicNotMade { topic: topic.to_owned(), reason };
    for made in admin.create_topics([&new], &timeouts).await? {
        match made {
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((_, code)) => return Err(not_made(code.to_string())),
        }
    }
    let begun = Instant::now();
    loop {
        match partitions(options, topic).await? {
            0 if begun.elapsed() > ANSWER => return Err(not_made("it does not appear".to_owned())),
            0 => tokio::time::sleep(Duration::from_millis(50)).await,
            found => return Ok(found),
        }
    }
}
