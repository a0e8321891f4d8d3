//! Errors of GraphQL: a request that cannot be served, or a fault of ours. Business refusals are none: they stand in
//! the mutations' payloads. Every error carries `extensions.code`, stable for programs; a fault of ours also carries a
//! `reference`, under which it was logged, and nothing of what went wrong inside.

use std::fmt::Display;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_graphql::{Error, ErrorExtensionValues, ServerError};
use octocity_commands::CommandError;
use octocity_log::{LogError, Retry};
use octocity_projections::{MendError, StoreError};

/// `extensions.code`. Stable for ever; documented in docs/errors.md.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// The HTTP request is no GraphQL request.
    BadRequest,
    GraphqlParseFailed,
    GraphqlValidationFailed,
    /// An argument's value is not what its description asks for.
    BadUserInput,
    /// A payment card's number stands where none may.
    PaymentCardNumber,
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
    /// A read model is written faster than its parked keys can be mended.
    ProjectionBusy,
    /// A store cannot be read just now; ask again.
    Unavailable,
    Internal,
}

impl Code {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BadRequest => "BAD_REQUEST",
            Self::GraphqlParseFailed => "GRAPHQL_PARSE_FAILED",
            Self::GraphqlValidationFailed => "GRAPHQL_VALIDATION_FAILED",
            Self::BadUserInput => "BAD_USER_INPUT",
            Self::PaymentCardNumber => "PAYMENT_CARD_NUMBER",
            Self::QueryTooLarge => "QUERY_TOO_LARGE",
            Self::QueryTooDeep => "QUERY_TOO_DEEP",
            Self::QueryTooComplex => "QUERY_TOO_COMPLEX",
            Self::Unauthenticated => "UNAUTHENTICATED",
            Self::TooManyStreams => "TOO_MANY_STREAMS",
            Self::PositionNotReached => "POSITION_NOT_REACHED",
            Self::PositionForeign => "POSITION_FOREIGN",
            Self::ProjectionBusy => "PROJECTION_BUSY",
            Self::Unavailable => "UNAVAILABLE",
            Self::Internal => "INTERNAL",
        }
    }

    #[cfg(test)]
    const ALL: [Self; 15] = [
        Self::BadRequest,
        Self::GraphqlParseFailed,
        Self::GraphqlValidationFailed,
        Self::BadUserInput,
        Self::PaymentCardNumber,
        Self::QueryTooLarge,
        Self::QueryTooDeep,
        Self::QueryTooComplex,
        Self::Unauthenticated,
        Self::TooManyStreams,
        Self::PositionNotReached,
        Self::PositionForeign,
        Self::ProjectionBusy,
        Self::Unavailable,
        Self::Internal,
    ];

    const fn class(self) -> Class {
        match self {
            Self::TooManyStreams | Self::PositionNotReached | Self::ProjectionBusy | Self::Unavailable => {
                Class::Unavailable
            }
            Self::Internal => Class::Internal,
            _ => Class::BadRequest,
        }
    }

    /// Sets the code where the error has none yet.
    pub fn mark(self, error: &mut ServerError) {
        let extensions = error.extensions.get_or_insert_with(ErrorExtensionValues::default);
        if extensions.get("code").is_none() {
            extensions.set("code", self.as_str());
            extensions.set("classification", self.class().as_str());
        }
    }
}

/// `extensions.classification`: who can mend it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    /// The client: with another request.
    BadRequest,
    /// Nobody: the same request passes later.
    Unavailable,
    /// We.
    Internal,
}

impl Class {
    const fn as_str(self) -> &'static str {
        match self {
            Self::BadRequest => "BAD_REQUEST",
            Self::Unavailable => "UNAVAILABLE",
            Self::Internal => "INTERNAL_SERVER_ERROR",
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
pub fn field_error(code: Code, sentence: impl Into<String>) -> Error {
    classified(code.as_str(), code.class(), sentence)
}

fn classified(code: &str, class: Class, sentence: impl Into<String>) -> Error {
    let mut error = Error::new(sentence);
    let extensions = error.extensions.get_or_insert_with(ErrorExtensionValues::default);
    extensions.set("code", code);
    extensions.set("classification", class.as_str());
    error
}

/// What the client sent cannot be used; the sentence says what would be.
pub fn bad_input(sentence: impl Into<String>) -> Error {
    field_error(Code::BadUserInput, sentence)
}

static NEXT_REFERENCE: AtomicU64 = AtomicU64::new(1);

/// What goes wrong inside.
pub trait Fault: Display {
    /// Whether the same question may be answered later, without anybody's doing.
    fn passes(&self) -> bool;
}

impl Fault for LogError {
    fn passes(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}

impl Fault for StoreError {
    fn passes(&self) -> bool {
        match self {
            Self::Unavailable(_) => true,
            Self::Log(fault) => fault.passes(),
            _ => false,
        }
    }
}

impl Fault for MendError {
    fn passes(&self) -> bool {
        matches!(self, Self::Store(fault) if fault.passes())
    }
}

/// A fault that passes, or one of ours: logged here, once, and shown as a reference only. `during` is constant text;
/// `fault` holds no personal data.
pub fn failed(during: &'static str, fault: &impl Fault) -> Error {
    if !fault.passes() {
        return internal(during, fault);
    }
    let reference = reference();
    tracing::warn!(during, reference, %fault, "request failed by a fault that may pass");
    let sentence = format!(
        "This cannot be read just now; ask again in a moment. The operator finds it in the log under reference \
         {reference}."
    );
    referring(field_error(Code::Unavailable, sentence), reference)
}

/// Of a subscription to the state of one thing, which ends by no fault that passes.
pub const fn patience() -> Retry {
    Retry::new(Duration::from_millis(250), Duration::from_secs(5))
}

/// Waits until a subscription may read again. The error: this fault does not pass, and ends it.
pub async fn outlast(retry: &mut Retry, error: Error) -> Result<(), Error> {
    let code = error.extensions.as_ref().and_then(|extensions| extensions.get("code"));
    if code != Some(&Code::Unavailable.as_str().into()) {
        return Err(error);
    }
    retry.begins();
    tokio::time::sleep(retry.pause().unwrap_or_default()).await;
    Ok(())
}

fn internal(during: &'static str, fault: &dyn Display) -> Error {
    let reference = reference();
    tracing::error!(during, reference, fault = %fault, "request failed by a fault of ours");
    let sentence = format!("Internal error; the operator finds it in the log under reference {reference}.");
    referring(field_error(Code::Internal, sentence), reference)
}

fn reference() -> String {
    format!("{:x}-{:x}", std::process::id(), NEXT_REFERENCE.fetch_add(1, Ordering::Relaxed))
}

fn referring(mut error: Error, reference: String) -> Error {
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
    let class = match error {
        CommandError::Busy | CommandError::NoGateway => Class::Unavailable,
        _ => Class::BadRequest,
    };
    classified(error.code(), class, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = include_str!("../../../docs/errors.md");

    #[test]
    fn every_code_has_its_line_in_the_documentation() {
        for code in Code::ALL {
            let line = format!("| `{}` | `{}` |", code.as_str(), code.class().as_str());
            assert!(PAGE.contains(&line), "{line}");
        }
        for error in [
            CommandError::IdReused,
            CommandError::IdExpired,
            CommandError::IdFromFuture,
            CommandError::IdInvalid,
            CommandError::Busy,
            CommandError::NoGateway,
            CommandError::TooLarge,
        ] {
            assert!(PAGE.contains(&format!("| `{}` |", error.code())), "{error}");
        }
    }

    #[test]
    fn a_fault_of_the_log_keeps_its_insides() {
        let fault = octocity_log::LogError::Unavailable("/var/secret/log.db is on fire".to_owned());
        let shown = command_error(&CommandError::Log(fault));
        assert!(!format!("{shown:?}").contains("secret"), "{shown:?}");
    }

    #[tokio::test]
    async fn what_passes_is_unavailable_and_outlasted_and_a_damage_is_not() {
        let secret = || "db.internal:5432".to_owned();
        let mut retry = Retry::new(Duration::from_millis(1), Duration::from_millis(1));
        let lost = StoreError::Log(LogError::Unavailable(secret()));
        for fault in [StoreError::Unavailable(secret()), lost] {
            let shown = failed("reading", &fault);
            assert!(format!("{shown:?}").contains(r#""UNAVAILABLE""#), "{shown:?}");
            assert!(!format!("{shown:?}").contains("5432"), "{shown:?}");
            assert!(outlast(&mut retry, shown).await.is_ok());
        }
        let shown = failed("reading", &StoreError::Damaged(secret()));
        assert!(format!("{shown:?}").contains(r#""INTERNAL""#), "{shown:?}");
        assert!(outlast(&mut retry, shown).await.is_err());
    }
}
