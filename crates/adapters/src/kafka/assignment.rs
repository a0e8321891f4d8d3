//! Which partitions a reader has, and where in each it is.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use octocity_log::Position;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::types::RDKafkaRespErr;
use tokio::runtime::Handle;

use super::fault::KafkaFault;
use super::handover::{Gathered, Handover};
use super::hearing::{self, Hearing};
use super::options::KafkaOptions;
use super::reader::{ReaderOptions, ReaderStats};
use super::record::{Record, decode};
use super::scanner::Scanner;

/// Between two questions to checkpoints that do not answer.
const PAUSE: Duration = Duration::from_millis(200);

/// Where a member of a group takes up the partitions that it is given: what stands in the same transaction as the rows.
#[async_trait]
pub trait Checkpoints: Send + Sync + 'static {
    /// Up to where each of these partitions is applied; one that is not named begins with the topic. The error is a
    /// reason for people.
    async fn reached(&self, partitions: &[i32]) -> Result<BTreeMap<i32, Position>, String>;
}

/// Who says which partitions are read.
pub(super) enum Given {
    /// The caller, once.
    ByCaller(BTreeMap<i32, Position>),
    /// The group's coordinator.
    ByGroup { checkpoints: Arc<dyn Checkpoints>, runtime: Handle },
}

struct Partition {
    /// What stands up to here was applied before, or is no longer kept.
    begun: Position,
    /// The last position read.
    reached: Position,
}

/// The context of a reader's consumer. All of it runs in the reader's thread, but for what is shared by handover.
pub(super) struct Assignment {
    pub hearing: Hearing,
    pub handover: Arc<Handover>,
    pub kafka: Arc<KafkaOptions>,
    pub options: ReaderOptions,
    pub stats: Arc<ReaderStats>,
    pub given: Given,
    partitions: Mutex<HashMap<i32, Partition>>,
    /// Rises when partitions come or go: what was gathered before is void.
    generation: AtomicU64,
}

impl Assignment {
    pub fn new(
        kafka: Arc<KafkaOptions>,
        options: ReaderOptions,
        handover: Arc<Handover>,
        stats: Arc<ReaderStats>,
        given: Given,
    ) -> Self {
        let (hearing, partitions, generation) = (Hearing::default(), Mutex::default(), AtomicU64::default());
        Self { hearing, handover, kafka, options, stats, given, partitions, generation }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<i32, Partition>> {
        self.partitions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Relaxed)
    }

    /// Finds where each partition is to be read on from.
    pub fn begin(&self, from: &BTreeMap<i32, Position>) -> Result<TopicPartitionList, KafkaFault> {
        let (scanner, topic) = (Scanner::open(&self.kafka)?, &self.kafka.log_topic);
        let mut places = TopicPartitionList::new();
        let mut begun = HashMap::new();
        for (partition, position) in from {
            let (offset, at) = scanner.begin_after(*partition, *position)?;
            places.add_partition_offset(topic, *partition, Offset::Offset(offset))?;
            begun.insert(*partition, Partition { begun: at, reached: at });
        }
        self.stats.partitions.store(begun.len() as u64, Ordering::Relaxed);
        *self.lock() = begun;
        self.generation.fetch_add(1, Ordering::Relaxed);
        Ok(places)
    }

    /// Gives all partitions away, when what is under way with them is done.
    fn give_away(&self) {
        self.handover.take_back(self.options.patience);
        self.lock().clear();
        self.stats.partitions.store(0, Ordering::Relaxed);
        self.generation.fetch_add(1, Ordering::Relaxed);
    }

    pub fn take(&self, message: &BorrowedMessage<'_>, gathered: &mut Gathered) -> Result<(), KafkaFault> {
        let (number, topic) = (message.partition(), self.kafka.log_topic.clone());
        let mut partitions = self.lock();
        let Some(partition) = partitions.get_mut(&number) else { return Ok(()) };
        let record = match decode(message.key(), message.payload(), message.headers()) {
            Ok(record) => record,
            Err(reason) => {
                let (partition, offset) = (number, message.offset());
                return Err(KafkaFault::Foreign { topic, partition, offset, reason });
            }
        };
        if record.position() <= partition.begun {
            return Ok(());
        }
        partition.reached = record.position();
        match record {
            Record::Watermark(watermark) => {
                watermark.check(&self.kafka, self.options.log, self.options.epoch)?;
            }
            Record::Event(event) => gathered.events.push(event),
        }
        gathered.reached.insert(number, partition.reached);
        Ok(())
    }

    /// Which partitions it has, and behind which position each is read.
    pub fn begun(&self) -> BTreeMap<i32, Position> {
        self.lock().iter().map(|(number, partition)| (*number, partition.begun)).collect()
    }

    fn checkpoints(&self, partitions: &[i32]) -> Result<BTreeMap<i32, Position>, KafkaFault> {
        let Given::ByGroup { checkpoints, runtime } = &self.given else { return Ok(BTreeMap::new()) };
        let begun = Instant::now();
        loop {
            match runtime.block_on(checkpoints.reached(partitions)) {
                Ok(reached) => {
                    let of = |number: &i32| (*number, reached.get(number).copied().unwrap_or_default());
                    return Ok(partitions.iter().map(of).collect());
                }
                Err(reason) if begun.elapsed() > self.options.patience || self.handover.is_closed() => {
                    return Err(KafkaFault::Unavailable(format!("the checkpoints cannot be read: {reason}")));
                }
                Err(_) => std::thread::sleep(PAUSE),
            }
        }
    }

    fn assign(&self, consumer: &BaseConsumer<Self>, given: &TopicPartitionList) -> Result<(), KafkaFault> {
        let partitions: Vec<i32> = given.elements().iter().map(|element| element.partition()).collect();
        let places = self.begin(&self.checkpoints(&partitions)?)?;
        tracing::info!(?partitions, "reads these partitions of the log's topic");
        Ok(consumer.assign(&places)?)
    }
}

impl ClientContext for Assignment {
    fn log(&self, level: RDKafkaLogLevel, _: &str, text: &str) {
        hearing::log(level, text);
    }
    fn error(&self, error: KafkaError, reason: &str) {
        self.hearing.heard(&error, reason);
    }
}

impl ConsumerContext for Assignment {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        what: RDKafkaRespErr,
        partitions: &mut TopicPartitionList,
    ) {
        self.stats.rebalances.fetch_add(1, Ordering::Relaxed);
        let done = match what {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => self.assign(consumer, partitions),
            _ => {
                self.give_away();
                consumer.unassign().map_err(KafkaFault::from)
            }
        };
        if let Err(fault) = done {
            self.handover.end(fault);
        }
    }
}
