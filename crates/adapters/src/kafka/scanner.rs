//! Looks at single committed records of a topic: where the log's ends, and where a position stands.

use std::time::{Duration, Instant};

use octocity_log::Position;
use rdkafka::Message;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::fault::KafkaFault;
use super::hearing::Hearing;
use super::options::{ANSWER, KafkaOptions};
use super::record::{Record, Watermark, decode};
use super::relay::ASKED;

/// How far before the end one looks first: the end of a transaction and its control record.
const FIRST_STEP: i64 = 16;
/// Before a question is asked again.
const PAUSE: Duration = Duration::from_millis(100);

pub(super) struct Scanner {
    consumer: BaseConsumer<Hearing>,
    topic: String,
    partitions: i32,
    brokers: String,
}

impl Scanner {
    pub fn open(options: &KafkaOptions) -> Result<Self, KafkaFault> {
        Self::of(options, &options.log_topic)
    }

    fn of(options: &KafkaOptions, topic: &str) -> Result<Self, KafkaFault> {
        let consumer = BaseConsumer::from_config_and_context(&options.scanner(), Hearing::default())?;
        let (topic, brokers) = (topic.to_owned(), options.brokers.clone());
        Ok(Self { consumer, topic, partitions: options.partitions, brokers })
    }

    /// Refuses to publish among the records of a log, which are not for others.
    pub fn check_events_topic(options: &KafkaOptions) -> Result<(), KafkaFault> {
        let events = Self::of(options, &options.events_topic)?;
        let (low, _) = events.bounds(ASKED)?;
        match events.first(ASKED, low) {
            Ok(Some(_)) => Err(KafkaFault::EventsTopic { topic: events.topic }),
            Ok(None) | Err(KafkaFault::Foreign { .. }) => Ok(()),
            Err(fault) => Err(fault),
        }
    }

    /// The last committed watermark of the topic. None: nothing was ever committed, in whatever partition; records without
    /// a watermark are no log's.
    pub fn newest(&self) -> Result<Option<Watermark>, KafkaFault> {
        if let Some(watermark) = self.last_watermark(ASKED)? {
            return Ok(Some(watermark));
        }
        for partition in (0..self.partitions).filter(|partition| *partition != ASKED) {
            let (low, _) = self.bounds(partition)?;
            let Some((offset, _)) = self.first(partition, low)? else { continue };
            // A transaction ends in one partition after the other: the very first one may do so just now. In each it has both.
            let Some(watermark) = self.last_watermark(partition)? else {
                return Err(self.foreign(partition, offset, "no watermark stands behind it".to_owned()));
            };
            return Ok(Some(watermark));
        }
        Ok(None)
    }

    /// The first offset that is kept, and the one after the last that is committed. A partition that has just been moved
    /// or started has no leader for a moment.
    pub fn bounds(&self, partition: i32) -> Result<(i64, i64), KafkaFault> {
        let begun = Instant::now();
        loop {
            match self.consumer.fetch_watermarks(&self.topic, partition, ANSWER) {
                Ok(bounds) => return Ok(bounds),
                Err(error) if begun.elapsed() > ANSWER => return Err(self.fault(error)),
                Err(_) => std::thread::sleep(PAUSE),
            }
        }
    }

    /// The last committed watermark of a partition: one looks back from the end in growing steps, past what was
    /// aborted. None: nothing was ever committed.
    fn last_watermark(&self, partition: i32) -> Result<Option<Watermark>, KafkaFault> {
        let (low, high) = self.bounds(partition)?;
        let (mut step, mut until) = (FIRST_STEP, high);
        while until > low {
            let from = low.max(high.saturating_sub(step));
            let mut last = None;
            self.scan(partition, from, |offset, record| {
                if let Record::Watermark(watermark) = record {
                    last = Some(watermark);
                }
                offset < high
            })?;
            if last.is_some() {
                return Ok(last);
            }
            (until, step) = (from, step.saturating_mul(8));
        }
        match low {
            0 => Ok(None),
            _ => Err(KafkaFault::WatermarksLost { topic: self.topic.clone() }),
        }
    }

    /// The offset from which every committed record is after `position`: a binary search, as positions rise with
    /// offsets. Where the topic no longer keeps all of these, the first offset that it keeps, and the position behind which
    /// nothing is missing.
    pub fn begin_after(&self, partition: i32, position: Position) -> Result<(i64, Position), KafkaFault> {
        let (low, high) = self.bounds(partition)?;
        let (mut from, mut to) = (low, if position == Position::default() { low } else { high });
        while from < to {
            let middle = from + (to - from) / 2;
            match self.first(partition, middle)? {
                Some((offset, record)) if record.position() <= position => from = offset + 1,
                _ => to = middle,
            }
        }
        if from > low || low == 0 {
            return Ok((from, position));
        }
        // Nothing that is kept shows that nothing in between was forgotten.
        match self.first(partition, low)? {
            Some((_, record)) => Ok((low, record.position().max(position))),
            None => Err(KafkaFault::TooOld { topic: self.topic.clone() }),
        }
    }

    fn first(&self, partition: i32, from: i64) -> Result<Option<(i64, Record)>, KafkaFault> {
        let mut found = None;
        self.scan(partition, from, |offset, record| {
            found = Some((offset, record));
            false
        })?;
        Ok(found)
    }

    /// Hands over the committed records from an offset on, until `more` says no or there are no more.
    fn scan(
        &self,
        partition: i32,
        from: i64,
        mut more: impl FnMut(i64, Record) -> bool,
    ) -> Result<(), KafkaFault> {
        let mut place = TopicPartitionList::new();
        place.add_partition_offset(&self.topic, partition, Offset::Offset(from))?;
        self.consumer.assign(&place)?;
        let mut begun = Instant::now();
        loop {
            match self.consumer.poll(ANSWER) {
                Some(Ok(message)) => {
                    let record = decode(message.key(), message.payload(), message.headers());
                    let record =
                        record.map_err(|reason| self.foreign(partition, message.offset(), reason))?;
                    if !more(message.offset(), record) {
                        return Ok(());
                    }
                    begun = Instant::now();
                }
                Some(Err(KafkaError::PartitionEOF(_))) => return Ok(()),
                // The client tries again by itself.
                Some(Err(error)) if begun.elapsed() > ANSWER => return Err(self.fault(error)),
                None if begun.elapsed() > ANSWER => return Err(self.fault(KafkaError::NoMessageReceived)),
                Some(Err(_)) | None => {}
            }
        }
    }

    fn fault(&self, error: KafkaError) -> KafkaFault {
        self.consumer.client().context().fault(&self.brokers).unwrap_or_else(|| error.into())
    }

    fn foreign(&self, partition: i32, offset: i64, reason: String) -> KafkaFault {
        KafkaFault::Foreign { topic: self.topic.clone(), partition, offset, reason }
    }
}
