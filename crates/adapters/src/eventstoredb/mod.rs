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
mod record;
mod streams;
mod subscription;
mod tail;
mod wire;

use std::time::Duration;

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
use streams::Streams;
use subscription::Subscriber;
use tail::Tail;

pub use connection::OpenError;

/// How the log behaves; every field has a stated default.
#[derive(Clone, Debug)]
pub struct EventStoreOptions {
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
            namespace: String::new(),
            deadline: Duration::from_secs(10),
            attempts: 5,
            first_pause: Duration::from_millis(100),
            longest_pause: Duration::from_secs(2),
        }
    }
}

pub struct EventStoreLog {
    id: LogId,
    epoch: u32,
    streams: Streams,
    head: Head,
    following: JoinHandle<()>,
}

impl EventStoreLog {
    /// Connects, and makes the log where there is none. Must be called within a tokio runtime.
    pub async fn open(connection_string: &str, options: EventStoreOptions) -> Result<Self, OpenError> {
        // The parser's own sentence repeats the string, and with it the password.
        let settings: ClientSettings = connection_string.parse().map_err(|_| OpenError::Settings)?;
        let subscriber = Subscriber::new(&settings)?;
        let streams = Streams::new(Connection::new(settings, options.clone())?);
        let opened = async {
            let (id, epoch) = streams.identity().await?;
            Ok((id, epoch, Head::new(streams.last_position().await?)))
        };
        let (id, epoch, head) = opened.await.map_err(|error| streams.connection.open_error(error))?;
        let prefixes = streams.prefixes(&[]);
        let following = tokio::spawn(head::follow(head.clone(), subscriber, prefixes, options));
        Ok(Self { id, epoch, streams, head, following })
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

impl Drop for EventStoreLog {
    fn drop(&mut self) {
        self.following.abort();
    }
}

#[async_trait]
impl EventLog for EventStoreLog {
    fn id(&self) -> LogId {
        self.id
    }

    fn epoch(&self) -> u32 {
        self.epoch
    }

    async fn append(&self, batch: Append) -> Result<Appended, AppendError> {
        self.streams.append(&self.head, batch).await
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
