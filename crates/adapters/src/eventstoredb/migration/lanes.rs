//! How a page of the old log is cut up.

use std::collections::{BTreeMap, HashMap};

use octocity_domain::FacilityId;
use octocity_log::{LedgerEntry, RecordedEvent, StreamId};
use uuid::Uuid;

/// How many events a piece has at most; what is too large all the same is halved when it is written.
const EVENTS: usize = 256;

/// What is appended to one stream at once. An entry stands beside its command's last event; that of a command without
/// events, beside the event before it, if that is here.
pub struct Piece {
    pub stream: StreamId,
    pub events: Vec<RecordedEvent>,
    pub entries: Vec<LedgerEntry>,
}

impl Piece {
    fn new(stream: StreamId) -> Self {
        Self { stream, events: Vec::new(), entries: Vec::new() }
    }

    /// Whether nothing of its stream is before it.
    pub fn begins(&self) -> bool {
        match self.events.first() {
            Some(event) => event.revision == 0,
            None => self.entries.iter().all(|entry| entry.first_revision == 0),
        }
    }

    /// None: it cannot be cut.
    pub fn halves(mut self) -> Option<(Self, Self)> {
        let mut second = Self::new(self.stream);
        if self.events.len() > 1 {
            second.events = self.events.split_off(self.events.len() / 2);
            let cut = second.events[0].revision;
            let (before, behind) = self
                .entries
                .into_iter()
                .partition(|entry| entry.first_revision + u64::from(entry.events) <= cut);
            (self.entries, second.entries) = (before, behind);
            return Some((self, second));
        }
        // The entry of its event comes first.
        self.entries.sort_by_key(|entry| entry.events == 0);
        let kept = self.entries.len().div_ceil(2);
        second.entries = self.entries.split_off(kept);
        (!second.entries.is_empty()).then_some((self, second))
    }
}

/// The pieces of a page, in lanes that do not wait for each other: the events of one facility stay in their order.
pub fn lanes(events: Vec<RecordedEvent>, ledger: Vec<(StreamId, LedgerEntry)>) -> Vec<Vec<Piece>> {
    let is_mixed = is_mixed(&events);
    let mut lanes: BTreeMap<FacilityId, Vec<Piece>> = BTreeMap::new();
    // Where each stream's pieces are, by their first revision.
    let mut places: HashMap<StreamId, BTreeMap<u64, (FacilityId, usize)>> = HashMap::new();
    for event in events {
        let key = if is_mixed { FacilityId(Uuid::nil()) } else { event.meta.key };
        let (stream, lane) = (event.stream, lanes.entry(key).or_default());
        if lane.last().is_none_or(|piece| piece.stream != stream || piece.events.len() >= EVENTS) {
            places.entry(stream).or_default().insert(event.revision, (key, lane.len()));
            lane.push(Piece::new(stream));
        }
        if let Some(piece) = lane.last_mut() {
            piece.events.push(event);
        }
    }
    let mut alone: BTreeMap<StreamId, Piece> = BTreeMap::new();
    for (stream, entry) in ledger {
        let beside = (entry.first_revision + u64::from(entry.events)).saturating_sub(1);
        let place = places.get(&stream).and_then(|pieces| {
            pieces.range(..=beside).next_back().or_else(|| pieces.first_key_value()).map(|(_, place)| *place)
        });
        let piece = place.and_then(|(key, number)| lanes.get_mut(&key)?.get_mut(number));
        piece
            .unwrap_or_else(|| alone.entry(stream).or_insert_with(|| Piece::new(stream)))
            .entries
            .push(entry);
    }
    lanes.into_values().chain(alone.into_values().map(|piece| vec![piece])).collect()
}

/// Whether a stream's events are of several keys: then no lane can go without the others.
fn is_mixed(events: &[RecordedEvent]) -> bool {
    let mut keys: HashMap<StreamId, FacilityId> = HashMap::new();
    events.iter().any(|event| *keys.entry(event.stream).or_insert(event.meta.key) != event.meta.key)
}
