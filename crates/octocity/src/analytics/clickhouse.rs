//! The facts on their way to ClickHouse, and the answers from there.

use std::sync::Arc;
use std::time::{Duration, Instant};

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

/// How long the start waits for an answer.
const AT_THE_START: Duration = Duration::from_secs(10);

/// Tells ClickHouse the facts of the log as they come.
pub struct Telling {
    written: watch::Receiver<Position>,
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
            Err(_) => return Err(Failure::usage(format!("ClickHouse at {} does not answer.", config.url))),
        }
        let written = sink.written();
        let (ended, has_ended) = watch::channel(false);
        let task = tokio::spawn(async move {
            let end = sink.run(tail, stop).await;
            if let Err(error) = &end {
                tracing::error!(code = error.code(), %error, "figures have ended; mend this and start again");
                ended.send_replace(true);
            }
            end
        });
        Ok(Self { written, has_ended, task })
    }

    pub fn vitals(&self) -> TellingVitals {
        TellingVitals { written: self.written.clone(), has_ended: self.has_ended.clone() }
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
    has_ended: watch::Receiver<bool>,
}

impl TellingVitals {
    /// Up to where ClickHouse knows the log, as this process last heard.
    pub fn position(&self) -> Position {
        *self.written.borrow()
    }

    /// The lag is left out where the log cannot be read.
    pub fn write(&self, lag_seconds: Option<i64>, text: &mut Text) {
        let ended = u8::from(*self.has_ended.borrow());
        text.gauge("octocity_figures_ended", "1 once a fault has ended them that does not pass.", ended);
        if let Some(lag) = lag_seconds {
            let help = "For how long the oldest event whose facts ClickHouse does not have is in the log.";
            text.gauge("octocity_figures_lag_seconds", help, lag);
        }
    }
}

/// Who answers analysts from there, also while it is away: then each question is told so.
pub fn figures(config: &ClickHouseConfig, log: LogId, epoch: u32) -> Result<Arc<dyn Figures>, Failure> {
    Ok(Arc::new(ClickHouseFigures::new(server(config)?, log, epoch)))
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

fn server(config: &ClickHouseConfig) -> Result<ClickHouse, Failure> {
    let ClickHouseConfig { url, user, password, database, compression, keep_days } = config.clone();
    let options = ClickHouseOptions { url, user, password, database, compression, keep_days };
    ClickHouse::try_new(&options).map_err(|error| failure(&error))
}

fn failure(error: &OpenError) -> Failure {
    match error {
        OpenError::Newer { .. } | OpenError::OtherLog { .. } | OpenError::AheadOfLog { .. } => {
            Failure::data(error.to_string())
        }
        OpenError::Unusable { .. } => Failure::fault(error.to_string()),
        _ => Failure::usage(error.to_string()),
    }
}
