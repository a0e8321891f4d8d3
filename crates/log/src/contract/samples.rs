//! Streams, commands and events that the suite writes.

use octocity_domain::{Category, CommandId, FacilityId, Timestamp};
use uuid::Uuid;

use crate::envelope::{Actor, EventMeta, LedgerEntry, NewEvent, Origin, StreamId};
use crate::port::{Append, Appended, EventLog};
use crate::position::Position;

pub const NOON: Timestamp = Timestamp::from_seconds(1_700_000_000);

pub fn stream(number: u128) -> StreamId {
    StreamId::new(Category::Parking, Uuid::from_u128(number))
}

/// A client-made id (UUIDv7): larger for a larger number.
pub fn client_id(number: u64) -> CommandId {
    let millis = u128::from(NOON.millis().unsigned_abs() + number);
    CommandId(Uuid::from_u128((millis << 80) | (0x7 << 76) | (0x2 << 62) | u128::from(number)))
}

/// A derived id (UUIDv8).
pub fn source_id(number: u64) -> CommandId {
    CommandId::from_source(NOON.plus_seconds(number.cast_signed()), "lane", &number.to_string())
}

pub fn event(command: CommandId, event_type: &'static str, text: &str) -> NewEvent {
    NewEvent {
        event_type: event_type.into(),
        version: 1,
        data: format!("{{\"text\":\"{text}\"}}").into_bytes(),
        meta: EventMeta {
            actor: Actor::new("lane-1"),
            command_id: command,
            causation_id: command.uuid(),
            correlation_id: command.uuid(),
            key: FacilityId(Uuid::from_u128(1)),
            decided_at: NOON,
            happened_at: NOON,
            origin: Origin::Live,
        },
    }
}

pub fn entry(command: CommandId, first_revision: u64, events: u32) -> LedgerEntry {
    LedgerEntry {
        command_id: command,
        body_hash: [7; 16],
        first_revision,
        events,
        refusal: None,
        decided_at: NOON,
        position: Position::default(),
    }
}

/// One command's batch: `texts` are its events.
pub fn batch(stream: StreamId, expected: u64, command: CommandId, texts: &[&str]) -> Append {
    Append {
        stream,
        expected,
        events: texts.iter().map(|text| event(command, "Noted", text)).collect(),
        entries: vec![entry(command, expected, u32::try_from(texts.len()).unwrap())],
    }
}

pub async fn must_append(log: &dyn EventLog, batch: Append) -> Appended {
    log.append(batch).await.expect("this batch fits")
}

/// Fills a stream with `count` events of one command each, ids from `first_id` on.
pub async fn fill(log: &dyn EventLog, stream: StreamId, first_id: u64, count: u64) {
    for revision in 0..count {
        must_append(log, batch(stream, revision, client_id(first_id + revision), &["filled"])).await;
    }
}
