//! The role `relay`: publishes the log to Kafka, where the configuration has a table `[kafka]`.

#[cfg(feature = "distributed")]
mod kafka;
#[cfg(not(feature = "distributed"))]
#[path = "absent.rs"]
mod kafka;

pub use kafka::{RelayVitals, Relaying};

use crate::config::Config;
use crate::failure::Failure;
use crate::output::Output;
use crate::stopping::StopSignals;
use crate::stores::{Folder, open_log};

/// What to do about a broker that is away at the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BrokerAway {
    /// Nothing but the relay is to run: say so.
    Refuse,
    /// Gates do not wait for Kafka.
    TryAgain,
}

/// `octocity serve --role relay`: nothing but the relay, until it is told to stop.
pub async fn run(config: &Config, output: Output) -> Result<(), Failure> {
    let mut told_to_stop = StopSignals::listen()?;
    let Some(kafka) = &config.kafka else {
        return Err(Failure::usage(
            "The relay publishes to Kafka, and the configuration has no table [kafka]; add one with brokers = \
             \"host:port\".",
        ));
    };
    let (log, _folder) = open_log(config, Folder::MustExist).await?;
    let mut relaying = Relaying::start(kafka, log.events(), BrokerAway::Refuse).await?;
    output.say(format!("Octocity relays the log to Kafka at {}", kafka.brokers));
    output.say("Ctrl-C stops it.");
    tokio::select! {
        () = told_to_stop.received() => {}
        () = relaying.ended() => {}
    }
    let published_events = relaying.stop().await?;
    output.finish(&serde_json::json!({ "stopped": true, "published_events": published_events }));
    Ok(())
}
