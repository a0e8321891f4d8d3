//! The log in memory: the oracle of the contract suite and the ground of the simulation.
//!
//! - **handle**: a `MemoryLog` is cloned freely; all clones are one log. What a handle stored outlives it, as a
//!   disk would: a simulated crash drops everything but one handle.
//! - **fault**: what befalls the next append, on demand.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use octocity_domain::{Category, CommandId, Timestamp};
use tokio::sync::watch;
use uuid::Uuid;

use crate::envelope::{LedgerEntry, NewEvent, RecordedEvent, StreamId};
use crate::port::{
    Append, AppendError, Appended, EventLog, LedgerWindow, LogError, Page, Snapshot, SnapshotStore,
};
use crate::position::{LogId, Position};

/// What befalls one append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing is stored, and the caller is told so much as that it failed.
    NotStored,
    /// All is stored, but the caller hears only that it failed.
    ReplyLost,
    /// It arrives twice; the caller hears the answer to the second.
    Duplicated,
}

#[derive(Clone)]
pub struct MemoryLog {
    id: LogId,
    stored: Arc<Mutex<Stored>>,
    head: watch::Sender<Position>,
}

#[derive(Default)]
struct Stored {
    events: Vec<RecordedEvent>,
    /// For each stream the places of its events in `events`.
    streams: HashMap<StreamId, Vec<usize>>,
    ledgers: HashMap<StreamId, BTreeMap<CommandId, LedgerEntry>>,
    last: Position,
    faults: VecDeque<Option<Fault>>,
    read_faults: usize,
}

impl Default for MemoryLog {
    fn default() -> Self {
        Self::new(LogId(Uuid::from_u128(0x0c70_c117_0000_4000_8000_0000_0000_0001)))
    }
}

impl MemoryLog {
    pub fn new(id: LogId) -> Self {
        Self { id, stored: Arc::default(), head: watch::Sender::new(Position::default()) }
    }

    /// The next appends meet these in turn; None lets one pass.
    pub fn inject(&self, faults: impl IntoIterator<Item = Option<Fault>>) {
        self.lock().faults.extend(faults);
    }

    /// The next `count` reads fail.
    pub fn fail_reads(&self, count: usize) {
        self.lock().read_faults = count;
    }

    /// Ends all faults that are still to come.
    pub fn heal(&self) {
        let mut stored = self.lock();
        stored.faults.clear();
        stored.read_faults = 0;
    }

    fn lock(&self) -> MutexGuard<'_, Stored> {
        // What a panicking test left is still a log: every change below is made whole before the lock is let go.
        self.stored.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self) -> Result<MutexGuard<'_, Stored>, LogError> {
        let mut stored = self.lock();
        match stored.read_faults {
            0 => Ok(stored),
            left => {
                stored.read_faults = left - 1;
                Err(LogError::Unavailable("a read failed on demand".to_owned()))
            }
        }
    }
}

impl Stored {
    fn append(&mut self, batch: &Append) -> Result<Appended, AppendError> {
        batch.check()?;
        let actual = self.streams.get(&batch.stream).map_or(0, Vec::len) as u64;
        if actual != batch.expected {
            return Err(AppendError::WrongRevision { actual });
        }
        let ledger = self.ledgers.entry(batch.stream).or_default();
        for (index, entry) in batch.entries.iter().enumerate() {
            let earlier = batch.entries[..index].iter().any(|other| other.command_id == entry.command_id);
            if earlier || ledger.contains_key(&entry.command_id) {
                return Err(AppendError::CommandKnown(entry.command_id));
            }
        }
        let mut events = batch.events.iter();
        let mut positions = Vec::with_capacity(batch.entries.len());
        for entry in &batch.entries {
            for event in events.by_ref().take(entry.events as usize) {
                self.store(batch.stream, event.clone());
            }
            let entry = LedgerEntry { position: self.last, ..entry.clone() };
            self.ledgers.entry(batch.stream).or_default().insert(entry.command_id, entry);
            positions.push(self.last);
        }
        Ok(Appended { positions, next_revision: actual + batch.events.len() as u64 })
    }

    fn store(&mut self, stream: StreamId, event: NewEvent) {
        let places = self.streams.entry(stream).or_default();
        let revision = places.len() as u64;
        places.push(self.events.len());
        // Gaps on purpose: nobody may count on consecutive positions.
        self.last = Position(self.last.0 + 1 + revision % 3);
        self.events.push(RecordedEvent {
            position: self.last,
            stream,
            revision,
            event_type: Arc::from(event.event_type.as_ref()),
            version: event.version,
            data: event.data,
            meta: event.meta,
        });
    }

    fn of_stream(&self, stream: StreamId, from: u64, before: u64) -> &[usize] {
        let places = self.streams.get(&stream).map_or(&[][..], Vec::as_slice);
        let end = places.len().min(usize::try_from(before).unwrap_or(usize::MAX));
        let start = end.min(usize::try_from(from).unwrap_or(usize::MAX));
        &places[start..end]
    }
}

#[async_trait]
impl EventLog for MemoryLog {
    fn id(&self) -> LogId {
        self.id
    }

    fn epoch(&self) -> u32 {
        1
    }

    async fn append(&self, batch: Append) -> Result<Appended, AppendError> {
        let failed = || AppendError::Log(LogError::Unavailable("an append failed on demand".to_owned()));
        let mut stored = self.lock();
        let fault = stored.faults.pop_front().flatten();
        if fault == Some(Fault::NotStored) {
            return Err(failed());
        }
        let first = stored.append(&batch);
        let answer = match fault {
            Some(Fault::Duplicated) => stored.append(&batch),
            Some(Fault::ReplyLost) => Err(failed()),
            Some(Fault::NotStored) | None => first,
        };
        let last = stored.last;
        self.head.send_if_modified(|head| std::mem::replace(head, last) != last);
        answer
    }

    async fn read_stream(
        &self,
        stream: StreamId,
        from: u64,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, LogError> {
        let stored = self.read()?;
        let places = stored.of_stream(stream, from, u64::MAX);
        Ok(places.iter().take(limit).map(|place| stored.events[*place].clone()).collect())
    }

    async fn read_stream_back(
        &self,
        stream: StreamId,
        before: u64,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, LogError> {
        let stored = self.read()?;
        let places = stored.of_stream(stream, 0, before);
        Ok(places.iter().rev().take(limit).map(|place| stored.events[*place].clone()).collect())
    }

    async fn read_all(
        &self,
        after: Position,
        limit: usize,
        categories: &[Category],
        event_types: &[&str],
    ) -> Result<Page, LogError> {
        let stored = self.read()?;
        let start = stored.events.partition_point(|event| event.position <= after);
        let wanted = |event: &&RecordedEvent| {
            (categories.is_empty() || categories.contains(&event.stream.category))
                && (event_types.is_empty() || event_types.contains(&&*event.event_type))
        };
        let events: Vec<_> = stored.events[start..].iter().filter(wanted).take(limit).cloned().collect();
        let next = match events.last() {
            Some(last) if events.len() == limit => last.position,
            _ => stored.last.max(after),
        };
        Ok(Page { events, next: if limit == 0 { after } else { next } })
    }

    fn head(&self) -> watch::Receiver<Position> {
        self.head.subscribe()
    }

    async fn ledger_window(&self, stream: StreamId, limit: usize) -> Result<LedgerWindow, LogError> {
        let stored = self.read()?;
        let Some(ledger) = stored.ledgers.get(&stream) else { return Ok(LedgerWindow::default()) };
        let ids: Vec<_> = ledger.keys().rev().take(limit).copied().collect();
        Ok(LedgerWindow::of(ids, ledger.len() > limit))
    }

    async fn ledger_entries(
        &self,
        stream: StreamId,
        ids: &[CommandId],
    ) -> Result<Vec<Option<LedgerEntry>>, LogError> {
        let stored = self.read()?;
        let ledger = stored.ledgers.get(&stream);
        Ok(ids.iter().map(|id| ledger.and_then(|ledger| ledger.get(id)).cloned()).collect())
    }

    async fn prune_ledger(&self, before: Timestamp) -> Result<u64, LogError> {
        let mut stored = self.read()?;
        let mut forgotten = 0;
        for ledger in stored.ledgers.values_mut() {
            let had = ledger.len();
            ledger.retain(|id, entry| id.minted_at().is_none() || entry.decided_at >= before);
            forgotten += (had - ledger.len()) as u64;
        }
        Ok(forgotten)
    }
}

/// Snapshots in memory: cloned handles share them.
#[derive(Clone, Default)]
pub struct MemorySnapshots(Arc<Mutex<HashMap<StreamId, Snapshot>>>);

impl MemorySnapshots {
    fn lock(&self) -> MutexGuard<'_, HashMap<StreamId, Snapshot>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl SnapshotStore for MemorySnapshots {
    async fn load(&self, stream: StreamId) -> Result<Option<Snapshot>, LogError> {
        Ok(self.lock().get(&stream).cloned())
    }

    async fn save(&self, stream: StreamId, snapshot: Snapshot) -> Result<(), LogError> {
        self.lock().insert(stream, snapshot);
        Ok(())
    }
}
