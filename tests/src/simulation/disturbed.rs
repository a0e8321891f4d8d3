//! The log as the system meets it: slow, so that a crash falls before or after an append as chance has it.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use octocity_domain::{Category, CommandId, Timestamp};
use octocity_log::memory::MemoryLog;
use octocity_log::{
    Append, AppendError, Appended, EventLog, Expected, LedgerEntry, LedgerWindow, LogError, LogId, Page,
    Position, RecordedEvent, StreamId,
};
use tokio::sync::watch;

use super::random::Random;

/// Who follows the log's head, in the order they came. Those who wait on one channel are woken in an order that tokio draws from
/// chance of its own, which no seed reaches: so each has a channel to itself.
#[derive(Clone, Default)]
pub struct Followers(Arc<Mutex<Vec<watch::Sender<Position>>>>);

impl Followers {
    fn follow(&self, head: Position) -> watch::Receiver<Position> {
        let (sender, receiver) = watch::channel(head);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(sender);
        receiver
    }

    fn tell(&self, head: Position) {
        let mut followers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Those of a node that crashed are gone.
        followers.retain(|follower| follower.receiver_count() > 0);
        for follower in &*followers {
            follower.send_if_modified(|known| std::mem::replace(known, head) != head);
        }
    }
}

pub struct Disturbed {
    pub log: MemoryLog,
    pub followers: Followers,
    pub random: Random,
}

impl Disturbed {
    /// Lets others run, or a crash happen.
    async fn pause(&self) {
        for _ in 0..self.random.below(3) {
            tokio::task::yield_now().await;
        }
    }
}

#[async_trait]
impl EventLog for Disturbed {
    fn id(&self) -> LogId {
        self.log.id()
    }
    fn epoch(&self) -> u32 {
        self.log.epoch()
    }
    async fn append(&self, batch: Append) -> Result<Appended, AppendError> {
        self.pause().await;
        let appended = self.log.append(batch).await;
        self.followers.tell(*self.log.head().borrow());
        self.pause().await;
        appended
    }
    async fn read_stream(
        &self,
        stream: StreamId,
        from: Expected,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, LogError> {
        self.pause().await;
        self.log.read_stream(stream, from, limit).await
    }
    async fn read_stream_back(
        &self,
        stream: StreamId,
        before: u64,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, LogError> {
        self.pause().await;
        self.log.read_stream_back(stream, before, limit).await
    }
    async fn read_all(
        &self,
        after: Position,
        limit: usize,
        categories: &[Category],
        event_types: &[&str],
    ) -> Result<Page, LogError> {
        self.pause().await;
        self.log.read_all(after, limit, categories, event_types).await
    }
    fn head(&self) -> watch::Receiver<Position> {
        self.followers.follow(*self.log.head().borrow())
    }
    async fn ledger_window(&self, stream: StreamId, limit: usize) -> Result<LedgerWindow, LogError> {
        self.pause().await;
        self.log.ledger_window(stream, limit).await
    }
    async fn ledger_entries(
        &self,
        stream: StreamId,
        ids: &[CommandId],
    ) -> Result<Vec<Option<LedgerEntry>>, LogError> {
        self.pause().await;
        self.log.ledger_entries(stream, ids).await
    }
    async fn prune_ledger(&self, before: Timestamp) -> Result<u64, LogError> {
        self.log.prune_ledger(before).await
    }
}
