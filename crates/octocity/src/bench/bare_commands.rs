//! The bare limit of commands: the rows that the handler's log got, written again by hand.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Instant;

use octocity_adapters::sqlite::SqliteLogOptions;
use octocity_log::Position;
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};
use tokio::sync::oneshot;

use super::Fault;

/// What one command left in the log.
#[derive(Default)]
struct Rows {
    ledger: Vec<Value>,
    events: Vec<Vec<Value>>,
    blocks: Vec<Vec<Value>>,
}

const LEDGER_COLUMNS: usize = 8;
const EVENT_COLUMNS: usize = 14;

/// Commands per second when the rows of `ours` after `start` are written to `bare`, a copy of the city's log.
pub async fn run(ours: &Path, bare: &Path, start: Position, callers: usize) -> Result<f64, Fault> {
    let connection = open(bare)?;
    copy_what_came_before(&connection, ours, start)?;
    let rows = rows_after(&connection, start)?;
    connection.execute_batch("DETACH ours; PRAGMA wal_checkpoint(TRUNCATE)")?;
    let count = rows.len();
    let (waiting, receiver) = mpsc::channel();
    let writer = std::thread::spawn(move || write(connection, rows, &receiver));
    let left = Arc::new(AtomicUsize::new(count));
    let started = Instant::now();
    let callers = (0..callers).map(|_| {
        let (waiting, left) = (waiting.clone(), Arc::clone(&left));
        tokio::spawn(async move {
            while left.try_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
                let (reply, answer) = oneshot::channel();
                waiting.send(reply)?;
                answer.await?;
            }
            Ok::<(), Fault>(())
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await??;
    }
    let seconds = started.elapsed().as_secs_f64();
    drop(waiting);
    writer.join().map_err(|_| "the bare writer ended in a panic")??;
    Ok(count as f64 / seconds)
}

/// As the log's own writer is set up.
fn open(path: &Path) -> Result<Connection, Fault> {
    let options = SqliteLogOptions::default();
    let connection = Connection::open(path)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "cache_size", -i64::from(options.writer_cache_kib))?;
    connection.pragma_update(None, "wal_autocheckpoint", options.checkpoint_pages)?;
    Ok(connection)
}

fn copy_what_came_before(connection: &Connection, ours: &Path, start: Position) -> Result<(), Fault> {
    connection.execute("ATTACH ? AS ours", [ours.to_string_lossy()])?;
    let start = start.0.cast_signed();
    for table in ["streams", "types", "actors"] {
        connection.execute(&format!("INSERT OR IGNORE INTO main.{table} SELECT * FROM ours.{table}"), [])?;
    }
    for table in ["events", "ledger"] {
        let copy =
            format!("INSERT OR IGNORE INTO main.{table} SELECT * FROM ours.{table} WHERE position <= ?");
        connection.execute(&copy, [start])?;
    }
    connection.execute(
        "INSERT OR IGNORE INTO main.type_blocks SELECT * FROM ours.type_blocks WHERE block <= ? / 512",
        [start],
    )?;
    Ok(())
}

fn rows_after(connection: &Connection, start: Position) -> Result<Vec<Rows>, Fault> {
    let start = start.0.cast_signed();
    let ledger = all(connection, "SELECT * FROM ours.ledger WHERE position > ? ORDER BY position", start)?;
    let events = all(connection, "SELECT * FROM ours.events WHERE position > ? ORDER BY position", start)?;
    let blocks =
        all(connection, "SELECT * FROM ours.type_blocks WHERE block > ? / 512 ORDER BY block", start)?;
    let mut events = events.into_iter().peekable();
    let mut blocks = blocks.into_iter().peekable();
    let mut commands = Vec::with_capacity(ledger.len());
    for ledger in ledger {
        let position = integer(&ledger, LEDGER_COLUMNS - 1);
        let mut rows = Rows { ledger, ..Rows::default() };
        while let Some(event) = events.next_if(|event| integer(event, 0) <= position) {
            rows.events.push(event);
        }
        while let Some(block) = blocks.next_if(|block| integer(block, 1) <= position / 512) {
            rows.blocks.push(block);
        }
        commands.push(rows);
    }
    Ok(commands)
}

fn all(connection: &Connection, query: &str, start: i64) -> Result<Vec<Vec<Value>>, Fault> {
    let mut statement = connection.prepare(query)?;
    let columns = statement.column_count();
    let rows = statement.query_map([start], |row| (0..columns).map(|column| row.get(column)).collect())?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn integer(row: &[Value], column: usize) -> i64 {
    match row.get(column) {
        Some(Value::Integer(value)) => *value,
        _ => 0,
    }
}

/// For each caller that waits the next command's rows; all that wait in one transaction.
fn write(
    mut connection: Connection,
    rows: Vec<Rows>,
    waiting: &mpsc::Receiver<oneshot::Sender<()>>,
) -> rusqlite::Result<()> {
    let insert = |table: &str, columns: usize| {
        format!("INSERT INTO {table} VALUES ({})", vec!["?"; columns].join(", "))
    };
    let (ledger, events) = (insert("ledger", LEDGER_COLUMNS), insert("events", EVENT_COLUMNS));
    let blocks = "INSERT OR IGNORE INTO type_blocks VALUES (?, ?)";
    let mut rows = rows.into_iter();
    while let Ok(first) = waiting.recv() {
        let callers: Vec<_> = std::iter::once(first).chain(waiting.try_iter()).collect();
        let change = connection.transaction()?;
        for command in rows.by_ref().take(callers.len()) {
            change.prepare_cached(&ledger)?.execute(params_from_iter(&command.ledger))?;
            for event in &command.events {
                change.prepare_cached(&events)?.execute(params_from_iter(event))?;
            }
            for block in &command.blocks {
                change.prepare_cached(blocks)?.execute(params_from_iter(block))?;
            }
        }
        change.commit()?;
        for caller in callers {
            // A caller that went away needs no answer.
            let _ = caller.send(());
        }
    }
    Ok(())
}
