//! How events and ledger entries stand in EventStoreDB's records.
//!
//! All entries of a batch stand in the metadata of its last event, whose position all its replies name, so that one record
//! tells it again. Where the whole batch has no event, the entries make a record of their own type, which no reader of
//! events sees.

use std::sync::Arc;

use octocity_domain::{CommandId, FacilityId, Timestamp};
use octocity_log::{
    Actor, EventMeta, LedgerEntry, LogError, Origin, Position, RecordedEvent, StreamId, json_fault,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::wire::Record;

/// The type of a record of commands that appended no events. This is the storage format.
pub const REFUSED: &str = "CommandsRefused";

/// What every record says beside its event. This is the storage format.
#[derive(Serialize, Deserialize)]
pub struct Stand {
    /// How many events the stream had before it: less than the record's own number where commands without events
    /// stand before it.
    pub revision: u64,
    /// The highest command id of all records before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ceiling: Option<CommandId>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ledger: Vec<Entry>,
    /// Where the log was, in a record that is no event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<u64>,
}

/// This is the storage format.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    pub id: CommandId,
    /// Hexadecimal.
    hash: String,
    first: u64,
    events: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refusal: Option<String>,
    decided_at: Timestamp,
}

/// An event's metadata; the names with a dollar are EventStoreDB's own. This is the storage format.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Metadata<S> {
    #[serde(rename = "$causationId")]
    pub causation_id: Uuid,
    #[serde(rename = "$correlationId")]
    pub correlation_id: Uuid,
    pub command_id: CommandId,
    pub actor: Actor,
    pub key: FacilityId,
    pub decided_at: Timestamp,
    pub happened_at: Timestamp,
    #[serde(default, skip_serializing_if = "is_live")]
    pub origin: Origin,
    pub version: u16,
    pub stand: S,
}

/// The part of the metadata that searches read.
#[derive(Serialize, Deserialize)]
pub struct Standing<S> {
    pub stand: S,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_live(origin: &Origin) -> bool {
    *origin == Origin::Live
}

impl Entry {
    pub fn of(entry: &LedgerEntry) -> Result<Self, LogError> {
        let refusal = entry.refusal.clone().map(String::from_utf8).transpose();
        Ok(Self {
            id: entry.command_id,
            hash: format!("{:032x}", u128::from_be_bytes(entry.body_hash)),
            first: entry.first_revision,
            events: entry.events,
            refusal: refusal.map_err(|_| LogError::Damaged("a refusal is no text".to_owned()))?,
            decided_at: entry.decided_at,
        })
    }

    fn read(self, position: Position) -> Result<LedgerEntry, LogError> {
        let hash = u128::from_str_radix(&self.hash, 16);
        Ok(LedgerEntry {
            command_id: self.id,
            body_hash: hash
                .map_err(|_| LogError::Damaged("a ledger entry has no hash".to_owned()))?
                .to_be_bytes(),
            first_revision: self.first,
            events: self.events,
            refusal: self.refusal.map(String::into_bytes),
            decided_at: self.decided_at,
            position,
        })
    }
}

fn unreadable(record: &Record, error: &serde_json::Error) -> LogError {
    let (stream, number) = (record.stream(), record.number);
    LogError::Damaged(format!("the metadata of {stream} {number} cannot be read: {}", json_fault(error)))
}

pub fn is_event(record: &Record) -> bool {
    record.event_type() != REFUSED
}

/// Servers before 22.6 do not say where in `$all` the events of a stream stand.
pub fn position(record: &Record) -> Result<Position, LogError> {
    match record.commit_position {
        u64::MAX => {
            let older = "EventStoreDB does not tell positions; version 22.10 or a newer one is needed";
            Err(LogError::Unavailable(older.to_owned()))
        }
        commit => Ok(Position(commit)),
    }
}

/// What a record says that is no event.
pub fn data<T: DeserializeOwned>(record: &Record) -> serde_json::Result<T> {
    serde_json::from_slice(&record.data)
}

/// Where a record stands in its stream, and the ledger entries in it.
pub fn stand(record: &Record) -> Result<(Stand, Vec<LedgerEntry>), LogError> {
    let read: Standing<Stand> =
        serde_json::from_slice(&record.metadata).map_err(|error| unreadable(record, &error))?;
    let mut stand = read.stand;
    let position = match stand.at {
        Some(at) => Position(at),
        None => position(record)?,
    };
    let entries = std::mem::take(&mut stand.ledger).into_iter();
    let entries = entries.map(|entry| entry.read(position)).collect::<Result<_, _>>()?;
    Ok((stand, entries))
}

pub fn event(stream: StreamId, record: Record) -> Result<RecordedEvent, LogError> {
    #[derive(Deserialize)]
    struct Revision {
        revision: u64,
    }
    let read: Metadata<Revision> =
        serde_json::from_slice(&record.metadata).map_err(|error| unreadable(&record, &error))?;
    let meta = EventMeta {
        actor: read.actor,
        command_id: read.command_id,
        causation_id: read.causation_id,
        correlation_id: read.correlation_id,
        key: read.key,
        decided_at: read.decided_at,
        happened_at: read.happened_at,
        origin: read.origin,
    };
    Ok(RecordedEvent {
        position: position(&record)?,
        stream,
        revision: read.stand.revision,
        event_type: Arc::from(record.event_type()),
        version: read.version,
        data: record.data,
        meta,
    })
}
