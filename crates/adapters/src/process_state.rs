//! All that processes remember, row by row as it is stored, on its way from one store to another: also what this version
//! cannot read.

use octocity_commands::process_store::{Checkpoint, ParkedStream};
use octocity_domain::Timestamp;
use octocity_domain::process::Planned;
use uuid::Uuid;

/// One effect of the outbox. What it says may be personal: it has no `Debug`.
#[derive(PartialEq, Eq)]
pub struct StoredEffect {
    pub id: Uuid,
    pub process: String,
    pub subject: Uuid,
    pub facility: Uuid,
    pub due: Timestamp,
    pub correlation: Uuid,
    /// JSON.
    pub effect: String,
}

impl StoredEffect {
    pub fn try_new(planned: &Planned) -> Result<Self, serde_json::Error> {
        Ok(Self {
            id: planned.id.uuid(),
            process: planned.process.to_string(),
            subject: planned.subject,
            facility: planned.facility.uuid(),
            due: planned.due,
            correlation: planned.correlation,
            effect: serde_json::to_string(&planned.effect)?,
        })
    }
}

#[derive(Default, PartialEq, Eq)]
pub struct ProcessState {
    /// By process.
    pub checkpoints: Vec<Checkpoint>,
    /// In the order they were planned.
    pub outbox: Vec<StoredEffect>,
    /// By process and stream.
    pub parked: Vec<ParkedStream>,
    /// What the simulated gateway did, by key.
    pub gateway_calls: Vec<(String, String)>,
}

impl ProcessState {
    /// In the one order in which two can be compared: stores sort texts each in its own way.
    pub fn new(
        mut checkpoints: Vec<Checkpoint>,
        outbox: Vec<StoredEffect>,
        parked: Vec<ParkedStream>,
        mut gateway_calls: Vec<(String, String)>,
    ) -> Self {
        checkpoints.sort_by(|one, other| one.process.cmp(&other.process));
        gateway_calls.sort();
        Self { checkpoints, outbox, parked, gateway_calls }
    }
}
