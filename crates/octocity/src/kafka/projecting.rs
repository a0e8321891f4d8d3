//! The projector at work.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use octocity_adapters::kafka::{KafkaFault, Projector, ReaderStats};
use octocity_log::EventLog;
use octocity_projections::{ReadModels, RowStore};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::BrokerAway;
use super::options::{check, failure, options};
use crate::config::KafkaConfig;
use crate::failure::Failure;
use crate::metrics::Text;
use crate::node::rows_failed;

pub struct Projecting {
    pub models: ReadModels,
    stats: Arc<ReaderStats>,
    has_ended: watch::Receiver<bool>,
    task: JoinHandle<Result<(), KafkaFault>>,
}

impl Projecting {
    /// Runs until `stop` turns true.
    pub async fn start(
        config: &KafkaConfig,
        log: Arc<dyn EventLog>,
        rows: Arc<dyn RowStore>,
        away: BrokerAway,
        stop: watch::Receiver<bool>,
    ) -> Result<Self, Failure> {
        let options = options(config);
        check(&options, &*log, away).await?;
        let projector = Projector::open(options, log, rows).await.map_err(rows_failed)?;
        let (models, stats) = (projector.models(), projector.stats());
        let (ended, has_ended) = watch::channel(false);
        let task = tokio::spawn(async move {
            let end = projector.run(stop).await;
            if let Err(fault) = &end {
                tracing::error!(code = fault.code(), %fault, "the projector has ended; mend this and start it again");
            }
            ended.send_replace(true);
            end
        });
        Ok(Self { models, stats, has_ended, task })
    }

    pub fn vitals(&self) -> ReaderVitals {
        ReaderVitals { stats: Arc::clone(&self.stats), has_ended: self.has_ended.clone() }
    }

    /// Waits until it ends by itself, which only a fault makes it do.
    pub async fn ended(&mut self) {
        // Its sender goes only after it was told.
        drop(self.has_ended.wait_for(|ended| *ended).await);
    }

    /// Waits for its end, once it is told to stop.
    pub async fn stop(self) -> Result<(), Failure> {
        let ended =
            self.task.await.map_err(|error| Failure::fault(format!("The projector broke off: {error}.")))?;
        ended.map_err(|fault| failure(&fault))
    }
}

/// What a reader of the log's topic counts.
#[derive(Clone)]
pub struct ReaderVitals {
    pub(super) stats: Arc<ReaderStats>,
    pub(super) has_ended: watch::Receiver<bool>,
}

impl ReaderVitals {
    /// By a fault that does not pass.
    pub fn has_ended(&self) -> bool {
        *self.has_ended.borrow()
    }

    /// Whether Kafka is away for longer than a restart takes.
    pub fn is_cut_off(&self) -> bool {
        self.stats.outage.lasts()
    }

    pub fn held_keys(&self) -> u64 {
        self.stats.held_keys.load(Ordering::Relaxed)
    }

    pub fn write(&self, text: &mut Text) {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let stats = &self.stats;
        text.gauge(
            "octocity_reader_partitions",
            "Partitions of the log that it reads.",
            read(&stats.partitions),
        );
        text.counter("octocity_reader_events_total", "Events read from Kafka.", read(&stats.events));
        text.counter(
            "octocity_reader_rebalances_total",
            "How often partitions came or went.",
            read(&stats.rebalances),
        );
        let help = "Keys that wait until the log says what precedes an event.";
        text.gauge("octocity_reader_held_keys", help, self.held_keys());
    }
}
