//! The event log and its ledger in one SQLite file: one writer thread, group commit, a few readers.
//!
//! - **group**: the appends that were waiting when the writer came round; one transaction, one sync, and each
//!   gets its own answer. A conflict fails only its own batch.
//! - **block**: 512 neighbouring positions. For every event type the file says in which blocks it occurs, so that
//!   a reader of few types passes over millions of others without reading them.
//!
//! Positions have no gaps here, and nobody outside this module may know it.

mod reader;
mod schema;
mod writer;

use std::path::Path;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use async_trait::async_trait;
use octocity_domain::{Category, CommandId, Timestamp};
use octocity_log::{
    Append, AppendError, Appended, EventLog, LedgerEntry, LedgerWindow, LogError, LogId, Page, Position,
    RecordedEvent, StreamId,
};
use tokio::sync::{oneshot, watch};
use uuid::Uuid;

use super::readers::Readers;
use super::{OpenError, log_error, open_to_read, open_to_write};
use crate::counters::{Counters, LogCounters};
use crate::newest::{self, Newest};
pub use reader::Gap;
use reader::Reader;
use writer::{Task, Writer};

pub use schema::FORM;

/// How many ledger entries are read ahead of whoever copies them.
const LEDGER_AHEAD: usize = 4096;

/// How the log behaves; every field has a stated default.
#[derive(Clone, Debug)]
pub struct SqliteLogOptions {
    /// How many reads go on at once.
    pub readers: usize,
    /// The writer's page cache.
    pub writer_cache_kib: u32,
    /// The page cache of each reader.
    pub reader_cache_kib: u32,
    /// How many of the newest events are kept in memory, at most, for those who follow the log.
    pub newest_events: usize,
    /// After how many pages of 4096 bytes the writer itself copies the write-ahead log into the file, which holds it up;
    /// another thread copies it before, while the disk keeps up.
    pub checkpoint_pages: u32,
    /// The largest size of the file, in pages of 4096 bytes; None is what the disk holds.
    pub max_pages: Option<u32>,
}

impl Default for SqliteLogOptions {
    fn default() -> Self {
        Self {
            readers: 4,
            writer_cache_kib: 32 * 1024,
            reader_cache_kib: 4 * 1024,
            newest_events: newest::EVENTS,
            checkpoint_pages: 16_000,
            max_pages: None,
        }
    }
}

pub struct SqliteLog {
    id: LogId,
    epoch: u32,
    head: watch::Receiver<Position>,
    counters: Arc<Counters>,
    readers: Readers<Reader, LogError>,
    newest: Arc<Newest>,
    /// None only while it is dropped.
    tasks: Option<mpsc::Sender<Task>>,
    writer: Option<JoinHandle<()>>,
}

impl SqliteLog {
    /// Opens the file, making it where there is none.
    pub fn open(path: &Path, options: SqliteLogOptions) -> Result<Self, OpenError> {
        let connection = open_to_write(path, &FORM)?;
        let (id, epoch) = schema::identity(&connection).map_err(|error| OpenError::of(path, &error))?;
        let counters = Arc::new(Counters::default());
        let newest = Arc::new(Newest::of(options.newest_events));
        let writer = Writer::new(
            path.to_owned(),
            connection,
            options.clone(),
            Arc::clone(&counters),
            Arc::clone(&newest),
        )?;
        let head = writer.head();
        let (tasks, waiting) = mpsc::channel();
        let thread = std::thread::Builder::new().name("log-writer".to_owned());
        let thread = thread
            .spawn(move || writer.run(&waiting))
            .map_err(|error| OpenError::Unavailable { path: path.to_owned(), reason: error.to_string() })?;
        let path = path.to_owned();
        let readers = Readers::new(options.readers, move || open_reader(&path, &options));
        Ok(Self { id, epoch, head, counters, readers, newest, tasks: Some(tasks), writer: Some(thread) })
    }

    pub fn counters(&self) -> LogCounters {
        self.counters.read()
    }

    /// Why nothing can be stored; None once a commit went well again.
    pub fn failure(&self) -> Option<LogError> {
        match self.writer.as_ref().is_some_and(JoinHandle::is_finished) {
            true => Some(LogError::Unavailable("its writer has stopped".to_owned())),
            false => self.counters.failure(),
        }
    }

    /// Streams that lack events before their last one, at most `limit`: for whoever looks the file over.
    pub async fn gaps(&self, limit: usize) -> Result<Vec<Gap>, LogError> {
        self.read(move |reader| reader.gaps(limit)).await
    }

    /// The whole ledger in the log's order, or what of it is behind a position: for whoever copies it.
    pub fn ledger(
        &self,
        after: Option<Position>,
    ) -> tokio::sync::mpsc::Receiver<Result<(StreamId, LedgerEntry), LogError>> {
        let (sender, receiver) = tokio::sync::mpsc::channel(LEDGER_AHEAD);
        let readers = self.readers.clone();
        tokio::spawn(async move {
            let entries = sender.clone();
            let each = move |stream, entry| entries.blocking_send(Ok((stream, entry))).is_ok();
            if let Err(error) = read_by(&readers, move |reader| reader.ledger(after, each)).await {
                // Nobody listens any more where this fails.
                drop(sender.send(Err(error)).await);
            }
        });
        receiver
    }

    fn send(&self, task: Task) -> Result<(), LogError> {
        let stopped = || LogError::Unavailable("its writer has stopped".to_owned());
        self.tasks.as_ref().ok_or_else(stopped)?.send(task).map_err(|_| stopped())
    }

    async fn read<T, F>(&self, read: F) -> Result<T, LogError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Reader) -> rusqlite::Result<T> + Send + 'static,
    {
        read_by(&self.readers, read).await
    }
}

impl Drop for SqliteLog {
    /// Lets the writer finish what waits, and fold the write-ahead log into the file.
    fn drop(&mut self) {
        self.readers.close();
        self.tasks = None;
        if let Some(writer) = self.writer.take()
            && writer.join().is_err()
        {
            tracing::error!("the log's writer ended in a panic");
        }
    }
}

/// Of which log a file holds anything, without opening it to be written. None: there is none, or it is as it was made.
pub fn held_at(path: &Path) -> Result<Option<LogId>, OpenError> {
    if !std::fs::metadata(path).is_ok_and(|found| found.len() > 0) {
        return Ok(None);
    }
    let connection = open_to_read(path, &FORM)?;
    let held = schema::holds_anything(&connection).and_then(|holds| match holds {
        true => Ok(Some(schema::identity(&connection)?.0)),
        false => Ok(None),
    });
    held.map_err(|error| OpenError::of(path, &error))
}

#[async_trait]
impl EventLog for SqliteLog {
    fn id(&self) -> LogId {
        self.id
    }

    fn epoch(&self) -> u32 {
        self.epoch
    }

    async fn append(&self, batch: Append) -> Result<Appended, AppendError> {
        batch.check()?;
        let (reply, answer) = oneshot::channel();
        self.send(Task::Append { batch, reply })?;
        answer
            .await
            .unwrap_or_else(|_| Err(LogError::Unavailable("its writer has stopped".to_owned()).into()))
    }

    async fn read_stream(
        &self,
        stream: StreamId,
        from: u64,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, LogError> {
        self.read(move |reader| reader.stream(stream, from, limit)).await
    }

    async fn read_stream_back(
        &self,
        stream: StreamId,
        before: u64,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, LogError> {
        self.read(move |reader| reader.stream_back(stream, before, limit)).await
    }

    async fn read_all(
        &self,
        after: Position,
        limit: usize,
        categories: &[Category],
        event_types: &[&str],
    ) -> Result<Page, LogError> {
        if limit == 0 {
            return Ok(Page { events: Vec::new(), next: after });
        }
        if let Some(page) = self.newest.page(after, limit, categories, event_types) {
            return Ok(page);
        }
        let categories = categories.to_vec();
        let event_types: Vec<String> = event_types.iter().map(|name| (*name).to_owned()).collect();
        self.read(move |reader| reader.all(after, limit, &categories, &event_types)).await
    }

    fn head(&self) -> watch::Receiver<Position> {
        self.head.clone()
    }

    async fn ledger_window(&self, stream: StreamId, limit: usize) -> Result<LedgerWindow, LogError> {
        self.read(move |reader| reader.ledger_window(stream, limit)).await
    }

    async fn ledger_entries(
        &self,
        stream: StreamId,
        ids: &[CommandId],
    ) -> Result<Vec<Option<LedgerEntry>>, LogError> {
        let ids = ids.to_vec();
        self.read(move |reader| reader.ledger_entries(stream, &ids)).await
    }

    async fn prune_ledger(&self, before: Timestamp) -> Result<u64, LogError> {
        let mut forgotten = 0;
        let mut after = (0, Uuid::nil());
        // Found by a reader, forgotten by the writer in small steps: commands go on meanwhile.
        loop {
            let (old, next) = self.read(move |reader| reader.old_entries(before, after)).await?;
            if !old.is_empty() {
                let (reply, answer) = oneshot::channel();
                self.send(Task::Forget { entries: old, reply })?;
                let stopped = |_| LogError::Unavailable("its writer has stopped".to_owned());
                forgotten += answer.await.map_err(stopped)??;
            }
            match next {
                Some(next) => after = next,
                None => return Ok(forgotten),
            }
        }
    }
}

async fn read_by<T, F>(readers: &Readers<Reader, LogError>, read: F) -> Result<T, LogError>
where
    T: Send + 'static,
    F: FnOnce(&mut Reader) -> rusqlite::Result<T> + Send + 'static,
{
    let read = move |reader: &mut Reader| read(reader).map_err(|error| log_error(&error));
    readers.read(read).await.unwrap_or_else(|ended| Err(LogError::Unavailable(ended.to_string())))
}

fn open_reader(path: &Path, options: &SqliteLogOptions) -> Result<Reader, LogError> {
    let connection = open_to_read(path, &FORM);
    let reader = connection.and_then(|connection| {
        Reader::new(connection, options.reader_cache_kib).map_err(|error| OpenError::of(path, &error))
    });
    reader.map_err(|error| match error {
        OpenError::Damaged { .. } => LogError::Damaged(error.to_string()),
        _ => LogError::Unavailable(error.to_string()),
    })
}
