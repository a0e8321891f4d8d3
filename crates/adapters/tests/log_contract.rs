//! The SQLite log under the log's contract.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;

use octocity_adapters::sqlite::{SqliteLog, SqliteLogOptions};
use octocity_log::EventLog;
use octocity_log::contract::Storage;
use tempfile::TempDir;

struct OnDisk(TempDir);

impl Storage for OnDisk {
    fn open(&self) -> Arc<dyn EventLog> {
        Arc::new(SqliteLog::open(&self.0.path().join("log.db"), SqliteLogOptions::default()).unwrap())
    }
}

octocity_log::log_contract!(OnDisk(TempDir::new().unwrap()));
