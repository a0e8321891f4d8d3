//! Projected events per second: the engine over a log, and the upserts it made written again by hand.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use async_trait::async_trait;
use octocity_adapters::sqlite::{SqliteLog, SqliteLogOptions, SqliteRows};
use octocity_log::EventLog;
use octocity_projections::{
    Batch, Checkpoint, Engine, EngineOptions, Parked, RowStore, Select, Selected, StoreError, Table, Value,
};
use rusqlite::{Connection, params_from_iter};

use super::city::City;
use super::commands::{self, Case};
use super::report::Ratio;
use super::{Fault, ROUNDS};

const CALLERS: usize = 256;

/// A log to project from: what the gates of the whole city say for a while.
pub async fn history(dir: &Path, city: &City, round_seconds: f64) -> Result<Arc<dyn EventLog>, Fault> {
    let log = dir.join("projected.db");
    city.copy_to(&log)?;
    let case =
        Case { callers: CALLERS, facilities: city.facilities.len(), round_seconds: round_seconds * 2.0 };
    commands::run(&log, &city.facilities, case).await?;
    Ok(Arc::new(SqliteLog::open(&log, SqliteLogOptions::default())?))
}

/// How many events all views fold into the empty store, and in how many seconds.
pub async fn project(log: &Arc<dyn EventLog>, store: &Arc<Recorded>) -> Result<(usize, f64), Fault> {
    let port: Arc<dyn RowStore> = Arc::clone(store) as Arc<dyn RowStore>;
    let mut engine = Engine::open(Arc::clone(log), port, EngineOptions::default()).await?;
    let mut events = 0;
    let started = Instant::now();
    engine.catch_up(|step| events += step.events).await?;
    Ok((events, started.elapsed().as_secs_f64()))
}

pub async fn measure(dir: &Path, log: &Arc<dyn EventLog>) -> Result<Ratio, Fault> {
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let Round { events, seconds, bare_seconds } = round(dir, log).await?;
        rounds.push((events as f64 / seconds, events as f64 / bare_seconds));
    }
    Ok(Ratio::of(&rounds))
}

/// How long all views took to fold the log into empty rows, and how long bare upserts of the same rows.
pub struct Round {
    pub events: usize,
    pub seconds: f64,
    pub bare_seconds: f64,
}

pub async fn round(dir: &Path, log: &Arc<dyn EventLog>) -> Result<Round, Fault> {
    let (rows, bare) = (dir.join("rows.db"), dir.join("bare-rows.db"));
    let store = Arc::new(Recorded::new(Arc::new(SqliteRows::open(&rows)?)));
    let (events, seconds) = project(log, &store).await?;
    let (tables, batches) = store.taken();
    let bare_rows = SqliteRows::open(&bare)?;
    bare_rows.ensure(&tables).await?;
    drop(bare_rows);
    let bare_seconds = upsert(&bare, &batches)?;
    drop(store);
    for file in [&rows, &bare] {
        remove(file);
    }
    Ok(Round { events, seconds, bare_seconds })
}

fn remove(file: &Path) {
    for suffix in ["", "-wal", "-shm"] {
        let mut name = file.as_os_str().to_owned();
        name.push(suffix);
        // Whatever is left goes with the scratch folder.
        let _ = std::fs::remove_file(name);
    }
}

/// How long the batches take, each in one transaction as the engine had them.
fn upsert(path: &Path, batches: &[Arc<Batch>]) -> Result<f64, Fault> {
    let mut connection = Connection::open(path)?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "wal_autocheckpoint", 4000)?;
    connection.set_prepared_statement_cache_capacity(64);
    let batches: Vec<Vec<(String, Vec<Vec<rusqlite::types::Value>>)>> = batches
        .iter()
        .map(|batch| {
            batch.writes.iter().map(|writes| (statement(writes.table), bound(&writes.upserts))).collect()
        })
        .collect();
    let started = Instant::now();
    for batch in &batches {
        let change = connection.transaction()?;
        for (statement, rows) in batch {
            let mut upsert = change.prepare_cached(statement)?;
            for row in rows {
                upsert.execute(params_from_iter(row))?;
            }
        }
        change.execute("UPDATE checkpoints SET position = position + 1", [])?;
        change.commit()?;
    }
    Ok(started.elapsed().as_secs_f64())
}

fn statement(table: &Table) -> String {
    let names: Vec<_> = table.columns.iter().map(|column| column.name).collect();
    let keys: Vec<_> = table.key().iter().map(|column| column.name).collect();
    let changed: Vec<_> =
        names[table.key_columns..].iter().map(|name| format!("{name} = excluded.{name}")).collect();
    let action =
        if changed.is_empty() { "NOTHING".to_owned() } else { format!("UPDATE SET {}", changed.join(", ")) };
    format!(
        "INSERT INTO {} ({}) VALUES ({}) ON CONFLICT ({}) DO {action}",
        table.name,
        names.join(", "),
        vec!["?"; names.len()].join(", "),
        keys.join(", ")
    )
}

fn bound(rows: &[Vec<Value>]) -> Vec<Vec<rusqlite::types::Value>> {
    let bind = |value: &Value| match value {
        Value::Null => rusqlite::types::Value::Null,
        Value::Int(number) => rusqlite::types::Value::Integer(*number),
        Value::Id(id) => rusqlite::types::Value::Blob(id.as_bytes().to_vec()),
        Value::Text(text) => rusqlite::types::Value::Text(text.clone()),
    };
    rows.iter().map(|row| row.iter().map(bind).collect()).collect()
}

/// A row store that keeps what was committed to it.
pub struct Recorded {
    store: Arc<dyn RowStore>,
    kept: Mutex<(Vec<&'static Table>, Vec<Arc<Batch>>)>,
}

impl Recorded {
    pub fn new(store: Arc<dyn RowStore>) -> Self {
        Self { store, kept: Mutex::default() }
    }

    pub fn taken(&self) -> (Vec<&'static Table>, Vec<Arc<Batch>>) {
        std::mem::take(&mut *self.kept.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl RowStore for Recorded {
    fn partitions(&self) -> i32 {
        self.store.partitions()
    }
    async fn ensure(&self, tables: &[&'static Table]) -> Result<(), StoreError> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).0 = tables.to_vec();
        self.store.ensure(tables).await
    }
    async fn reform(&self, tables: &[&'static Table]) -> Result<(), StoreError> {
        self.store.reform(tables).await
    }
    async fn load(
        &self,
        table: &'static Table,
        keys: Vec<Vec<Value>>,
    ) -> Result<Vec<Vec<Value>>, StoreError> {
        self.store.load(table, keys).await
    }
    async fn commit(&self, batch: Arc<Batch>) -> Result<(), StoreError> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).1.push(Arc::clone(&batch));
        self.store.commit(batch).await
    }
    async fn select(&self, select: Select) -> Result<Selected, StoreError> {
        self.store.select(select).await
    }
    async fn checkpoints(&self) -> Result<Vec<Checkpoint>, StoreError> {
        self.store.checkpoints().await
    }
    async fn parked(&self, views: &[&str]) -> Result<Vec<Parked>, StoreError> {
        self.store.parked(views).await
    }
    async fn reset(&self, table: &'static Table) -> Result<(), StoreError> {
        self.store.reset(table).await
    }
}
