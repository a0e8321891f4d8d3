//! What processes remember, in memory: the oracle of the contract suite and the ground of the simulation.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use octocity_domain::process::Planned;
use octocity_domain::{CommandId, Timestamp};
use octocity_log::StreamId;
use uuid::Uuid;

use crate::process_store::{Checkpoint, OutboxChange, ParkedStream, ProcessStore, ProcessStoreError, Step};

/// Cloned freely; all clones are one store, which outlives a simulated crash.
#[derive(Clone, Default)]
pub struct MemoryProcessStore {
    kept: Arc<Mutex<Kept>>,
}

#[derive(Default)]
struct Kept {
    checkpoints: BTreeMap<String, Checkpoint>,
    /// By the order they were planned in.
    outbox: BTreeMap<u64, Planned>,
    planned: u64,
    parked: BTreeMap<(String, StreamId), ParkedStream>,
    faults: usize,
}

impl MemoryProcessStore {
    /// The next `count` calls fail, and change nothing.
    pub fn fail(&self, count: usize) {
        self.lock().faults = count;
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reach(&self) -> Result<MutexGuard<'_, Kept>, ProcessStoreError> {
        let mut kept = self.lock();
        match kept.faults {
            0 => Ok(kept),
            left => {
                kept.faults = left - 1;
                Err(ProcessStoreError("it failed on demand".to_owned()))
            }
        }
    }
}

impl Kept {
    fn change(&mut self, change: OutboxChange) {
        match change {
            OutboxChange::Plan(planned) => {
                if self.outbox.values().all(|known| known.id != planned.id) {
                    self.planned += 1;
                    self.outbox.insert(self.planned, planned);
                }
            }
            OutboxChange::Cancel { process, subject } => {
                self.outbox.retain(|_, known| known.process != process || known.subject != subject);
            }
        }
    }
}

#[async_trait]
impl ProcessStore for MemoryProcessStore {
    async fn checkpoints(&self) -> Result<Vec<Checkpoint>, ProcessStoreError> {
        Ok(self.reach()?.checkpoints.values().cloned().collect())
    }

    async fn parked(&self) -> Result<Vec<ParkedStream>, ProcessStoreError> {
        Ok(self.reach()?.parked.values().cloned().collect())
    }

    async fn commit(&self, step: Step) -> Result<(), ProcessStoreError> {
        let mut kept = self.reach()?;
        if step.from.iter().any(|from| kept.checkpoints.get(&from.process) != Some(from)) {
            return Err(ProcessStoreError::not_as_left());
        }
        for checkpoint in step.checkpoints {
            kept.checkpoints.insert(checkpoint.process.clone(), checkpoint);
        }
        for change in step.changes {
            kept.change(change);
        }
        for taken_up in step.taken_up {
            kept.parked.remove(&(taken_up.process, taken_up.stream));
        }
        for parked in step.parked {
            kept.parked.insert((parked.process.clone(), parked.stream), parked);
        }
        Ok(())
    }

    async fn due(
        &self,
        now: Timestamp,
        limit: usize,
        waiting: &[Uuid],
    ) -> Result<Vec<Planned>, ProcessStoreError> {
        let kept = self.reach()?;
        let waiting: HashSet<&Uuid> = waiting.iter().collect();
        let is_due = |planned: &&Planned| planned.due <= now && !waiting.contains(&planned.subject);
        Ok(kept.outbox.values().filter(is_due).take(limit).cloned().collect())
    }

    async fn next_due(&self, now: Timestamp) -> Result<Option<Timestamp>, ProcessStoreError> {
        let kept = self.reach()?;
        Ok(kept.outbox.values().map(|planned| planned.due).filter(|due| *due > now).min())
    }

    async fn done(&self, ids: &[CommandId]) -> Result<(), ProcessStoreError> {
        self.reach()?.outbox.retain(|_, planned| !ids.contains(&planned.id));
        Ok(())
    }
}
