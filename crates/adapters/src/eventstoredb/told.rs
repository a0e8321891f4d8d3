//! What the subscription to `$all` has told. Whoever wants what was appended just now has it from here: all that follow the log
//! would else ask the server for what it has just told.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use octocity_log::{LogError, Page, Position, RecordedEvent, StreamId};
use tokio::sync::watch;

use super::all::Wanted;
use super::record;
use super::streams::Streams;
use super::tail::Next;
use super::wire::Record;
use crate::newest::{self, Newest};

/// How long it is waited for what the server has and did not tell yet, before it is asked.
const PATIENCE: Duration = Duration::from_millis(50);

/// How many questions go to the server at once after one that was waited for in vain.
const IN_VAIN: usize = 256;

pub struct Told {
    reached: watch::Sender<Reached>,
    newest: Newest,
    in_vain: AtomicUsize,
}

#[derive(Clone, Copy, Default)]
struct Reached {
    /// Every record of ours up to here was told.
    position: Position,
    /// Whether a subscription goes on from there.
    goes_on: bool,
}

impl Default for Told {
    /// Nobody has subscribed.
    fn default() -> Self {
        let newest = Newest::of(newest::EVENTS);
        Self { reached: watch::Sender::default(), newest, in_vain: AtomicUsize::new(0) }
    }
}

impl Told {
    pub fn position(&self) -> Position {
        self.reached.borrow().position
    }

    /// A subscription goes on behind a position: that of the last record that was told, if any was.
    pub fn begin(&self, position: Position) {
        self.newest.add(position, None, position);
        self.reached.send_replace(Reached { position, goes_on: true });
    }

    /// The subscription ended, or never began; where the next one is to go on, which else is to begin at `first`.
    pub fn cut(&self, first: Position) -> Position {
        self.reached.send_modify(|reached| reached.goes_on = false);
        self.position().max(first)
    }

    /// Whether it is worth waiting for what the subscription tells.
    pub fn is_prompt(&self) -> bool {
        let less = |left: usize| left.checked_sub(1);
        let was_in_vain = self.in_vain.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok();
        !was_in_vain && self.reached.borrow().goes_on
    }

    /// What comes of waiting, if it comes soon.
    pub async fn soon<T>(&self, waiting: impl Future<Output = Option<T>>) -> Option<T> {
        let came = tokio::time::timeout(PATIENCE, waiting).await.ok().flatten();
        if came.is_none() {
            self.in_vain.store(IN_VAIN, Ordering::Relaxed);
        }
        came
    }

    /// Comes back when everything up to a position was told; None where the subscription is cut.
    pub async fn reach(&self, position: Position) -> Option<()> {
        let mut reached = self.reached.subscribe();
        let there = reached.wait_for(|reached| !reached.goes_on || reached.position >= position).await;
        there.is_ok_and(|reached| reached.goes_on).then_some(())
    }

    /// The events after a position, at least up to `known`. None: the server is to be asked.
    pub async fn page(
        &self,
        after: Position,
        known: Position,
        limit: usize,
        wanted: Wanted<'_>,
    ) -> Option<Page> {
        // What is older is not waited for.
        if !self.newest.knows_after(after) || !self.is_prompt() {
            return None;
        }
        self.soon(self.reach(known)).await?;
        self.newest.page(after, limit, wanted.categories, wanted.event_types)
    }
}

impl Streams {
    /// Takes up the next record that the subscription tells.
    pub fn hear(&self, record: Record) {
        let (before, position) = (self.told.position(), Position(record.commit_position));
        if position <= before {
            return;
        }
        let (mut after, mut event) = (before, None);
        if let Some(stream) = self.parse(record.stream()) {
            let known = self.known(stream);
            match heard(stream, record) {
                Ok((next, told)) => {
                    event = told;
                    known.inspect(|known| known.remember(next));
                }
                // Whoever comes to it reads it from the server, and is told what is wrong with it.
                Err(_) => {
                    self.told.newest.clear();
                    after = position;
                    known.inspect(|known| known.doubt());
                }
            }
        }
        self.told.newest.add(after, event, position);
        self.told.reached.send_modify(|reached| reached.position = position);
    }
}

/// Where its stream goes on behind a record, and the event that it is, if any.
fn heard(stream: StreamId, record: Record) -> Result<(Next, Option<RecordedEvent>), LogError> {
    if !record::is_event(&record) {
        return Ok((Next::behind(&record)?, None));
    }
    let number = record.number;
    let event = record::event(stream, record)?;
    Ok((Next { record: number + 1, revision: event.revision + 1 }, Some(event)))
}
