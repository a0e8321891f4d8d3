//! A batch as the records of one append.

use octocity_domain::{CommandId, Timestamp, derived_uuid};
use octocity_log::{Append, LogError, NewEvent, Position, json_fault};
use uuid::Uuid;

use super::record::{Entry, Metadata, REFUSED, Stand, Standing};
use super::wire::Proposed;

/// A batch as records.
pub struct Encoded {
    pub records: Vec<Proposed>,
    /// For each record, the highest command id of all before it.
    pub ceilings: Vec<Option<CommandId>>,
    /// For each command, which record has its entry.
    pub places: Vec<(CommandId, usize)>,
    /// As EventStoreDB counts them.
    pub bytes: usize,
}

/// `ceiling` is the highest id that the stream's ledger has; `at` is where the log is.
pub fn encode(batch: &Append, ceiling: Option<CommandId>, at: Position) -> Result<Encoded, LogError> {
    // Where the reply to each of them is, too: a repeat names the position that the first reply named.
    let last = batch.events.len().saturating_sub(1);
    let mut ledgers: Vec<Vec<Entry>> = Vec::new();
    ledgers.resize_with(batch.events.len().max(1), Vec::new);
    ledgers[last] = batch.entries.iter().map(Entry::of).collect::<Result<_, _>>()?;
    let places = batch.entries.iter().map(|entry| (entry.command_id, last)).collect();
    let mut encoded = Encoded { records: Vec::new(), ceilings: Vec::new(), places, bytes: 0 };
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

impl Encoded {
    fn push(&mut self, batch: &Append, event: Option<&NewEvent>, stand: Stand) -> Result<(), LogError> {
        let (event_type, data, metadata) = match event {
            Some(event) => (&*event.event_type, &event.data[..], serde_json::to_vec(&metadata(event, stand))),
            None => (REFUSED, &b"{}"[..], serde_json::to_vec(&Standing { stand })),
        };
        let metadata = metadata.map_err(unwritable)?;
        self.bytes += data.len() + metadata.len() + 2 * event_type.len();
        let id = record_id(batch, &metadata, data);
        self.records.push(Proposed::new(id, event_type, metadata, data.to_vec()));
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
