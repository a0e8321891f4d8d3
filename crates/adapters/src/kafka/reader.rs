//! Reads the log's topic: some partitions of its own (a live feed), or as a member of a group that shares them (the
//! projectors). A thread of its own reads ahead; the caller takes batches.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use octocity_log::{LogId, Position};
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use tokio::runtime::Handle;

pub use super::assignment::Checkpoints;
use super::assignment::{Assignment, Given};
use super::fault::KafkaFault;
pub use super::handover::Batch;
use super::handover::{Gathered, Handover};
use super::options::KafkaOptions;
use crate::outage::Outage;

/// How long one waits for the first record of a batch, and for each further one.
const FIRST: Duration = Duration::from_millis(100);
const FURTHER: Duration = Duration::from_millis(1);
/// How long one waits for a broker that did not answer before.
const ANSWER: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug)]
pub struct ReaderOptions {
    /// The log that the topic must be of.
    pub log: LogId,
    pub epoch: u32,
    /// How many events a batch has at most.
    pub batch_events: usize,
    /// How long partitions that are to be given away wait for the batch that is applied. Whoever commits later must
    /// find that its checkpoint is another's now.
    pub patience: Duration,
}

impl ReaderOptions {
    pub const fn new(log: LogId, epoch: u32) -> Self {
        Self { log, epoch, batch_events: 4_096, patience: Duration::from_secs(30) }
    }
}

/// For metrics.
#[derive(Debug, Default)]
pub struct ReaderStats {
    pub events: AtomicU64,
    pub rebalances: AtomicU64,
    /// How many partitions it has just now.
    pub partitions: AtomicU64,
    /// How many keys wait for the log to say what precedes an event, which is as long as it cannot be read.
    pub held_keys: AtomicU64,
    /// While Kafka cannot be read.
    pub outage: Outage,
}

pub struct Reader {
    handover: Arc<Handover>,
}

impl Reader {
    /// Reads these partitions, each from behind a position, without a group.
    pub fn of_partitions(
        kafka: KafkaOptions,
        options: ReaderOptions,
        from: BTreeMap<i32, Position>,
        stats: Arc<ReaderStats>,
    ) -> Result<Self, KafkaFault> {
        Self::start(kafka, options, None, Given::ByCaller(from), stats)
    }

    /// Reads what the group's coordinator gives it. Called within a runtime, which serves the checkpoints.
    pub fn of_group(
        kafka: KafkaOptions,
        options: ReaderOptions,
        group: &str,
        checkpoints: Arc<dyn Checkpoints>,
        stats: Arc<ReaderStats>,
    ) -> Result<Self, KafkaFault> {
        let given = Given::ByGroup { checkpoints, runtime: Handle::current() };
        Self::start(kafka, options, Some(group), given, stats)
    }

    fn start(
        kafka: KafkaOptions,
        options: ReaderOptions,
        group: Option<&str>,
        given: Given,
        stats: Arc<ReaderStats>,
    ) -> Result<Self, KafkaFault> {
        kafka.check()?;
        let (handover, kafka) = (Arc::<Handover>::default(), Arc::new(kafka));
        let config = kafka.consumer(group);
        let assignment = Assignment::new(kafka, options, Arc::clone(&handover), stats, given);
        let consumer = BaseConsumer::from_config_and_context(&config, assignment)?;
        let thread = std::thread::Builder::new().name("kafka-reader".to_owned());
        thread
            .spawn(move || run(&consumer))
            .map_err(|error| KafkaFault::Unavailable(format!("no thread to read with: {error}")))?;
        Ok(Self { handover })
    }

    /// The next batch. After a fault there is none: open another reader from the checkpoints.
    pub async fn next(&mut self) -> Result<Batch, KafkaFault> {
        self.handover.next().await
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.handover.close();
    }
}

/// Says that the thread has ended, also where it panicked: whoever waits for a batch is not to wait for ever.
struct Ending<'a>(&'a Handover);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.end(KafkaFault::Unavailable("the reader has ended".to_owned()));
    }
}

fn run(consumer: &BaseConsumer<Assignment>) {
    let assignment = consumer.client().context();
    let _ending = Ending(&assignment.handover);
    if let Err(fault) = begin(consumer, assignment).and_then(|()| read(consumer, assignment)) {
        assignment.handover.end(fault);
    }
}

fn begin(consumer: &BaseConsumer<Assignment>, assignment: &Assignment) -> Result<(), KafkaFault> {
    match &assignment.given {
        Given::ByCaller(from) => Ok(consumer.assign(&assignment.begin(from)?)?),
        Given::ByGroup { .. } => Ok(consumer.subscribe(&[&assignment.kafka.log_topic])?),
    }
}

fn read(consumer: &BaseConsumer<Assignment>, assignment: &Assignment) -> Result<(), KafkaFault> {
    while assignment.handover.await_room() && !assignment.handover.has_ended() {
        let mut gathered = gather(consumer, assignment)?;
        if !gathered.reached.is_empty() {
            (gathered.begun, gathered.generation) = (assignment.begun(), assignment.generation());
            assignment.stats.events.fetch_add(gathered.events.len() as u64, Ordering::Relaxed);
            assignment.handover.put(gathered);
        }
    }
    Ok(())
}

fn gather(consumer: &BaseConsumer<Assignment>, assignment: &Assignment) -> Result<Gathered, KafkaFault> {
    let (mut gathered, mut wait) = (Gathered::default(), FIRST);
    let mut generation = assignment.generation();
    while gathered.events.len() < assignment.options.batch_events {
        let polled = consumer.poll(wait);
        if assignment.generation() != generation {
            // What follows is of partitions that were given anew.
            (gathered, generation) = (Gathered::default(), assignment.generation());
        }
        match polled {
            Some(Ok(message)) => {
                assignment.take(&message, &mut gathered)?;
                is_read_again(assignment);
            }
            Some(Err(error)) => judge(error, assignment)?,
            None => {
                look(consumer, assignment);
                break;
            }
        }
        wait = FURTHER;
    }
    Ok(gathered)
}

fn is_read_again(assignment: &Assignment) {
    if assignment.stats.outage.is_over() {
        tracing::info!("Kafka is read again");
    }
}

/// Where nothing comes after a fault: Kafka may be there again, with nothing new.
fn look(consumer: &BaseConsumer<Assignment>, assignment: &Assignment) {
    let topic = &assignment.kafka.log_topic;
    if assignment.stats.outage.is_on() && consumer.fetch_metadata(Some(topic), ANSWER).is_ok() {
        is_read_again(assignment);
    }
}

/// The client mends most faults itself: these are told once. The others end the reader.
fn judge(error: KafkaError, assignment: &Assignment) -> Result<(), KafkaFault> {
    let topic = || assignment.kafka.log_topic.clone();
    match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange) => {
            return Err(KafkaFault::TooOld { topic: topic() });
        }
        Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => {
            let partitions = assignment.kafka.partitions;
            return Err(KafkaFault::TopicUnknown { topic: topic(), partitions });
        }
        _ => {}
    }
    if let Some(fault @ KafkaFault::Credentials { .. }) = assignment.hearing.fault(&assignment.kafka.brokers)
    {
        return Err(fault);
    }
    if matches!(error, KafkaError::MessageConsumptionFatal(_)) {
        return Err(error.into());
    }
    if assignment.stats.outage.begins() {
        tracing::warn!(%error, "Kafka cannot be read just now; the reader tries again");
    }
    Ok(())
}
