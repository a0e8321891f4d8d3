//! Errors of GraphQL: a request that cannot be served, or a fault of ours. Business refusals are none: they stand in
//! the mutations' payloads. Every error carries `extensions.code`, stable for programs; a fault of ours also carries a
//! `reference`, under which it was logged, and nothing of what went wrong inside.

use std::fmt::Display;
use std::sync::atomic::{AtomicU64, Ordering};

use async_graphql::{Error, ErrorExtensionValues, ServerError};
use octocity_commands::CommandError;

/// `extensions.code`. Stable for ever; documented in docs/errors.md.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// The HTTP request is no GraphQL request.
    BadRequest,
    GraphqlParseFailed,
    GraphqlValidationFailed,
    /// An argument's value is not what its description asks for.
    BadUserInput,
    QueryTooLarge,
    QueryTooDeep,
    /// Its fields times the sizes of its pages are more than is served at once.
    QueryTooComplex,
    Unauthenticated,
    TooManyStreams,
    /// The projections did not reach the position of `after:` in time; ask again.
    PositionNotReached,
    /// The position is of another log.
    PositionForeign,
    /// An event subscription's reader was too slow, or the server stops; resume from the position.
    StreamEnded,
    Internal,
}

impl Code {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BadRequest => "BAD_REQUEST",
            Self::GraphqlParseFailed => "GRAPHQL_PARSE_FAILED",
            Self::GraphqlValidationFailed => "GRAPHQL_VALIDATION_FAILED",
            Self::BadUserInput => "BAD_USER_INPUT",
            Self::QueryTooLarge => "QUERY_TOO_LARGE",
            Self::QueryTooDeep => "QUERY_TOO_DEEP",
            Self::QueryTooComplex => "QUERY_TOO_COMPLEX",
            Self::Unauthenticated => "UNAUTHENTICATED",
            Self::TooManyStreams => "TOO_MANY_STREAMS",
            Self::PositionNotReached => "POSITION_NOT_REACHED",
            Self::PositionForeign => "POSITION_FOREIGN",
            Self::StreamEnded => "STREAM_ENDED",
            Self::Internal => "INTERNAL",
        }
    }

    /// Sets the code where the error has none yet.
    pub fn mark(self, error: &mut ServerError) {
        let extensions = error.extensions.get_or_insert_with(ErrorExtensionValues::default);
        if extensions.get("code").is_none() {
            extensions.set("code", self.as_str());
        }
    }
}

/// An error of the request as a whole. Boxed, because it is large and rare.
pub fn coded(code: Code, sentence: impl Into<String>) -> Box<ServerError> {
    let mut error = Box::new(ServerError::new(sentence, None));
    code.mark(&mut error);
    error
}

/// An error of one field.
pub fn field_error(code: &str, sentence: impl Into<String>) -> Error {
    let mut error = Error::new(sentence);
    error.extensions.get_or_insert_with(ErrorExtensionValues::default).set("code", code);
    error
}

/// What the client sent cannot be used; the sentence says what would be.
pub fn bad_input(sentence: impl Into<String>) -> Error {
    field_error(Code::BadUserInput.as_str(), sentence)
}

static NEXT_REFERENCE: AtomicU64 = AtomicU64::new(1);

/// A fault of ours: logged here, once, and shown as a reference only. `during` is constant text; `fault` holds no
/// personal data.
pub fn internal(during: &'static str, fault: &dyn Display) -> Error {
    let reference = format!("{:x}-{:x}", std::process::id(), NEXT_REFERENCE.fetch_add(1, Ordering::Relaxed));
    tracing::error!(during, reference, fault = %fault, "request failed by a fault of ours");
    let sentence = format!("Internal error; the operator finds it in the log under reference {reference}.");
    let mut error = field_error(Code::Internal.as_str(), sentence);
    error.extensions.get_or_insert_with(ErrorExtensionValues::default).set("reference", reference);
    error
}

/// Why a command has no reply. A fault of the log is logged; its sentence names no insides, so it is shown.
pub fn command_error(error: &CommandError) -> Error {
    if let CommandError::Log(fault) = error {
        let mut shown = internal("storing a command", fault);
        shown.message = format!("{error} {}", shown.message);
        shown.extensions.get_or_insert_with(ErrorExtensionValues::default).set("code", error.code());
        return shown;
    }
    field_error(error.code(), error.to_string())
}
