//! That of each stream one revision follows the other. Kafka keeps the order that the relay wrote; this is the net
//! beneath it: what lacks its predecessor is held with all later events of its key, until the predecessor comes.

use std::collections::{HashMap, VecDeque};

use octocity_domain::FacilityId;
use octocity_log::{RecordedEvent, StreamId};

/// Of how many streams one remembers the next revision, at least. Of one forgotten, any revision is taken.
const REMEMBERED: usize = 100_000;
/// How many events are held at most, before it is no hope but a fault.
const HELD_AT_MOST: usize = 100_000;

/// Which revision is missing, of which stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Missing {
    pub stream: StreamId,
    pub revision: u64,
}

enum Place {
    Next,
    /// It was there before.
    Double,
    After(Missing),
}

/// The streams of one partition.
#[derive(Default)]
pub(super) struct Sequence {
    /// The next revision of the streams seen lately, and of those seen before them.
    recent: HashMap<StreamId, u64>,
    older: HashMap<StreamId, u64>,
    held: HashMap<FacilityId, VecDeque<RecordedEvent>>,
    held_events: usize,
}

impl Sequence {
    pub fn held_keys(&self) -> usize {
        self.held.len()
    }

    /// Takes the next event of the partition, and hands on what is in its place: nothing, it, or those held, too. The
    /// error is what has been missing for too long.
    pub fn admit(&mut self, event: RecordedEvent, out: &mut Vec<RecordedEvent>) -> Result<(), Missing> {
        let key = event.meta.key;
        match self.place(&event) {
            Place::Double => return Ok(()),
            Place::Next if !self.is_behind_a_held_one(&event) => self.pass(event, out),
            Place::Next | Place::After(_) => {
                self.held.entry(key).or_default().push_back(event);
                self.held_events += 1;
            }
        }
        self.release(key, out);
        match self.missing().filter(|_| self.held_events > HELD_AT_MOST) {
            Some(missing) => Err(missing),
            None => Ok(()),
        }
    }

    /// The predecessor of a held event goes before it; every other event of the key waits behind.
    fn is_behind_a_held_one(&self, event: &RecordedEvent) -> bool {
        let first = self.held.get(&event.meta.key).and_then(VecDeque::front);
        first.is_some_and(|held| held.stream != event.stream)
    }

    fn release(&mut self, key: FacilityId, out: &mut Vec<RecordedEvent>) {
        let Some(mut events) = self.held.remove(&key) else { return };
        while let Some(event) = events.pop_front() {
            match self.place(&event) {
                Place::After(_) => {
                    events.push_front(event);
                    break;
                }
                Place::Next => self.pass(event, out),
                Place::Double => {}
            }
            self.held_events -= 1;
        }
        if !events.is_empty() {
            self.held.insert(key, events);
        }
    }

    fn missing(&self) -> Option<Missing> {
        let first = self.held.values().next().and_then(VecDeque::front)?;
        match self.place(first) {
            Place::After(missing) => Some(missing),
            Place::Next | Place::Double => None,
        }
    }

    fn place(&self, event: &RecordedEvent) -> Place {
        let stream = event.stream;
        match self.recent.get(&stream).or_else(|| self.older.get(&stream)) {
            Some(next) if event.revision < *next => Place::Double,
            Some(next) if event.revision > *next => Place::After(Missing { stream, revision: *next }),
            Some(_) | None => Place::Next,
        }
    }

    fn pass(&mut self, event: RecordedEvent, out: &mut Vec<RecordedEvent>) {
        if self.recent.len() >= REMEMBERED {
            self.older = std::mem::take(&mut self.recent);
        }
        self.recent.insert(event.stream, event.revision + 1);
        out.push(event);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use octocity_domain::{Category, CommandId, Timestamp};
    use octocity_log::{Actor, EventMeta, Origin, Position};
    use uuid::Uuid;

    use super::*;

    fn event(key: u128, stream: u128, revision: u64) -> RecordedEvent {
        let id = Uuid::from_u128(stream);
        RecordedEvent {
            position: Position(revision),
            stream: StreamId::new(Category::Session, id),
            revision,
            event_type: Arc::from("Noted"),
            version: 1,
            data: b"{}".to_vec(),
            meta: EventMeta {
                actor: Actor::new("test"),
                command_id: CommandId(id),
                causation_id: id,
                correlation_id: id,
                key: FacilityId(Uuid::from_u128(key)),
                decided_at: Timestamp::from_seconds(1),
                happened_at: Timestamp::from_seconds(1),
                origin: Origin::Live,
            },
        }
    }

    /// What comes out of these (key, stream, revision), in order, and how many keys are held at the end.
    fn given(events: &[(u128, u128, u64)]) -> (Vec<(u128, u128, u64)>, usize) {
        let (mut sequence, mut out) = (Sequence::default(), Vec::new());
        for (key, stream, revision) in events {
            sequence.admit(event(*key, *stream, *revision), &mut out).unwrap();
        }
        let told = |event: &RecordedEvent| {
            (event.meta.key.uuid().as_u128(), event.stream.id.as_u128(), event.revision)
        };
        (out.iter().map(told).collect(), sequence.held_keys())
    }

    #[test]
    fn the_first_revision_seen_is_taken_and_its_followers_pass() {
        let all = [(1, 1, 7), (1, 2, 0), (1, 1, 8), (2, 3, 4)];
        assert_eq!(given(&all), (all.to_vec(), 0));
    }

    #[test]
    fn a_double_is_dropped() {
        assert_eq!(given(&[(1, 1, 0), (1, 1, 1), (1, 1, 0), (1, 1, 1)]), (vec![(1, 1, 0), (1, 1, 1)], 0));
    }

    #[test]
    fn a_gap_holds_its_key_and_no_other() {
        let (out, held) = given(&[(1, 1, 0), (1, 1, 2), (1, 2, 0), (2, 3, 0)]);
        assert_eq!((out, held), (vec![(1, 1, 0), (2, 3, 0)], 1));
    }

    #[test]
    fn what_was_held_follows_in_order_once_the_gap_is_filled() {
        let (out, held) = given(&[(1, 1, 0), (1, 1, 3), (1, 2, 0), (1, 1, 1), (1, 2, 1), (1, 1, 2)]);
        assert_eq!(out, [(1, 1, 0), (1, 1, 1), (1, 1, 2), (1, 1, 3), (1, 2, 0), (1, 2, 1)]);
        assert_eq!(held, 0);
    }

    #[test]
    fn a_gap_that_stays_is_a_fault_in_the_end() {
        let (mut sequence, mut out) = (Sequence::default(), Vec::new());
        sequence.admit(event(1, 1, 0), &mut out).unwrap();
        let fault = (2..).find_map(|revision| sequence.admit(event(1, 1, revision), &mut out).err());
        let stream = StreamId::new(Category::Session, Uuid::from_u128(1));
        assert_eq!(fault, Some(Missing { stream, revision: 1 }));
        assert_eq!(out.len(), 1);
    }
}
