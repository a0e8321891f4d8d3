//! `processes.db`: checkpoints, the outbox, and what the simulated gateway was asked to do. Unlike read models
//! it cannot be built again: a deadline that is lost never fires.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use octocity_commands::process_store::{
    Checkpoint, OutboxChange, ParkedStream, ProcessStore, ProcessStoreError, Step,
};
use octocity_domain::process::{Effect, Planned};
use octocity_domain::{CommandId, FacilityId, Timestamp};
use octocity_log::{LogId, Position, json_fault};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use uuid::Uuid;

use super::blocking::blocking;
use super::file::{Form, OpenError, begin_to_write, open_to_write};
use crate::gateway::GatewayBook;
use crate::process_state::{ProcessState, StoredEffect};

/// Storage format: names and columns stay as they are.
pub const FORM: Form = Form {
    name: "process state",
    // "OcPr"
    application_id: 0x4f63_5072,
    version: 3,
    schema: "
        CREATE TABLE checkpoints (
            process TEXT PRIMARY KEY,
            log BLOB NOT NULL,
            epoch INTEGER NOT NULL,
            position INTEGER NOT NULL
        ) WITHOUT ROWID;
        CREATE TABLE outbox (
            planned INTEGER PRIMARY KEY AUTOINCREMENT,
            id BLOB NOT NULL UNIQUE,
            process TEXT NOT NULL,
            subject BLOB NOT NULL,
            facility BLOB NOT NULL,
            due INTEGER NOT NULL,
            correlation BLOB NOT NULL,
            effect TEXT NOT NULL
        );
        CREATE INDEX outbox_due ON outbox (due);
        CREATE INDEX outbox_subject ON outbox (process, subject);
        CREATE TABLE parked_streams (
            process TEXT NOT NULL,
            stream TEXT NOT NULL,
            revision INTEGER NOT NULL,
            event_type TEXT NOT NULL,
            error TEXT NOT NULL,
            PRIMARY KEY (process, stream)
        ) WITHOUT ROWID;
        CREATE TABLE gateway_calls (key TEXT PRIMARY KEY, call TEXT NOT NULL) WITHOUT ROWID;
    ",
};

type Stored<T> = Result<T, rusqlite::Error>;

/// One connection, used by one call at a time, on a thread that may wait for the disk.
#[derive(Clone)]
pub struct SqliteProcessStore {
    connection: Arc<Mutex<Connection>>,
    /// Rows of the outbox that cannot be read, and were logged.
    unreadable: Arc<Mutex<BTreeSet<i64>>>,
}

impl SqliteProcessStore {
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let connection = open_to_write(path, &FORM)?;
        connection.pragma_update(None, "synchronous", "FULL").map_err(|error| OpenError::of(path, &error))?;
        Ok(Self { connection: Arc::new(Mutex::new(connection)), unreadable: Arc::default() })
    }

    /// All of it as of one moment.
    pub async fn state(&self) -> Result<ProcessState, ProcessStoreError> {
        self.with(|connection| {
            let moment = connection.transaction()?;
            let outbox = "SELECT id, process, subject, facility, due, correlation, effect FROM outbox
                          ORDER BY planned";
            let outbox = moment.prepare(outbox)?.query_map([], stored_effect)?.collect::<Stored<_>>()?;
            let (checkpoints, parked) = (read_checkpoints(&moment)?, read_parked(&moment)?);
            Ok(ProcessState::new(checkpoints, outbox, parked, read_calls(&moment)?))
        })
        .await
    }

    async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> Stored<T> + Send + 'static,
    ) -> Result<T, ProcessStoreError> {
        let connection = Arc::clone(&self.connection);
        let work = move || work(&mut connection.lock().unwrap_or_else(PoisonError::into_inner));
        let ended = blocking(work).await;
        let fault = |reason: String| ProcessStoreError(reason);
        ended.map_err(|error| fault(error.to_string()))?.map_err(|error| fault(error.to_string()))
    }
}

#[async_trait]
impl GatewayBook for SqliteProcessStore {
    async fn calls(&self) -> Result<Vec<(String, String)>, ProcessStoreError> {
        self.with(|connection| read_calls(connection)).await
    }

    async fn keep(&self, key: String, call: String) -> Result<(), ProcessStoreError> {
        self.with(move |connection| {
            let insert = "INSERT INTO gateway_calls (key, call) VALUES (?1, ?2)
                          ON CONFLICT (key) DO UPDATE SET call = excluded.call";
            connection.execute(insert, params![key, call]).map(drop)
        })
        .await
    }
}

#[async_trait]
impl ProcessStore for SqliteProcessStore {
    async fn checkpoints(&self) -> Result<Vec<Checkpoint>, ProcessStoreError> {
        self.with(|connection| read_checkpoints(connection)).await
    }

    async fn parked(&self) -> Result<Vec<ParkedStream>, ProcessStoreError> {
        self.with(|connection| read_parked(connection)).await
    }

    async fn commit(&self, step: Step) -> Result<(), ProcessStoreError> {
        let written = self.with(move |connection| {
            let transaction = begin_to_write(connection)?;
            if !is_as_left(&transaction, &step.from)? {
                return Ok(false);
            }
            for checkpoint in &step.checkpoints {
                let mut insert =
                    transaction.prepare_cached("INSERT OR REPLACE INTO checkpoints VALUES (?, ?, ?, ?)")?;
                insert.execute(params![
                    checkpoint.process,
                    checkpoint.log.0.as_bytes(),
                    checkpoint.epoch,
                    checkpoint.position.0 as i64
                ])?;
            }
            for change in &step.changes {
                apply(&transaction, change)?;
            }
            park(&transaction, &step)?;
            transaction.commit()?;
            Ok(true)
        });
        if written.await? { Ok(()) } else { Err(ProcessStoreError::not_as_left()) }
    }

    async fn due(
        &self,
        now: Timestamp,
        limit: usize,
        waiting: &[Uuid],
    ) -> Result<Vec<Planned>, ProcessStoreError> {
        let waiting: Vec<String> = waiting.iter().map(|subject| format!("{:X}", subject.simple())).collect();
        let unreadable = Arc::clone(&self.unreadable);
        self.with(move |connection| {
            let mut unreadable = unreadable.lock().unwrap_or_else(PoisonError::into_inner);
            let select = "SELECT id, process, subject, facility, due, correlation, effect, planned
                          FROM outbox
                          WHERE due <= ?1 AND hex(subject) NOT IN (SELECT value FROM json_each(?3))
                              AND planned NOT IN (SELECT value FROM json_each(?4))
                          ORDER BY planned LIMIT ?2";
            let mut read = connection.prepare_cached(select)?;
            let left_out = (json(&waiting)?, json(&*unreadable)?);
            let mut rows = read.query(params![now.millis(), limit as i64, left_out.0, left_out.1])?;
            let mut due = Vec::new();
            while let Some(row) = rows.next()? {
                match planned(row) {
                    Ok(planned) => due.push(planned),
                    Err(_) => {
                        let planned: i64 = row.get(7)?;
                        // Not what it says: that may be personal.
                        tracing::error!(planned, "a planned effect cannot be read, and is left undone");
                        unreadable.insert(planned);
                    }
                }
            }
            Ok(due)
        })
        .await
    }

    async fn next_due(&self, now: Timestamp) -> Result<Option<Timestamp>, ProcessStoreError> {
        self.with(move |connection| {
            let select = "SELECT due FROM outbox WHERE due > ?1 ORDER BY due LIMIT 1";
            let mut read = connection.prepare_cached(select)?;
            let next: Option<i64> = read.query_row(params![now.millis()], |row| row.get(0)).optional()?;
            Ok(next.map(Timestamp::from_millis))
        })
        .await
    }

    async fn done(&self, ids: &[CommandId]) -> Result<(), ProcessStoreError> {
        let ids = ids.to_vec();
        self.with(move |connection| {
            let transaction = begin_to_write(connection)?;
            for id in &ids {
                transaction
                    .prepare_cached("DELETE FROM outbox WHERE id = ?1")?
                    .execute([id.uuid().as_bytes().as_slice()])?;
            }
            transaction.commit()
        })
        .await
    }
}

fn read_checkpoints(connection: &Connection) -> Stored<Vec<Checkpoint>> {
    let mut read = connection.prepare_cached("SELECT process, log, epoch, position FROM checkpoints")?;
    read.query_map([], checkpoint)?.collect()
}

fn read_parked(connection: &Connection) -> Stored<Vec<ParkedStream>> {
    let select = "SELECT process, stream, revision, event_type, error FROM parked_streams
                  ORDER BY process, stream";
    connection.prepare_cached(select)?.query_map([], parked)?.collect()
}

fn read_calls(connection: &Connection) -> Stored<Vec<(String, String)>> {
    let mut read = connection.prepare_cached("SELECT key, call FROM gateway_calls")?;
    read.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

fn is_as_left(transaction: &Transaction<'_>, from: &[Checkpoint]) -> Stored<bool> {
    let select = "SELECT process, log, epoch, position FROM checkpoints WHERE process = ?";
    let mut read = transaction.prepare_cached(select)?;
    for left in from {
        if read.query_row([&left.process], checkpoint).optional()?.as_ref() != Some(left) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn checkpoint(row: &Row<'_>) -> Stored<Checkpoint> {
    Ok(Checkpoint {
        process: row.get(0)?,
        log: LogId(uuid(row, 1)?),
        epoch: row.get(2)?,
        position: Position(row.get::<_, i64>(3)? as u64),
    })
}

fn apply(transaction: &Transaction<'_>, change: &OutboxChange) -> Stored<()> {
    match change {
        OutboxChange::Plan(planned) => {
            let stored = StoredEffect::try_new(planned).map_err(unwritable)?;
            let insert = "INSERT INTO outbox (id, process, subject, facility, due, correlation, effect)
                          VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (id) DO NOTHING";
            transaction.prepare_cached(insert)?.execute(params![
                stored.id.as_bytes().as_slice(),
                stored.process,
                stored.subject.as_bytes().as_slice(),
                stored.facility.as_bytes().as_slice(),
                stored.due.millis(),
                stored.correlation.as_bytes().as_slice(),
                stored.effect,
            ])?;
        }
        OutboxChange::Cancel { process, subject } => {
            transaction
                .prepare_cached("DELETE FROM outbox WHERE process = ?1 AND subject = ?2")?
                .execute(params![process, subject.as_bytes().as_slice()])?;
        }
    }
    Ok(())
}

fn park(transaction: &Transaction<'_>, step: &Step) -> Stored<()> {
    for ParkedStream { process, stream, .. } in &step.taken_up {
        let delete = "DELETE FROM parked_streams WHERE process = ?1 AND stream = ?2";
        transaction.prepare_cached(delete)?.execute(params![process, stream.to_string()])?;
    }
    for ParkedStream { process, stream, revision, event_type, error } in &step.parked {
        let insert = "INSERT OR REPLACE INTO parked_streams VALUES (?, ?, ?, ?, ?)";
        let revision = revision.cast_signed();
        let values = params![process, stream.to_string(), revision, event_type, error];
        transaction.prepare_cached(insert)?.execute(values)?;
    }
    Ok(())
}

fn parked(row: &Row<'_>) -> Stored<ParkedStream> {
    let stream: String = row.get(1)?;
    let unreadable = |error: String| {
        rusqlite::Error::FromSqlConversionFailure(1, rusqlite::types::Type::Text, error.into())
    };
    Ok(ParkedStream {
        process: row.get(0)?,
        stream: stream.parse().map_err(unreadable)?,
        revision: row.get::<_, i64>(2)?.cast_unsigned(),
        event_type: row.get(3)?,
        error: row.get(4)?,
    })
}

fn json(value: &impl serde::Serialize) -> Stored<String> {
    serde_json::to_string(value).map_err(unwritable)
}

fn unwritable(error: serde_json::Error) -> rusqlite::Error {
    rusqlite::Error::ToSqlConversionFailure(Box::new(error))
}

fn stored_effect(row: &Row<'_>) -> Stored<StoredEffect> {
    Ok(StoredEffect {
        id: uuid(row, 0)?,
        process: row.get(1)?,
        subject: uuid(row, 2)?,
        facility: uuid(row, 3)?,
        due: Timestamp::from_millis(row.get(4)?),
        correlation: uuid(row, 5)?,
        effect: row.get(6)?,
    })
}

fn planned(row: &Row<'_>) -> Stored<Planned> {
    let stored = stored_effect(row)?;
    let effect: Effect = serde_json::from_str(&stored.effect).map_err(|error| unreadable(6, error))?;
    Ok(Planned {
        id: CommandId::new(stored.id),
        process: stored.process.into(),
        subject: stored.subject,
        facility: FacilityId::new(stored.facility),
        due: stored.due,
        correlation: stored.correlation,
        effect,
    })
}

fn uuid(row: &Row<'_>, column: usize) -> Stored<Uuid> {
    let bytes: [u8; 16] = row.get(column)?;
    Ok(Uuid::from_bytes(bytes))
}

fn unreadable(column: usize, error: serde_json::Error) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, json_fault(&error).into())
}
