//! A batch as the records of one append.

use eventstore::EventData;
use octocity_domain::{CommandId, Timestamp, derived_uuid};
use octocity_log::{Append, LedgerEntry, LogError, NewEvent, Position, json_fault};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::record::{Entry, Metadata, REFUSED, Stand, Standing};

/// A batch as records.
pub struct Encoded {
    pub records: Vec<EventData>,
    /// For each record, the highest command id of all before it.
    pub ceilings: Vec<Option<CommandId>>,
    /// For each command, which record has its entry.
    pub places: Vec<(CommandId, usize)>,
    /// As EventStoreDB counts them.
    pub bytes: usize,
}

/// `ceiling` is the highest id that the stream's ledger has; `at` is where the log is.
pub fn encode(batch: &Append, ceiling: Option<CommandId>, at: Position) -> Result<Encoded, LogError> {
    let places = places(batch);
    let mut ledgers: Vec<Vec<Entry>> = Vec::new();
    ledgers.resize_with(batch.events.len().max(1), Vec::new);
    for (entry, place) in batch.entries.iter().zip(&places) {
        ledgers[*place].push(Entry::of(entry)?);
    }
    let ids: Vec<(CommandId, usize)> =
        batch.entries.iter().map(|entry| entry.command_id).zip(places).collect();
    let mut encoded = Encoded { records: Vec::new(), ceilings: Vec::new(), places: ids, bytes: 0 };
    let mut ceiling = ceiling;
    for (number, ledger) in ledgers.into_iter().enumerate() {
        encoded.ceilings.push(ceiling);
        let highest = ledger.iter().map(|entry| entry.id).max();
        let revision = batch.expected + number as u64;
        let stand = Stand { revision, ceiling, ledger, at: batch.events.is_empty().then_some(at.0) };
        encoded.push(batch, batch.events.get(number), stand)?;
        ceiling = ceiling.max(highest);
    }
    Ok(encoded)
}

/// For each entry the event that it stands at: its command's last one, or the one before it.
fn places(batch: &Append) -> Vec<usize> {
    let place = |entry: &LedgerEntry| {
        let end = entry.first_revision + u64::from(entry.events);
        end.checked_sub(batch.expected + 1).map(|place| place as usize)
    };
    let places: Vec<Option<usize>> = batch.entries.iter().map(place).collect();
    // What stands before the batch's first event stands beside the first command that has one.
    let first = places.iter().flatten().next().copied().unwrap_or_default();
    places.into_iter().map(|place| place.unwrap_or(first)).collect()
}

impl Encoded {
    fn push(&mut self, batch: &Append, event: Option<&NewEvent>, stand: Stand) -> Result<(), LogError> {
        let (event_type, data, metadata) = match event {
            Some(event) => (&*event.event_type, &event.data[..], serde_json::to_vec(&metadata(event, stand))),
            None => (REFUSED, &b"{}"[..], serde_json::to_vec(&Standing { stand })),
        };
        let metadata = metadata.map_err(unwritable)?;
        self.bytes += data.len() + metadata.len() + 2 * event_type.len();
        let id = record_id(batch, &metadata, data);
        let data: &RawValue = serde_json::from_slice(data).map_err(unwritable)?;
        let record = EventData::json(event_type, &data).map_err(unwritable)?;
        self.records.push(record.id(id).metadata(metadata.into()));
        Ok(())
    }
}

/// From all that the record says: the same batch has the same ids, whoever sends it, and another decision on the same
/// command has others, so that EventStoreDB never takes the one for the other.
fn record_id(batch: &Append, metadata: &[u8], data: &[u8]) -> Uuid {
    let decided_at = batch.entries.first().map_or_else(Timestamp::default, |entry| entry.decided_at);
    derived_uuid(decided_at, &[b"record", batch.stream.to_string().as_bytes(), metadata, data])
}

fn metadata(event: &NewEvent, stand: Stand) -> Metadata<Stand> {
    let meta = &event.meta;
    Metadata {
        causation_id: meta.causation_id,
        correlation_id: meta.correlation_id,
        command_id: meta.command_id,
        actor: meta.actor.clone(),
        key: meta.key,
        decided_at: meta.decided_at,
        happened_at: meta.happened_at,
        origin: meta.origin,
        version: event.version,
        stand,
    }
}

fn unwritable(error: serde_json::Error) -> LogError {
    LogError::Damaged(format!("an event cannot be written as JSON: {}", json_fault(&error)))
}
