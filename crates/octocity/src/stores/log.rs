//! The event log: the file `log.db` of the data folder, or, where the configuration has a table `[eventstoredb]`,
//! streams in EventStoreDB.

use std::sync::Arc;

use octocity_adapters::LogCounters;
#[cfg(feature = "distributed")]
use octocity_adapters::eventstoredb::EventStoreLog;
use octocity_adapters::sqlite::{
    DataFolder, FolderError, Gap, SqliteLog, SqliteLogOptions, folder, log_identity,
};
use octocity_log::{EventLog, LogError, LogId};

use super::eventstoredb;
use crate::config::Config;
use crate::failure::Failure;
use crate::node::unusable;

pub enum Log {
    InFile(Arc<SqliteLog>),
    #[cfg(feature = "distributed")]
    InEventStoreDb(Arc<EventStoreLog>),
}

impl Log {
    pub fn events(&self) -> Arc<dyn EventLog> {
        match self {
            Self::InFile(log) => log.clone(),
            #[cfg(feature = "distributed")]
            Self::InEventStoreDb(log) => log.clone(),
        }
    }

    pub fn counters(&self) -> LogCounters {
        match self {
            Self::InFile(log) => log.counters(),
            #[cfg(feature = "distributed")]
            Self::InEventStoreDb(log) => log.counters(),
        }
    }

    /// Why nothing can be stored, if so.
    pub fn failure(&self) -> Option<LogError> {
        match self {
            Self::InFile(log) => log.failure(),
            #[cfg(feature = "distributed")]
            Self::InEventStoreDb(log) => log.failure(),
        }
    }

    /// Streams that lack events before their last one. EventStoreDB numbers them itself: there, none can.
    pub async fn gaps(&self, limit: usize) -> Result<Vec<Gap>, LogError> {
        match self {
            Self::InFile(log) => log.gaps(limit).await,
            #[cfg(feature = "distributed")]
            Self::InEventStoreDb(_) => Ok(Vec::new()),
        }
    }

    /// What is to be put back where it is damaged.
    pub fn name(&self) -> &'static str {
        match self {
            Self::InFile(_) => "log.db",
            #[cfg(feature = "distributed")]
            Self::InEventStoreDb(_) => "EventStoreDB",
        }
    }
}

/// Whether the data folder must have been used before: a mistyped name then makes none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Folder {
    Made,
    MustExist,
}

/// The log, and the data folder where something is kept in it: it is held alone for as long as it is used. Where
/// everything is in services, several processes use them at once.
pub async fn open(config: &Config, folder: Folder) -> Result<(Log, Option<DataFolder>), Failure> {
    let Some(eventstoredb) = &config.eventstoredb else {
        let folder = match folder {
            Folder::Made => DataFolder::open(&config.data),
            Folder::MustExist => DataFolder::open_existing(&config.data),
        };
        let folder = folder.map_err(unusable_folder)?;
        let log = SqliteLog::open(&folder.log(), SqliteLogOptions::default()).map_err(unusable)?;
        return Ok((Log::InFile(Arc::new(log)), Some(folder)));
    };
    let folder = match config.postgres {
        Some(_) => None,
        None => Some(DataFolder::open_without_log(&config.data).map_err(unusable_folder)?),
    };
    let log = eventstoredb::open(eventstoredb).await?;
    not_beside_another(config, log.events().id())?;
    Ok((log, folder))
}

/// A log in the folder that did not become the one in EventStoreDB would be passed over without a word.
fn not_beside_another(config: &Config, log: LogId) -> Result<(), Failure> {
    let path = config.data.join(folder::LOG_FILE);
    match log_identity(&path).map_err(unusable)? {
        Some((id, _)) if id != log => Err(Failure::data(format!(
            "{} is another log than the one in EventStoreDB; bring it there by octocity migrate --to eventstoredb, or \
             name another data folder with --data.",
            path.display()
        ))),
        _ => Ok(()),
    }
}

pub fn unusable_folder(error: FolderError) -> Failure {
    Failure::data(error.to_string())
}
