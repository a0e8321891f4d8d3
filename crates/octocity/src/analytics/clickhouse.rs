//! The facts on their way to ClickHouse, and the answers from there.

use std::sync::Arc;
use std::time::{Duration, Instant};

use octocity_adapters::Outage;
use octocity_adapters::clickhouse::{
    AnalyticsSink, ClickHouse, ClickHouseFigures, ClickHouseOptions, OpenError, SinkOptions,
};
use octocity_log::{EventLog, LogId, Position, Tail, WholeLog};
use octocity_projections::analytics::Figures;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::ServerAway;
use crate::config::ClickHouseConfig;
use crate::failure::Failure;
use crate::metrics::Text;

const SERVICE: &str = "ClickHouse";
/// How long the start waits for an answer.
const AT_THE_START: Duration = Duration::from_secs(10);

/// Tells ClickHouse the facts of the log as they come.
pub struct Telling {
    written: watch::Receiver<Position>,
    outage: Outage,
    /// Turns true when a fault has ended it that does not pass.
    has_ended: watch::Receiver<bool>,
    task: JoinHandle<Result<(), OpenError>>,
}

impl Telling {
    /// Runs until `stop` turns true. What is configured wrongly is refused here, before any work.
    pub async fn start(
        config: &ClickHouseConfig,
        tail: Arc<dyn Tail>,
        away: ServerAway,
        stop: watch::Receiver<bool>,
    ) -> Result<Self, Failure> {
        let server = server(config)?;
        let mut sink = AnalyticsSink::new(server, &*tail, SinkOptions::default());
        let begun = tokio::time::timeout(AT_THE_START, sink.begin(&*tail)).await;
        match begun {
            Err(_) if away == ServerAway::TryAgain => {}
            Ok(Err(error)) if error.is_transient() && away == ServerAway::TryAgain => {}
            Ok(begun) => begun.map_err(|error| failure(&error))?,
            Err(_) => {
                let url = &config.url;
                return Err(Failure::usage(format!(
                    "ClickHouse at {url} does not answer; start it, or correct 'url' under [clickhouse]."
                ))
                .of_service(SERVICE));
            }
        }
        let (written, outage) = (sink.written(), sink.outage());
        let (ended, has_ended) = watch::channel(false);
        let task = tokio::spawn(async move {
            let end = sink.run(tail, stop).await;
            if let Err(error) = &end {
                tracing::error!(code = error.code(), %error, "figures have ended; mend this and start again");
                ended.send_replace(true);
            }
            end
        });
        Ok(Self { written, outage, has_ended, task })
    }

    pub fn vitals(&self) -> TellingVitals {
        let (written, outage) = (self.written.clone(), self.outage.clone());
        TellingVitals { written, outage, has_ended: self.has_ended.clone() }
    }

    /// Waits until it ends by itself, which only a fault makes it do.
    pub async fn ended(&mut self) {
        // Its sender goes only after it was told.
        drop(self.has_ended.wait_for(|ended| *ended).await);
    }

    /// Waits for its end, once it is told to stop.
    pub async fn stop(self) -> Result<(), Failure> {
        let ended =
            self.task.await.map_err(|error| Failure::fault(format!("The figures broke off: {error}.")))?;
        ended.map_err(|error| failure(&error))
    }
}

#[derive(Clone)]
pub struct TellingVitals {
    written: watch::Receiver<Position>,
    outage: Outage,
    has_ended: watch::Receiver<bool>,
}

impl TellingVitals {
    /// By a fault that does not pass.
    pub fn has_ended(&self) -> bool {
        *self.has_ended.borrow()
    }

    /// Whether ClickHouse is away for longer than a restart takes.
    pub fn is_cut_off(&self) -> bool {
        self.outage.lasts()
    }

    /// Up to where ClickHouse knows the log, as this process last heard.
    pub fn position(&self) -> Position {
        *self.written.borrow()
    }

    /// The lag is left out where the log cannot be read.
    pub fn write(&self, lag_seconds: Option<i64>, text: &mut Text) {
        let ended = u8::from(self.has_ended());
        text.gauge("octocity_figures_ended", "1 once a fault has ended them that does not pass.", ended);
        if let Some(lag) = lag_seconds {
            let help = "For how long the oldest event whose facts ClickHouse does not have is in the log.";
            text.gauge("octocity_figures_lag_seconds", help, lag);
        }
    }
}

/// Who answers analysts from there, also while it is away: then each question is told so.
pub async fn figures(config: &ClickHouseConfig, log: LogId, epoch: u32) -> Result<Arc<dyn Figures>, Failure> {
    let figures = ClickHouseFigures::new(server(config)?, log, epoch);
    match tokio::time::timeout(AT_THE_START, figures.check()).await {
        Ok(Err(error @ OpenError::OtherLog { .. })) => return Err(failure(&error)),
        Ok(Err(error)) => tracing::warn!(code = error.code(), %error, "analysts have no answer yet"),
        Err(_) => tracing::warn!(url = config.url, "ClickHouse does not answer; analysts have no answer yet"),
        Ok(Ok(())) => {}
    }
    Ok(Arc::new(figures))
}

/// Refuses a database of another log. What cannot be known just now is not refused.
pub async fn check_log(config: &ClickHouseConfig, log: LogId, epoch: u32) -> Result<(), Failure> {
    match ClickHouseFigures::new(server(config)?, log, epoch).check().await {
        Err(error @ OpenError::OtherLog { .. }) => Err(failure(&error)),
        _ => Ok(()),
    }
}

/// Which server it would be, without changing anything there.
pub async fn look(config: &ClickHouseConfig) -> Result<String, Failure> {
    server(config)?.look().await.map_err(|error| failure(&error))
}

/// How many facts a second come from the log to their checkpoint, in a database that is removed.
pub async fn rows_per_second(config: &ClickHouseConfig, log: Arc<dyn EventLog>) -> Result<f64, Failure> {
    let database = format!("{}_bench_{}", config.database, std::process::id());
    let server = server(&ClickHouseConfig { database, ..config.clone() })?;
    let told = tell_all(server.clone(), &WholeLog(log)).await;
    server.remove().await.map_err(|error| failure(&error))?;
    told
}

async fn tell_all(server: ClickHouse, tail: &dyn Tail) -> Result<f64, Failure> {
    let mut sink = AnalyticsSink::new(server, tail, SinkOptions::default());
    sink.begin(tail).await.map_err(|error| failure(&error))?;
    let started = Instant::now();
    sink.catch_up(tail).await.map_err(|fault| Failure::fault(fault.to_string()))?;
    Ok(sink.rows() as f64 / started.elapsed().as_secs_f64())
}

pub(super) fn server(config: &ClickHouseConfig) -> Result<ClickHouse, Failure> {
    let ClickHouseConfig { url, user, password, database, compression, keep_days } = config.clone();
    let options = ClickHouseOptions { url, user, password, database, compression, keep_days };
    ClickHouse::try_new(&options).map_err(|error| failure(&error))
}

pub(super) fn failure(error: &OpenError) -> Failure {
    match error {
        OpenError::Newer { .. } | OpenError::OtherLog { .. } | OpenError::AheadOfLog { .. } => {
            Failure::data(error.to_string())
        }
        OpenError::Unreachable { .. } => Failure::usage(error.to_string()).of_service(SERVICE),
        OpenError::Unusable { .. } | OpenError::Switching { .. } => {
            Failure::fault(error.to_string()).of_service(SERVICE)
        }
        _ => Failure::usage(error.to_string()),
    }
}
