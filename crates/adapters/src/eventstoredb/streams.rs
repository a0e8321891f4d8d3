//! Reading a stream by the revisions of its events. Its records are numbered by EventStoreDB, and some are no events:
//! so an event of revision N stands at record N or after, by as many as such records stand before it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use octocity_log::{LogError, RecordedEvent, StreamId};

use super::connection::Connection;
use super::ends::Looks;
use super::record;
use super::tail::{Next, Tail};
use super::told::Told;
use super::wire::{ReadReq, Record};

/// How many records are read at once, at most and at least: some are no events, and each call costs a way there and back.
const PAGE: usize = 1000;
const PAGE_AT_LEAST: usize = 16;
/// How many streams are remembered before those that nobody uses are forgotten.
const REMEMBERED: usize = 20_000;

/// What is remembered of a stream; all of it can be read again.
#[derive(Default)]
pub struct Remembered {
    /// Held while something is appended.
    pub tail: tokio::sync::Mutex<Option<Tail>>,
    seen: Mutex<Seen>,
}

#[derive(Clone, Copy, Default)]
struct Seen {
    /// Where the stream went on, however long ago.
    next: Option<Next>,
    /// Whether that was its end, so that nothing can be behind it but what is told since.
    is_end: bool,
}

impl Remembered {
    /// What once stood there stands there for ever, so an old one serves as well.
    pub fn next(&self) -> Option<Next> {
        self.seen().next
    }

    /// Where the stream ends, as far as the subscription has told. None: nobody has looked for it.
    pub fn end(&self) -> Option<Next> {
        let seen = *self.seen();
        seen.next.filter(|_| seen.is_end)
    }

    pub fn remember(&self, next: Next) {
        let seen = &mut *self.seen();
        // Whoever read less may have been slower.
        if seen.next.is_none_or(|known| known.record < next.record) {
            seen.next = Some(next);
        }
    }

    /// `next` is what the server called the stream's end, asked while this was held: so what was appended meanwhile is told.
    pub fn ends(&self, next: Next) {
        self.remember(next);
        self.seen().is_end = true;
    }

    /// Something is behind it that cannot be read.
    pub fn doubt(&self) {
        self.seen().is_end = false;
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub struct Streams {
    pub connection: Connection,
    pub told: Told,
    pub looks: Looks,
    remembered: Mutex<HashMap<StreamId, Arc<Remembered>>>,
}

/// Where a read begins: by the number of a record in a stream, by its position in `$all`.
#[derive(Clone, Copy)]
pub enum Start {
    Forth(u64),
    /// Backwards from this one on.
    Back(u64),
    End,
}

impl Streams {
    pub fn new(connection: Connection) -> Self {
        Self { connection, told: Told::default(), looks: Looks::default(), remembered: Mutex::default() }
    }

    pub fn name(&self, stream: StreamId) -> String {
        format!("{}{stream}", self.connection.options.namespace)
    }

    /// None: not one of ours.
    pub fn parse(&self, name: &str) -> Option<StreamId> {
        name.strip_prefix(&*self.connection.options.namespace)?.parse().ok()
    }

    /// As long as it is held it is not forgotten, and hears what is told of the stream.
    pub fn remembered(&self, stream: StreamId) -> Arc<Remembered> {
        let mut remembered = self.all_remembered();
        if remembered.len() >= REMEMBERED && !remembered.contains_key(&stream) {
            remembered.retain(|_, stream| Arc::strong_count(stream) > 1);
        }
        Arc::clone(remembered.entry(stream).or_default())
    }

    /// What is remembered of a stream already.
    pub fn known(&self, stream: StreamId) -> Option<Arc<Remembered>> {
        self.all_remembered().get(&stream).cloned()
    }

    fn all_remembered(&self) -> MutexGuard<'_, HashMap<StreamId, Arc<Remembered>>> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub async fn records(&self, name: &str, from: Start, count: usize) -> Result<Vec<Record>, LogError> {
        self.connection.read(ReadReq::stream(name, from, count)).await
    }

    pub async fn record(&self, name: &str, record: u64) -> Result<Option<Record>, LogError> {
        Ok(self.records(name, Start::Forth(record), 1).await?.pop())
    }

    pub async fn read(
        &self,
        stream: StreamId,
        from: u64,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, LogError> {
        let mut events = Vec::new();
        let remembered = self.remembered(stream);
        if limit == 0 || self.has_ended(&remembered, from).await {
            return Ok(events);
        }
        let name = self.name(stream);
        let mut next = self.record_of(stream, &name, from).await?;
        loop {
            let count = (limit - events.len()).clamp(PAGE_AT_LEAST, PAGE);
            let records = self.records(&name, Start::Forth(next), count).await?;
            let at_end = records.len() < count;
            next += records.len() as u64;
            let seen = records.last().map(Next::behind).transpose()?;
            match seen {
                Some(seen) if at_end => remembered.ends(seen),
                Some(seen) => remembered.remember(seen),
                None if next == 0 => remembered.ends(Next::default()),
                None => {}
            }
            for record in records.into_iter().filter(record::is_event) {
                let event = record::event(stream, record)?;
                if event.revision >= from && events.len() < limit {
                    events.push(event);
                }
            }
            if at_end || events.len() == limit {
                return Ok(events);
            }
        }
    }

    pub async fn read_back(
        &self,
        stream: StreamId,
        before: u64,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, LogError> {
        let mut events = Vec::new();
        if limit == 0 || before == 0 {
            return Ok(events);
        }
        let name = self.name(stream);
        let mut from = match self.remembered(stream).next() {
            Some(next) if before <= next.revision => {
                Start::Back(self.record_of(stream, &name, before).await?.saturating_sub(1))
            }
            _ => Start::End,
        };
        loop {
            let count = (limit - events.len()).clamp(PAGE_AT_LEAST, PAGE);
            let records = self.records(&name, from, count).await?;
            let (Some(newest), Some(oldest)) = (records.first(), records.last()) else { return Ok(events) };
            if matches!(from, Start::End) {
                self.remembered(stream).remember(Next::behind(newest)?);
            }
            let (first, is_beyond) = (oldest.number, record::stand(oldest)?.0.revision > before);
            for record in records.into_iter().filter(record::is_event) {
                let event = record::event(stream, record)?;
                if event.revision < before && events.len() < limit {
                    events.push(event);
                }
            }
            if first == 0 || events.len() == limit {
                return Ok(events);
            }
            // What is far from the end is not reached page by page.
            let next = if is_beyond { self.record_of(stream, &name, before).await? } else { first };
            from = Start::Back(next.saturating_sub(1));
        }
    }

    /// The first record from which on the events from this revision on stand. It is found between the record of the
    /// same number and that plus the stream's records that are no events, by halves: however long the stream is, most
    /// have few of those.
    async fn record_of(&self, stream: StreamId, name: &str, revision: u64) -> Result<u64, LogError> {
        if revision == 0 {
            return Ok(0);
        }
        let Some(next) = self.next(stream, name).await? else { return Ok(revision) };
        if revision >= next.revision {
            return Ok(next.record);
        }
        let (mut low, mut high) = (revision, revision + (next.record - next.revision));
        while low < high {
            let middle = low + (high - low) / 2;
            match self.record(name, middle).await? {
                Some(record) if record::stand(&record)?.0.revision < revision => low = middle + 1,
                _ => high = middle,
            }
        }
        Ok(low)
    }

    /// Where the stream went on when it was last seen; None: it has no record.
    async fn next(&self, stream: StreamId, name: &str) -> Result<Option<Next>, LogError> {
        let remembered = self.remembered(stream);
        if let Some(next) = remembered.next() {
            return Ok(Some(next));
        }
        let Some(last) = self.records(name, Start::End, 1).await?.pop() else { return Ok(None) };
        let next = Next::behind(&last)?;
        remembered.remember(next);
        Ok(Some(next))
    }
}
