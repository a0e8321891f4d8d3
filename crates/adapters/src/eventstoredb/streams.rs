//! Reading a stream by the revisions of its events. Its records are numbered by EventStoreDB, and some are no events:
//! so an event of revision N stands at record N or after, by as many as such records stand before it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use octocity_log::{LogError, RecordedEvent, StreamId};

use super::connection::Connection;
use super::record;
use super::tail::{Next, Tail};
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
    next: Mutex<Option<Next>>,
}

impl Remembered {
    /// What once stood there stands there for ever, so an old one serves as well.
    pub fn next(&self) -> Option<Next> {
        *self.next.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn remember(&self, next: Next) {
        *self.next.lock().unwrap_or_else(PoisonError::into_inner) = Some(next);
    }
}

pub struct Streams {
    pub connection: Connection,
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
        Self { connection, remembered: Mutex::default() }
    }

    pub fn name(&self, stream: StreamId) -> String {
        format!("{}{stream}", self.connection.options.namespace)
    }

    /// None: not one of ours.
    pub fn parse(&self, name: &str) -> Option<StreamId> {
        name.strip_prefix(&*self.connection.options.namespace)?.parse().ok()
    }

    pub fn remembered(&self, stream: StreamId) -> Arc<Remembered> {
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered.len() >= REMEMBERED && !remembered.contains_key(&stream) {
            remembered.retain(|_, stream| Arc::strong_count(stream) > 1);
        }
        Arc::clone(remembered.entry(stream).or_default())
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
        if limit == 0 {
            return Ok(events);
        }
        let name = self.name(stream);
        let mut next = self.record_of(stream, &name, from).await?;
        loop {
            let count = (limit - events.len()).clamp(PAGE_AT_LEAST, PAGE);
            let records = self.records(&name, Start::Forth(next), count).await?;
            let at_end = records.len() < count;
            next += records.len() as u64;
            if let Some(last) = records.last() {
                self.remembered(stream).remember(Next::behind(last)?);
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
