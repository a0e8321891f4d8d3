//! One relay's right to write: a transactional producer. Opening one fences all that were opened before.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use octocity_log::{LogId, Position, RecordedEvent, decode, partition_of};
use octocity_published::{CloudEvent, HEADERS, publish};
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use uuid::Uuid;

use super::fault::KafkaFault;
use super::hearing::Hearing;
use super::options::KafkaOptions;
use super::record::{Watermark, event_headers, watermark_headers};
use super::relay::RelayStats;

/// How long one waits for reports of delivery before one looks again. It is the price of a small transaction. (The
/// client's own waiting turns into a busy loop within the last millisecond.)
const GLANCE: Duration = Duration::from_millis(1);
/// How long one transaction may take, or taking over, before it is a fault.
const AT_MOST: Duration = Duration::from_secs(15);

pub(super) struct Publisher {
    producer: BaseProducer<Hearing>,
    options: Arc<KafkaOptions>,
    stats: Arc<RelayStats>,
    log: LogId,
    epoch: u32,
    relay: Uuid,
}

impl Publisher {
    /// Fences every older one, and ends its open transaction: what is committed from now on is ours.
    pub fn open(
        options: Arc<KafkaOptions>,
        stats: Arc<RelayStats>,
        (log, epoch): (LogId, u32),
        relay: Uuid,
    ) -> Result<Self, KafkaFault> {
        let producer = BaseProducer::from_config_and_context(&options.producer(), Hearing::default())?;
        let publisher = Self { producer, options, stats, log, epoch, relay };
        publisher.producer.init_transactions(AT_MOST).map_err(|error| publisher.fault(error))?;
        Ok(publisher)
    }

    /// All of it in one transaction, or nothing; after a fault it is not known which, and this publisher is of no
    /// further use.
    pub fn publish(&self, events: &[RecordedEvent], reached: Position) -> Result<(), KafkaFault> {
        let until = Instant::now() + AT_MOST;
        self.transact(events, reached, until).map_err(|error| self.fault(error))
    }

    fn transact(
        &self,
        events: &[RecordedEvent],
        reached: Position,
        until: Instant,
    ) -> Result<(), KafkaError> {
        self.producer.begin_transaction()?;
        for event in events {
            self.send_event(event, until)?;
        }
        let watermark = Watermark {
            position: reached,
            log: self.log,
            epoch: self.epoch,
            partitions: self.options.partitions,
            relay: self.relay,
        };
        for partition in 0..self.options.partitions {
            let record = BaseRecord::<[u8], [u8]>::to(&self.options.log_topic)
                .partition(partition)
                .headers(watermark_headers(&watermark));
            self.send(record, until)?;
        }
        // The client's own flush looks at reports every 100 ms only.
        while self.producer.in_flight_count() > 0 && Instant::now() < until {
            self.take_reports();
        }
        self.producer.commit_transaction(until.saturating_duration_since(Instant::now()).max(GLANCE))
    }

    fn send_event(&self, event: &RecordedEvent, until: Instant) -> Result<(), KafkaError> {
        let partition = partition_of(event.meta.key, self.options.partitions);
        let key = event.meta.key.to_string();
        let record = BaseRecord::to(&self.options.log_topic)
            .partition(partition)
            .key(key.as_bytes())
            .payload(event.data.as_slice())
            .headers(event_headers(event));
        self.send(record, until)?;
        let Some(message) = self.message(event) else { return Ok(()) };
        let insert = |headers: OwnedHeaders, (key, value): (&str, &String)| {
            headers.insert(Header { key, value: Some(value) })
        };
        let headers = HEADERS.into_iter().zip(&message.headers).fold(OwnedHeaders::new(), insert);
        let record = BaseRecord::to(&self.options.events_topic)
            .partition(partition)
            .key(key.as_bytes())
            .payload(message.data.as_slice())
            .headers(headers);
        self.send(record, until)
    }

    /// What others are told. An event that cannot be read is told to nobody, and holds up nobody.
    fn message(&self, event: &RecordedEvent) -> Option<CloudEvent> {
        let untold = |error: String| {
            self.stats.untold.fetch_add(1, Ordering::Relaxed);
            let stream = event.stream.to_string();
            tracing::error!(stream, revision = event.revision, error, "an event is not told to others");
        };
        let decoded = decode(event.stream.category, &event.event_type, event.version, &event.data);
        let published = match decoded {
            Ok(decoded) => publish(&decoded, event.stream, &event.meta)?,
            Err(error) => {
                untold(error.to_string());
                return None;
            }
        };
        CloudEvent::try_new(&published, event, &self.options.source)
            .map_err(|error| untold(octocity_log::json_fault(&error)))
            .ok()
    }

    fn send(&self, record: BaseRecord<'_, [u8], [u8]>, until: Instant) -> Result<(), KafkaError> {
        let mut record = record;
        loop {
            match self.producer.send(record) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back))
                    if Instant::now() < until =>
                {
                    self.take_reports();
                    record = back;
                }
                Err((error, _)) => return Err(error),
            }
        }
    }

    /// Takes what is there, or waits for a moment.
    fn take_reports(&self) {
        let before = self.producer.in_flight_count();
        self.producer.poll(Duration::ZERO);
        if self.producer.in_flight_count() == before {
            std::thread::sleep(GLANCE);
        }
    }

    fn fault(&self, error: KafkaError) -> KafkaFault {
        self.producer.poll(Duration::ZERO);
        match KafkaFault::from(error) {
            KafkaFault::Unavailable(reason) => {
                let heard = self.producer.context().fault(&self.options.brokers);
                heard.unwrap_or(KafkaFault::Unavailable(reason))
            }
            other => other,
        }
    }
}
