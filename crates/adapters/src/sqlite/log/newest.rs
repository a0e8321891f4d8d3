//! The newest events in memory: whoever follows the log at its head reads them here. From the file each of them would
//! read pages anew that every commit makes its connection forget.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use octocity_domain::Category;
use octocity_log::{NewEvent, Page, Position, RecordedEvent, StreamId};

/// How many bytes of data are kept at most.
const BYTES: usize = 8 * 1024 * 1024;

pub struct Newest {
    at_most: usize,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    /// Each the successor of the one before it.
    events: VecDeque<Arc<RecordedEvent>>,
    bytes: usize,
}

impl Newest {
    pub fn of(at_most: usize) -> Self {
        Self { at_most, kept: Mutex::default() }
    }

    /// What a batch stored, once it is durable: from this position on, and from this revision on.
    pub fn add(&self, stream: StreamId, position: Position, revision: u64, events: Vec<NewEvent>) {
        let mut kept = self.kept();
        debug_assert!(kept.events.back().is_none_or(|last| last.position.0 + 1 == position.0));
        for (index, event) in (0..).zip(events) {
            let event = RecordedEvent {
                position: Position(position.0 + index),
                stream,
                revision: revision + index,
                event_type: Arc::from(&*event.event_type),
                version: event.version,
                data: event.data,
                meta: event.meta,
            };
            kept.push(event, self.at_most);
        }
    }

    /// It is not known what the file holds.
    pub fn clear(&self) {
        *self.kept() = Kept::default();
    }

    /// The events after a position, as the file would give them; None where it must be asked.
    pub fn page(
        &self,
        after: Position,
        limit: usize,
        categories: &[Category],
        event_types: &[&str],
    ) -> Option<Page> {
        let is_wanted = |event: &&Arc<RecordedEvent>| {
            (categories.is_empty() || categories.contains(&event.stream.category))
                && (event_types.is_empty() || event_types.contains(&&*event.event_type))
        };
        // Copied below, so that the writer does not wait for it.
        let (events, last): (Vec<Arc<RecordedEvent>>, Position) = {
            let kept = self.kept();
            let (first, last) = (kept.events.front()?.position, kept.events.back()?.position);
            // Positions begin at 1.
            let passed = usize::try_from(after.0.checked_sub(first.0 - 1)?).ok()?;
            let wanted = kept.events.iter().skip(passed).filter(is_wanted);
            (wanted.take(limit).cloned().collect(), last)
        };
        let next = match events.last() {
            Some(event) if events.len() >= limit => event.position,
            _ => after.max(last),
        };
        Some(Page { events: events.into_iter().map(Arc::unwrap_or_clone).collect(), next })
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn push(&mut self, event: RecordedEvent, at_most: usize) {
        self.bytes += event.data.len();
        self.events.push_back(Arc::new(event));
        while self.events.len() > at_most || self.bytes > BYTES {
            let Some(oldest) = self.events.pop_front() else { return };
            self.bytes -= oldest.data.len();
        }
    }
}
