//! A log whose appends wait for a permit: what was decided is not durable yet.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use octocity_domain::{Category, CommandId, Timestamp};
use octocity_log::{
    Append, AppendError, Appended, EventLog, LedgerEntry, LedgerWindow, LogError, LogId, MemoryLog, Page,
    Position, RecordedEvent, StreamId,
};
use tokio::sync::{Semaphore, watch};

#[derive(Clone)]
pub struct HeldLog {
    pub log: MemoryLog,
    pub permits: Arc<Semaphore>,
    /// The events of this command cannot be decoded.
    pub garbled: Arc<Mutex<Option<CommandId>>>,
    /// This command is more than the log takes at once.
    pub too_large: Arc<Mutex<Option<CommandId>>>,
    /// How often a stream was read.
    pub reads: Arc<AtomicUsize>,
}

impl HeldLog {
    pub fn new(log: MemoryLog) -> Self {
        let (permits, garbled, too_large) = (Arc::new(Semaphore::new(0)), Arc::default(), Arc::default());
        Self { log, permits, garbled, too_large, reads: Arc::default() }
    }

    fn garble(&self, events: &mut [RecordedEvent]) {
        let garbled = *self.garbled.lock().unwrap();
        for event in events.iter_mut().filter(|event| Some(event.meta.command_id) == garbled) {
            event.data = b"{}".to_vec();
        }
    }
}

#[async_trait]
impl EventLog for HeldLog {
    fn id(&self) -> LogId {
        self.log.id()
    }
    fn epoch(&self) -> u32 {
        self.log.epoch()
    }
    async fn append(&self, batch: Append) -> Result<Appended, AppendError> {
        self.permits.acquire().await.unwrap().forget();
        let too_large = *self.too_large.lock().unwrap();
        if batch.entries.iter().any(|entry| Some(entry.command_id) == too_large) {
            return Err(AppendError::TooLarge);
        }
        self.log.append(batch).await
    }
    async fn read_stream(
        &self,
        stream: StreamId,
        from: u64,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, LogError> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        let mut events = self.log.read_stream(stream, from, limit).await?;
        self.garble(&mut events);
        Ok(events)
    }
    async fn read_stream_back(
        &self,
        stream: StreamId,
        before: u64,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, LogError> {
        self.log.read_stream_back(stream, before, limit).await
    }
    async fn read_all(
        &self,
        after: Position,
        limit: usize,
        categories: &[Category],
        event_types: &[&str],
    ) -> Result<Page, LogError> {
        let mut page = self.log.read_all(after, limit, categories, event_types).await?;
        self.garble(&mut page.events);
        Ok(page)
    }
    fn head(&self) -> watch::Receiver<Position> {
        self.log.head()
    }
    async fn ledger_window(&self, stream: StreamId, limit: usize) -> Result<LedgerWindow, LogError> {
        self.log.ledger_window(stream, limit).await
    }
    async fn ledger_entries(
        &self,
        stream: StreamId,
        ids: &[CommandId],
    ) -> Result<Vec<Option<LedgerEntry>>, LogError> {
        self.log.ledger_entries(stream, ids).await
    }
    async fn prune_ledger(&self, before: Timestamp) -> Result<u64, LogError> {
        self.log.prune_ledger(before).await
    }
}
