//! The ports: append, read, subscribe; and the disposable cache of snapshots.

use async_trait::async_trait;
use octocity_domain::{Category, CommandId, Timestamp};
use thiserror::Error;
use tokio::sync::watch;

use crate::envelope::{LedgerEntry, NewEvent, RecordedEvent, StreamId};
use crate::position::{LogId, Position};

/// How many events the stream has, as the appender believes.
pub type Expected = u64;

/// What one stream's actor decided, as one batch: all of it is appended, or nothing.
#[derive(Clone, Debug)]
pub struct Append {
    pub stream: StreamId,
    pub expected: Expected,
    pub events: Vec<NewEvent>,
    /// One for every command of the batch, in order; their events are `events`, cut by their counts.
    pub entries: Vec<LedgerEntry>,
}

impl Append {
    /// Whether its entries account for its events, each from the revision where the one before it ends. Every
    /// adapter asks this first: what breaks it is a fault of the appender, and nothing of it is stored.
    pub fn check(&self) -> Result<(), LogError> {
        let mut revision = self.expected;
        for entry in &self.entries {
            if entry.first_revision != revision {
                return Err(LogError::Unavailable(format!(
                    "command {} says revision {}, its place is {revision}",
                    entry.command_id, entry.first_revision
                )));
            }
            revision += u64::from(entry.events);
        }
        match revision == self.expected + self.events.len() as u64 {
            true => Ok(()),
            false => Err(LogError::Unavailable("a batch's entries do not account for its events".to_owned())),
        }
    }
}

/// Where a batch came to stand: durable when this is returned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended {
    /// For each entry of the batch, its position, or a later one up to that of the batch's last event.
    pub positions: Vec<Position>,
    /// How many events the stream has now.
    pub next_revision: u64,
}

#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum AppendError {
    /// Somebody else appended: load again and decide again.
    #[error("the stream has {actual} events, not the expected ones")]
    WrongRevision { actual: u64 },
    /// One of the ids stands in the ledger already: look it up and answer from it.
    #[error("command {0} is in the ledger already")]
    CommandKnown(CommandId),
    /// One command's events are more than the log takes at once: they never will be stored, and nothing of the batch is.
    #[error("a command's events are more than the log takes at once")]
    TooLarge,
    /// Whether it was stored is not known; the same command id finds out.
    #[error(transparent)]
    Log(#[from] LogError),
}

/// A fault of the store: logged once, with this context, and never shown to clients.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum LogError {
    #[error("the log cannot be written or read just now: {0}")]
    Unavailable(String),
    #[error("the log is full: {0}")]
    Full(String),
    #[error("the log is damaged or of an unknown form: {0}")]
    Damaged(String),
}

#[derive(Clone, Debug, Default)]
pub struct Page {
    pub events: Vec<RecordedEvent>,
    /// Read on from here: at least the last event's position, further where a filter passed over others.
    pub next: Position,
}

/// The newest command ids of a stream.
#[derive(Clone, Debug, Default)]
pub struct LedgerWindow {
    /// Every id of the stream at or above this one is in `ids`. None: the window holds all there are.
    pub floor: Option<CommandId>,
    pub ids: Vec<CommandId>,
}

impl LedgerWindow {
    /// `ids` by id descending; `cut` where the ledger holds older ones. A window of no ids, cut, answers nothing:
    /// its floor is above every id.
    pub fn of(ids: Vec<CommandId>, cut: bool) -> Self {
        let lowest = ids.last().copied().unwrap_or(CommandId(uuid::Uuid::max()));
        Self { floor: cut.then_some(lowest), ids }
    }
}

#[async_trait]
pub trait EventLog: Send + Sync + 'static {
    fn id(&self) -> LogId;
    fn epoch(&self) -> u32;

    /// Where this epoch holds all that was brought over from the one before.
    fn inherited(&self) -> Position {
        Position::default()
    }

    /// Where to go on behind a position of an earlier epoch: nothing that follows it there is before, and as little as can
    /// be known of what came before it is behind.
    fn resumed(&self, _epoch: u32, _position: Position) -> Position {
        Position::default()
    }

    /// All of the batch or nothing; many waiting callers share one durable commit. The expected revision is
    /// checked before the ledger.
    async fn append(&self, batch: Append) -> Result<Appended, AppendError>;

    /// The events of a stream from revision `from` on, at most `limit`, in order.
    async fn read_stream(
        &self,
        stream: StreamId,
        from: u64,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, LogError>;

    /// The events of a stream before revision `before`, at most `limit`, newest first.
    async fn read_stream_back(
        &self,
        stream: StreamId,
        before: u64,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, LogError>;

    /// The events after `after` in global order, at most `limit`; of these categories only (empty: all), and of
    /// these event types only (empty: all).
    async fn read_all(
        &self,
        after: Position,
        limit: usize,
        categories: &[Category],
        event_types: &[&str],
    ) -> Result<Page, LogError>;

    /// When the first event after `after` was decided: how long ago a reader who is there was up to date. None: it is
    /// at the head. Positions themselves say nothing of how much lies between them.
    async fn decided_after(&self, after: Position) -> Result<Option<Timestamp>, LogError> {
        let page = self.read_all(after, 1, &[], &[]).await?;
        Ok(page.events.first().map(|event| event.meta.decided_at))
    }

    /// The position of the last durable event. Subscribers wait on it, then read.
    fn head(&self) -> watch::Receiver<Position>;

    /// The newest ids of a stream's ledger, at most `limit`, by id descending.
    async fn ledger_window(&self, stream: StreamId, limit: usize) -> Result<LedgerWindow, LogError>;

    /// For each id its entry, if the stream's ledger has one.
    async fn ledger_entries(
        &self,
        stream: StreamId,
        ids: &[CommandId],
    ) -> Result<Vec<Option<LedgerEntry>>, LogError>;

    /// Forgets entries of client-made ids (UUIDv7) decided before `before`, where the store can; derived ids are kept
    /// for ever. How many it forgot.
    async fn prune_ledger(&self, before: Timestamp) -> Result<u64, LogError>;
}

/// A state as of a revision: a cache that may be lost or ignored at any time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// How many events are folded into it.
    pub next_revision: u64,
    /// The decider's `SNAPSHOT_VERSION` that wrote it.
    pub version: u32,
    pub state: Vec<u8>,
}

#[async_trait]
pub trait SnapshotStore: Send + Sync + 'static {
    async fn load(&self, stream: StreamId) -> Result<Option<Snapshot>, LogError>;
    async fn save(&self, stream: StreamId, snapshot: Snapshot) -> Result<(), LogError>;
}
