//! The log as its topic brings it, for one node's subscribers: without a group, all partitions together.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use octocity_log::{EventLog, Position, Recent, Retry, WholeLog};
use tokio::sync::watch;

use super::fault::KafkaFault;
use super::options::KafkaOptions;
use super::reader::{Reader, ReaderOptions, ReaderStats};
use super::sequence::Sequence;
use crate::clock::shortened;

/// The pauses after a fault, each twice the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

pub struct LiveReader {
    kafka: KafkaOptions,
    options: ReaderOptions,
    log: Arc<dyn EventLog>,
    recent: Arc<Recent>,
    stats: Arc<ReaderStats>,
    retry: Retry,
}

impl LiveReader {
    /// Begins at the log's head; what is before it is read from the log.
    pub fn new(kafka: KafkaOptions, log: Arc<dyn EventLog>) -> Self {
        let options = ReaderOptions::new(log.id(), log.epoch());
        let head = *log.head().borrow();
        let recent = Arc::new(Recent::new(Arc::new(WholeLog(Arc::clone(&log))), head));
        let retry = Retry::new(FIRST_PAUSE, LONGEST_PAUSE);
        Self { kafka, options, log, recent, stats: Arc::default(), retry }
    }

    pub fn tail(&self) -> Arc<Recent> {
        Arc::clone(&self.recent)
    }

    pub fn stats(&self) -> Arc<ReaderStats> {
        Arc::clone(&self.stats)
    }

    /// Runs until it is told to stop, or meets a fault that does not pass; one that may pass is tried again, and told when
    /// it begins and when it is over.
    pub async fn run(mut self, mut shutdown: watch::Receiver<bool>) -> Result<(), KafkaFault> {
        loop {
            let ended = tokio::select! {
                ended = self.follow() => ended,
                _ = shutdown.wait_for(|stop| *stop) => return Ok(()),
            };
            let Err(fault) = ended else { continue };
            if !fault.is_transient() && !matches!(fault, KafkaFault::TooOld { .. }) {
                return Err(fault);
            }
            if !matches!(fault, KafkaFault::Log(_)) {
                self.stats.outage.begins();
            }
            if self.retry.begins() {
                tracing::warn!(code = fault.code(), %fault, "subscribers are told nothing new; it is tried again");
            }
            tokio::select! {
                () = tokio::time::sleep(shortened(self.retry.pause().unwrap_or_default())) => {}
                _ = shutdown.wait_for(|stop| *stop) => return Ok(()),
            }
        }
    }

    async fn follow(&mut self) -> Result<(), KafkaFault> {
        let at = self.recent.reached();
        let mut reached: BTreeMap<i32, Position> =
            (0..self.kafka.partitions).map(|number| (number, at)).collect();
        self.recent.restart(at);
        let stats = Arc::clone(&self.stats);
        let mut reader = Reader::of_partitions(self.kafka.clone(), self.options, reached.clone(), stats)?;
        let (log, stats) = (Arc::clone(&self.log), Arc::clone(&self.stats));
        let mut sequence = Sequence::new(log, self.kafka.partitions, &reached, stats);
        let mut begun = at;
        loop {
            let mut batch = reader.next().await?;
            let events = std::mem::take(&mut batch.events);
            let events = sequence.fill(events, &batch.begun, &batch.reached).await?;
            if self.retry.is_over() {
                tracing::info!("subscribers are told what is new again");
            }
            // Where the topic keeps no older ones, the log has those in between.
            let kept_from = batch.begun.values().copied().max().unwrap_or(begun);
            if kept_from > begun {
                begun = kept_from;
                self.recent.restart(begun);
                reached.values_mut().for_each(|reached| *reached = begun.max(*reached));
            }
            reached.extend(&batch.reached);
            let all = reached.values().copied().min().unwrap_or(begun);
            self.recent.bring(events, all);
        }
    }
}
