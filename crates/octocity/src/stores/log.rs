//! The event log: the file `log.db` of the data folder, or, where the configuration has a table `[eventstoredb]`,
//! streams in EventStoreDB.

use std::sync::Arc;

use octocity_adapters::LogCounters;
#[cfg(feature = "distributed")]
use octocity_adapters::eventstoredb::EventStoreLog;
use octocity_adapters::sqlite::{
    DataFolder, FolderError, Gap, SqliteLog, SqliteLogOptions, folder, log_held_at,
};
use octocity_log::{EventLog, LogError};

use super::eventstoredb;
use crate::config::{Config, EventStoreConfig};
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

    /// Whether it may be away while this process runs.
    pub fn is_in_service(&self) -> bool {
        match self {
            Self::InFile(_) => false,
            #[cfg(feature = "distributed")]
            Self::InEventStoreDb(_) => true,
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
    Ok((in_eventstoredb(config, eventstoredb).await?, folder))
}

/// A log in the folder that did not become the one in EventStoreDB would be passed over without a word; and one made
/// there beside it would be in its way.
async fn in_eventstoredb(config: &Config, eventstoredb: &EventStoreConfig) -> Result<Log, Failure> {
    let path = config.data.join(folder::LOG_FILE);
    let left = log_held_at(&path).map_err(unusable)?;
    let refused = |what: &str| {
        let path = path.display();
        Err(Failure::data(format!("{path} {what}, or name another data folder with --data.")))
    };
    if left.is_some() && !eventstoredb::look(eventstoredb).await?.1 {
        return refused("is not in EventStoreDB yet; bring it there by octocity migrate --to eventstoredb");
    }
    let log = eventstoredb::open(eventstoredb).await?;
    match left {
        Some(left) if left != log.events().id() => refused(
            "is another log than the one in EventStoreDB; name another 'namespace' under [eventstoredb] for it",
        ),
        _ => Ok(log),
    }
}

pub fn unusable_folder(error: FolderError) -> Failure {
    Failure::data(error.to_string())
}
