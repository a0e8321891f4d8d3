//! What somebody brings of the log as it comes, before the log itself: older news is read there.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokio::sync::watch;

use crate::envelope::RecordedEvent;
use crate::port::{LogError, Page};
use crate::position::{LogId, Position};
use crate::tail::Tail;

/// How many events are kept when nobody takes them.
const KEPT_AT_MOST: usize = 16_384;

/// The newest events, for one follower.
pub struct Recent {
    older: Arc<dyn Tail>,
    state: Mutex<State>,
    head: watch::Sender<Position>,
}

struct State {
    /// What is after this was brought; the rest is older.
    base: Position,
    /// By position and revision.
    events: BTreeMap<(Position, u64), RecordedEvent>,
    /// Up to where nothing is missing.
    reached: Position,
}

impl Recent {
    /// `older` has all there is; what is after `base` will be brought.
    pub fn new(older: Arc<dyn Tail>, base: Position) -> Self {
        let state = State { base, events: BTreeMap::new(), reached: base };
        Self { older, state: Mutex::new(state), head: watch::Sender::new(base) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Whole between any two statements that could panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Up to where nothing is missing.
    pub fn reached(&self) -> Position {
        self.lock().reached
    }

    /// What is after `base` will be brought, again if it was.
    pub fn restart(&self, base: Position) {
        let mut state = self.lock();
        *state = State { base, events: BTreeMap::new(), reached: base };
        drop(state);
        self.head.send_replace(base);
    }

    /// Of each key in order. Up to `reached` nothing is missing any more.
    pub fn bring(&self, events: impl IntoIterator<Item = RecordedEvent>, reached: Position) {
        let mut state = self.lock();
        let base = state.base;
        let news = events.into_iter().filter(|event| event.position > base);
        state.events.extend(news.map(|event| ((event.position, event.revision), event)));
        while state.events.len() > KEPT_AT_MOST {
            let Some(((position, _), _)) = state.events.pop_first() else { break };
            state.base = position;
        }
        state.reached = state.reached.max(reached);
        let reached = state.reached;
        drop(state);
        self.head.send_replace(reached);
    }

    /// None: it is older than what is kept. What is taken is kept until somebody takes what comes after it.
    fn take(&self, after: Position, limit: usize) -> Option<Page> {
        let mut state = self.lock();
        if after < state.base {
            return None;
        }
        state.base = after;
        state.events = state.events.split_off(&(after, u64::MAX));
        let reached = state.reached;
        let mut ready = state.events.range(..=(reached, u64::MAX)).map(|(_, event)| event.clone()).peekable();
        let mut events: Vec<_> = ready.by_ref().take(limit).collect();
        // A page ends between two positions.
        let last = events.last().map(|event| event.position);
        events.extend(std::iter::from_fn(|| ready.next_if(|event| Some(event.position) == last)));
        let next = match (ready.peek().is_some(), events.last()) {
            (true, Some(last)) => last.position,
            _ => after.max(reached),
        };
        Some(Page { events, next })
    }
}

#[async_trait]
impl Tail for Recent {
    fn id(&self) -> LogId {
        self.older.id()
    }
    fn epoch(&self) -> u32 {
        self.older.epoch()
    }
    fn head(&self) -> watch::Receiver<Position> {
        self.head.subscribe()
    }
    async fn read_after(&self, after: Position, limit: usize) -> Result<Page, LogError> {
        match self.take(after, limit) {
            Some(page) => Ok(page),
            None => self.older.read_after(after, limit).await,
        }
    }
}
