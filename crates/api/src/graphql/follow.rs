//! Following parts of the log: read what is there, wait for the log's head to move, read on. The reader's pace is the
//! pace of the reading, so a slow one makes no queue; each event comes once, in the log's order.

use std::collections::VecDeque;
use std::sync::Arc;

use async_graphql::Result;
use octocity_domain::Category;
use octocity_log::{LogError, Position, RecordedEvent, StreamId};

use super::Api;
use crate::faults::failed;

/// How many events are read at a time.
const PAGE: usize = 256;
/// Later than any revision, and within what every store can count.
pub const BEYOND: u64 = i64::MAX as u64;

/// What is followed.
#[derive(Clone, Copy, Debug)]
pub enum Part {
    Stream(StreamId),
    Category(Category),
}

struct Source {
    part: Part,
    /// For a stream: the revision to read next.
    next: u64,
    /// For a category: what it was read up to.
    read_to: Position,
    /// Read and not given out yet.
    buffer: VecDeque<RecordedEvent>,
    /// Every event of the part up to here was read.
    covered: Position,
}

/// Where a reader stands in the parts that it follows.
pub struct Follower {
    api: Arc<Api>,
    sources: Vec<Source>,
}

impl Follower {
    /// Behind `after`; without it, behind everything that the log has now.
    pub async fn new(api: &Arc<Api>, parts: &[Part], after: Option<Position>) -> Result<Self> {
        let start = after.unwrap_or_else(|| *api.log.head().borrow());
        let mut sources = Vec::with_capacity(parts.len());
        for part in parts.iter().copied() {
            let next = match part {
                Part::Stream(stream) => first_after(api, stream, start)
                    .await
                    .map_err(|fault| failed("finding a place in a stream", &fault))?,
                Part::Category(_) => 0,
            };
            sources.push(Source { part, next, read_to: start, buffer: VecDeque::new(), covered: start });
        }
        Ok(Self { api: Arc::clone(api), sources })
    }

    /// The next events, at least one of them, once there are any. None: the log is gone.
    pub async fn next(&mut self) -> Option<Result<Vec<RecordedEvent>>> {
        let mut head = self.api.log.head();
        loop {
            let at_head = *head.borrow_and_update();
            match self.read(at_head).await {
                Ok(events) if !events.is_empty() => return Some(Ok(events)),
                Ok(_) if self.sources.iter().any(|source| source.covered < at_head) => {}
                Ok(_) => head.changed().await.ok()?,
                Err(fault) => return Some(Err(failed("following the log", &fault))),
            }
        }
    }

    /// What all parts together have up to where each of them was read, in order.
    async fn read(&mut self, at_head: Position) -> Result<Vec<RecordedEvent>, LogError> {
        for source in self.sources.iter_mut().filter(|source| source.buffer.is_empty()) {
            source.fill(&self.api, at_head).await?;
        }
        let safe = self.sources.iter().map(|source| source.covered).min().unwrap_or(at_head);
        let mut events = Vec::new();
        for source in &mut self.sources {
            let ready = source.buffer.partition_point(|event| event.position <= safe);
            events.extend(source.buffer.drain(..ready));
        }
        events.sort_by_key(|event| event.position);
        Ok(events)
    }
}

impl Source {
    /// Reads a page; `at_head` was the log's head before it.
    async fn fill(&mut self, api: &Api, at_head: Position) -> Result<(), LogError> {
        let (events, is_last) = match self.part {
            Part::Stream(stream) => {
                let events = api.log.read_stream(stream, self.next, PAGE).await?;
                self.next = events.last().map_or(self.next, |event| event.revision + 1);
                let is_last = events.len() < PAGE;
                (events, is_last)
            }
            Part::Category(category) => {
                let page = api.log.read_all(self.read_to, PAGE, &[category], &[]).await?;
                // A filter may pass over others bit by bit; where it does not get further, there is no more.
                let is_last = page.events.len() < PAGE && (page.next >= at_head || page.next <= self.read_to);
                self.read_to = self.read_to.max(page.next);
                (page.events, is_last)
            }
        };
        let reached = events.last().map_or(self.covered, |event| event.position);
        let read_to = if matches!(self.part, Part::Category(_)) { self.read_to } else { reached };
        self.covered = self.covered.max(if is_last { reached.max(at_head) } else { reached.max(read_to) });
        self.buffer.extend(events);
        Ok(())
    }
}

async fn length(api: &Api, stream: StreamId) -> Result<u64, LogError> {
    let last = api.log.read_stream_back(stream, BEYOND, 1).await?;
    Ok(last.first().map_or(0, |event| event.revision + 1))
}

/// The revision of the first event behind `position`: positions rise within a stream, so halving finds it.
async fn first_after(api: &Api, stream: StreamId, position: Position) -> Result<u64, LogError> {
    let (mut low, mut high) = (0, length(api, stream).await?);
    while low < high {
        let middle = low + (high - low) / 2;
        let found = api.log.read_stream(stream, middle, 1).await?;
        match found.first() {
            Some(event) if event.position <= position => low = middle + 1,
            _ => high = middle,
        }
    }
    Ok(low)
}
