//! Snapshots in a file of their own: a cache that may be deleted at any time.
//!
//! `synchronous` is NORMAL here: a power cut may lose the last snapshots, which costs only a longer fold at the
//! next start, but never leaves a torn one (OFF could: a page of the new state among pages of the old).

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use octocity_log::{LogError, LogId, Snapshot, SnapshotStore, StreamId};
use rusqlite::{Connection, OptionalExtension, params};

use super::blocking::blocking;
use super::file::check;
use super::{Form, OpenError, log_error, open_disposable};

pub const FORM: Form = Form {
    name: "snapshot cache",
    application_id: i32::from_be_bytes(*b"OcSn"),
    version: 1,
    schema: "
        CREATE TABLE meta (log_id BLOB NOT NULL) STRICT;
        CREATE TABLE snapshots (
            id BLOB NOT NULL,
            category TEXT NOT NULL,
            next_revision INTEGER NOT NULL,
            version INTEGER NOT NULL,
            state BLOB NOT NULL,
            PRIMARY KEY (id, category)
        ) STRICT, WITHOUT ROWID;
    ",
};

pub struct SqliteSnapshots(Arc<Mutex<Connection>>);

impl SqliteSnapshots {
    /// Opens the cache of this log. What is damaged, of another version or of another log is thrown away.
    pub fn open(path: &Path, log: LogId) -> Result<Self, OpenError> {
        let connection = open_disposable(path, &FORM, |connection| prepare(connection, log))?;
        Ok(Self(Arc::new(Mutex::new(connection))))
    }

    async fn run<T, F>(&self, work: F) -> Result<T, LogError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let connection = Arc::clone(&self.0);
        let work = move || {
            let connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
            work(&connection).map_err(|error| log_error(&error))
        };
        let done = blocking(work).await;
        done.unwrap_or_else(|error| Err(LogError::Unavailable(error.to_string())))
    }
}

fn prepare(connection: &Connection, log: LogId) -> rusqlite::Result<()> {
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "cache_size", -2048)?;
    // Found now, or else at every stream whose state lies on the damaged page. The file is small: it holds only
    // streams of many events.
    check(connection, "1")?;
    let known: Option<[u8; 16]> =
        connection.query_row("SELECT log_id FROM meta", [], |row| row.get(0)).optional()?;
    if known == Some(log.0.into_bytes()) {
        return Ok(());
    }
    let change = connection.unchecked_transaction()?;
    change.execute_batch("DELETE FROM snapshots; DELETE FROM meta;")?;
    change.execute("INSERT INTO meta VALUES (?)", [log.0.as_bytes()])?;
    change.commit()
}

#[async_trait]
impl SnapshotStore for SqliteSnapshots {
    async fn load(&self, stream: StreamId) -> Result<Option<Snapshot>, LogError> {
        self.run(move |connection| {
            let mut find = connection.prepare_cached(
                "SELECT next_revision, version, state FROM snapshots WHERE id = ? AND category = ?",
            )?;
            let key = params![stream.id.as_bytes(), stream.category.as_str()];
            find.query_row(key, |row| {
                let next_revision = row.get::<_, i64>(0)?.unsigned_abs();
                Ok(Snapshot { next_revision, version: row.get(1)?, state: row.get(2)? })
            })
            .optional()
        })
        .await
    }

    async fn save(&self, stream: StreamId, snapshot: Snapshot) -> Result<(), LogError> {
        self.run(move |connection| {
            let mut save =
                connection.prepare_cached("INSERT OR REPLACE INTO snapshots VALUES (?, ?, ?, ?, ?)")?;
            save.execute(params![
                stream.id.as_bytes(),
                stream.category.as_str(),
                snapshot.next_revision.cast_signed(),
                snapshot.version,
                snapshot.state,
            ])?;
            Ok(())
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use octocity_domain::Category;
    use uuid::Uuid;

    use super::*;

    const LOG: LogId = LogId(Uuid::from_u128(1));
    const STREAM: StreamId = StreamId::new(Category::Parking, Uuid::from_u128(2));

    fn snapshot(next_revision: u64) -> Snapshot {
        Snapshot { next_revision, version: 3, state: b"{\"inside\":4}".to_vec() }
    }

    #[tokio::test]
    async fn keeps_the_last_snapshot_of_a_stream_over_restarts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("snapshots.db");
        let cache = SqliteSnapshots::open(&path, LOG).unwrap();
        octocity_log::contract::keeps_the_last_snapshot_of_a_stream(&cache).await;
        cache.save(STREAM, snapshot(9)).await.unwrap();
        drop(cache);
        let cache = SqliteSnapshots::open(&path, LOG).unwrap();
        assert_eq!(cache.load(STREAM).await.unwrap(), Some(snapshot(9)));
    }

    #[tokio::test]
    async fn damage_anywhere_in_the_file_only_empties_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("snapshots.db");
        let fill = async || {
            let cache = SqliteSnapshots::open(&path, LOG).unwrap();
            assert!(cache.load(STREAM).await.unwrap().is_none());
            for number in 0..200 {
                let state = vec![b'7'; 300];
                let stream = StreamId::new(Category::Parking, Uuid::from_u128(number));
                cache.save(stream, Snapshot { state, ..snapshot(9) }).await.unwrap();
            }
        };
        fill().await;
        let pages = std::fs::metadata(&path).unwrap().len() / 4096;
        assert!(pages > 15, "{pages}");
        for page in 0..pages {
            let mut bytes = std::fs::read(&path).unwrap();
            // The file's header is whole: without its marks it would be another program's.
            let (start, end) = ((page * 4096).max(100) as usize, page as usize * 4096 + 4096);
            bytes[start..end].fill(0x5a);
            std::fs::write(&path, &bytes).unwrap();
            fill().await;
        }
    }

    #[tokio::test]
    async fn throws_away_what_is_of_another_log_or_damaged() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("snapshots.db");
        SqliteSnapshots::open(&path, LOG).unwrap().save(STREAM, snapshot(5)).await.unwrap();
        let other = SqliteSnapshots::open(&path, LogId(Uuid::from_u128(7))).unwrap();
        assert_eq!(other.load(STREAM).await.unwrap(), None);
        drop(other);
        std::fs::write(&path, "no database at all, but long enough to be taken for one".repeat(100)).unwrap();
        let anew = SqliteSnapshots::open(&path, LOG).unwrap();
        assert_eq!(anew.load(STREAM).await.unwrap(), None);
    }
}
