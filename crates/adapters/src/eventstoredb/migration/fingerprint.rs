//! What a log says, in few bytes: equal where each facility's events are the same in the same order, and where the
//! ledger has the same entries. Positions are left out.

use std::collections::BTreeMap;
use std::fmt;

use octocity_domain::{FacilityId, Timestamp};
use octocity_log::{LedgerEntry, RecordedEvent, StreamId};
use sha2::{Digest, Sha256};

#[derive(Default, PartialEq, Eq)]
pub struct Fingerprint {
    pub events: u64,
    pub commands: u64,
    /// For each key a chain over its events.
    chains: BTreeMap<FacilityId, [u8; 32]>,
    /// Sums, as entries are read in different orders.
    ledger: [u128; 2],
}

impl Fingerprint {
    pub fn add_event(&mut self, event: &RecordedEvent) {
        self.events += 1;
        let chain = self.chains.entry(event.meta.key).or_default();
        let mut hash = Parts::default();
        hash.add(*chain);
        hash.add(event.stream.to_string());
        hash.add(event.revision.to_be_bytes());
        hash.add(&*event.event_type);
        hash.add(event.version.to_be_bytes());
        hash.add(&event.data);
        let meta = &event.meta;
        hash.add(&*meta.actor.0);
        hash.add(meta.command_id.uuid());
        hash.add(meta.causation_id);
        hash.add(meta.correlation_id);
        hash.add_time(meta.decided_at);
        hash.add_time(meta.happened_at);
        hash.add([meta.origin as u8]);
        *chain = hash.0.finalize().into();
    }

    pub fn add_entry(&mut self, stream: StreamId, entry: &LedgerEntry) {
        self.commands += 1;
        let mut hash = Parts::default();
        hash.add(stream.to_string());
        hash.add(entry.command_id.uuid());
        hash.add(entry.body_hash);
        hash.add(entry.first_revision.to_be_bytes());
        hash.add(entry.events.to_be_bytes());
        hash.add([u8::from(entry.refusal.is_some())]);
        hash.add(entry.refusal.as_deref().unwrap_or_default());
        hash.add_time(entry.decided_at);
        let hash: [u8; 32] = hash.0.finalize().into();
        for (sum, half) in self.ledger.iter_mut().zip(hash.as_chunks::<16>().0) {
            *sum = sum.wrapping_add(u128::from_be_bytes(*half));
        }
    }

    /// Hexadecimal.
    pub fn hash(&self) -> String {
        let mut hash = Parts::default();
        for (key, chain) in &self.chains {
            hash.add(key.uuid());
            hash.add(chain);
        }
        self.ledger.iter().for_each(|sum| hash.add(sum.to_be_bytes()));
        hash.0.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} events, {} commands, hash {}", self.events, self.commands, self.hash())
    }
}

/// A hash over parts, each led by its length, so that none runs into the next.
#[derive(Default)]
struct Parts(Sha256);

impl Parts {
    fn add(&mut self, part: impl AsRef<[u8]>) {
        let part = part.as_ref();
        self.0.update((part.len() as u64).to_be_bytes());
        self.0.update(part);
    }

    fn add_time(&mut self, time: Timestamp) {
        self.add(time.millis().to_be_bytes());
    }
}
