//! The log as its topic brings it, for one node's subscribers: without a group, all partitions together.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use octocity_log::{EventLog, Position, Recent, WholeLog};
use tokio::sync::watch;

use super::fault::KafkaFault;
use super::options::KafkaOptions;
use super::reader::{Reader, ReaderOptions, ReaderStats};

/// Between two tries after a fault.
const PAUSE: Duration = Duration::from_secs(1);

pub struct LiveReader {
    kafka: KafkaOptions,
    options: ReaderOptions,
    recent: Arc<Recent>,
    stats: Arc<ReaderStats>,
}

impl LiveReader {
    /// Begins at the log's head; what is before it is read from the log.
    pub fn new(kafka: KafkaOptions, log: Arc<dyn EventLog>) -> Self {
        let options = ReaderOptions::new(log.id(), log.epoch());
        let head = *log.head().borrow();
        let recent = Arc::new(Recent::new(Arc::new(WholeLog(log)), head));
        Self { kafka, options, recent, stats: Arc::default() }
    }

    pub fn tail(&self) -> Arc<Recent> {
        Arc::clone(&self.recent)
    }

    pub fn stats(&self) -> Arc<ReaderStats> {
        Arc::clone(&self.stats)
    }

    /// Runs until it is told to stop, or meets a fault that does not pass.
    pub async fn run(self, mut shutdown: watch::Receiver<bool>) -> Result<(), KafkaFault> {
        let mut is_troubled = false;
        loop {
            let ended = tokio::select! {
                ended = self.follow() => ended,
                _ = shutdown.wait_for(|stop| *stop) => return Ok(()),
            };
            let Err(fault) = ended else { continue };
            let is_lack = matches!(fault, KafkaFault::TooOld { .. } | KafkaFault::Gap { .. });
            if !fault.is_transient() && !is_lack {
                return Err(fault);
            }
            if !std::mem::replace(&mut is_troubled, true) {
                tracing::warn!(code = fault.code(), %fault, "subscribers are told nothing new; it is tried again");
            }
            tokio::select! {
                () = tokio::time::sleep(PAUSE) => {}
                _ = shutdown.wait_for(|stop| *stop) => return Ok(()),
            }
        }
    }

    async fn follow(&self) -> Result<(), KafkaFault> {
        let at = self.recent.reached();
        let mut reached: BTreeMap<i32, Position> =
            (0..self.kafka.partitions).map(|number| (number, at)).collect();
        self.recent.restart(at);
        let stats = Arc::clone(&self.stats);
        let mut reader = Reader::of_partitions(self.kafka.clone(), self.options, reached.clone(), stats)?;
        let mut begun = at;
        loop {
            let mut batch = reader.next().await?;
            // Where the topic keeps no older ones, the log has those in between.
            let kept_from = batch.begun.values().copied().max().unwrap_or(begun);
            if kept_from > begun {
                begun = kept_from;
                self.recent.restart(begun);
                reached.values_mut().for_each(|reached| *reached = begun.max(*reached));
            }
            reached.extend(&batch.reached);
            let all = reached.values().copied().min().unwrap_or(begun);
            self.recent.bring(batch.events.drain(..), all);
        }
    }
}
