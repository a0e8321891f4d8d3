//! The parts of one process, put together: the log, the handler before it, and the read models behind it.

use std::sync::Arc;

use octocity_adapters::Outage;
use octocity_adapters::clock::SystemClock;
use octocity_adapters::sqlite::{DataFolder, OpenError};
use octocity_commands::{Clock, Handler, HandlerOptions};
use octocity_log::{EventLog, Position};
use octocity_projections::{Engine, EngineOptions, RowStore, StoreError, views};
use tokio::runtime::Runtime;

use crate::config::{Config, Gateway};
use crate::failure::{Failure, Kind};
use crate::stores::{Folder, Log, Processes, Stores, open_log};

/// The log and the handler before it. What is in a data folder is held alone.
pub struct Node {
    pub handler: Arc<Handler>,
    pub log: Log,
    pub rows: Arc<dyn RowStore>,
    pub processes: Processes,
    /// Of PostgreSQL, where rows and processes are there.
    pub outage: Option<Outage>,
    pub clock: Arc<dyn Clock>,
    /// Who is asked for money, if anybody.
    pub gateway: Option<Gateway>,
    /// Whether other processes may append to the log.
    pub is_shared: bool,
    /// Whether other processes may write the rows.
    pub shares_rows: bool,
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
        let is_new = config.eventstoredb.is_none() && *events.head().borrow() == Position::default();
        let opened = Stores::open(config, events.id()).await;
        let Stores { rows, snapshots, processes, outage } = opened.map_err(|failure| match is_new {
            true => of_new_log(failure, config),
            false => failure,
        })?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let (is_shared, shares_rows) = (config.eventstoredb.is_some(), config.postgres.is_some());
        let options = HandlerOptions {
            retention_seconds: i64::from(config.retention_days) * 86_400,
            queue: config.queue,
            gateway: config.gateway.is_some(),
            sole_owner: !is_shared,
            ..HandlerOptions::default()
        };
        let handler = Handler::new(events, Some(snapshots), Arc::clone(&clock), options);
        Ok(Self {
            handler,
            log,
            rows,
            processes,
            outage,
            clock,
            gateway: config.gateway,
            is_shared,
            shares_rows,
            folder,
        })
    }

    pub fn events(&self) -> Arc<dyn EventLog> {
        self.log.events()
    }

    pub fn head(&self) -> Position {
        *self.events().head().borrow()
    }

    /// Makes the tables of the rows that are missing.
    pub async fn ensure_rows(&self) -> Result<(), Failure> {
        self.rows.ensure(&views::tables()).await.map_err(rows_failed)
    }

    /// Of who is started to write the rows: those of another form are made anew.
    pub async fn engine(&self) -> Result<Engine, Failure> {
        self.engine_that(true).await
    }

    /// Of a command that brings the rows to the log's head by the way: what others share stays in its form.
    pub async fn passing_engine(&self) -> Result<Engine, Failure> {
        self.engine_that(!self.shares_rows).await
    }

    async fn engine_that(&self, reforms: bool) -> Result<Engine, Failure> {
        let options = EngineOptions { sole_owner: !self.is_shared, reforms, ..EngineOptions::default() };
        let opened = Engine::open(self.events(), Arc::clone(&self.rows), options).await;
        opened.map_err(rows_failed)
    }
}

/// What is refused of another log, is so perhaps because this one was just made.
fn of_new_log(failure: Failure, config: &Config) -> Failure {
    if failure.kind != Kind::Data || config.postgres.is_none() {
        return failure;
    }
    let (said, data) = (&failure.message, config.data.display());
    let message = format!(
        "{said} The log in {data} is new and empty: where yours is in EventStoreDB, the configuration lacks its table \
         [eventstoredb]."
    );
    Failure { message, ..failure }
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
    match error {
        StoreError::Damaged(_) => Failure::data(format!("{error}.")),
        StoreError::OtherForm(_) => Failure::data(format!("The read models are not used: {error}.")),
        StoreError::OtherPartitions { .. } => {
            Failure::usage(format!("The read models are not used: {error}."))
        }
        _ => Failure::fault(format!(
            "The read models cannot be read or written: {error}; run octocity doctor."
        )),
    }
}
