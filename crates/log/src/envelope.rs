//! An event as it is stored: its stream and revision, its bytes, and who, why and when.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use octocity_domain::{Category, CommandId, FacilityId, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::position::Position;

/// `<category>-<id>`: one aggregate's events, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId {
    pub category: Category,
    pub id: Uuid,
}

impl StreamId {
    pub const fn new(category: Category, id: Uuid) -> Self {
        Self { category, id }
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.category.as_str(), self.id)
    }
}

impl FromStr for StreamId {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let invalid = || format!("'{text}' is no stream name; it has the form category-uuid");
        let (category, id) = text.split_once('-').ok_or_else(invalid)?;
        let category =
            Category::ALL.into_iter().find(|known| known.as_str() == category).ok_or_else(invalid)?;
        Ok(Self { category, id: Uuid::parse_str(id).map_err(|_| invalid())? })
    }
}

/// Who sent a command: a device, a user, a process or an importer. A name out of configuration, never personal data.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Actor(pub Arc<str>);

impl Actor {
    pub fn new(name: &str) -> Self {
        Self(Arc::from(name))
    }
}

/// Whether an event is of now or was brought in from a record: imported history causes no outside effect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Origin {
    #[default]
    Live,
    Imported,
}

/// What every event carries besides its data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventMeta {
    pub actor: Actor,
    pub command_id: CommandId,
    /// What caused the command: the event's effect id, or the command itself.
    pub causation_id: Uuid,
    /// What it all belongs to: the first command of the chain.
    pub correlation_id: Uuid,
    /// The key that orders it, and later partitions it.
    pub key: FacilityId,
    pub decided_at: Timestamp,
    pub happened_at: Timestamp,
    pub origin: Origin,
}

/// An event on its way into the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEvent {
    pub event_type: std::borrow::Cow<'static, str>,
    pub version: u16,
    /// JSON.
    pub data: Vec<u8>,
    pub meta: EventMeta,
}

/// An event as the log gives it back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedEvent {
    pub position: Position,
    pub stream: StreamId,
    /// 0 is the stream's first event.
    pub revision: u64,
    pub event_type: Arc<str>,
    pub version: u16,
    pub data: Vec<u8>,
    pub meta: EventMeta,
}

/// What the ledger keeps of one command of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerEntry {
    pub command_id: CommandId,
    /// Of what the sender said; the same id with another hash is refused.
    pub body_hash: [u8; 16],
    /// The revision of its first event. With `events` = 0: the revision the next event would have had.
    pub first_revision: u64,
    /// How many events it appended.
    pub events: u32,
    /// The refusal as JSON; None where it was accepted. The reply to an accepted one is its events.
    pub refusal: Option<Vec<u8>>,
    pub decided_at: Timestamp,
    /// The position of its last event, or, without events, of the log when it was recorded. Given by the log;
    /// what an appender writes here is ignored.
    pub position: Position,
}
