//! What goes wrong, in words that hold neither a password nor a stored value.

use std::error::Error as _;
use std::path::PathBuf;
use std::sync::Arc;

use deadpool_postgres::TimeoutType;
use octocity_commands::process_store::ProcessStoreError;
use octocity_log::{LogError, LogId};
use octocity_projections::{StoreError, Table};
use thiserror::Error;
use tokio_postgres::error::SqlState;

use super::connection::Place;

/// Why a database cannot be used; nothing in it was changed.
#[derive(Debug, Error)]
pub enum OpenError {
    #[error(
        "The address in 'url' under [postgres] is none; it has the form postgresql://user@host:5432/database."
    )]
    Address,
    #[error(
        "The 'schema' under [postgres] is no plain name; it has 1 to 63 lower-case letters, digits and '_', and does \
         not begin with a digit or 'pg_'."
    )]
    SchemaName,
    #[error("This program's own encryption cannot be used ({reason}); say tls = false under [postgres].")]
    Protocol { reason: String },
    #[error("The certificates in {} cannot be used ({reason}); correct 'ca_file' under [postgres].", path.display())]
    Authority { path: PathBuf, reason: String },
    #[error(
        "PostgreSQL at {} cannot be reached ({reason}); start it, or correct host and port under [postgres].",
        place.hosts
    )]
    Unreachable { place: Arc<Place>, reason: String },
    #[error(
        "PostgreSQL at {} and this program cannot agree on encryption ({reason}); correct 'tls' and 'ca_file' under \
         [postgres].", place.hosts
    )]
    Encryption { place: Arc<Place>, reason: String },
    #[error(
        "PostgreSQL at {} does not let the user '{}' in ({reason}); correct user and password under [postgres].",
        place.hosts, place.user
    )]
    NotLetIn { place: Arc<Place>, reason: String },
    #[error(
        "PostgreSQL at {} has no database '{}'; make it (createdb {1}), or correct 'database' under [postgres].",
        place.hosts, place.database
    )]
    NoDatabase { place: Arc<Place> },
    #[error(
        "The user '{}' may not do what is needed in the schema '{}' ({reason}); let the database's owner say: CREATE \
         SCHEMA {1} AUTHORIZATION {0}.", place.user, place.schema
    )]
    NotAllowed { place: Arc<Place>, reason: String },
    #[error(
        "The schema '{}' of the database '{}' was written by a newer version of Octocity (its form is {found}, this \
         one knows {known}); upgrade Octocity or name another schema under [postgres].", place.schema, place.database
    )]
    Newer { place: Arc<Place>, found: i32, known: i32 },
    #[error(
        "The schema '{}' of the database '{}' has tables that are not Octocity's; name another one under [postgres].",
        place.schema, place.database
    )]
    Foreign { place: Arc<Place> },
    #[error(
        "The schema '{}' of the database '{}' belongs to another log ({}, this one is {}); name another \
         schema under [postgres], or drop this one if that log is gone.", place.schema, place.database, found.0, own.0
    )]
    OtherLog { place: Arc<Place>, found: LogId, own: LogId },
    #[error("PostgreSQL at {} cannot be used ({reason}).", place.hosts)]
    Unusable { place: Arc<Place>, reason: String },
}

impl OpenError {
    pub fn of(place: &Arc<Place>, fault: &Fault) -> Self {
        let (place, reason) = (Arc::clone(place), fault.reason.clone());
        let state = fault.state.as_ref();
        let is = |states: &[SqlState]| state.is_some_and(|state| states.contains(state));
        match fault.kind {
            Kind::Unreachable => Self::Unreachable { place, reason },
            Kind::Encryption => Self::Encryption { place, reason },
            Kind::Password => Self::NotLetIn { place, reason },
            _ if is(&[SqlState::INVALID_PASSWORD, SqlState::INVALID_AUTHORIZATION_SPECIFICATION]) => {
                Self::NotLetIn { place, reason }
            }
            _ if is(&[SqlState::INVALID_CATALOG_NAME]) => Self::NoDatabase { place },
            // It starts, or stops, and lets nobody in meanwhile.
            _ if is(&[SqlState::CANNOT_CONNECT_NOW, SqlState::ADMIN_SHUTDOWN, SqlState::CRASH_SHUTDOWN]) => {
                Self::Unreachable { place, reason }
            }
            _ if is(&[SqlState::INSUFFICIENT_PRIVILEGE]) => Self::NotAllowed { place, reason },
            _ => Self::Unusable { place, reason },
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// No server, or none that lives on.
    Unreachable,
    Encryption,
    Password,
    /// The server says no.
    Answer,
}

/// One fault of the server or of the way to it.
#[derive(Clone, Debug, Error)]
#[error("PostgreSQL: {reason}")]
pub struct Fault {
    kind: Kind,
    state: Option<SqlState>,
    reason: String,
}

impl Fault {
    pub fn unreachable(reason: impl Into<String>) -> Self {
        Self { kind: Kind::Unreachable, state: None, reason: reason.into() }
    }

    /// What is stored cannot be read.
    pub fn unreadable(reason: impl Into<String>) -> Self {
        Self { kind: Kind::Answer, state: None, reason: reason.into() }
    }

    /// Whether others held what was to be locked for too long.
    pub fn is_lock_timeout(&self) -> bool {
        self.state == Some(SqlState::LOCK_NOT_AVAILABLE)
    }

    /// What it says of a statement about this table: one without our columns was made anew by another version.
    pub fn about(self, table: &Table) -> StoreError {
        match self.state {
            Some(SqlState::UNDEFINED_COLUMN | SqlState::UNDEFINED_TABLE) => {
                StoreError::OtherForm(table.name.to_owned())
            }
            _ => self.into(),
        }
    }

    /// Whether it passes by itself: the server restarts, fails over, is full of connections, or had to
    /// choose between two transactions.
    pub fn is_transient(&self) -> bool {
        let passing = [
            SqlState::ADMIN_SHUTDOWN,
            SqlState::CRASH_SHUTDOWN,
            SqlState::CANNOT_CONNECT_NOW,
            SqlState::TOO_MANY_CONNECTIONS,
            SqlState::READ_ONLY_SQL_TRANSACTION,
            SqlState::T_R_SERIALIZATION_FAILURE,
            SqlState::T_R_DEADLOCK_DETECTED,
            // A prepared statement whose table was made anew.
            SqlState::FEATURE_NOT_SUPPORTED,
        ];
        self.kind == Kind::Unreachable || self.state.as_ref().is_some_and(|state| passing.contains(state))
    }
}

impl From<tokio_postgres::Error> for Fault {
    fn from(error: tokio_postgres::Error) -> Self {
        if let Some(said) = error.as_db_error() {
            // Not its details: they may hold what a row says.
            let reason = format!("{}, SQLSTATE {}", said.message(), said.code().code());
            return Self { kind: Kind::Answer, state: Some(said.code().clone()), reason };
        }
        let mut reason = error.to_string();
        let mut cause = error.source();
        while let Some(deeper) = cause {
            reason = deeper.to_string();
            cause = deeper.source();
        }
        let words = error.to_string();
        let kind = match words.as_str() {
            "error performing TLS handshake" => Kind::Encryption,
            "authentication error" | "invalid configuration" => Kind::Password,
            _ if error.is_closed() => Kind::Unreachable,
            "error communicating with the server"
            | "error connecting to server"
            | "timeout waiting for server" => Kind::Unreachable,
            _ => Kind::Answer,
        };
        Self { kind, state: None, reason }
    }
}

impl From<deadpool_postgres::PoolError> for Fault {
    fn from(error: deadpool_postgres::PoolError) -> Self {
        match error {
            deadpool_postgres::PoolError::Backend(error) => error.into(),
            // The server is there, and others use all connections to it: no fault of it, and none that soon passes.
            deadpool_postgres::PoolError::Timeout(TimeoutType::Wait) => Self {
                kind: Kind::Answer,
                state: None,
                reason: "no connection of the pool was free in time".to_owned(),
            },
            other => Self::unreachable(other.to_string()),
        }
    }
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        match fault.state {
            Some(SqlState::DISK_FULL) => Self::Full(fault.to_string()),
            _ => Self::Unavailable(fault.to_string()),
        }
    }
}

impl From<Fault> for LogError {
    fn from(fault: Fault) -> Self {
        Self::Unavailable(fault.to_string())
    }
}

impl From<Fault> for ProcessStoreError {
    fn from(fault: Fault) -> Self {
        Self(fault.to_string())
    }
}
