//! What the subscription to `$all` has told. Whoever wants what was appended just now has it from here: all that follow the log
//! would else ask the server for what it has just told.

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
pub const PATIENCE: Duration = Duration::from_millis(50);

pub struct Told {
    reached: watch::Sender<Reached>,
    newest: Newest,
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
        Self { reached: watch::Sender::default(), newest: Newest::of(newest::EVENTS) }
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

    pub fn goes_on(&self) -> bool {
        self.reached.borrow().goes_on
    }

    /// Whether everything up to a position was told, of which it is known that it can be: at once, or in a moment.
    pub async fn reaches(&self, position: Position) -> bool {
        let mut reached = self.reached.subscribe();
        let there = reached.wait_for(|reached| !reached.goes_on || reached.position >= position);
        let there = tokio::time::timeout(PATIENCE, there).await;
        there.is_ok_and(|reached| reached.is_ok_and(|reached| reached.goes_on))
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
        if !self.newest.knows_after(after) || !self.reaches(known).await {
            return None;
        }
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
        let mut event = None;
        if let Some(stream) = self.parse(record.stream()) {
            let known = self.known(stream);
            match heard(stream, record) {
                Ok((next, told)) => {
                    event = told;
                    known.inspect(|known| known.remember(next));
                }
                // Whoever reads it is told what is wrong with it.
                Err(_) => {
                    self.told.newest.clear();
                    known.inspect(|known| known.doubt());
                }
            }
        }
        self.told.newest.add(before, event, position);
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
