//! The event log in EventStoreDB (or KurrentDB, its new name), 22.10 or newer.
//!
//! - **record**: what EventStoreDB numbers in a stream. A record is an event, or a batch of commands without events.
//! - **tail**: what is known of a stream's end, so that an append reads nothing.
//! - **late**: said of a command id that comes far behind higher ones; see `ledger`.
//! - **namespace**: what the names of all streams begin with, so that several installations share a server.
//!
//! One aggregate is one stream, `<category>-<id>`; the ledger is in its records, and there is no second store. A
//! position is the commit position in `$all`; all commands of a batch are told that of its last event, a repeat that of
//! the command's own. The log's id and epoch stand in a stream of their own, `octocity-log`.
//!
//! Nothing is forgotten: `prune_ledger` does nothing, and ids older than the retention are still answered.

mod all;
mod append;
mod connection;
mod encode;
mod head;
mod identity;
mod late;
mod ledger;
mod migration;
mod record;
mod streams;
mod subscription;
mod tail;
mod wire;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use eventstore::ClientSettings;
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
use streams::Streams;
use subscription::Subscriber;
use tail::Tail;

pub use connection::OpenError;
pub use identity::Migrated;
pub use migration::{Begun, Entries, Migration, MigrationError};

use crate::counters::{Counters, LogCounters};

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
    /// How long one call may take.
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
            deadline: Duration::from_secs(10),
            attempts: 5,
            first_pause: Duration::from_millis(100),
            longest_pause: Duration::from_secs(2),
        }
    }
}

pub struct EventStoreLog {
    identity: Identity,
    streams: Streams,
    head: Head,
    counters: Arc<Counters>,
    following: JoinHandle<()>,
}

impl EventStoreLog {
    /// Connects, and makes the log where there is none. A server that does not answer at once is an error, not waited
    /// for. Must be called within a tokio runtime.
    pub async fn open(connection_string: &str, options: EventStoreOptions) -> Result<Self, OpenError> {
        let (subscriber, first) = connect(connection_string, &options)?;
        let identity = first.opened().await?;
        let last = first.last_position().await.map_err(|error| first.connection.open_error(error))?;
        let streams = Streams::new(Connection::new(first.connection.settings, options.clone())?);
        let (head, counters) = (Head::new(last), Arc::new(Counters::default()));
        let prefixes = streams.prefixes(&[]);
        let following = head::follow(head.clone(), subscriber, prefixes, options, Arc::clone(&counters));
        Ok(Self { identity, streams, head, counters, following: tokio::spawn(following) })
    }

    /// Where the log would be and which it is, and whether it is there; it is not made.
    pub async fn look(
        connection_string: &str,
        options: &EventStoreOptions,
    ) -> Result<(String, bool), OpenError> {
        let (_, streams) = connect(connection_string, options)?;
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

    /// Why nothing could be stored; None once an append went well again, or the server is heard again.
    pub fn failure(&self) -> Option<LogError> {
        self.counters.failure()
    }

    /// What `look` makes of the stream's tail as it is in the store now.
    async fn tail<T>(
        &self,
        stream: StreamId,
        look: impl AsyncFnOnce(&Tail) -> Result<T, LogError>,
    ) -> Result<T, LogError> {
        let remembered = self.streams.remembered(stream);
        let mut held = remembered.tail.lock().await;
        let tail = self.streams.refresh(stream, held.take()).await?;
        let result = look(&tail).await;
        *held = Some(tail);
        result
    }
}

/// For the first calls: each is made once.
fn connect(connection_string: &str, options: &EventStoreOptions) -> Result<(Subscriber, Streams), OpenError> {
    // The parser's own sentence repeats the string, and with it the password.
    let settings: ClientSettings = connection_string.parse().map_err(|_| OpenError::Settings)?;
    let subscriber = Subscriber::new(&settings, options.user.as_ref())?;
    let once = EventStoreOptions { attempts: 1, ..options.clone() };
    Ok((subscriber, Streams::new(Connection::new(settings, once)?)))
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

    async fn append(&self, batch: Append) -> Result<Appended, AppendError> {
        let (begun, events, entries) = (Instant::now(), batch.events.len(), batch.entries.len());
        let appended = self.streams.append(&self.head, batch).await;
        match &appended {
            Ok(_) => {
                self.counters.committed(begun.elapsed());
                self.counters.appended(events, entries);
                self.counters.set_failure(None);
            }
            Err(AppendError::Log(error)) => {
                self.counters.failed();
                self.counters.set_failure(Some(error.clone()));
            }
            Err(AppendError::WrongRevision { .. } | AppendError::CommandKnown(_)) => {}
        }
        appended
    }

    async fn read_stream(
        &self,
        stream: StreamId,
        from: u64,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, LogError> {
        self.streams.read(stream, from, limit).await
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
