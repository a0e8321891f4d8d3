//! What the faults of calls mean.

use std::error::Error;

use octocity_log::LogError;
use tonic::{Code, Status};

/// Why a call has no answer.
pub enum Fault {
    /// The leader is at this host and port.
    NotLeader(String),
    /// Nothing is heard of the node, or it cannot answer; another one may.
    Away(String),
    /// Asked again, it may answer.
    Busy(String),
    Final(LogError),
}

/// What stands for the refusal of a user, where nothing but the error's text is left.
pub const REFUSED: &str = "EventStoreDB refuses the user; check user and password";

pub fn fault(status: Status) -> Fault {
    let said = |name| status.metadata().get(name).and_then(|value| value.to_str().ok());
    let leader = said("leader-endpoint-host").zip(said("leader-endpoint-port"));
    match (said("exception"), leader) {
        (Some("not-leader"), Some((host, port))) => return Fault::NotLeader(format!("{host}:{port}")),
        (Some("stream-deleted"), _) => {
            let deleted = "one of its streams was deleted in EventStoreDB";
            return Fault::Final(LogError::Damaged(deleted.to_owned()));
        }
        _ => {}
    }
    match status.code() {
        _ if is_late(&status) => Fault::Away("no answer in time".to_owned()),
        Code::Unavailable | Code::Unknown | Code::Internal | Code::DataLoss => Fault::Away(reason(&status)),
        Code::Aborted | Code::Cancelled | Code::ResourceExhausted => Fault::Busy(reason(&status)),
        Code::Unauthenticated | Code::PermissionDenied => {
            Fault::Final(LogError::Unavailable(REFUSED.to_owned()))
        }
        _ => Fault::Final(LogError::Unavailable(reason(&status))),
    }
}

/// Whether the deadline was over, here or there.
pub fn is_late(status: &Status) -> bool {
    status.code() == Code::DeadlineExceeded
        || (status.code() == Code::Cancelled && status.message() == "Timeout expired")
}

/// The server's own words, or why none came.
pub fn reason(status: &Status) -> String {
    let mut source = status.source();
    while let Some(deeper) = source.and_then(Error::source) {
        source = Some(deeper);
    }
    source.map_or_else(|| status.message().to_owned(), ToString::to_string)
}
