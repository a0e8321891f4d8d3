//! `octocity serve --role relay`: nothing but the relay, which needs the log alone.

use std::sync::Arc;

use async_trait::async_trait;
use octocity_adapters::clock::SystemClock;
use octocity_api::{Limits, Probes, Readiness};
use octocity_log::EventLog;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::config::Config;
use crate::failure::Failure;
use crate::kafka::{BrokerAway, RelayVitals, Relaying};
use crate::metrics::{Text, lag_seconds};
use crate::output::{Output, resident_bytes};
use crate::serve::not_listening;
use crate::stopping::StopSignals;
use crate::stores::{Folder, open_log};

/// Until it is told to stop.
pub async fn run(config: &Config, mut told_to_stop: StopSignals, output: Output) -> Result<(), Failure> {
    config.check_listen()?;
    let Some(kafka) = &config.kafka else {
        return Err(Failure::usage("A relay publishes to Kafka; add a table [kafka] to the configuration."));
    };
    let (log, _folder) = open_log(config, Folder::MustExist).await?;
    let log = log.events();
    let listener = TcpListener::bind(config.listen).await.map_err(|error| not_listening(config, &error))?;
    let address = listener.local_addr().map_err(|error| not_listening(config, &error))?;
    let mut relaying = Relaying::start(kafka, log.clone(), BrokerAway::Refuse).await?;
    let (closing, closed) = watch::channel(false);
    let probes = Arc::new(RelayProbes { relay: relaying.vitals(), log });
    let web = octocity_api::serve(listener, octocity_api::probe_routes(probes), Limits::default(), closed);
    let web = tokio::spawn(web);
    output.say(format!("Octocity relays the log to Kafka at {}", kafka.brokers));
    output.say(format!("  health       http://{address}/health/ready"));
    output.say(format!("  metrics      http://{address}/metrics"));
    output.say("Ctrl-C stops it.");
    tokio::select! {
        () = told_to_stop.received() => {}
        () = relaying.ended() => {}
    }
    closing.send_replace(true);
    let published_events = relaying.stop().await?;
    web.abort();
    output.finish(&serde_json::json!({ "stopped": true, "published_events": published_events }));
    Ok(())
}

struct RelayProbes {
    relay: RelayVitals,
    log: Arc<dyn EventLog>,
}

#[async_trait]
impl Probes for RelayProbes {
    fn readiness(&self) -> Readiness {
        match self.relay.has_ended() {
            false => Readiness::Ready,
            true => Readiness::NotReady { sentence: "The relay has ended; its log says why.".to_owned() },
        }
    }

    async fn metrics(&self) -> String {
        let mut text = Text::default();
        self.relay.write(lag_seconds(&*self.log, &SystemClock, self.relay.position()).await, &mut text);
        text.gauge("octocity_resident_bytes", "Memory in use.", resident_bytes());
        text.into_string()
    }
}
