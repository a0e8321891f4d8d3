//! The records of the log's topic, and how they are read back.
//!
//! - **event**: a stored event. Its key is the facility, its value the stored bytes as they are; the rest of the
//!   envelope stands in headers, as text.
//! - **watermark**: that everything up to a position stands in the partition. No key, no value, headers only.
//!
//! This is a storage format: what stands in a topic is read by every later version.

use std::fmt::Display;
use std::str::FromStr;
use std::sync::Arc;

use octocity_domain::{CommandId, FacilityId, Timestamp};
use octocity_log::{Actor, EventMeta, LogId, Origin, Position, RecordedEvent, StreamId};
use rdkafka::message::{BorrowedHeaders, Header, Headers, OwnedHeaders};
use uuid::Uuid;

/// In this order; what is added later stands behind.
const EVENT_HEADERS: [&str; 12] = [
    "position",
    "stream",
    "revision",
    "type",
    "version",
    "actor",
    "command",
    "causation",
    "correlation",
    "decided-at",
    "happened-at",
    "origin",
];
const WATERMARK_HEADERS: [&str; 5] = ["watermark", "log", "epoch", "partitions", "relay"];

/// How far the topic was written, by whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watermark {
    /// Every event up to here stands before it.
    pub position: Position,
    pub log: LogId,
    pub epoch: u32,
    /// Over how many partitions keys were spread.
    pub partitions: i32,
    /// The run of a relay that wrote it.
    pub relay: Uuid,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Record {
    Event(RecordedEvent),
    Watermark(Watermark),
}

impl Record {
    pub const fn position(&self) -> Position {
        match self {
            Self::Event(event) => event.position,
            Self::Watermark(watermark) => watermark.position,
        }
    }
}

fn headers<'a>(names: &[&str], values: impl Iterator<Item = &'a str>) -> OwnedHeaders {
    let insert = |headers: OwnedHeaders, (key, value): (&&str, &str)| {
        headers.insert(Header { key, value: Some(value) })
    };
    names.iter().zip(values).fold(OwnedHeaders::new_with_capacity(names.len()), insert)
}

pub(super) fn event_headers(event: &RecordedEvent) -> OwnedHeaders {
    let meta = &event.meta;
    let values: [String; EVENT_HEADERS.len()] = [
        event.position.0.to_string(),
        event.stream.to_string(),
        event.revision.to_string(),
        event.event_type.to_string(),
        event.version.to_string(),
        meta.actor.0.to_string(),
        meta.command_id.to_string(),
        meta.causation_id.to_string(),
        meta.correlation_id.to_string(),
        meta.decided_at.millis().to_string(),
        meta.happened_at.millis().to_string(),
        match meta.origin {
            Origin::Live => "live".to_owned(),
            Origin::Imported => "imported".to_owned(),
        },
    ];
    headers(&EVENT_HEADERS, values.iter().map(String::as_str))
}

pub(super) fn watermark_headers(watermark: &Watermark) -> OwnedHeaders {
    let values: [String; WATERMARK_HEADERS.len()] = [
        watermark.position.0.to_string(),
        watermark.log.0.to_string(),
        watermark.epoch.to_string(),
        watermark.partitions.to_string(),
        watermark.relay.to_string(),
    ];
    headers(&WATERMARK_HEADERS, values.iter().map(String::as_str))
}

/// The record; the error is a reason for people, and names no value.
pub(super) fn decode(
    key: Option<&[u8]>,
    value: Option<&[u8]>,
    headers: Option<&BorrowedHeaders>,
) -> Result<Record, String> {
    let headers = headers.ok_or("it has no headers")?;
    match headers.try_get(0).map(|first| first.key) {
        Some("watermark") => watermark(&Fields(headers, &WATERMARK_HEADERS)).map(Record::Watermark),
        _ => event(key, value, &Fields(headers, &EVENT_HEADERS)).map(Record::Event),
    }
}

struct Fields<'a>(&'a BorrowedHeaders, &'static [&'static str]);

impl<'a> Fields<'a> {
    fn text(&self, index: usize) -> Result<&'a str, String> {
        let name = self.1[index];
        let header = self.0.try_get(index).filter(|header| header.key == name);
        let value = header.and_then(|header| header.value).ok_or_else(|| format!("it lacks '{name}'"))?;
        std::str::from_utf8(value).map_err(|_| format!("its '{name}' is no text"))
    }

    fn parsed<T: FromStr<Err: Display>>(&self, index: usize) -> Result<T, String> {
        self.text(index)?.parse().map_err(|_| format!("its '{}' cannot be read", self.1[index]))
    }
}

fn watermark(fields: &Fields<'_>) -> Result<Watermark, String> {
    Ok(Watermark {
        position: Position(fields.parsed(0)?),
        log: LogId(fields.parsed(1)?),
        epoch: fields.parsed(2)?,
        partitions: fields.parsed(3)?,
        relay: fields.parsed(4)?,
    })
}

fn event(key: Option<&[u8]>, value: Option<&[u8]>, fields: &Fields<'_>) -> Result<RecordedEvent, String> {
    let key = key.and_then(|key| Uuid::try_parse_ascii(key).ok()).ok_or("its key is no facility")?;
    Ok(RecordedEvent {
        position: Position(fields.parsed(0)?),
        stream: fields.parsed::<StreamId>(1)?,
        revision: fields.parsed(2)?,
        event_type: Arc::from(fields.text(3)?),
        version: fields.parsed(4)?,
        data: value.unwrap_or_default().to_vec(),
        meta: EventMeta {
            actor: Actor::new(fields.text(5)?),
            command_id: CommandId(fields.parsed(6)?),
            causation_id: fields.parsed(7)?,
            correlation_id: fields.parsed(8)?,
            key: FacilityId(key),
            decided_at: Timestamp::from_millis(fields.parsed(9)?),
            happened_at: Timestamp::from_millis(fields.parsed(10)?),
            origin: match fields.text(11)? {
                "live" => Origin::Live,
                "imported" => Origin::Imported,
                _ => return Err("its 'origin' cannot be read".to_owned()),
            },
        },
    })
}

#[cfg(test)]
mod tests {
    use octocity_domain::Category;
    use proptest::prelude::*;

    use super::*;

    fn uuids() -> impl Strategy<Value = Uuid> {
        any::<u128>().prop_map(Uuid::from_u128)
    }

    prop_compose! {
        fn metas()(
            actor in "\\PC{0,20}",
            ids in (uuids(), uuids(), uuids(), uuids()),
            times in (any::<i64>(), any::<i64>()),
            imported in any::<bool>(),
        ) -> EventMeta {
            EventMeta {
                actor: Actor::new(&actor),
                command_id: CommandId(ids.0),
                causation_id: ids.1,
                correlation_id: ids.2,
                key: FacilityId(ids.3),
                decided_at: Timestamp::from_millis(times.0),
                happened_at: Timestamp::from_millis(times.1),
                origin: if imported { Origin::Imported } else { Origin::Live },
            }
        }
    }

    prop_compose! {
        fn events()(
            meta in metas(),
            position in any::<u64>(),
            category in prop::sample::select(&Category::ALL[..]),
            id in uuids(),
            revision in any::<u64>(),
            event_type in "[A-Za-z]{1,30}",
            version in any::<u16>(),
            data in prop::collection::vec(any::<u8>(), 0..200),
        ) -> RecordedEvent {
            let (position, stream) = (Position(position), StreamId::new(category, id));
            let event_type = Arc::from(event_type);
            RecordedEvent { position, stream, revision, event_type, version, data, meta }
        }
    }

    proptest! {
        #[test]
        fn a_stored_event_comes_back_exactly(event in events()) {
            let (key, headers) = (event.meta.key.to_string(), event_headers(&event));
            let back = decode(Some(key.as_bytes()), Some(&event.data), Some(headers.as_borrowed()));
            prop_assert_eq!(back, Ok(Record::Event(event)));
        }

        #[test]
        fn a_watermark_comes_back_exactly(
            position in any::<u64>(), ids in (uuids(), uuids()), epoch in any::<u32>(), partitions in 1..1000_i32,
        ) {
            let (position, log, relay) = (Position(position), LogId(ids.0), ids.1);
            let watermark = Watermark { position, log, epoch, partitions, relay };
            let headers = watermark_headers(&watermark);
            prop_assert_eq!(decode(None, None, Some(headers.as_borrowed())), Ok(Record::Watermark(watermark)));
        }
    }

    #[test]
    fn what_no_relay_wrote_is_known_as_such() {
        let key = Uuid::from_u128(1).to_string();
        assert_eq!(decode(None, None, None), Err("it has no headers".to_owned()));
        let other = OwnedHeaders::new().insert(Header { key: "position", value: Some("7") });
        let told = decode(Some(key.as_bytes()), Some(b"{}"), Some(other.as_borrowed())).unwrap_err();
        assert_eq!(told, "it lacks 'stream'");
        let plate = OwnedHeaders::new().insert(Header { key: "position", value: Some("B-XY 1") });
        let told = decode(Some(key.as_bytes()), Some(b"{}"), Some(plate.as_borrowed())).unwrap_err();
        assert_eq!(told, "its 'position' cannot be read");
    }
}
