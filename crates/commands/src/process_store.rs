//! The port to what processes remember: their checkpoints, and the effects that are not done yet.

use async_trait::async_trait;
use octocity_domain::process::Planned;
use octocity_domain::{CommandId, Timestamp};
use octocity_log::{EventLog, LogId, Position, StreamId};
use thiserror::Error;
use uuid::Uuid;

/// A fault of the store: logged once, and tried again.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("what processes remember cannot be read or written just now: {0}")]
pub struct ProcessStoreError(pub String);

impl ProcessStoreError {
    pub fn not_as_left() -> Self {
        Self("another process wrote it meanwhile, or what was written last is lost".to_owned())
    }
}

/// How far a process has reacted, and in which log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    pub process: String,
    pub log: LogId,
    pub epoch: u32,
    pub position: Position,
}

impl Checkpoint {
    /// Whether the process can go on from here in this log.
    pub fn check(&self, log: &dyn EventLog) -> Result<(), Misplaced> {
        match (self.log, self.epoch) == (log.id(), log.epoch()) {
            false => Err(Misplaced::OtherLog),
            true if self.position > *log.head().borrow() => Err(Misplaced::Ahead),
            true => Ok(()),
        }
    }
}

/// Checkpoints that are not of the log beside them: going on would skip, without a word, what is appended next.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Misplaced {
    #[error(
        "processes.db is ahead of the event log: restore both from the same backup, or delete processes.db and start once \
         with --processes-from-now, which drops every planned deadline, hold and payment step that is not done."
    )]
    Ahead,
    #[error(
        "processes.db is of another log: restore both from the same backup, or delete processes.db and \
         start once with --processes-from-now, which drops every planned deadline, hold and payment step that is not done."
    )]
    OtherLog,
}

/// One change of the outbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutboxChange {
    /// An id that is there already is left as it is.
    Plan(Planned),
    /// Drops what the process planned for the subject and has not done.
    Cancel { process: String, subject: Uuid },
}

/// A stream that stands still for one process, because it could not react to this event. The later ones wait behind
/// it; every start tries them again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParkedStream {
    pub process: String,
    pub stream: StreamId,
    pub revision: u64,
    pub event_type: String,
    /// Names no value of the event: that may be personal.
    pub error: String,
}

/// All of it becomes durable, or nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// What the store must still say; else nothing is written. Whoever does not know that another took its place, or
    /// that a server failed over and lost what was written last, would skip events, and their deadlines with them.
    pub from: Vec<Checkpoint>,
    pub checkpoints: Vec<Checkpoint>,
    /// In this order.
    pub changes: Vec<OutboxChange>,
    /// These go on, unless they are in `parked` too.
    pub taken_up: Vec<ParkedStream>,
    /// One that is known already stands still at this event from now on.
    pub parked: Vec<ParkedStream>,
}

#[async_trait]
pub trait ProcessStore: Send + Sync + 'static {
    async fn checkpoints(&self) -> Result<Vec<Checkpoint>, ProcessStoreError>;

    /// Every stream that stands still, by process and stream.
    async fn parked(&self) -> Result<Vec<ParkedStream>, ProcessStoreError>;

    /// Checkpoints, outbox and parked streams change together, durably.
    async fn commit(&self, step: Step) -> Result<(), ProcessStoreError>;

    /// The effects whose time has come, at most `limit`, in the order they were planned; without those of the
    /// subjects that are `waiting`. One that cannot be read is left out, and logged once.
    async fn due(
        &self,
        now: Timestamp,
        limit: usize,
        waiting: &[Uuid],
    ) -> Result<Vec<Planned>, ProcessStoreError>;

    /// When the next effect that is not due yet will be.
    async fn next_due(&self, now: Timestamp) -> Result<Option<Timestamp>, ProcessStoreError>;

    /// Forgets effects that are done.
    async fn done(&self, ids: &[CommandId]) -> Result<(), ProcessStoreError>;
}
