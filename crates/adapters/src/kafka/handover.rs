//! Where the reading thread hands batches to the one who applies them, and waits for it before it gives partitions away.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use octocity_log::{Position, RecordedEvent};
use tokio::sync::Notify;

use super::fault::KafkaFault;

/// How many batches wait at most: one is applied while the next is gathered.
const READY_AT_MOST: usize = 2;

/// Events in the order of their partitions, and how far each partition is read with them.
#[derive(Default)]
pub(super) struct Gathered {
    pub events: Vec<RecordedEvent>,
    pub reached: BTreeMap<i32, Position>,
    pub begun: BTreeMap<i32, Position>,
    pub generation: u64,
}

/// A batch that is applied. Drop it once what it led to is committed: until then its partitions are not given away.
pub struct Batch {
    /// As the topic has them.
    pub events: Vec<RecordedEvent>,
    /// Up to where each of these partitions is read, this batch included.
    pub reached: BTreeMap<i32, Position>,
    /// Every partition that the reader has, and behind which position it is read: behind the one that was asked for, or,
    /// where the topic keeps less, behind what it lacks.
    pub begun: BTreeMap<i32, Position>,
    /// Another one: partitions came or went since the batch before.
    pub generation: u64,
    _under_way: UnderWay,
}

struct UnderWay(Arc<Handover>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.lock().under_way -= 1;
        self.0.changed.notify_all();
    }
}

#[derive(Default)]
struct State {
    ready: VecDeque<Gathered>,
    under_way: usize,
    /// The reader was dropped.
    is_closed: bool,
    /// The thread has ended; with what, if it was not told to.
    ended: Option<KafkaFault>,
}

#[derive(Default)]
pub(super) struct Handover {
    state: Mutex<State>,
    changed: Condvar,
    came: Notify,
}

impl Handover {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Whole between any two statements that could panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn close(&self) {
        self.lock().is_closed = true;
        self.changed.notify_all();
    }

    pub fn is_closed(&self) -> bool {
        self.lock().is_closed
    }

    pub fn end(&self, fault: KafkaFault) {
        self.lock().ended.get_or_insert(fault);
        self.came.notify_one();
    }

    pub fn has_ended(&self) -> bool {
        self.lock().ended.is_some()
    }

    pub fn put(&self, gathered: Gathered) {
        self.lock().ready.push_back(gathered);
        self.came.notify_one();
    }

    /// Waits until another batch may be gathered; false once the reader is closed.
    pub fn await_room(&self) -> bool {
        let full = |state: &mut State| state.ready.len() >= READY_AT_MOST && !state.is_closed;
        let state = self.changed.wait_while(self.lock(), full).unwrap_or_else(PoisonError::into_inner);
        !state.is_closed
    }

    /// Takes back what was not handed out, and waits for what was, as long as it may take.
    pub fn take_back(&self, patience: Duration) {
        let until = Instant::now() + patience;
        let mut state = self.lock();
        state.ready.clear();
        while state.under_way > 0 && !state.is_closed {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                tracing::warn!("a batch was not applied in time; its partitions are given away all the same");
                return;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    pub async fn next(self: &Arc<Self>) -> Result<Batch, KafkaFault> {
        loop {
            if let Some(taken) = self.take() {
                return taken;
            }
            self.came.notified().await;
        }
    }

    fn take(self: &Arc<Self>) -> Option<Result<Batch, KafkaFault>> {
        let mut state = self.lock();
        let Some(Gathered { events, reached, begun, generation }) = state.ready.pop_front() else {
            return state.ended.clone().map(Err);
        };
        state.under_way += 1;
        self.changed.notify_all();
        let _under_way = UnderWay(Arc::clone(self));
        Some(Ok(Batch { events, reached, begun, generation, _under_way }))
    }
}
