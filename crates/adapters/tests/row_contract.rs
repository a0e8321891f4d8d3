//! The SQLite row store under its contract; and the same rows as in memory.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;

use octocity_adapters::sqlite::SqliteRows;
use octocity_projections::analytics::contract::OfRows;
use octocity_projections::contract::Storage;
use octocity_projections::testing::{Garage, Move, hashes, play};
use octocity_projections::{MemoryRows, RowStore, StoreError};
use tempfile::TempDir;

struct OnDisk(TempDir);

impl Storage for OnDisk {
    fn open(&self) -> Arc<dyn RowStore> {
        Arc::new(SqliteRows::open(&self.0.path().join("readmodels.db")).unwrap())
    }
}

octocity_projections::row_store_contract!(OnDisk(TempDir::new().unwrap()));

mod figures {
    use super::*;

    octocity_projections::figures_contract!(OfRows(OnDisk(TempDir::new().unwrap()).open()));
}

/// A history of every kind of event that gates make, with late news.
fn moves() -> Vec<Move> {
    let mut chance = 1_u32;
    let mut next = || {
        chance = chance.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        chance >> 16
    };
    (0..600).map(|_| (next() as u8, next() as u8, (next() % 20_000) as u16, next() % 2 == 0)).collect()
}

#[tokio::test]
async fn the_rows_are_those_of_the_memory_store() {
    let folder = TempDir::new().unwrap();
    let history = play(&mut [Garage::new(1), Garage::new(2)], &moves()).await;
    let memory = history.read(Arc::new(MemoryRows::new()), 4_096).await;
    let wanted = hashes(&memory).await;
    assert!(wanted.iter().any(|table| table.table == "visits" && table.rows > 50), "{wanted:?}");
    for batch_events in [23, 4_096] {
        let file = folder.path().join(format!("{batch_events}.db"));
        let models = history.read(Arc::new(SqliteRows::open(&file).unwrap()), batch_events).await;
        assert_eq!(hashes(&models).await, wanted);
    }
    // Taken up again and rebuilt, all in a file that was closed in between.
    let file = folder.path().join("23.db");
    let mut engine = history.engine(Arc::new(SqliteRows::open(&file).unwrap()), 50).await;
    let head = engine.catch_up(|_| panic!("nothing is left to fold")).await.unwrap();
    assert_eq!(engine.rebuild(&[], |_| {}).await.unwrap(), head);
    assert_eq!(hashes(&engine.models()).await, wanted);
}

/// The log was put back to an older copy: what the rows say beyond it is not kept.
#[tokio::test]
async fn rows_of_another_log_are_folded_anew() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("readmodels.db");
    let long = play(&mut [Garage::new(1)], &moves()).await;
    long.read(Arc::new(SqliteRows::open(&file).unwrap()), 4_096).await;
    let short = play(&mut [Garage::new(1)], &moves()[..50]).await;
    let models = short.read(Arc::new(SqliteRows::open(&file).unwrap()), 4_096).await;
    let wanted = short.read(Arc::new(MemoryRows::new()), 4_096).await;
    assert_eq!(hashes(&models).await, hashes(&wanted).await);
}

#[tokio::test]
async fn a_damaged_file_is_made_anew() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("readmodels.db");
    std::fs::write(&file, vec![7; 8_192]).unwrap();
    let history = play(&mut [Garage::new(1)], &moves()[..50]).await;
    let models = history.read(Arc::new(SqliteRows::open(&file).unwrap()), 4_096).await;
    let wanted = history.read(Arc::new(MemoryRows::new()), 4_096).await;
    assert_eq!(hashes(&models).await, hashes(&wanted).await);
}

/// What the engine reads before all else is made anew at the start; damage among the rows is named when it is met.
#[tokio::test]
async fn no_damaged_page_stops_the_start() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("readmodels.db");
    let history = play(&mut [Garage::new(1), Garage::new(2)], &moves()).await;
    let wanted = hashes(&history.read(Arc::new(SqliteRows::open(&file).unwrap()), 4_096).await).await;
    // What the write-ahead log has, would be read from there.
    let emptied = rusqlite::Connection::open(&file).unwrap();
    emptied.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    drop(emptied);
    let whole = std::fs::read(&file).unwrap();
    let (mut anew, mut met) = (0, 0);
    for start in (0..whole.len()).step_by(4096) {
        let mut damaged = whole.clone();
        // The file's header is whole: without its marks it would be another program's.
        damaged[start.max(100)..start + 4096].fill(0x5a);
        let file = folder.path().join(format!("{start}.db"));
        std::fs::write(&file, &damaged).unwrap();
        let store = Arc::new(SqliteRows::open(&file).unwrap());
        let checkpoints = store.checkpoints().await.unwrap();
        anew += usize::from(checkpoints.is_empty());
        let models = history.engine(Arc::clone(&store) as Arc<dyn RowStore>, 4_096).await.models();
        match octocity_projections::hash_all(&*models.store).await {
            Ok(hashes) if !checkpoints.is_empty() => assert_eq!(hashes, wanted, "page at {start}"),
            Ok(_) => {}
            Err(error) => {
                assert!(matches!(error, StoreError::Damaged(_)) && store.is_damaged(), "{start}: {error}");
                met += 1;
            }
        }
    }
    assert!(anew >= 4 && met > 10, "{anew} made anew, {met} met");
}
