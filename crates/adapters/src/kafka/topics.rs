//! The two topics: that they can be reached, that they are there, and that they are as configured.

use std::sync::Arc;
use std::time::{Duration, Instant};

use octocity_log::{LogId, Position};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::types::RDKafkaRespErr;

use super::fault::KafkaFault;
use super::hearing::Hearing;
use super::options::{ANSWER, KafkaOptions, RECORD_MAX_BYTES};
use super::scanner::Scanner;

/// How long a broker is looked for where nothing takes connections.
const REACH: Duration = Duration::from_secs(3);
/// One question in many: so that wrong credentials are told at once.
const QUESTION: Duration = Duration::from_secs(1);

/// Reaches a broker, and makes the topics that are missing, if it may. What this refuses is refused before any work
/// begins: it is for whoever configured it.
pub async fn prepare(options: &Arc<KafkaOptions>) -> Result<(), KafkaFault> {
    options.check()?;
    for topic in [&options.log_topic, &options.events_topic] {
        let found = match partitions(options, topic).await? {
            0 if options.create_topics => make(options, topic).await?,
            found => found,
        };
        check(options, topic, found)?;
    }
    let asked = Arc::clone(options);
    super::blocking(move || Scanner::check_events_topic(&asked)).await
}

/// Refuses what a relay would refuse, as far as that can be known without the log; nothing is made. Says what is there.
pub async fn look(options: &Arc<KafkaOptions>) -> Result<String, KafkaFault> {
    options.check()?;
    let KafkaOptions { brokers, log_topic, events_topic, create_topics, .. } = &**options;
    for topic in [log_topic, events_topic] {
        match partitions(options, topic).await? {
            0 if *create_topics => {
                return Ok(format!("{brokers}, no topic '{topic}' yet; the relay makes it"));
            }
            found => check(options, topic, found)?,
        }
    }
    let asked = Arc::clone(options);
    let last = super::blocking(move || Scanner::open(&asked)?.newest()).await?;
    last.map_or(Ok(()), |last| last.check_partitions(options))?;
    Ok(format!("{brokers}, topics '{log_topic}' and '{events_topic}'"))
}

/// Refuses topics that tell of another log than this one. Whose marks are gone tell of none.
pub async fn check_log(options: &Arc<KafkaOptions>, log: LogId, epoch: u32) -> Result<(), KafkaFault> {
    match published(options, log, epoch).await {
        Ok(_) | Err(KafkaFault::WatermarksLost { .. }) => Ok(()),
        Err(fault) => Err(fault),
    }
}

/// Up to where the log stands in its topic; refuses one that tells of another log.
pub async fn published(options: &Arc<KafkaOptions>, log: LogId, epoch: u32) -> Result<Position, KafkaFault> {
    if partitions(options, &options.log_topic).await? == 0 {
        return Ok(Position::default());
    }
    let asked = Arc::clone(options);
    let last = super::blocking(move || Scanner::open(&asked)?.newest()).await?;
    match last {
        Some(last) => last.check(options, log, epoch).map(|()| last.position),
        None => Ok(Position::default()),
    }
}

fn check(options: &KafkaOptions, topic: &str, found: i32) -> Result<(), KafkaFault> {
    let (topic, configured) = (topic.to_owned(), options.partitions);
    match found {
        0 => Err(KafkaFault::TopicUnknown { topic, partitions: configured }),
        found if found < configured => Err(KafkaFault::TooFewPartitions { topic, found, configured }),
        _ => Ok(()),
    }
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
                Some(fault) if begun.elapsed() > REACH => return Err(fault),
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

/// Removes both topics, with what is in them.
pub(super) async fn remove(options: &KafkaOptions) -> Result<(), KafkaFault> {
    let admin = AdminClient::from_config_and_context(&options.scanner(), Hearing::default())?;
    let names = [options.log_topic.as_str(), options.events_topic.as_str()];
    for removed in admin.delete_topics(&names, &AdminOptions::new().request_timeout(Some(ANSWER))).await? {
        removed.map_err(|(_, code)| KafkaError::AdminOp(code))?;
    }
    Ok(())
}
