//! The read models in one SQLite file.
//!
//! Written with `synchronous = NORMAL`: a commit does not wait for the disk. After a loss of power the file is whole
//! and rows and checkpoints agree, but the newest commits may be gone; they are folded again from the log. They
//! are never ahead of it: the engine reads only what the log has made durable.

mod blue_green;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use octocity_log::{LogId, Position};
use octocity_projections::{
    Batch, Checkpoint, Parked, RowStore, Select, Selected, StoreError, Table, TableWrites, Value,
};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode, OptionalExtension, Row, ToSql, Transaction, params};
use uuid::Uuid;

use super::blocking::blocking;
use super::checkpointer::Checkpointer;
use super::file::{Form, OpenError, begin_to_write, check, open_disposable, open_to_read};
use super::readers::Readers;
use crate::sql::{self, Dialect::Sqlite};

pub use blue_green::SqliteBlueGreen;

pub const FORM: Form = Form {
    name: "read models",
    application_id: i32::from_be_bytes(*b"OcRm"),
    version: 2,
    schema: "CREATE TABLE read_models (name TEXT PRIMARY KEY, definition TEXT NOT NULL) STRICT;
        CREATE TABLE checkpoints (view TEXT PRIMARY KEY, log BLOB NOT NULL, epoch INTEGER NOT NULL,
            position INTEGER NOT NULL, generation INTEGER NOT NULL) STRICT;
        CREATE TABLE parked (view TEXT NOT NULL, key TEXT NOT NULL, stream TEXT NOT NULL,
            revision INTEGER NOT NULL, event_type TEXT NOT NULL, error TEXT NOT NULL,
            PRIMARY KEY (view, key)) STRICT, WITHOUT ROWID;",
};
/// How many may read at once; more wait. Two cores gain nothing from many.
const READERS: usize = 4;
const STATEMENTS_CACHED: usize = 128;
/// Negative: in KiB.
const WRITER_CACHE_KIBIBYTES: i64 = -12_288;
/// The newest visits of a hundred car parks take more than SQLite's own 2 MiB.
const READER_CACHE_KIBIBYTES: i64 = -8_192;
/// Pages of 4 KiB in the write-ahead log before the writer itself copies them into the file, which holds it up.
const CHECKPOINT_PAGES: i64 = 16_000;

/// The row store of the one-process runtime. Cheap to clone the `Arc` it is kept in; one file has one writer.
pub struct SqliteRows {
    shared: Arc<Shared>,
    readers: Readers<Connection, StoreError>,
}

struct Shared {
    path: PathBuf,
    // Dropped before the connections.
    checkpointer: Checkpointer,
    writer: Mutex<Connection>,
    damaged: AtomicBool,
}

impl SqliteRows {
    /// Opens the file, and makes it where there is none. One that is damaged or of another version is made anew:
    /// the log has all it said.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let writer = open_disposable(path, &FORM, |writer| {
            writer.pragma_update(None, "cache_size", WRITER_CACHE_KIBIBYTES)?;
            writer.pragma_update(None, "synchronous", "NORMAL")?;
            writer.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
            // What the engine reads before all else. The rows may be many: damage there is met when they are read.
            ["read_models", "checkpoints", "parked"].into_iter().try_for_each(|table| check(writer, table))
        })?;
        writer.set_prepared_statement_cache_capacity(STATEMENTS_CACHED);
        let shared = Shared {
            path: path.to_owned(),
            checkpointer: Checkpointer::start(path, &FORM)?,
            writer: Mutex::new(writer),
            damaged: AtomicBool::new(false),
        };
        let path = path.to_owned();
        let readers = Readers::new(READERS, move || open_reader(&path));
        Ok(Self { shared: Arc::new(shared), readers })
    }

    /// Runs on a thread that may block, with a connection that may only read.
    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let shared = Arc::clone(&self.shared);
        // Noted there, should whoever asked go away, and here, should the file not even open.
        let done = self.readers.read(move |reader| shared.note(work(reader))).await;
        self.shared.note(done.map_err(|ended| unavailable(&ended)).flatten())
    }

    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let shared = Arc::clone(&self.shared);
        let done = blocking(move || {
            let written = || {
                let mut writer = lock(&shared.writer);
                let transaction = begin_to_write(&mut writer).map_err(|error| fault(&error))?;
                let result = work(&transaction)?;
                transaction.commit().map_err(|error| fault(&error))?;
                shared.checkpointer.committed();
                Ok(result)
            };
            shared.note(written())
        });
        done.await.map_err(|error| unavailable(&error))?
    }
}

impl Drop for SqliteRows {
    /// The writer is the last to close, and leaves no write-ahead log.
    fn drop(&mut self) {
        self.readers.close();
    }
}

impl Shared {
    /// Remembers damage, and logs it the first time.
    fn note<T>(&self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(StoreError::Damaged(reason)) = &result
            && !self.damaged.swap(true, Ordering::Relaxed)
        {
            let path = self.path.display();
            tracing::error!(%path, reason, "the read models are damaged; stop the server and run octocity rebuild");
        }
        result
    }
}

fn open_reader(path: &Path) -> Result<Connection, StoreError> {
    let reader = open_to_read(path, &FORM).map_err(|error| match error {
        OpenError::Damaged { reason, .. } => StoreError::Damaged(reason),
        error => unavailable(&error),
    })?;
    reader.pragma_update(None, "cache_size", READER_CACHE_KIBIBYTES).map_err(|error| unavailable(&error))?;
    reader.set_prepared_statement_cache_capacity(STATEMENTS_CACHED);
    Ok(reader)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic inside a transaction rolls it back; the connection itself stays whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn unavailable(error: &dyn std::error::Error) -> StoreError {
    StoreError::Unavailable(error.to_string())
}

fn fault(error: &rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StoreError::Full(error.to_string()),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => StoreError::Damaged(error.to_string()),
        None if matches!(error, rusqlite::Error::FromSqlConversionFailure(..)) => {
            StoreError::Damaged(error.to_string())
        }
        _ => StoreError::Unavailable(error.to_string()),
    }
}

/// A [`Value`] as SQLite binds it; an id is its 16 bytes.
struct Bound<'a>(&'a Value);

impl ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self.0 {
            Value::Null => ValueRef::Null,
            Value::Int(number) => ValueRef::Integer(*number),
            Value::Id(id) => ValueRef::Blob(id.as_bytes()),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
        }))
    }
}

fn values_of(row: &Row<'_>, columns: usize) -> rusqlite::Result<Vec<Value>> {
    (0..columns)
        .map(|index| {
            let unreadable = |kind| {
                rusqlite::Error::FromSqlConversionFailure(index, kind, "no value of a read model".into())
            };
            Ok(match row.get_ref(index)? {
                ValueRef::Null => Value::Null,
                ValueRef::Integer(number) => Value::Int(number),
                ValueRef::Blob(bytes) => {
                    let id = Uuid::from_slice(bytes);
                    Value::Id(id.map_err(|_| unreadable(rusqlite::types::Type::Blob))?)
                }
                ValueRef::Text(text) => {
                    let text = std::str::from_utf8(text);
                    Value::Text(text.map_err(|_| unreadable(rusqlite::types::Type::Text))?.to_owned())
                }
                ValueRef::Real(_) => return Err(unreadable(rusqlite::types::Type::Real)),
            })
        })
        .collect()
}

fn query(
    connection: &Connection,
    statement: &sql::Statement,
    columns: usize,
) -> rusqlite::Result<Vec<Vec<Value>>> {
    let mut prepared = connection.prepare_cached(&statement.sql)?;
    let values = rusqlite::params_from_iter(statement.values.iter().map(Bound));
    let rows = prepared.query_map(values, |row| values_of(row, columns))?;
    rows.collect()
}

/// The row of one key: from where, and on what condition.
fn key_is(table: &Table) -> String {
    let conditions = table.key().iter().map(|column| format!("{} = ?", sql::quoted(column.name)));
    format!("{} WHERE {}", table.name, conditions.collect::<Vec<_>>().join(" AND "))
}

fn write_table(transaction: &Transaction<'_>, writes: &TableWrites) -> rusqlite::Result<()> {
    let places = vec!["?"; writes.table.columns.len()].join(", ");
    let mut upsert = transaction.prepare_cached(&sql::upsert(writes.table, &format!("VALUES ({places})")))?;
    for row in &writes.upserts {
        upsert.execute(rusqlite::params_from_iter(row.iter().map(Bound)))?;
    }
    if writes.deletes.is_empty() {
        return Ok(());
    }
    let mut delete = transaction.prepare_cached(&format!("DELETE FROM {}", key_is(writes.table)))?;
    for key in &writes.deletes {
        delete.execute(rusqlite::params_from_iter(key.iter().map(Bound)))?;
    }
    Ok(())
}

/// Whether all of its views stand where the batch begins.
fn check_checkpoints(transaction: &Transaction<'_>, batch: &Batch) -> Result<(), StoreError> {
    let known = stored_checkpoints(transaction).map_err(|error| fault(&error))?;
    for one in &batch.moves {
        let known = known.iter().find(|known| known.view == one.to.view);
        if !one.begins_at(known) {
            return Err(StoreError::Overtaken(one.to.view.clone()));
        }
    }
    Ok(())
}

fn stored_checkpoints(connection: &Connection) -> rusqlite::Result<Vec<Checkpoint>> {
    let mut known =
        connection.prepare_cached("SELECT view, log, epoch, position, generation FROM checkpoints")?;
    let rows = known.query_map([], |row| {
        Ok(Checkpoint {
            view: row.get(0)?,
            // One process has one partition.
            partition: 0,
            log: LogId(Uuid::from_bytes(row.get(1)?)),
            epoch: row.get(2)?,
            position: Position(row.get::<_, i64>(3)?.cast_unsigned()),
            generation: row.get(4)?,
        })
    })?;
    rows.collect()
}

fn write_batch(transaction: &Transaction<'_>, batch: &Batch) -> rusqlite::Result<()> {
    for writes in &batch.writes {
        write_table(transaction, writes)?;
    }
    let mut place = transaction.prepare_cached(
        "INSERT OR REPLACE INTO checkpoints (view, log, epoch, position, generation) VALUES (?, ?, ?, ?, ?)",
    )?;
    for Checkpoint { view, log, epoch, position, generation, .. } in batch.moves.iter().map(|one| &one.to) {
        place.execute(params![view, log.0.as_bytes(), epoch, stored_position(*position), generation])?;
    }
    let mut mend = transaction.prepare_cached("DELETE FROM parked WHERE view = ? AND key = ?")?;
    for (view, key) in &batch.mended {
        mend.execute([view, key])?;
    }
    let mut park = transaction.prepare_cached(
        "INSERT INTO parked (view, key, stream, revision, event_type, error) VALUES (?, ?, ?, ?, ?, ?)
         ON CONFLICT DO NOTHING",
    )?;
    for parked in &batch.parked {
        let revision = parked.revision.cast_signed();
        park.execute(params![
            parked.view,
            parked.key,
            parked.stream,
            revision,
            parked.event_type,
            parked.error
        ])?;
    }
    Ok(())
}

/// Opaque, so kept bit by bit.
const fn stored_position(position: Position) -> i64 {
    position.0.cast_signed()
}

fn forget_view(transaction: &Transaction<'_>, view: &str) -> rusqlite::Result<()> {
    let begin = "UPDATE checkpoints SET position = 0, generation = generation + 1 WHERE view = ?";
    transaction.execute(begin, [view])?;
    transaction.execute("DELETE FROM parked WHERE view = ?", [view])?;
    Ok(())
}

fn definition(connection: &Connection, table: &Table) -> rusqlite::Result<Option<String>> {
    let known = "SELECT definition FROM read_models WHERE name = ?";
    connection.query_row(known, [table.name], |row| row.get(0)).optional()
}

fn ensure_table(transaction: &Transaction<'_>, table: &Table) -> Result<(), StoreError> {
    let wanted = sql::create(Sqlite, table);
    match definition(transaction, table).map_err(|error| fault(&error))? {
        Some(known) if known == wanted => Ok(()),
        Some(_) => Err(StoreError::OtherForm(table.name.to_owned())),
        None => reform_table(transaction, table, &wanted).map_err(|error| fault(&error)),
    }
}

/// Makes it anew, unless it is as it is wanted.
fn reform_table(transaction: &Transaction<'_>, table: &Table, wanted: &str) -> rusqlite::Result<()> {
    if definition(transaction, table)?.is_some_and(|known| known == wanted) {
        return Ok(());
    }
    transaction.execute_batch(&format!("DROP TABLE IF EXISTS {};{wanted}", table.name))?;
    let remember = "INSERT OR REPLACE INTO read_models (name, definition) VALUES (?, ?)";
    transaction.execute(remember, [table.name, wanted])?;
    forget_view(transaction, table.name)
}

fn run_select(connection: &Connection, select: &Select) -> Result<Selected, StoreError> {
    let (statement, count) = (sql::select(Sqlite, select)?, sql::count(Sqlite, select)?);
    let read = || {
        let transaction = connection.unchecked_transaction()?;
        let mut place = transaction.prepare_cached("SELECT position FROM checkpoints WHERE view = ?")?;
        let position =
            place.query_map([select.table.name], |row| row.get::<_, i64>(0))?.next().transpose()?;
        let rows = query(&transaction, &statement, select.table.columns.len())?;
        let total = match select.count {
            true => query(&transaction, &count, 1)?.pop().and_then(|mut row| row.pop()),
            false => None,
        };
        Ok((position, rows, total))
    };
    let (position, mut rows, total) = read().map_err(|error| fault(&error))?;
    let has_more = rows.len() > select.limit;
    rows.truncate(select.limit);
    if select.from_end {
        rows.reverse();
    }
    let total = match total {
        Some(Value::Int(total)) => u64::try_from(total).ok(),
        _ => None,
    };
    let position = Position(position.map_or(0, i64::cast_unsigned));
    Ok(Selected { rows, position, has_more, total })
}

#[async_trait]
impl RowStore for SqliteRows {
    fn is_damaged(&self) -> bool {
        self.shared.damaged.load(Ordering::Relaxed)
    }

    async fn ensure(&self, tables: &[&'static Table]) -> Result<(), StoreError> {
        let tables = tables.to_vec();
        self.write(move |transaction| tables.iter().try_for_each(|table| ensure_table(transaction, table)))
            .await
    }

    async fn reform(&self, tables: &[&'static Table]) -> Result<(), StoreError> {
        let tables = tables.to_vec();
        self.write(move |transaction| {
            tables
                .iter()
                .try_for_each(|table| reform_table(transaction, table, &sql::create(Sqlite, table)))
                .map_err(|error| fault(&error))
        })
        .await
    }

    async fn load(
        &self,
        table: &'static Table,
        keys: Vec<Vec<Value>>,
    ) -> Result<Vec<Vec<Value>>, StoreError> {
        self.read(move |reader| {
            let read = || {
                let transaction = reader.unchecked_transaction()?;
                let load = format!("SELECT {} FROM {}", sql::columns(table), key_is(table));
                let mut load = transaction.prepare_cached(&load)?;
                let mut found = Vec::with_capacity(keys.len());
                for key in &keys {
                    let mut rows = load.query(rusqlite::params_from_iter(key.iter().map(Bound)))?;
                    if let Some(row) = rows.next()? {
                        found.push(values_of(row, table.columns.len())?);
                    }
                }
                Ok(found)
            };
            read().map_err(|error| fault(&error))
        })
        .await
    }

    async fn commit(&self, batch: Arc<Batch>) -> Result<(), StoreError> {
        self.write(move |transaction| {
            check_checkpoints(transaction, &batch)?;
            write_batch(transaction, &batch).map_err(|error| fault(&error))
        })
        .await
    }

    async fn select(&self, select: Select) -> Result<Selected, StoreError> {
        self.read(move |reader| run_select(reader, &select)).await
    }

    async fn checkpoints(&self) -> Result<Vec<Checkpoint>, StoreError> {
        self.read(|reader| stored_checkpoints(reader).map_err(|error| fault(&error))).await
    }

    async fn parked(&self, views: &[&str]) -> Result<Vec<Parked>, StoreError> {
        let views = views.iter().map(|view| (*view).to_owned()).collect::<Vec<_>>();
        let all = self
            .read(|reader| {
                let read = || {
                    let mut parked = reader.prepare_cached(
                        "SELECT view, key, stream, revision, event_type, error FROM parked ORDER BY view, key",
                    )?;
                    let rows = parked.query_map([], |row| {
                        Ok(Parked {
                            view: row.get(0)?,
                            key: row.get(1)?,
                            stream: row.get(2)?,
                            revision: row.get::<_, i64>(3)?.cast_unsigned(),
                            event_type: row.get(4)?,
                            error: row.get(5)?,
                        })
                    })?;
                    rows.collect::<rusqlite::Result<Vec<_>>>()
                };
                read().map_err(|error| fault(&error))
            })
            .await?;
        Ok(all.into_iter().filter(|parked| views.is_empty() || views.contains(&parked.view)).collect())
    }

    async fn reset(&self, table: &'static Table) -> Result<(), StoreError> {
        self.write(move |transaction| {
            let forget = || {
                transaction.execute(&format!("DELETE FROM {}", table.name), [])?;
                forget_view(transaction, table.name)
            };
            forget().map_err(|error| fault(&error))
        })
        .await
    }
}
