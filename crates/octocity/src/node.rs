//! The parts of one process, put together: the log, the handler before it, and the read models behind it.

use std::sync::Arc;

use octocity_adapters::clock::SystemClock;
use octocity_adapters::sqlite::{DataFolder, OpenError};
use octocity_commands::{Clock, Handler, HandlerOptions};
use octocity_log::{EventLog, Position};
use octocity_projections::{Engine, EngineOptions, ReadModels, RowStore, StoreError};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::config::Config;
use crate::failure::Failure;
use crate::stores::{Folder, Log, Processes, Stores, open_log};

/// The log and the handler before it. What is in a data folder is held alone.
pub struct Node {
    pub handler: Arc<Handler>,
    pub log: Log,
    pub rows: Arc<dyn RowStore>,
    pub processes: Processes,
    pub clock: Arc<dyn Clock>,
    /// Held for as long as anything above is used; the last to go. None: nothing is kept in it.
    pub folder: Option<DataFolder>,
}

impl Node {
    /// Takes the data folder; makes it and its files where there are none.
    pub async fn open(config: &Config) -> Result<Self, Failure> {
        Self::of(config, Folder::Made).await
    }

    /// Takes a data folder that must be there.
    pub async fn open_existing(config: &Config) -> Result<Self, Failure> {
        Self::of(config, Folder::MustExist).await
    }

    /// Takes a data folder that must be there, with read models that say nothing yet.
    pub async fn open_to_rebuild(config: &Config) -> Result<Self, Failure> {
        let (log, folder) = open_log(config, Folder::MustExist).await?;
        if let (Some(folder), None) = (&folder, &config.postgres) {
            folder.forget_read_models().map_err(unusable)?;
        }
        Self::behind(log, folder, config).await
    }

    async fn of(config: &Config, folder: Folder) -> Result<Self, Failure> {
        let (log, folder) = open_log(config, folder).await?;
        Self::behind(log, folder, config).await
    }

    async fn behind(log: Log, folder: Option<DataFolder>, config: &Config) -> Result<Self, Failure> {
        let events = log.events();
        let Stores { rows, snapshots, processes } = Stores::open(config, events.id()).await?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let options = HandlerOptions {
            retention_seconds: i64::from(config.retention_days) * 86_400,
            queue: config.queue,
            gateway: config.gateway.is_some(),
            ..HandlerOptions::default()
        };
        let handler = Handler::new(events, Some(snapshots), Arc::clone(&clock), options);
        Ok(Self { handler, log, rows, processes, clock, folder })
    }

    pub fn events(&self) -> Arc<dyn EventLog> {
        self.log.events()
    }

    pub fn head(&self) -> Position {
        *self.events().head().borrow()
    }

    pub async fn engine(&self) -> Result<Engine, Failure> {
        let opened = Engine::open(self.events(), Arc::clone(&self.rows), EngineOptions::default()).await;
        opened.map_err(rows_failed)
    }
}

/// The read models, kept at the log's head in the background.
pub struct Following {
    pub models: ReadModels,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Following {
    pub fn start(engine: Engine) -> Self {
        let (stop, stopped) = watch::channel(false);
        let models = engine.models();
        Self { models, stop, task: tokio::spawn(engine.run(stopped)) }
    }

    /// Waits until the rows are at `head`, telling how far they are from time to time.
    pub async fn until(&self, head: Position, told: impl Fn(Position)) {
        let mut progress = self.models.progress();
        while self.models.position() < head {
            told(self.models.position());
            if progress.changed().await.is_err() {
                return;
            }
        }
        told(head);
    }

    /// Ends after the commit that is under way.
    pub async fn stop(self) -> Result<(), Failure> {
        self.stop.send_replace(true);
        self.task.await.map_err(|error| Failure::fault(format!("The read models broke off: {error}.")))
    }
}

pub fn runtime() -> Result<Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::fault(format!("The process cannot start its threads: {error}.")))
}

pub fn unusable(error: OpenError) -> Failure {
    Failure::data(error.to_string())
}

pub fn rows_failed(error: StoreError) -> Failure {
    if let StoreError::Damaged(_) = error {
        return Failure::data(format!("{error}."));
    }
    Failure::fault(format!("The read models cannot be read or written: {error}; run octocity doctor."))
}
