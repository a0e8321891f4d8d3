//! Another connection holds a file's lock for a moment, as a checkpointer does: whoever writes waits, and does not fail.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use octocity_adapters::sqlite::{SqliteLog, SqliteLogOptions, SqliteProcessStore, SqliteRows};
use octocity_commands::ProcessStore;
use octocity_commands::process_store::{Checkpoint, Step};
use octocity_log::contract::{batch, client_id, must_append, stream};
use octocity_log::{LogId, Position};
use octocity_projections::{RowStore, views};
use rusqlite::Connection;
use tempfile::TempDir;
use uuid::Uuid;

/// From now on, and for a while.
fn hold(path: &Path) -> JoinHandle<()> {
    let holder = Connection::open(path).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    thread::spawn(move || {
        thread::sleep(Duration::from_millis(200));
        holder.execute_batch("ROLLBACK").unwrap();
    })
}

#[tokio::test]
async fn an_append_waits() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("log.db");
    let log = SqliteLog::open(&path, SqliteLogOptions::default()).unwrap();
    let held = hold(&path);
    must_append(&log, batch(stream(1), 0, client_id(0), &["first"])).await;
    held.join().unwrap();
}

#[tokio::test]
async fn rows_wait() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("readmodels.db");
    let rows = SqliteRows::open(&path).unwrap();
    let held = hold(&path);
    rows.ensure(&views::tables()).await.unwrap();
    held.join().unwrap();
}

#[tokio::test]
async fn a_step_of_the_processes_waits() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("processes.db");
    let store = SqliteProcessStore::open(&path).unwrap();
    let checkpoints = |position| {
        let (process, log) = ("stays".to_owned(), LogId(Uuid::from_u128(1)));
        vec![Checkpoint { process, log, epoch: 1, position: Position(position) }]
    };
    store.commit(Step { checkpoints: checkpoints(1), ..Step::default() }).await.unwrap();
    let held = hold(&path);
    let next = Step { from: checkpoints(1), checkpoints: checkpoints(2), ..Step::default() };
    store.commit(next).await.unwrap();
    held.join().unwrap();
}
