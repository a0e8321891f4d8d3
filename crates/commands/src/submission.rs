//! What goes into the handler and what comes back.

use octocity_domain::{CommandId, Fact, Timestamp};
use octocity_log::{Actor, LogError, Origin, Position};
use thiserror::Error;
use uuid::Uuid;

/// The one clock. Everything that needs the time is handed this, or the time itself.
pub trait Clock: Send + Sync + 'static {
    fn now(&self) -> Timestamp;
}

/// One command with who sends it and under which id.
#[derive(Clone, Debug)]
pub struct Submission<C> {
    pub command_id: CommandId,
    pub actor: Actor,
    /// None: the command itself.
    pub causation_id: Option<Uuid>,
    /// None: the command itself.
    pub correlation_id: Option<Uuid>,
    pub origin: Origin,
    pub command: C,
}

impl<C> Submission<C> {
    pub fn new(command_id: CommandId, actor: Actor, command: C) -> Self {
        Self { command_id, actor, causation_id: None, correlation_id: None, origin: Origin::Live, command }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum Outcome<E, R> {
    Accepted(Vec<Fact<E>>),
    Refused(R),
}

/// The reply to a command; the same one for as long as its id is remembered.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply<E, R> {
    pub outcome: Outcome<E, R>,
    /// Where it stands: queries that wait for this position see what it did.
    pub position: Position,
    /// The id had been answered before, and this is that answer.
    pub repeated: bool,
}

/// Why a command has no reply. Each is a GraphQL error with this code, never a business refusal.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum CommandError {
    #[error("This command id was used before with other content; make a new id (UUIDv7) for a new command.")]
    IdReused,
    #[error(
        "This command id is older than the replies that are kept; look up what came of it, then make a new id."
    )]
    IdExpired,
    #[error("This command id was made in the future; check the sender's clock.")]
    IdFromFuture,
    #[error("A command id is a UUIDv7; make one for each command and repeat it only to repeat that command.")]
    IdInvalid,
    #[error("Too many commands wait at this facility; send it again under the same id.")]
    Busy,
    #[error(
        "No payment gateway is configured here; ask the operator to set 'gateway', or take the money otherwise."
    )]
    NoGateway,
    #[error(
        "The command makes more than the log takes at once (1 MiB in EventStoreDB); send it in smaller parts."
    )]
    TooLarge,
    #[error("The command could not be stored just now; send it again under the same id.")]
    Log(#[from] LogError),
}

impl CommandError {
    pub const fn code(&self) -> &'static str {
        match self {
            Self::IdReused => "COMMAND_ID_REUSED",
            Self::IdExpired => "COMMAND_ID_EXPIRED",
            Self::IdFromFuture => "COMMAND_ID_FROM_FUTURE",
            Self::IdInvalid => "COMMAND_ID_INVALID",
            Self::Busy => "BUSY",
            Self::NoGateway => "GATEWAY_NOT_CONFIGURED",
            Self::TooLarge => "COMMAND_TOO_LARGE",
            Self::Log(_) => "LOG_UNAVAILABLE",
        }
    }
}
