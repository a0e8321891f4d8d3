//! The contract of the process store, on SQLite.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;

use octocity_adapters::sqlite::SqliteProcessStore;
use octocity_commands::contract::ProcessStorage;
use octocity_commands::{ProcessStore, process_store_contract};
use tempfile::TempDir;

struct Folder(TempDir);

impl ProcessStorage for Folder {
    fn open(&self) -> Arc<dyn ProcessStore> {
        Arc::new(SqliteProcessStore::open(&self.0.path().join("processes.db")).unwrap())
    }
}

process_store_contract!(Folder(tempfile::tempdir().unwrap()));
