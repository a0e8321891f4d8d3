//! The newest events in memory: whoever follows a log at its head reads them here. From a file each of them would read pages anew
//! that every commit makes its connection forget; a server would be asked for what it has just told.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use octocity_domain::Category;
use octocity_log::{Page, Position, RecordedEvent};

/// How many events are kept at most, where nothing else is said.
pub const EVENTS: usize = 8_192;
/// How many bytes of data are kept at most.
const BYTES: usize = 8 * 1024 * 1024;

pub struct Newest {
    at_most: usize,
    kept: Mutex<Option<Kept>>,
}

/// All events after `since`, up to `reached`.
struct Kept {
    since: Position,
    events: VecDeque<Arc<RecordedEvent>>,
    reached: Position,
    bytes: usize,
}

impl Newest {
    pub fn of(at_most: usize) -> Self {
        Self { at_most, kept: Mutex::default() }
    }

    /// The events that follow after a position, in order, up to another: what is known begins there, or ends there so far.
    pub fn add(&self, after: Position, events: impl IntoIterator<Item = RecordedEvent>, reached: Position) {
        let mut kept = self.kept();
        let kept = kept.get_or_insert_with(|| Kept::behind(after));
        debug_assert_eq!(kept.reached, after, "what was added before ends elsewhere");
        for event in events {
            kept.push(event, self.at_most);
        }
        kept.reached = reached;
    }

    /// Nothing is known any more.
    pub fn clear(&self) {
        *self.kept() = None;
    }

    /// Whether what is after this position is known as far as anything is.
    #[cfg(feature = "eventstoredb")]
    pub fn knows_after(&self, position: Position) -> bool {
        self.kept().as_ref().is_some_and(|kept| kept.since <= position)
    }

    /// The events after a position, as the log would give them; None where it must be asked.
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
        // Copied below, so that whoever adds does not wait for it.
        let (events, reached): (Vec<Arc<RecordedEvent>>, Position) = {
            let kept = self.kept();
            let kept = kept.as_ref().filter(|kept| kept.since <= after)?;
            let passed = kept.events.partition_point(|event| event.position <= after);
            let wanted = kept.events.range(passed..).filter(is_wanted);
            (wanted.take(limit).cloned().collect(), kept.reached)
        };
        let next = match events.last() {
            Some(event) if events.len() >= limit => event.position,
            _ => after.max(reached),
        };
        Some(Page { events: events.into_iter().map(Arc::unwrap_or_clone).collect(), next })
    }

    fn kept(&self) -> MutexGuard<'_, Option<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn behind(position: Position) -> Self {
        Self { since: position, events: VecDeque::new(), reached: position, bytes: 0 }
    }

    fn push(&mut self, event: RecordedEvent, at_most: usize) {
        self.bytes += event.data.len();
        self.events.push_back(Arc::new(event));
        while self.events.len() > at_most || self.bytes > BYTES {
            let Some(oldest) = self.events.pop_front() else { return };
            self.since = oldest.position;
            self.bytes -= oldest.data.len();
        }
    }
}
