//! The SQLite log under the log's contract, read from memory and from its file.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;

use octocity_adapters::sqlite::{SqliteLog, SqliteLogOptions};
use octocity_domain::Category;
use octocity_log::contract::{Storage, batch, client_id, event, must_append, stream};
use octocity_log::{Append, AppendError, EventLog, Position, RecordedEvent, StreamId};
use tempfile::TempDir;

/// With so many of the newest events in memory.
struct OnDisk(TempDir, usize);

impl OnDisk {
    fn log(&self) -> SqliteLog {
        let options = SqliteLogOptions { newest_events: self.1, ..SqliteLogOptions::default() };
        SqliteLog::open(&self.0.path().join("log.db"), options).unwrap()
    }
}

impl Storage for OnDisk {
    fn open(&self) -> Arc<dyn EventLog> {
        Arc::new(self.log())
    }
}

mod from_memory {
    use super::*;
    octocity_log::log_contract!(OnDisk(TempDir::new().unwrap(), 8_192));
}

mod from_the_file {
    use super::*;
    octocity_log::log_contract!(OnDisk(TempDir::new().unwrap(), 0));
}

/// Every page, by where it begins, how long it is and what it lets through.
async fn pages(log: &SqliteLog) -> Vec<(Vec<RecordedEvent>, Position)> {
    let categories: [&[Category]; 3] = [&[], &[Category::Session], &[Category::Parking, Category::Session]];
    let types: [&[&str]; 3] = [&[], &["Noted"], &["Noted", "Marked"]];
    let mut pages = Vec::new();
    for after in (0..=302).chain([i64::MAX.unsigned_abs()]) {
        for limit in [1, 7, 1_000] {
            for (categories, types) in categories.iter().flat_map(|one| types.map(|other| (one, other))) {
                let page = log.read_all(Position(after), limit, categories, types).await.unwrap();
                pages.push((page.events, page.next));
            }
        }
    }
    pages
}

#[tokio::test]
async fn memory_and_file_give_the_same_pages() {
    let disk = OnDisk(TempDir::new().unwrap(), 50);
    let log = disk.log();
    let session = StreamId::new(Category::Session, stream(2).id);
    let mut next = [0; 2];
    for number in 0..100 {
        let (of, which) = if number % 3 == 0 { (session, 1) } else { (stream(1), 0) };
        let id = client_id(number);
        let three = [event(id, "Noted", "a"), event(id, "Marked", "b"), event(id, "Noted", "c")].to_vec();
        let append = Append { events: three, ..batch(of, next[which], id, &["", "", ""]) };
        must_append(&log, append.clone()).await;
        // What is not stored is not read.
        assert!(matches!(log.append(append).await, Err(AppendError::WrongRevision { .. })));
        next[which] += 3;
    }
    let of_memory = pages(&log).await;
    drop(log);
    assert_eq!(of_memory.iter().filter(|(events, _)| events.len() == 300).count(), 4);
    assert!(of_memory == pages(&disk.log()).await);
}
