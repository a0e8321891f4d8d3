//! The relay at work.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use octocity_adapters::kafka::{KafkaFault, Relay, RelayOptions, RelayStats, Standing};
use octocity_log::{EventLog, Position};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::BrokerAway;
use super::options::{check, failure, options};
use crate::config::KafkaConfig;
use crate::failure::Failure;
use crate::metrics::Text;

pub struct Relaying {
    stats: Arc<RelayStats>,
    stop: watch::Sender<bool>,
    /// Turns true when it ends.
    has_ended: watch::Receiver<bool>,
    task: JoinHandle<Result<(), KafkaFault>>,
}

impl Relaying {
    /// What is configured wrongly is refused here, before any work.
    pub async fn start(
        config: &KafkaConfig,
        log: Arc<dyn EventLog>,
        away: BrokerAway,
    ) -> Result<Self, Failure> {
        let options = options(config);
        check(&options, &*log, away).await?;
        let relay = Relay::new(log, options, RelayOptions::default());
        let stats = relay.stats();
        let (stop, stopped) = watch::channel(false);
        let (ended, has_ended) = watch::channel(false);
        let task = tokio::spawn(async move {
            let end = relay.run(stopped).await;
            // Where nothing goes on without it, whoever waits for its end tells it.
            if let (Err(fault), BrokerAway::TryAgain) = (&end, away) {
                tracing::error!(code = fault.code(), %fault, "the relay has ended; mend this and start it again");
            }
            ended.send_replace(true);
            end
        });
        Ok(Self { stats, stop, has_ended, task })
    }

    pub fn vitals(&self) -> RelayVitals {
        RelayVitals { stats: Arc::clone(&self.stats), has_ended: self.has_ended.clone() }
    }

    /// Waits until it ends by itself, which only a fault makes it do.
    pub async fn ended(&mut self) {
        // Its sender goes only after it was told.
        drop(self.has_ended.wait_for(|ended| *ended).await);
    }

    /// Ends after the transaction that is under way, and says how many events were published.
    pub async fn stop(self) -> Result<u64, Failure> {
        self.stop.send_replace(true);
        let ended =
            self.task.await.map_err(|error| Failure::fault(format!("The relay broke off: {error}.")))?;
        ended.map_err(|fault| failure(&fault))?;
        Ok(self.stats.events.load(Ordering::Relaxed))
    }
}

#[derive(Clone)]
pub struct RelayVitals {
    stats: Arc<RelayStats>,
    has_ended: watch::Receiver<bool>,
}

impl RelayVitals {
    /// By a fault that does not pass.
    pub fn has_ended(&self) -> bool {
        *self.has_ended.borrow()
    }

    /// Whether Kafka is away for longer than a restart takes.
    pub fn is_cut_off(&self) -> bool {
        self.stats.outage.lasts()
    }

    /// Up to where the log stands on Kafka, as this relay last knew.
    pub fn position(&self) -> Position {
        Position(self.stats.position.load(Ordering::Relaxed))
    }

    /// The lag is left out where the log cannot be read.
    pub fn write(&self, lag_seconds: Option<i64>, text: &mut Text) {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let leads = self.stats.standing() == Standing::Leads;
        let help = "1 while this relay publishes, 0 while it stands by.";
        text.gauge("octocity_relay_leads", help, u8::from(leads));
        let ended = u8::from(self.has_ended());
        text.gauge("octocity_relay_ended", "1 once a fault has ended it that does not pass.", ended);
        text.counter("octocity_relay_events_total", "Events published to Kafka.", read(&self.stats.events));
        let transactions = read(&self.stats.transactions);
        text.counter("octocity_relay_transactions_total", "Transactions committed on Kafka.", transactions);
        text.counter(
            "octocity_relay_faults_total",
            "Faults that were tried again.",
            read(&self.stats.faults),
        );
        let untold = read(&self.stats.untold);
        text.counter("octocity_relay_untold_total", "Events that could not be read for others.", untold);
        // Where another leads, this one does not know how far that is.
        if let Some(lag) = lag_seconds.filter(|_| leads) {
            let help = "For how long the oldest event that is not on Kafka is in the log.";
            text.gauge("octocity_relay_lag_seconds", help, lag);
        }
    }
}
