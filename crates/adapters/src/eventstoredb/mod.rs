//! The event log in EventStoreDB (or KurrentDB, its new name), 22.10 or newer.
//!
//! - **record**: what EventStoreDB numbers in a stream. A record is an event, or a batch of commands without events.
//! - **tail**: what is known of a stream's end, so that an append reads nothing.
//! - **late**: said of a command id that comes far behind higher ones; see `ledger`.
//! - **namespace**: what the names of all streams begin with, so that several installations share a server.
//!
//! One aggregate is one stream, `<category>-<id>`; the ledger is in its records, and there is no second store. A
//! position is the commit position in `$all`; all commands of a batch are told that of its last event. The log's id and
//! epoch stand in a stream of their own, `octocity-log`.
//!
//! Nothing is forgotten: `prune_ledger` does nothing, and ids older than the retention are still answered.

mod all;
mod append;
mod connection;
mod encode;
mod ends;
mod fault;
mod head;
mod identity;
mod late;
mod ledger;
mod migration;
mod node;
mod nodes;
mod record;
mod settings;
mod streams;
mod tail;
mod told;
mod wire;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use octocity_domain::{Category, CommandId, Timestamp};
use octocity_log::{
    Append, AppendError, Appended, EventLog, LedgerEntry, LedgerWindow, LogError, LogId, Page, Position,
    RecordedEvent, StreamId,
};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use all::Wanted;
use connection::Connection;
use head::Head;
use identity::{Identity, Standing};
use nodes::Nodes;
use streams::Streams;
use tail::Tail;

pub use connection::OpenError;
pub use identity::Migrated;
pub use migration::{Begun, Entries, Migration, MigrationError};

use crate::counters::{Counters, LogCounters};
use crate::outage::Outage;

/// Who we are to EventStoreDB.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    pub name: String,
    pub password: String,
}

impl fmt::Debug for User {
    /// The password stays unsaid.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User").field("name", &self.name).finish_non_exhaustive()
    }
}

/// How the log behaves; every field has a stated default.
#[derive(Clone, Debug)]
pub struct EventStoreOptions {
    /// In place of the one in the connection string, if any.
    pub user: Option<User>,
    /// What the names of its streams begin with.
    pub namespace: String,
    /// How long one call may take; all attempts together, twice as long. EventStoreDB itself gives up an append sooner.
    pub deadline: Duration,
    /// How often a call is made before its fault is told.
    pub attempts: u32,
    /// The pause before the second attempt; each later one is twice as long.
    pub first_pause: Duration,
    pub longest_pause: Duration,
}

impl Default for EventStoreOptions {
    fn default() -> Self {
        Self {
            user: None,
            namespace: String::new(),
            deadline: Duration::from_secs(5),
            attempts: 7,
            first_pause: Duration::from_millis(100),
            longest_pause: Duration::from_secs(2),
        }
    }
}

pub struct EventStoreLog {
    identity: Identity,
    /// Where positions of the epoch before are here, in rising order.
    pages: Vec<(Position, Position)>,
    streams: Arc<Streams>,
    head: Head,
    counters: Arc<Counters>,
    /// Begins when the server no longer tells what is appended.
    silence: Outage,
    following: JoinHandle<()>,
}

impl EventStoreLog {
    /// Connects, and makes the log where there is none. A server that does not answer at once is an error, not waited
    /// for. Must be called within a tokio runtime.
    pub async fn open(connection_string: &str, options: EventStoreOptions) -> Result<Self, OpenError> {
        let first = connect(connection_string, &options)?;
        let identity = first.opened().await?;
        let pages = match identity.migrated {
            Some(_) => first.pages().await?.0,
            None => Vec::new(),
        };
        let last = first.last_position().await.map_err(|error| first.connection.open_error(error))?;
        let nodes = first.connection.nodes;
        let streams = Arc::new(Streams::new(Connection::new(nodes, options)));
        let (head, counters) = (Head::new(last), Arc::new(Counters::default()));
        let silence = Outage::default();
        let health = (Arc::clone(&counters), silence.clone());
        let following = tokio::spawn(head::follow((head.clone(), last), Arc::clone(&streams), health));
        Ok(Self { identity, pages, streams, head, counters, silence, following })
    }

    /// Where the log would be and which it is, and whether it is there; it is not made.
    pub async fn look(
        connection_string: &str,
        options: &EventStoreOptions,
    ) -> Result<(String, bool), OpenError> {
        let streams = connect(connection_string, options)?;
        let hosts = streams.connection.hosts();
        match streams.standing().await? {
            Standing::Open(Identity { id, epoch, .. }) => {
                Ok((format!("{hosts}, log {}, epoch {epoch}", id.0), true))
            }
            Standing::Empty => Ok((format!("{hosts}, no log yet; the first command makes it"), false)),
            Standing::Migrating { .. } => Err(OpenError::Unfinished { hosts }),
        }
    }

    pub fn counters(&self) -> LogCounters {
        self.counters.read()
    }

    /// Why nothing can be stored; None once an append went well again, or the server is heard again.
    pub fn failure(&self) -> Option<LogError> {
        let silent = || LogError::Unavailable("EventStoreDB does not answer".to_owned());
        self.counters.failure().or_else(|| self.silence.lasts().then(silent))
    }

    /// What `look` makes of the stream's tail as it is in the store now.
    async fn tail<T>(
        &self,
        stream: StreamId,
        look: impl AsyncFnOnce(&Tail) -> Result<T, LogError>,
    ) -> Result<T, LogError> {
        let remembered = self.streams.remembered(stream);
        let mut held = remembered.tail.lock().await;
        let looked = async {
            let tail = self.streams.refresh(stream, held.take()).await?;
            let result = look(&tail).await;
            *held = Some(tail);
            result
        };
        looked.await.inspect_err(|error| self.not_stored(error))
    }

    /// Commands whose stream cannot be read are not stored either.
    fn not_stored(&self, error: &LogError) {
        self.counters.failed();
        self.counters.set_failure(Some(error.clone()));
    }
}

/// For the first calls: each is made once at every node.
fn connect(connection_string: &str, options: &EventStoreOptions) -> Result<Streams, OpenError> {
    let nodes = Nodes::try_new(connection_string, options.user.as_ref())?;
    let once = EventStoreOptions { attempts: nodes.hosts().len() as u32, ..options.clone() };
    Ok(Streams::new(Connection::new(nodes, once)))
}

impl Drop for EventStoreLog {
    fn drop(&mut self) {
        self.following.abort();
    }
}

#[async_trait]
impl EventLog for EventStoreLog {
    fn id(&self) -> LogId {
        self.identity.id
    }

    fn epoch(&self) -> u32 {
        self.identity.epoch
    }

    fn inherited(&self) -> Position {
        self.identity.migrated.as_ref().map_or(Position::default(), |migrated| Position(migrated.to))
    }

    /// All of a page of the migration stands before the next one begins.
    fn resumed(&self, epoch: u32, position: Position) -> Position {
        let pages = if epoch + 1 == self.identity.epoch { &self.pages[..] } else { &[] };
        let before = pages.iter().take_while(|(old, _)| *old <= position).last();
        before.map_or(Position::default(), |(_, here)| *here)
    }

    async fn append(&self, batch: Append) -> Result<Appended, AppendError> {
        let (begun, events, entries) = (Instant::now(), batch.events.len(), batch.entries.len());
        let appended = self.streams.append(&self.head, batch).await;
        match &appended {
            Ok(_) => {
                self.counters.committed(begun.elapsed());
                self.counters.appended(events, entries);
                self.counters.set_failure(None);
            }
            Err(AppendError::Log(error)) => self.not_stored(error),
            Err(AppendError::WrongRevision { .. } | AppendError::CommandKnown(_) | AppendError::TooLarge) => {
            }
        }
        appended
    }

    async fn read_stream(
        &self,
        stream: StreamId,
        from: u64,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, LogError> {
        let read = self.streams.read(stream, from, limit).await;
        read.inspect_err(|error| self.not_stored(error))
    }

    async fn read_stream_back(
        &self,
        stream: StreamId,
        before: u64,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, LogError> {
        self.streams.read_back(stream, before, limit).await
    }

    async fn read_all(
        &self,
        after: Position,
        limit: usize,
        categories: &[Category],
        event_types: &[&str],
    ) -> Result<Page, LogError> {
        self.streams.read_all(&self.head, after, limit, Wanted { categories, event_types }).await
    }

    fn head(&self) -> watch::Receiver<Position> {
        self.head.subscribe()
    }

    async fn ledger_window(&self, stream: StreamId, limit: usize) -> Result<LedgerWindow, LogError> {
        self.tail(stream, async |tail| Ok(tail.window(limit))).await
    }

    async fn ledger_entries(
        &self,
        stream: StreamId,
        ids: &[CommandId],
    ) -> Result<Vec<Option<LedgerEntry>>, LogError> {
        let found = self
            .tail(stream, async |tail| self.streams.lookup(stream, tail, ids.iter().copied()).await)
            .await?;
        Ok(ids.iter().map(|id| found.get(id).cloned()).collect())
    }

    /// An append-only log cannot forget single records, and need not: a lookup costs the same however old they are.
    async fn prune_ledger(&self, _before: Timestamp) -> Result<u64, LogError> {
        Ok(0)
    }
}
