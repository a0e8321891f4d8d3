//! Builds the read models from the log's topic, as a member of a group that shares its partitions. Where each partition
//! is taken up stands in the same transaction as the rows; what is older than the topic keeps is read from the log.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use octocity_log::{EventLog, Position, Recent, RecordedEvent, Retry, Tail, partition_of, partitions_of};
use octocity_projections::{Engine, EngineOptions, ReadModels, RowStore, StoreError, views};
use tokio::sync::watch;

use super::assignment::Checkpoints;
use super::fault::KafkaFault;
use super::handover::Batch;
use super::options::KafkaOptions;
use super::reader::{Reader, ReaderOptions, ReaderStats};
use super::sequence::Sequence;
use crate::clock::shortened;

/// The pauses after a fault, each twice the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How often rows are written anew before others get their turn: with the pauses half a minute.
const ATTEMPTS: u32 = 10;

pub struct Projector {
    kafka: KafkaOptions,
    options: ReaderOptions,
    /// The whole log, cut as the topic is.
    whole: BTreeMap<i32, Arc<dyn Tail>>,
    recent: BTreeMap<i32, Arc<Recent>>,
    engine: Engine,
    checkpoints: Arc<Stored>,
    stats: Arc<ReaderStats>,
    retry: Retry,
}

impl Projector {
    /// Makes the tables. The rows must be cut into as many partitions as the topic.
    pub async fn open(
        kafka: KafkaOptions,
        log: Arc<dyn EventLog>,
        rows: Arc<dyn RowStore>,
    ) -> Result<Self, StoreError> {
        let (id, epoch) = (log.id(), log.epoch());
        let whole = partitions_of(&log, kafka.partitions);
        let engine_options = EngineOptions { sole_owner: false, ..EngineOptions::default() };
        let engine =
            Engine::of_partitions(Arc::clone(&log), BTreeMap::new(), Arc::clone(&rows), engine_options)
                .await?;
        let checkpoints = Arc::new(Stored { log, rows });
        let (options, recent) = (ReaderOptions::new(id, epoch), BTreeMap::new());
        let retry = Retry::new(FIRST_PAUSE, LONGEST_PAUSE);
        Ok(Self { kafka, options, whole, recent, engine, checkpoints, stats: Arc::default(), retry })
    }

    pub fn models(&self) -> ReadModels {
        self.engine.models()
    }

    pub fn stats(&self) -> Arc<ReaderStats> {
        Arc::clone(&self.stats)
    }

    /// Runs until it is told to stop, or meets a fault that does not pass; one that may pass is tried again, and told when
    /// it begins and when it is over. A batch that is under way then is not written.
    pub async fn run(mut self, mut shutdown: watch::Receiver<bool>) -> Result<(), KafkaFault> {
        loop {
            let ended = tokio::select! {
                ended = self.follow() => ended,
                _ = shutdown.wait_for(|stop| *stop) => return Ok(()),
            };
            self.take_up(&BTreeMap::new());
            let Err(fault) = ended else { continue };
            // What the topic has forgotten is in the log, up to where the next reader begins.
            if !fault.is_transient() && !matches!(fault, KafkaFault::TooOld { .. }) {
                return Err(fault);
            }
            if !matches!(fault, KafkaFault::Log(_) | KafkaFault::Rows(_)) {
                self.stats.outage.begins();
            }
            if self.retry.begins() {
                tracing::warn!(code = fault.code(), %fault, "the projector stands still; it tries again");
            }
            tokio::select! {
                () = tokio::time::sleep(shortened(self.retry.pause().unwrap_or_default())) => {}
                _ = shutdown.wait_for(|stop| *stop) => return Ok(()),
            }
        }
    }

    /// Applies what comes, until there is a fault.
    async fn follow(&mut self) -> Result<(), KafkaFault> {
        let checkpoints = Arc::clone(&self.checkpoints);
        let stats = Arc::clone(&self.stats);
        let mut reader =
            Reader::of_group(self.kafka.clone(), self.options, &self.kafka.group, checkpoints, stats)?;
        let (mut generation, mut sequence) = (None, self.sequence(&BTreeMap::new()));
        loop {
            let mut batch = reader.next().await?;
            if generation.replace(batch.generation) != Some(batch.generation) {
                self.take_up(&batch.begun);
                sequence = self.sequence(&batch.begun);
            }
            let events = std::mem::take(&mut batch.events);
            batch.events = sequence.fill(events, &batch.begun, &batch.reached).await?;
            self.bring(&mut batch);
            self.apply().await?;
            if self.retry.is_over() {
                tracing::info!("the projector goes on");
            }
            // Only now others may have its partitions.
            drop(batch);
        }
    }

    fn take_up(&mut self, begun: &BTreeMap<i32, Position>) {
        let recent = |(partition, base): (&i32, &Position)| {
            let whole = self.whole.get(partition)?;
            Some((*partition, Arc::new(Recent::new(Arc::clone(whole), *base))))
        };
        self.recent = begun.iter().filter_map(recent).collect();
        let tails =
            self.recent.iter().map(|(partition, tail)| (*partition, Arc::clone(tail) as Arc<dyn Tail>));
        self.engine.take_up(tails.collect());
    }

    fn sequence(&self, begun: &BTreeMap<i32, Position>) -> Sequence {
        let (log, stats) = (Arc::clone(&self.checkpoints.log), Arc::clone(&self.stats));
        Sequence::new(log, self.kafka.partitions, begun, stats)
    }

    fn bring(&self, batch: &mut Batch) {
        let mut events = BTreeMap::<i32, Vec<RecordedEvent>>::new();
        for event in batch.events.drain(..) {
            events.entry(partition_of(event.meta.key, self.kafka.partitions)).or_default().push(event);
        }
        for (partition, reached) in &batch.reached {
            if let Some(recent) = self.recent.get(partition) {
                recent.bring(events.remove(partition).unwrap_or_default(), *reached);
            }
        }
    }

    /// Nothing is taken from Kafka meanwhile. What cannot be written for long is given to others: perhaps they can.
    async fn apply(&mut self) -> Result<(), KafkaFault> {
        let stats = self.engine.models().stats;
        for _ in 0..ATTEMPTS {
            let Err(error) = self.engine.catch_up(|_| {}).await else {
                stats.faulty.store(false, Ordering::Relaxed);
                return Ok(());
            };
            stats.faulty.store(true, Ordering::Relaxed);
            let fault = KafkaFault::from(error);
            if !fault.is_transient() {
                return Err(fault);
            }
            if self.retry.begins() {
                tracing::error!(error = %fault, "the read models stand still; they are tried again");
            }
            tokio::time::sleep(shortened(self.retry.pause().unwrap_or_default())).await;
        }
        Err(StoreError::Unavailable("not for half a minute".to_owned()).into())
    }
}

/// Up to where the rows of all views are.
struct Stored {
    log: Arc<dyn EventLog>,
    rows: Arc<dyn RowStore>,
}

#[async_trait]
impl Checkpoints for Stored {
    async fn reached(&self, partitions: &[i32]) -> Result<BTreeMap<i32, Position>, String> {
        let known = self.rows.checkpoints().await.map_err(|error| error.to_string())?;
        let of_log =
            |at: &&octocity_projections::Checkpoint| (at.log, at.epoch) == (self.log.id(), self.log.epoch());
        let views = views::tables();
        let at = |partition: i32, view: &str| {
            let mut known = known.iter().filter(of_log);
            known.find(|at| at.partition == partition && at.view == view).map(|at| at.position)
        };
        let reached = partitions.iter().map(|partition| {
            let furthest_behind = views.iter().map(|view| at(*partition, view.name)).min().flatten();
            (*partition, furthest_behind.unwrap_or_default())
        });
        Ok(reached.collect())
    }
}
