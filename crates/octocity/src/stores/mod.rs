//! The log, and what stands beside it: read models, snapshots, and what processes remember. In files of the data
//! folder, or, where the configuration has a table `[eventstoredb]` or `[postgres]`, in these.

#[cfg(feature = "distributed")]
mod eventstoredb;
#[cfg(not(feature = "distributed"))]
#[path = "no_eventstoredb.rs"]
mod eventstoredb;
mod log;
#[cfg(feature = "distributed")]
mod postgres;
#[cfg(not(feature = "distributed"))]
#[path = "no_postgres.rs"]
mod postgres;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use octocity_adapters::Outage;
use octocity_adapters::gateway::GatewayBook;
use octocity_adapters::sqlite::{SqliteBlueGreen, SqliteProcessStore, SqliteRows, SqliteSnapshots, folder};
use octocity_commands::{Checkpoint, Misplaced, ProcessStore, ProcessStoreError};
use octocity_log::{EventLog, LogId, Position, SnapshotStore};
use octocity_projections::{BlueGreen, RowStore};

pub use eventstoredb::look as look_at_eventstoredb;
#[cfg(feature = "distributed")]
pub use eventstoredb::{failure as eventstoredb_failure, options as eventstoredb_options};
#[cfg(feature = "distributed")]
pub use log::unusable_folder;
pub use log::{Folder, Log, open as open_log};
pub use postgres::look as look_at_postgres;
#[cfg(feature = "distributed")]
pub use postgres::{options, process_store};

use crate::config::Config;
use crate::failure::Failure;
use crate::node::{Node, unusable};

pub struct Stores {
    pub rows: Arc<dyn RowStore>,
    pub snapshots: Arc<dyn SnapshotStore>,
    pub processes: Processes,
    /// Of PostgreSQL, where they are there.
    pub outage: Option<Outage>,
}

impl Stores {
    /// Makes what is not there yet; refuses what is of another log.
    pub async fn open(config: &Config, log: LogId) -> Result<Self, Failure> {
        match &config.postgres {
            Some(postgres) => {
                let partitions = config.kafka.as_ref().map_or(1, |kafka| kafka.partitions);
                postgres::open(postgres, partitions, &config.data, log).await
            }
            None => Self::in_files(&config.data, log),
        }
    }

    fn in_files(data: &Path, log: LogId) -> Result<Self, Failure> {
        let (snapshots, rows) = (data.join(folder::SNAPSHOTS_FILE), data.join(folder::READ_MODELS_FILE));
        Ok(Self {
            snapshots: Arc::new(SqliteSnapshots::open(&snapshots, log).map_err(unusable)?),
            rows: Arc::new(SqliteRows::open(&rows).map_err(unusable)?),
            processes: Processes::InFile(data.join(folder::PROCESSES_FILE)),
            outage: None,
        })
    }
}

/// The rows of this node, with what stands beside them.
pub async fn blue_green(config: &Config, node: &Node) -> Result<Box<dyn BlueGreen>, Failure> {
    let (events, live) = (node.events(), Arc::clone(&node.rows));
    match &config.postgres {
        Some(postgres) => postgres::blue_green(postgres, live.partitions(), events.id()).await,
        None => {
            let file = config.data.join(folder::READ_MODELS_FILE);
            Ok(Box::new(SqliteBlueGreen::new(live, file)))
        }
    }
}

/// What processes remember, and the book of the simulated gateway beside it.
pub type Opened = (Arc<dyn ProcessStore>, Arc<dyn GatewayBook>);

/// Held while effects are carried out.
pub enum Lease {
    /// Whoever has the data folder has it alone.
    OfFolder,
    #[cfg(feature = "distributed")]
    InPostgres(octocity_adapters::postgres::Lease),
}

impl Lease {
    /// Waits until it can no longer be known to be held.
    pub async fn lost(&self) {
        match self {
            Self::OfFolder => std::future::pending().await,
            #[cfg(feature = "distributed")]
            Self::InPostgres(lease) => lease.lost().await,
        }
    }
}

/// What processes remember, not opened yet: only who carries effects out makes it.
pub enum Processes {
    InFile(PathBuf),
    #[cfg(feature = "distributed")]
    InPostgres {
        store: octocity_adapters::postgres::PostgresProcessStore,
        /// Where a file would be: one that is left of an earlier time is not passed over.
        file: PathBuf,
    },
}

impl Processes {
    pub fn exist(&self) -> bool {
        match self {
            Self::InFile(path) => path.exists(),
            #[cfg(feature = "distributed")]
            Self::InPostgres { .. } => true,
        }
    }

    pub fn open(&self) -> Result<Opened, Failure> {
        match self {
            Self::InFile(path) => {
                let store = SqliteProcessStore::open(path).map_err(unusable)?;
                Ok((Arc::new(store.clone()), Arc::new(store)))
            }
            #[cfg(feature = "distributed")]
            Self::InPostgres { file, .. } if file.exists() => Err(Failure::data(format!(
                "{} holds what processes remember, and PostgreSQL does not know it; bring it there by octocity migrate \
                 --to postgres, or go on without [postgres].",
                file.display()
            ))),
            #[cfg(feature = "distributed")]
            Self::InPostgres { store, .. } => Ok((Arc::new(store.clone()), Arc::new(store.clone()))),
        }
    }

    /// Up to where all have reacted, as far as it is stored where several processes may look. None: nobody knows.
    pub async fn position(&self, log: &dyn EventLog) -> Option<Position> {
        if matches!(self, Self::InFile(_)) {
            return None;
        }
        let (store, _) = self.open().ok()?;
        let stored = store.checkpoints().await.ok()?;
        let ours = |checkpoint: &&Checkpoint| (checkpoint.log, checkpoint.epoch) == (log.id(), log.epoch());
        stored.iter().filter(ours).map(|checkpoint| checkpoint.position).min()
    }

    /// A server that does not answer may do so later; a file is what it is.
    pub fn failed(&self, error: ProcessStoreError) -> Failure {
        match self {
            Self::InFile(_) => Failure::data(format!("{error}; run octocity doctor.")),
            #[cfg(feature = "distributed")]
            Self::InPostgres { .. } => Failure::fault(format!("{error}.")),
        }
    }

    /// What to do where they are missing beside a log that they once followed. `log_in_service`: it is not beside them in
    /// the data folder, and may have been served from another one.
    pub fn lost(&self, log_in_service: bool) -> String {
        let (what, remedy) = match self {
            Self::InFile(path) if path.with_file_name(folder::MOVED_PROCESSES_FILE).exists() => {
                ("What processes remember was brought to PostgreSQL", "name that by [postgres] in --config")
            }
            Self::InFile(_) if log_in_service => (
                "What processes remember is not in this data folder",
                "name by [postgres] the database that has it, or by --data the folder whose processes.db has it",
            ),
            Self::InFile(_) => {
                ("processes.db is missing or empty", "restore it and the log from the same backup")
            }
            #[cfg(feature = "distributed")]
            Self::InPostgres { .. } => (
                "PostgreSQL does not know how far the processes were",
                "restore its schema and the log from backups of the same moment",
            ),
        };
        format!(
            "{what}, and the event log has history that they followed: {remedy}, or start once with octocity serve \
             --processes-from-now, which drops every planned deadline, hold and payment step that is not done."
        )
    }

    /// The right to carry effects out. None: another process has it.
    pub async fn lease(&self) -> Result<Option<Lease>, Failure> {
        match self {
            Self::InFile(_) => Ok(Some(Lease::OfFolder)),
            #[cfg(feature = "distributed")]
            Self::InPostgres { store, .. } => {
                let lease = store.lease().await.map_err(|error| Failure::fault(format!("{error}.")))?;
                Ok(lease.map(Lease::InPostgres))
            }
        }
    }

    /// What to do about processes that are not of the log beside them.
    pub fn misplaced(&self, misplaced: Misplaced) -> String {
        match self {
            Self::InFile(_) => misplaced.to_string(),
            #[cfg(feature = "distributed")]
            Self::InPostgres { .. } => "What processes remember in PostgreSQL is ahead of the event log, or of another one: \
                restore both from backups of the same moment, or name another schema under [postgres] and start once \
                with --processes-from-now, which drops every planned deadline, hold and payment step that is not done."
                .to_owned(),
        }
    }
}
