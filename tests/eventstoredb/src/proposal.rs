//! What an append proposes, and what EventStoreDB's index writer says to it: expected versions and idempotence.

use std::collections::HashMap;
use std::time::{SystemTime, UNIX_EPOCH};

use ::uuid::Uuid;
use tokio::sync::oneshot;

use crate::messages::streams::append_req::ProposedMessage;
use crate::messages::streams::read_resp::read_event::RecordedEvent;
use crate::messages::{StreamIdentifier, Uuid as WireUuid, uuid};
use crate::store::Index;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    Any,
    NoStream,
    Exists,
    Revision(u64),
}

pub struct Proposal {
    pub stream: String,
    pub expected: Expected,
    pub events: Vec<ProposedMessage>,
    pub reply: oneshot::Sender<Answer>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Of its last event; `prepare` is the position of its first.
    Stored {
        revision: u64,
        commit: u64,
        prepare: u64,
    },
    WrongVersion {
        current: Option<u64>,
    },
    /// Some of its events stand where they should, others do not.
    InvalidTransaction,
}

impl Proposal {
    /// None: it may be stored. The same ids at the same place are not stored again, and answered as if they had been.
    pub fn check(&self, index: &Index, stream: u32) -> Option<Answer> {
        let current = index.last_of(stream).map(|last| last.revision);
        match self.expected {
            Expected::Exists if current.is_none() => Some(Answer::WrongVersion { current }),
            Expected::Any | Expected::Exists => self.known_anywhere(index, stream),
            Expected::NoStream => self.known_at(index, stream, 0, current),
            Expected::Revision(revision) => self.known_at(index, stream, revision + 1, current),
        }
    }

    fn known_at(&self, index: &Index, stream: u32, first: u64, current: Option<u64>) -> Option<Answer> {
        let next = current.map_or(0, |current| current + 1);
        if first == next {
            return None;
        }
        let places = &index.streams[stream as usize];
        let known = |(number, event): (usize, &ProposedMessage)| {
            let place = places.get(first as usize + number).map(|place| index.places[*place]);
            place.is_some_and(|place| event.id.as_ref().map(uuid_of) == Some(place.id))
        };
        match self.events.iter().enumerate().position(|event| !known(event)) {
            None if !self.events.is_empty() => {
                let place = |number: usize| index.places[places[first as usize + number]];
                let (start, last) = (place(0), place(self.events.len() - 1));
                Some(Answer::Stored {
                    revision: last.revision,
                    commit: last.position,
                    prepare: start.position,
                })
            }
            None | Some(0) => Some(Answer::WrongVersion { current }),
            Some(_) => Some(Answer::InvalidTransaction),
        }
    }

    fn known_anywhere(&self, index: &Index, stream: u32) -> Option<Answer> {
        let known = |event: &ProposedMessage| {
            let (of, revision) = index.by_id(uuid_of(event.id.as_ref()?))?;
            (of == stream).then_some(revision)
        };
        let places = &index.streams[stream as usize];
        match self.events.iter().position(|event| known(event).is_none()) {
            Some(0) => None,
            Some(_) => Some(Answer::InvalidTransaction),
            None => {
                let place = |event| Some(index.places[places[known(event)? as usize]]);
                let (first, last) = (place(self.events.first()?)?, place(self.events.last()?)?);
                Some(Answer::Stored {
                    revision: last.revision,
                    commit: last.position,
                    prepare: first.position,
                })
            }
        }
    }
}

pub fn uuid_of(id: &WireUuid) -> Uuid {
    match &id.value {
        Some(uuid::Value::Structured(halves)) => Uuid::from_u64_pair(
            halves.most_significant_bits.cast_unsigned(),
            halves.least_significant_bits.cast_unsigned(),
        ),
        Some(uuid::Value::String(text)) => Uuid::parse_str(text).unwrap_or_default(),
        None => Uuid::nil(),
    }
}

pub fn new_record(stream: &str, revision: u64, position: u64, event: &ProposedMessage) -> RecordedEvent {
    let of_event = |key: &str| event.metadata.get(key).cloned().unwrap_or_default();
    let metadata = HashMap::from([
        ("type".to_owned(), of_event("type")),
        ("content-type".to_owned(), of_event("content-type")),
        ("created".to_owned(), ticks().to_string()),
    ]);
    let id = event.id.as_ref().map(uuid_of).unwrap_or_default();
    RecordedEvent {
        id: Some(WireUuid { value: Some(uuid::Value::String(id.to_string())) }),
        stream_identifier: Some(StreamIdentifier { stream_name: stream.as_bytes().to_vec() }),
        stream_revision: revision,
        prepare_position: position,
        commit_position: position,
        metadata,
        custom_metadata: event.custom_metadata.clone(),
        data: event.data.clone(),
    }
}

/// In units of 100 ns.
#[allow(clippy::disallowed_methods, reason = "a server stamps by its own clock; nobody reads this one")]
fn ticks() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos() / 100
}
