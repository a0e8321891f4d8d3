//! What a node that serves hears of the log for its subscribers, where others write the rows.

use std::sync::Arc;

use octocity_adapters::kafka::LiveReader;
use octocity_log::{EventLog, Tail};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::options::{check, options};
use super::{BrokerAway, ReaderVitals};
use crate::config::KafkaConfig;
use crate::failure::Failure;

pub struct Live {
    pub tail: Arc<dyn Tail>,
    pub vitals: ReaderVitals,
    pub task: JoinHandle<()>,
}

impl Live {
    /// Runs until `stop` turns true.
    pub async fn start(
        config: &KafkaConfig,
        log: Arc<dyn EventLog>,
        stop: watch::Receiver<bool>,
    ) -> Result<Self, Failure> {
        let options = options(config);
        check(&options, &*log, BrokerAway::TryAgain).await?;
        let reader = LiveReader::new(options, log);
        let (tail, stats) = (reader.tail(), reader.stats());
        let (ended, has_ended) = watch::channel(false);
        let task = tokio::spawn(async move {
            if let Err(fault) = reader.run(stop).await {
                tracing::error!(code = fault.code(), %fault, "the live reader has ended; mend this and restart");
                ended.send_replace(true);
            }
        });
        Ok(Self { tail, vitals: ReaderVitals { stats, has_ended }, task })
    }
}
