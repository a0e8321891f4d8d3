//! Opening a file: what it is for, in which version, and what to do where it is not so.

use std::path::{Path, PathBuf};
use std::time::Duration;

use octocity_log::LogError;
use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior, ffi};
use thiserror::Error;

/// What a file is for.
#[derive(Clone, Copy, Debug)]
pub struct Form {
    /// As a person would say it: "event log".
    pub name: &'static str,
    /// SQLite's `application_id`: four letters.
    pub application_id: i32,
    /// SQLite's `user_version`, raised with every change of the schema.
    pub version: i32,
    /// The statements that make an empty file one of this form.
    pub schema: &'static str,
}

/// Why a file cannot be used; nothing in it was changed.
#[derive(Debug, Error)]
pub enum OpenError {
    #[error(
        "{} was written by a newer version of Octocity (its form is {found}, this one knows {known}); upgrade \
         Octocity or name another data folder.", path.display()
    )]
    Newer { path: PathBuf, found: i32, known: i32 },
    #[error(
        "{} was written by an earlier version of Octocity (its form is {found}, this one knows {known}); run that \
         version or name another data folder.", path.display()
    )]
    Older { path: PathBuf, found: i32, known: i32 },
    #[error("{} is no {name} of Octocity; move it away or name another data folder.", path.display())]
    Foreign { path: PathBuf, name: &'static str },
    #[error("{} is damaged ({reason}); nothing was changed: restore it from a backup.", path.display())]
    Damaged { path: PathBuf, reason: String },
    #[error(
        "{} is empty, or was not made to its end; a start makes it. If it held something, restore it from a backup.",
        path.display()
    )]
    Unmade { path: PathBuf },
    #[error("{} cannot be opened ({reason}); check the folder's rights and free space.", path.display())]
    Unavailable { path: PathBuf, reason: String },
}

impl OpenError {
    pub fn of(path: &Path, error: &rusqlite::Error) -> Self {
        let (path, reason) = (path.to_owned(), error.to_string());
        // Beside a file of ours a journal to roll back stands only until the file first is in WAL mode.
        if error.sqlite_error().is_some_and(|error| error.extended_code == ffi::SQLITE_READONLY_ROLLBACK) {
            return Self::Unmade { path };
        }
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Damaged { path, reason },
            _ => Self::Unavailable { path, reason },
        }
    }

    /// What is wrong where making the file anew would mend it; a file of another program is left alone.
    pub fn in_content(&self) -> Option<String> {
        match self {
            Self::Damaged { reason, .. } => Some(format!("is damaged ({reason})")),
            Self::Newer { found, known, .. } | Self::Older { found, known, .. } => {
                Some(format!("is of form {found}, not of {known}"))
            }
            Self::Foreign { .. } | Self::Unmade { .. } | Self::Unavailable { .. } => None,
        }
    }
}

/// A fault of SQLite as the ports name it.
pub fn log_error(error: &rusqlite::Error) -> LogError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => LogError::Full(error.to_string()),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => LogError::Damaged(error.to_string()),
        _ => LogError::Unavailable(error.to_string()),
    }
}

/// Opens a file for its one writer, making it where there is none: WAL, so that readers never wait for it.
/// `synchronous` is left at SQLite's default, FULL: a commit is on the disk when it returns.
pub fn open_to_write(path: &Path, form: &Form) -> Result<Connection, OpenError> {
    let wrap = |error: rusqlite::Error| OpenError::of(path, &error);
    let mut connection = Connection::open(path).map_err(wrap)?;
    connection.busy_timeout(Duration::from_secs(5)).map_err(wrap)?;
    if !check_form(&connection, path, form)? {
        // In this order: the journal mode cannot change inside a transaction, and the form's marks are only
        // written together with its tables.
        connection.pragma_update(None, "journal_mode", "WAL").map_err(wrap)?;
        let change = begin_to_write(&mut connection).map_err(wrap)?;
        change.execute_batch(form.schema).map_err(wrap)?;
        change.pragma_update(None, "application_id", form.application_id).map_err(wrap)?;
        change.pragma_update(None, "user_version", form.version).map_err(wrap)?;
        change.commit().map_err(wrap)?;
    }
    Ok(connection)
}

/// Begins what writes, as a write: it waits while another connection holds the file's lock for a moment (the checkpointer's, or that
/// of whoever keeps something else in the file). One that begins by reading does not wait at its first write, but fails.
pub fn begin_to_write(connection: &mut Connection) -> rusqlite::Result<Transaction<'_>> {
    connection.transaction_with_behavior(TransactionBehavior::Immediate)
}

/// Opens a file that the log can fill again: what is damaged or of another version is made anew. `prepare` counts
/// as opening it.
pub fn open_disposable(
    path: &Path,
    form: &Form,
    prepare: impl Fn(&Connection) -> rusqlite::Result<()>,
) -> Result<Connection, OpenError> {
    let open = || {
        let connection = open_to_write(path, form)?;
        prepare(&connection).map_err(|error| OpenError::of(path, &error))?;
        Ok(connection)
    };
    open().or_else(|error: OpenError| {
        let Some(problem) = error.in_content() else { return Err(error) };
        tracing::warn!(path = %path.display(), problem, "a file is made anew from the log");
        remove(path)?;
        open()
    })
}

/// Finds damage in one table, or with "1" in the whole file.
pub fn check(connection: &Connection, of: &str) -> rusqlite::Result<()> {
    let found: String = connection.query_row(&format!("PRAGMA quick_check({of})"), [], |row| row.get(0))?;
    if found == "ok" {
        return Ok(());
    }
    Err(rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_CORRUPT), Some(found)))
}

/// Takes a file away, with what SQLite keeps beside it.
pub fn remove(path: &Path) -> Result<(), OpenError> {
    for suffix in ["", "-wal", "-shm", "-journal"] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        match std::fs::remove_file(&name) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(OpenError::Unavailable { path: path.to_owned(), reason: error.to_string() });
            }
            _ => {}
        }
    }
    Ok(())
}

/// Opens a file that must be there, to read and write it.
pub fn open_existing(path: &Path, form: &Form) -> Result<Connection, OpenError> {
    if !path.exists() {
        let reason = "there is no such file".to_owned();
        return Err(OpenError::Unavailable { path: path.to_owned(), reason });
    }
    open_to_write(path, form)
}

/// Opens a file only to read it.
pub fn open_to_read(path: &Path, form: &Form) -> Result<Connection, OpenError> {
    let wrap = |error: rusqlite::Error| OpenError::of(path, &error);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(wrap)?;
    connection.busy_timeout(Duration::from_secs(5)).map_err(wrap)?;
    match check_form(&connection, path, form)? {
        true => Ok(connection),
        false => Err(OpenError::Unmade { path: path.to_owned() }),
    }
}

/// Whether the file has this form already; an empty one has none.
fn check_form(connection: &Connection, path: &Path, form: &Form) -> Result<bool, OpenError> {
    let read = |pragma: &str| connection.query_row(pragma, [], |row| row.get::<_, i32>(0));
    let marks = || Ok((read("PRAGMA application_id")?, read("PRAGMA user_version")?));
    let (application_id, version) = marks().map_err(|error| OpenError::of(path, &error))?;
    let tables = read("SELECT count(*) FROM sqlite_schema").map_err(|error| OpenError::of(path, &error))?;
    match (application_id == form.application_id, tables) {
        (false, 0) if application_id == 0 && version == 0 => Ok(false),
        (false, _) => Err(OpenError::Foreign { path: path.to_owned(), name: form.name }),
        (true, _) if version > form.version => {
            Err(OpenError::Newer { path: path.to_owned(), found: version, known: form.version })
        }
        (true, _) if version < form.version => {
            Err(OpenError::Older { path: path.to_owned(), found: version, known: form.version })
        }
        (true, _) => Ok(true),
    }
}
