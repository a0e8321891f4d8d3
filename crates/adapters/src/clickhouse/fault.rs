//! What goes wrong, in words that hold no password.

use clickhouse::error::Error;
use octocity_log::{LogError, LogId};
use octocity_projections::StoreError;
use thiserror::Error as ThisError;

use super::server::Place;

/// Why a database cannot be used; no fact in it was changed.
#[derive(Debug, ThisError)]
pub enum OpenError {
    #[error(
        "The 'url' under [clickhouse] is none that is taken; it has the form http://host:8123 (only http:// is taken: where \
         others share the network, lead it through a tunnel)."
    )]
    Address,
    #[error(
        "The 'url' under [clickhouse] holds an '@' or a '?', and it is shown in messages; name the user by 'user', and the \
         file that holds the password by 'password_file'."
    )]
    NamedInAddress,
    #[error("The 'database' under [clickhouse] is no plain name; it has 1 to 63 letters, digits and '_'.")]
    DatabaseName,
    #[error(
        "ClickHouse at {} cannot be reached ({reason}); start it, or correct 'url' under [clickhouse].", place.url
    )]
    Unreachable { place: Place, reason: String },
    #[error(
        "ClickHouse at {} does not let the user '{}' in; correct 'user' and 'password' under [clickhouse].",
        place.url, place.user
    )]
    NotLetIn { place: Place },
    #[error(
        "The user '{}' may not do what is needed in the database '{}' of ClickHouse ({reason}); let its administrator \
         say: GRANT ALL ON {1}.* TO {0}.", place.user, place.database
    )]
    NotAllowed { place: Place, reason: String },
    #[error(
        "The database '{}' of ClickHouse was written by a newer version of Octocity (its form is {found}, this one \
         knows {known}); upgrade Octocity or name another database under [clickhouse].", place.database
    )]
    Newer { place: Place, found: u32, known: u32 },
    #[error(
        "The database '{}' of ClickHouse belongs to another log ({}, this one is {}); name another database under \
         [clickhouse], or drop this one if that log is gone.", place.database, found.0, own.0
    )]
    OtherLog { place: Place, found: LogId, own: LogId },
    #[error(
        "The database '{}' of ClickHouse knows events that the log does not have (it was put back to an older state); \
         drop the database, with those of its name and _green or _blue, and it is filled anew.", place.database
    )]
    AheadOfLog { place: Place },
    #[error(
        "The database '{}' of ClickHouse is being switched; it is tried again. If that lasts, run octocity rebuild \
         analytics, which ends what was begun.", place.database
    )]
    Switching { place: Place },
    #[error("ClickHouse at {} cannot be used ({reason}).", place.url)]
    Unusable { place: Place, reason: String },
}

/// Why a block was not written or a question not answered.
#[derive(Debug, ThisError)]
pub enum Fault {
    #[error(
        "the facts of the database were told anew meanwhile, and it was put in the place of the one before"
    )]
    Switched,
    #[error("ClickHouse cannot be written or read just now: {0}")]
    ClickHouse(String),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Open(#[from] OpenError),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::ClickHouse(reason(&error))
    }
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Switched | Fault::ClickHouse(_) | Fault::Open(_) => Self::Unavailable(fault.to_string()),
            Fault::Log(error) => Self::Log(error),
        }
    }
}

/// ClickHouse's own codes (its `ErrorCodes.cpp`).
const NO_SUCH_USER: u32 = 192;
const WRONG_PASSWORD: u32 = 193;
const ACCESS_DENIED: u32 = 497;
const AUTHENTICATION_FAILED: u32 = 516;

impl OpenError {
    /// Stable; see docs/errors.md.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Address | Self::NamedInAddress => "CLICKHOUSE_ADDRESS",
            Self::DatabaseName => "CLICKHOUSE_DATABASE_NAME",
            Self::Unreachable { .. } => "CLICKHOUSE_UNREACHABLE",
            Self::NotLetIn { .. } => "CLICKHOUSE_CREDENTIALS",
            Self::NotAllowed { .. } => "CLICKHOUSE_NOT_ALLOWED",
            Self::Newer { .. } => "CLICKHOUSE_NEWER",
            Self::OtherLog { .. } => "CLICKHOUSE_OTHER_LOG",
            Self::AheadOfLog { .. } => "CLICKHOUSE_AHEAD_OF_LOG",
            Self::Switching { .. } => "CLICKHOUSE_SWITCHING",
            Self::Unusable { .. } => "CLICKHOUSE_UNUSABLE",
        }
    }

    /// It may pass by itself.
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Switching { .. } | Self::Unusable { .. })
    }

    pub(super) fn of(place: &Place, error: &Error) -> Self {
        let (place, reason) = (place.clone(), reason(error));
        match (error, code(error)) {
            (Error::Network(_) | Error::TimedOut, _) => Self::Unreachable { place, reason },
            (Error::Unsupported(_) | Error::InvalidParams(_), _) => Self::Address,
            (_, Some(NO_SUCH_USER | WRONG_PASSWORD | AUTHENTICATION_FAILED)) => Self::NotLetIn { place },
            (_, Some(ACCESS_DENIED)) => Self::NotAllowed { place, reason },
            _ => Self::Unusable { place, reason },
        }
    }
}

/// The code that ClickHouse answered with: it begins its message.
fn code(error: &Error) -> Option<u32> {
    let Error::BadResponse(text) = error else { return None };
    let digits = text.split("Code: ").nth(1)?;
    digits.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// The first line, and its cause where the outer word says nothing.
fn reason(error: &Error) -> String {
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    let text = match error {
        Error::Network(_) => innermost.to_string(),
        _ => error.to_string(),
    };
    text.lines().next().unwrap_or_default().chars().take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clickhouse_answers_is_told_apart() {
        let place = Place {
            url: "http://city:8123".to_owned(),
            user: "octocity".to_owned(),
            database: "analytics".to_owned(),
        };
        let told = |text: &str| OpenError::of(&place, &Error::BadResponse(text.to_owned())).to_string();
        assert_eq!(
            told("Code: 516. DB::Exception: octocity: Authentication failed: password is incorrect."),
            "ClickHouse at http://city:8123 does not let the user 'octocity' in; correct 'user' and 'password' under \
             [clickhouse]."
        );
        let denied = told("Code: 497. DB::Exception: octocity: Not enough privileges.");
        assert!(denied.contains("GRANT ALL ON analytics.* TO octocity"), "{denied}");
        assert!(told("Code: 60. DB::Exception: Unknown table").contains("cannot be used"));
    }
}
