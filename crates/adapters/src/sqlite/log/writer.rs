//! The one thread that writes: takes what waits, stores it in one transaction with one sync, answers each.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use octocity_domain::CommandId;
use octocity_log::{
    Append, AppendError, Appended, LedgerEntry, LogError, NewEvent, Origin, Position, RecordedEvent, StreamId,
};
use rusqlite::{Connection, OptionalExtension, params};
use tokio::sync::{oneshot, watch};
use uuid::Uuid;

use super::SqliteLogOptions;
use super::schema::{BLOCK, FORM};
use crate::counters::Counters;
use crate::newest::Newest;
use crate::sqlite::file::begin_to_write;
use crate::sqlite::{Checkpointer, OpenError, log_error, open_existing};

/// A group is closed when it holds this many events, so that no caller waits long for the others' work.
const GROUP_EVENTS: usize = 4096;
/// How long after a failed commit, and nothing to commit, the disk is tried again.
const TRY_AGAIN: Duration = Duration::from_secs(1);
/// How many streams' numbers and revisions are kept in each of the two generations.
const KNOWN_STREAMS: usize = 50_000;

pub enum Task {
    Append { batch: Append, reply: oneshot::Sender<Result<Appended, AppendError>> },
    Forget { entries: Vec<(i64, Uuid)>, reply: oneshot::Sender<Result<u64, LogError>> },
}

/// What one task of a group came to, told once the group is durable.
enum Answer {
    /// With the position of its first event, or where the next one will stand if it has none.
    Appended(Result<(Position, Appended), AppendError>),
    Forgotten(u64),
}

pub struct Writer {
    path: PathBuf,
    /// None after a failed commit, until it is opened again.
    connection: Option<Connection>,
    options: SqliteLogOptions,
    known: Known,
    head: watch::Sender<Position>,
    counters: Arc<Counters>,
    newest: Arc<Newest>,
    checkpointer: Checkpointer,
}

/// What the writer remembers of the file; dropped whenever a transaction fails.
#[derive(Default)]
struct Known {
    last: i64,
    streams: HashMap<StreamId, Stream>,
    older_streams: HashMap<StreamId, Stream>,
    types: HashMap<(&'static str, String), i64>,
    actors: HashMap<String, i64>,
    /// For each type the block that it was last noted in.
    blocks: HashMap<i64, i64>,
}

#[derive(Clone, Copy)]
struct Stream {
    number: i64,
    events: u64,
}

impl Writer {
    pub fn new(
        path: PathBuf,
        connection: Connection,
        options: SqliteLogOptions,
        counters: Arc<Counters>,
        newest: Arc<Newest>,
    ) -> Result<Self, OpenError> {
        let known = prepare(&connection, &options).map_err(|error| OpenError::of(&path, &error))?;
        let head = watch::Sender::new(position(known.last));
        let checkpointer = Checkpointer::start(&path, &FORM)?;
        Ok(Self { path, connection: Some(connection), options, known, head, counters, newest, checkpointer })
    }

    pub fn head(&self) -> watch::Receiver<Position> {
        self.head.subscribe()
    }

    /// Until every sender is gone.
    pub fn run(mut self, waiting: &Receiver<Task>) {
        while let Some(first) = self.next(waiting) {
            let mut events = first.events();
            let mut group = vec![first];
            while events < GROUP_EVENTS
                && let Ok(next) = waiting.try_recv()
            {
                events += next.events();
                group.push(next);
            }
            self.commit(group);
        }
        drop(self.checkpointer);
        if let Some(connection) = self.connection {
            // Without readers the whole write-ahead log goes into the file; what stays is read at the next start.
            if let Err(error) = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())) {
                tracing::warn!(%error, "the write-ahead log was left beside the log");
            }
        }
    }

    /// None: every sender is gone. After a failed commit the disk is tried by itself: who is told meanwhile that
    /// nothing can be stored sends nothing, and would never hear that it can again.
    fn next(&mut self, waiting: &Receiver<Task>) -> Option<Task> {
        while self.counters.failure().is_some() {
            match waiting.recv_timeout(TRY_AGAIN) {
                Ok(task) => return Some(task),
                Err(RecvTimeoutError::Timeout) => self.try_disk(),
                Err(RecvTimeoutError::Disconnected) => return None,
            }
        }
        waiting.recv().ok()
    }

    /// One durable write that changes nothing.
    fn try_disk(&mut self) {
        let written = self.opened().and_then(|(connection, _)| {
            let same = connection.pragma_update(None, "user_version", FORM.version);
            same.map_err(|error| log_error(&error))
        });
        match written {
            Ok(()) => self.recovered(),
            Err(error) => self.failed(&error),
        }
    }

    fn recovered(&self) {
        if self.counters.set_failure(None).is_some() {
            tracing::info!("the log can be written again");
        }
    }

    fn failed(&mut self, error: &LogError) {
        if self.counters.set_failure(Some(error.clone())).is_none() {
            tracing::error!(%error, "the log cannot be written; each commit tries again");
        }
        // Closing rolls back; what the file holds is read anew.
        self.connection = None;
        self.known = Known::default();
        self.newest.clear();
    }

    fn commit(&mut self, group: Vec<Task>) {
        let started = Instant::now();
        match self.store(&group) {
            Ok(answers) => {
                self.counters.committed(started.elapsed());
                self.checkpointer.committed();
                self.recovered();
                self.tell(group, answers);
            }
            Err(error) => {
                self.counters.failed();
                self.failed(&error);
                group.into_iter().for_each(|task| task.fail(&error));
            }
        }
    }

    /// In this order: whoever hears of a new head finds its events, and whoever has an answer finds the head there.
    fn tell(&self, mut group: Vec<Task>, answers: Vec<Answer>) {
        for (task, answer) in group.iter_mut().zip(&answers) {
            if let (Task::Append { batch, .. }, Answer::Appended(Ok((first, _)))) = (task, answer) {
                self.counters.appended(batch.events.len(), batch.entries.len());
                self.remember(batch, *first);
            }
        }
        let last = position(self.known.last);
        self.head.send_if_modified(|head| std::mem::replace(head, last) != last);
        for (task, answer) in group.into_iter().zip(answers) {
            task.answer(answer);
        }
    }

    fn remember(&self, batch: &mut Append, first: Position) {
        let events = std::mem::take(&mut batch.events);
        let (before, last) = (Position(first.0 - 1), Position(first.0 - 1 + events.len() as u64));
        let recorded = events.into_iter().zip(0..).map(|(event, index)| RecordedEvent {
            position: Position(first.0 + index),
            stream: batch.stream,
            revision: batch.expected + index,
            event_type: Arc::from(&*event.event_type),
            version: event.version,
            data: event.data,
            meta: event.meta,
        });
        self.newest.add(before, recorded, last);
    }

    /// All of the group in one transaction, durable when this returns.
    fn store(&mut self, group: &[Task]) -> Result<Vec<Answer>, LogError> {
        let (connection, known) = self.opened()?;
        store_group(connection, known, group).map_err(|error| log_error(&error))
    }

    fn opened(&mut self) -> Result<(&mut Connection, &mut Known), LogError> {
        if self.connection.is_none() {
            let connection =
                open_existing(&self.path, &FORM).map_err(|error| LogError::Unavailable(error.to_string()))?;
            self.known = prepare(&connection, &self.options).map_err(|error| log_error(&error))?;
            self.connection = Some(connection);
        }
        match &mut self.connection {
            Some(connection) => Ok((connection, &mut self.known)),
            None => Err(LogError::Unavailable("it could not be opened again".to_owned())),
        }
    }
}

impl Task {
    fn events(&self) -> usize {
        match self {
            Self::Append { batch, .. } => batch.events.len() + batch.entries.len(),
            Self::Forget { entries, .. } => entries.len(),
        }
    }

    /// The caller may have gone away; what is stored is stored.
    fn answer(self, answer: Answer) {
        match (self, answer) {
            (Self::Append { reply, .. }, Answer::Appended(result)) => {
                drop(reply.send(result.map(|(_, appended)| appended)))
            }
            (Self::Forget { reply, .. }, Answer::Forgotten(count)) => drop(reply.send(Ok(count))),
            (Self::Append { .. }, Answer::Forgotten(_)) | (Self::Forget { .. }, Answer::Appended(_)) => {}
        }
    }

    fn fail(self, error: &LogError) {
        match self {
            Self::Append { reply, .. } => drop(reply.send(Err(error.clone().into()))),
            Self::Forget { reply, .. } => drop(reply.send(Err(error.clone()))),
        }
    }
}

fn position(value: i64) -> Position {
    Position(value.unsigned_abs())
}

fn prepare(connection: &Connection, options: &SqliteLogOptions) -> rusqlite::Result<Known> {
    connection.set_prepared_statement_cache_capacity(32);
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "cache_size", -i64::from(options.writer_cache_kib))?;
    connection.pragma_update(None, "wal_autocheckpoint", options.checkpoint_pages)?;
    connection.pragma_update(None, "journal_size_limit", i64::from(options.checkpoint_pages) * 4096 * 2)?;
    if let Some(pages) = options.max_pages {
        connection.pragma_update(None, "max_page_count", pages)?;
    }
    let last = connection.query_row("SELECT coalesce(max(position), 0) FROM events", [], |row| row.get(0))?;
    Ok(Known { last, ..Known::default() })
}

fn store_group(
    connection: &mut Connection,
    known: &mut Known,
    group: &[Task],
) -> rusqlite::Result<Vec<Answer>> {
    let change = begin_to_write(connection)?;
    let mut answers = Vec::with_capacity(group.len());
    for task in group {
        answers.push(match task {
            Task::Append { batch, .. } => Answer::Appended(append(&change, known, batch)?),
            Task::Forget { entries, .. } => Answer::Forgotten(forget(&change, entries)?),
        });
    }
    change.commit()?;
    Ok(answers)
}

/// The outer error ends the whole group, the inner one only this batch, of which nothing is then stored.
fn append(
    change: &Connection,
    known: &mut Known,
    batch: &Append,
) -> rusqlite::Result<Result<(Position, Appended), AppendError>> {
    let stream = known.stream(change, batch.stream)?;
    if stream.events != batch.expected {
        return Ok(Err(AppendError::WrongRevision { actual: stream.events }));
    }
    // The ledger first: where an id is known nothing else of the batch has been written yet.
    let mut positions = Vec::with_capacity(batch.entries.len());
    let mut last = known.last;
    for (index, entry) in batch.entries.iter().enumerate() {
        last += i64::from(entry.events);
        if !insert_entry(change, stream.number, entry, last)? {
            for undone in &batch.entries[..index] {
                delete_entry(change, stream.number, undone.command_id)?;
            }
            return Ok(Err(AppendError::CommandKnown(entry.command_id)));
        }
        positions.push(position(last));
    }
    let first = position(known.last + 1);
    for (revision, event) in (batch.expected..).zip(&batch.events) {
        known.last += 1;
        insert_event(change, known, batch.stream, stream.number, revision, event)?;
    }
    let events = stream.events + batch.events.len() as u64;
    known.remember(batch.stream, Stream { events, ..stream });
    Ok(Ok((first, Appended { positions, next_revision: events })))
}

fn insert_entry(
    change: &Connection,
    stream: i64,
    entry: &LedgerEntry,
    position: i64,
) -> rusqlite::Result<bool> {
    let mut insert = change.prepare_cached("INSERT OR IGNORE INTO ledger VALUES (?, ?, ?, ?, ?, ?, ?, ?)")?;
    let inserted = insert.execute(params![
        stream,
        entry.command_id.uuid().as_bytes(),
        entry.body_hash,
        entry.first_revision.cast_signed(),
        entry.events,
        entry.refusal,
        entry.decided_at.millis(),
        position,
    ])?;
    Ok(inserted == 1)
}

fn delete_entry(change: &Connection, stream: i64, id: CommandId) -> rusqlite::Result<()> {
    let mut delete = change.prepare_cached("DELETE FROM ledger WHERE stream_no = ? AND command_id = ?")?;
    delete.execute(params![stream, id.uuid().as_bytes()]).map(drop)
}

fn insert_event(
    change: &Connection,
    known: &mut Known,
    stream: StreamId,
    stream_number: i64,
    revision: u64,
    event: &NewEvent,
) -> rusqlite::Result<()> {
    let type_number = known.event_type(change, stream, &event.event_type)?;
    let actor_number = known.actor(change, &event.meta.actor.0)?;
    known.note_block(change, type_number)?;
    let meta = &event.meta;
    let command = meta.command_id.uuid();
    let unless = |id: Uuid, same: Uuid| (id != same).then_some(id.into_bytes());
    let mut insert =
        change.prepare_cached("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")?;
    insert.execute(params![
        known.last,
        stream_number,
        revision.cast_signed(),
        type_number,
        event.version,
        actor_number,
        matches!(meta.origin, Origin::Imported),
        meta.decided_at.millis(),
        (meta.happened_at != meta.decided_at).then_some(meta.happened_at.millis()),
        command.as_bytes(),
        unless(meta.causation_id, command),
        unless(meta.correlation_id, command),
        unless(meta.key.uuid(), stream.id),
        event.data,
    ])?;
    Ok(())
}

fn forget(change: &Connection, entries: &[(i64, Uuid)]) -> rusqlite::Result<u64> {
    let mut delete = change.prepare_cached("DELETE FROM ledger WHERE stream_no = ? AND command_id = ?")?;
    let mut forgotten = 0;
    for (stream, id) in entries {
        forgotten += delete.execute(params![stream, id.as_bytes()])? as u64;
    }
    Ok(forgotten)
}

impl Known {
    /// A stream's number and how many events it has; a new one is numbered.
    fn stream(&mut self, change: &Connection, stream: StreamId) -> rusqlite::Result<Stream> {
        if let Some(found) = self.streams.get(&stream) {
            return Ok(*found);
        }
        let found = match self.older_streams.get(&stream) {
            Some(found) => *found,
            None => load_stream(change, stream)?,
        };
        self.remember(stream, found);
        Ok(found)
    }

    fn remember(&mut self, stream: StreamId, state: Stream) {
        if self.streams.len() >= KNOWN_STREAMS {
            self.older_streams = std::mem::take(&mut self.streams);
        }
        self.streams.insert(stream, state);
    }

    fn event_type(&mut self, change: &Connection, stream: StreamId, name: &str) -> rusqlite::Result<i64> {
        let category = stream.category.as_str();
        let key = (category, name.to_owned());
        if let Some(number) = self.types.get(&key) {
            return Ok(*number);
        }
        let find = "SELECT type_no FROM types WHERE category = ? AND name = ?";
        let add = "INSERT INTO types (category, name) VALUES (?, ?)";
        let number = find_or_add(change, find, add, params![category, name])?;
        self.types.insert(key, number);
        Ok(number)
    }

    fn actor(&mut self, change: &Connection, name: &str) -> rusqlite::Result<i64> {
        if let Some(number) = self.actors.get(name) {
            return Ok(*number);
        }
        let find = "SELECT actor_no FROM actors WHERE name = ?";
        let number = find_or_add(change, find, "INSERT INTO actors (name) VALUES (?)", params![name])?;
        if self.actors.len() >= KNOWN_STREAMS {
            self.actors.clear();
        }
        self.actors.insert(name.to_owned(), number);
        Ok(number)
    }

    /// Notes that the event at `last` is of this type.
    fn note_block(&mut self, change: &Connection, type_number: i64) -> rusqlite::Result<()> {
        let block = self.last / BLOCK;
        if self.blocks.insert(type_number, block) != Some(block) {
            let mut note = change.prepare_cached("INSERT OR IGNORE INTO type_blocks VALUES (?, ?)")?;
            note.execute(params![type_number, block])?;
        }
        Ok(())
    }
}

fn load_stream(change: &Connection, stream: StreamId) -> rusqlite::Result<Stream> {
    let find = "SELECT stream_no FROM streams WHERE id = ? AND category = ?";
    let add = "INSERT INTO streams (id, category) VALUES (?, ?)";
    let key = params![stream.id.as_bytes(), stream.category.as_str()];
    let number = find_or_add(change, find, add, key)?;
    let mut count =
        change.prepare_cached("SELECT coalesce(max(revision) + 1, 0) FROM events WHERE stream_no = ?")?;
    let events: i64 = count.query_row([number], |row| row.get(0))?;
    Ok(Stream { number, events: events.unsigned_abs() })
}

fn find_or_add(
    change: &Connection,
    find: &str,
    add: &str,
    key: &[&dyn rusqlite::ToSql],
) -> rusqlite::Result<i64> {
    let found = change.prepare_cached(find)?.query_row(key, |row| row.get(0)).optional()?;
    match found {
        Some(number) => Ok(number),
        None => {
            change.prepare_cached(add)?.execute(key)?;
            Ok(change.last_insert_rowid())
        }
    }
}
