//! Publishes the log to Kafka. Several may run; one leads, the others stand by.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use octocity_log::{EventLog, Page, Position, Retry};
use tokio::sync::watch;
use uuid::Uuid;

use super::fault::KafkaFault;
use super::options::KafkaOptions;
use super::publisher::Publisher;
use super::record::Watermark;
use super::scanner::Scanner;
use super::{blocking, topics};
use crate::clock::{chance, new_command_id, shortened};
use crate::outage::Outage;

/// The partition whose watermarks are asked: all have the same, as each transaction writes to all.
pub(super) const ASKED: i32 = 0;

#[derive(Clone, Copy, Debug)]
pub struct RelayOptions {
    /// How many events one transaction has at most. Fewer are, when fewer wait.
    pub batch_events: usize,
    /// How often the watermarks follow a log that moves without events for us.
    pub quiet: Duration,
    /// How often they are written while the log stands still: the topic would forget the last one. At least four times
    /// while it keeps a record.
    pub still: Duration,
    /// How long the leading relay may make no progress before another takes over; each waits up to half as long again,
    /// at random, so that not all try at once.
    pub patience: Duration,
    /// The longest pause between two attempts after faults.
    pub retry_at_most: Duration,
}

/// How long after a transaction the next one begins at the log's head. The broker still writes the last one's markers, and whoever
/// begins meanwhile is told so, which librdkafka takes as 20 ms to wait (`rdkafka_txnmgr.c`, `CONCURRENT_TRANSACTIONS`). The records
/// of a full page are made during these.
const REST: Duration = Duration::from_millis(5);
/// The first pause after a fault.
const FIRST_PAUSE: Duration = Duration::from_millis(400);

impl Default for RelayOptions {
    fn default() -> Self {
        Self {
            batch_events: 4_096,
            quiet: Duration::from_secs(5),
            still: Duration::from_secs(2 * 3_600),
            patience: Duration::from_secs(3),
            retry_at_most: Duration::from_secs(10),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Leads,
    StandsBy,
}

/// For metrics: what this relay has done since it was started.
#[derive(Debug, Default)]
pub struct RelayStats {
    leads: AtomicBool,
    pub events: AtomicU64,
    pub transactions: AtomicU64,
    /// Up to where it has published.
    pub position: AtomicU64,
    /// Events that are in the log's topic, but could not be read for the public one.
    pub untold: AtomicU64,
    pub faults: AtomicU64,
    /// While Kafka does not take what is to be published.
    pub outage: Outage,
}

impl RelayStats {
    pub fn standing(&self) -> Standing {
        match self.leads.load(Ordering::Relaxed) {
            true => Standing::Leads,
            false => Standing::StandsBy,
        }
    }
}

pub struct Relay {
    log: Arc<dyn EventLog>,
    kafka: Arc<KafkaOptions>,
    options: RelayOptions,
    stats: Arc<RelayStats>,
    /// This run: its watermarks name it.
    id: Uuid,
}

impl Relay {
    pub fn new(log: Arc<dyn EventLog>, kafka: KafkaOptions, options: RelayOptions) -> Self {
        let (kafka, stats, id) = (Arc::new(kafka), Arc::default(), new_command_id().uuid());
        Self { log, kafka, options, stats, id }
    }

    /// Reaches Kafka, and makes the topics if they are missing and it may: for who wants to know before it runs.
    pub async fn prepare(&self) -> Result<(), KafkaFault> {
        topics::prepare(&self.kafka).await
    }

    pub fn stats(&self) -> Arc<RelayStats> {
        Arc::clone(&self.stats)
    }

    /// Publishes until `shutdown` is true or its sender is gone. What may pass is tried again, and told when it
    /// begins and when it is over; what does not pass is returned.
    pub async fn run(self, mut shutdown: watch::Receiver<bool>) -> Result<(), KafkaFault> {
        let mut standing = Standing::Leads;
        let mut retry = Retry::new(FIRST_PAUSE, self.options.retry_at_most);
        while !stops(&shutdown) {
            let published = self.stats.transactions.load(Ordering::Relaxed);
            let ended = match standing {
                Standing::Leads => self.lead(&mut shutdown, retry.pause().is_some()).await,
                Standing::StandsBy => self.stand_by(&mut shutdown).await,
            };
            self.stats.leads.store(false, Ordering::Relaxed);
            if self.stats.transactions.load(Ordering::Relaxed) > published || ended.is_ok() {
                // That it goes on was told when it began to lead again.
                retry.is_over();
            }
            match ended {
                Ok(()) => standing = Standing::Leads,
                Err(KafkaFault::Fenced) => {
                    tracing::info!("another relay has taken over; this one stands by");
                    standing = Standing::StandsBy;
                }
                Err(fault) if fault.is_transient() => {
                    self.stats.faults.fetch_add(1, Ordering::Relaxed);
                    if !matches!(fault, KafkaFault::Log(_)) {
                        self.stats.outage.begins();
                    }
                    if retry.begins() {
                        tracing::warn!(code = fault.code(), %fault, "the relay stands still; it tries again");
                    }
                    pause(shortened(retry.pause().unwrap_or_default()), &mut shutdown).await;
                }
                Err(fault) => return Err(fault),
            }
        }
        Ok(())
    }

    /// Takes over and publishes on from where the topic ends. After a fault of our own (`again`) it first looks whether
    /// another one took over meanwhile, which is not to be fenced for it.
    async fn lead(&self, shutdown: &mut watch::Receiver<bool>, again: bool) -> Result<(), KafkaFault> {
        // Before all else: Kafka may have been away until now, and a topic that is missing cannot be looked at.
        self.prepare().await?;
        if again && self.is_superseded(self.last_watermark().await?) {
            return Err(KafkaFault::Fenced);
        }
        let publisher = Arc::new(self.take_over().await?);
        let ended = self.follow(&publisher, shutdown).await;
        // Its end waits for the broker for a moment.
        blocking(move || {
            drop(publisher);
            Ok(())
        })
        .await?;
        ended
    }

    async fn follow(
        &self,
        publisher: &Arc<Publisher>,
        shutdown: &mut watch::Receiver<bool>,
    ) -> Result<(), KafkaFault> {
        // Only now: what an older relay had under way is committed or gone.
        let mut position = self.resume_position(self.last_watermark().await?)?;
        self.stats.position.store(position.0, Ordering::Relaxed);
        self.stats.leads.store(true, Ordering::Relaxed);
        tracing::info!(position = position.0, "the relay publishes on from here");
        let (mut head, mut marked, mut ahead) = (self.log.head(), Instant::now(), None);
        let still = self.options.still.min(self.kafka.retention() / 4);
        while !stops(shutdown) {
            head.borrow_and_update();
            let page = match ahead.take() {
                Some(page) => page,
                None => self.read(position).await?,
            };
            let marks_after = if page.next > position { self.options.quiet } else { still };
            if page.events.is_empty() && marked.elapsed() < marks_after {
                self.stats.outage.is_over();
                await_news(&mut head, shutdown, self.options.quiet.min(still)).await;
                continue;
            }
            let next = page.next;
            let is_full = page.events.len() >= self.options.batch_events;
            // The next page is read while this one is written.
            let read_ahead = async { if is_full { self.read(next).await.map(Some) } else { Ok(None) } };
            let (published, read) = tokio::join!(self.publish(publisher, page), read_ahead);
            published?;
            (position, marked, ahead) = (next, Instant::now(), read?);
            if !is_full {
                pause(REST, shutdown).await;
            }
        }
        Ok(())
    }

    async fn read(&self, after: Position) -> Result<Page, KafkaFault> {
        Ok(self.log.read_all(after, self.options.batch_events, &[], &[]).await?)
    }

    async fn take_over(&self) -> Result<Publisher, KafkaFault> {
        let (kafka, stats, id) = (Arc::clone(&self.kafka), self.stats(), self.id);
        let of = (self.log.id(), self.log.epoch());
        blocking(move || Publisher::open(kafka, stats, of, id)).await
    }

    async fn publish(&self, publisher: &Arc<Publisher>, page: Page) -> Result<(), KafkaFault> {
        let (publisher, events, next) = (Arc::clone(publisher), page.events.len(), page.next);
        blocking(move || publisher.publish(&page.events, page.next)).await?;
        self.stats.outage.is_over();
        self.stats.position.store(next.0, Ordering::Relaxed);
        self.stats.events.fetch_add(events as u64, Ordering::Relaxed);
        self.stats.transactions.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    async fn last_watermark(&self) -> Result<Option<Watermark>, KafkaFault> {
        let kafka = Arc::clone(&self.kafka);
        blocking(move || Scanner::open(&kafka)?.newest()).await
    }

    fn is_superseded(&self, last: Option<Watermark>) -> bool {
        let known = self.stats.position.load(Ordering::Relaxed);
        last.is_some_and(|last| last.relay != self.id && last.position.0 > known)
    }

    fn resume_position(&self, last: Option<Watermark>) -> Result<Position, KafkaFault> {
        let Some(last) = last else { return Ok(Position::default()) };
        last.check(&self.kafka, self.log.id(), self.log.epoch())?;
        match last.position <= *self.log.head().borrow() {
            true => Ok(last.position),
            false => Err(KafkaFault::AheadOfLog { topic: self.kafka.log_topic.clone() }),
        }
    }

    /// Ends when the log has moved on and the leading relay has not followed it in good time.
    async fn stand_by(&self, shutdown: &mut watch::Receiver<bool>) -> Result<(), KafkaFault> {
        let mut known = self.end().await?;
        self.stats.outage.is_over();
        while !stops(shutdown) {
            let due = *self.log.head().borrow();
            let patience = self.options.patience;
            pause(patience + patience.mul_f64(chance() / 2.0), shutdown).await;
            let end = self.end().await?;
            let follows = std::mem::replace(&mut known, end) != end;
            if !follows && self.last_watermark().await?.is_none_or(|last| last.position < due) {
                break;
            }
        }
        Ok(())
    }

    async fn end(&self) -> Result<i64, KafkaFault> {
        let kafka = Arc::clone(&self.kafka);
        blocking(move || Scanner::open(&kafka)?.bounds(ASKED).map(|(_, end)| end)).await
    }
}

impl Watermark {
    /// Whether it was written for this log with this configuration.
    pub(super) fn check(
        &self,
        kafka: &KafkaOptions,
        log: octocity_log::LogId,
        epoch: u32,
    ) -> Result<(), KafkaFault> {
        let topic = kafka.log_topic.clone();
        if (self.log, self.epoch) != (log, epoch) {
            let name = |log: octocity_log::LogId, epoch: u32| format!("{} (epoch {epoch})", log.0);
            let (found, ours) = (name(self.log, self.epoch), name(log, epoch));
            return Err(KafkaFault::OtherLog { topic, found, ours });
        }
        self.check_partitions(kafka)
    }

    pub(super) fn check_partitions(&self, kafka: &KafkaOptions) -> Result<(), KafkaFault> {
        let (topic, written, configured) = (kafka.log_topic.clone(), self.partitions, kafka.partitions);
        match written == configured {
            true => Ok(()),
            false => Err(KafkaFault::PartitionsDiffer { topic, written, configured }),
        }
    }
}

/// Whether it shall stop: told so, or nobody is left who could tell.
fn stops(shutdown: &watch::Receiver<bool>) -> bool {
    *shutdown.borrow() || shutdown.has_changed().is_err()
}

async fn pause(pause: Duration, shutdown: &mut watch::Receiver<bool>) {
    tokio::select! {
        () = tokio::time::sleep(pause) => {}
        _ = shutdown.changed() => {}
    }
}

async fn await_news(
    head: &mut watch::Receiver<Position>,
    shutdown: &mut watch::Receiver<bool>,
    at_most: Duration,
) {
    tokio::select! {
        // A log that is gone brings no news.
        Ok(()) = head.changed() => {}
        () = tokio::time::sleep(at_most) => {}
        _ = shutdown.changed() => {}
    }
}
