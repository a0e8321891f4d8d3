//! `octocity serve --role relay`: nothing but the relay, which needs the log alone.

use std::sync::Arc;

use async_trait::async_trait;
use octocity_adapters::clock::SystemClock;
use octocity_adapters::sqlite::DataFolder;
use octocity_api::{Limits, Probes, Readiness};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::config::{Config, KafkaConfig};
use crate::failure::Failure;
use crate::kafka::{BrokerAway, RelayVitals, Relaying};
use crate::metrics::{Text, away, lag_seconds, not_stored};
use crate::output::{Output, resident_bytes};
use crate::serve::say_not_started;
use crate::starting::{Starting, not_listening};
use crate::stopping::StopSignals;
use crate::stores::{Folder, Log, open_log};

/// Until it is told to stop.
pub async fn run(config: &Config, mut signals: StopSignals, output: Output) -> Result<(), Failure> {
    config.check_listen()?;
    let Some(kafka) = &config.kafka else {
        return Err(Failure::usage("A relay publishes to Kafka; add a table [kafka] to the configuration."));
    };
    let starting = Starting::new(config);
    let waits = starting.waits();
    let started = tokio::select! {
        started = start(config, kafka, starting) => started?,
        () = signals.received_while(waits) => return say_not_started(output),
    };
    let Started { log, folder: _folder, mut relaying, listener } = started;
    let address = listener.local_addr().map_err(|error| not_listening(config, &error))?;
    let (closing, closed) = watch::channel(false);
    let probes = Arc::new(RelayProbes { relay: relaying.vitals(), log });
    let web = octocity_api::serve(listener, octocity_api::probe_routes(probes), Limits::default(), closed);
    let web = tokio::spawn(web);
    output.say(format!("Octocity relays the log to Kafka at {}", kafka.brokers));
    output.say(format!("  health       http://{address}/health/ready"));
    output.say(format!("  metrics      http://{address}/metrics"));
    output.say("Ctrl-C stops it.");
    tokio::select! {
        () = signals.received() => {}
        () = relaying.ended() => {}
    }
    closing.send_replace(true);
    let published_events = relaying.stop().await?;
    web.abort();
    output.finish(&serde_json::json!({ "stopped": true, "published_events": published_events }));
    Ok(())
}

struct Started {
    log: Log,
    folder: Option<DataFolder>,
    relaying: Relaying,
    listener: TcpListener,
}

async fn start(config: &Config, kafka: &KafkaConfig, mut starting: Starting<'_>) -> Result<Started, Failure> {
    let open = async || open_log(config, Folder::MustExist).await;
    let (log, folder) = starting.once_there(open).await?;
    starting.listen().await?;
    let relay = async || Relaying::start(kafka, log.events(), BrokerAway::Refuse).await;
    let relaying = starting.once_there(relay).await?;
    Ok(Started { relaying, listener: starting.done().await?, log, folder })
}

struct RelayProbes {
    relay: RelayVitals,
    log: Log,
}

#[async_trait]
impl Probes for RelayProbes {
    fn readiness(&self) -> Readiness {
        let ended = || "The relay has ended; its log says why.".to_owned();
        let cut_off = || away("Kafka", "the relay stands still");
        let trouble = self.relay.has_ended().then(ended);
        let trouble = trouble.or_else(|| self.log.failure().map(|failure| not_stored(&self.log, &failure)));
        match trouble.or_else(|| self.relay.is_cut_off().then(cut_off)) {
            Some(sentence) => Readiness::NotReady { sentence },
            None => Readiness::Ready,
        }
    }

    fn held_keys(&self) -> u64 {
        0
    }

    async fn metrics(&self) -> String {
        let mut text = Text::default();
        let lag = lag_seconds(&*self.log.events(), &SystemClock, self.relay.position()).await;
        self.relay.write(lag, &mut text);
        text.gauge("octocity_resident_bytes", "Memory in use.", resident_bytes());
        text.into_string()
    }
}
