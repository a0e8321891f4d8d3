//! The storage format of `log.db`. Names and columns stay as they are for ever; a change raises the version.

use octocity_log::LogId;
use rusqlite::Connection;
use uuid::Uuid;

use crate::sqlite::Form;

/// How many neighbouring positions make a block.
pub const BLOCK: i64 = 512;

/// What would repeat is left out: NULL in `causation_id` and `correlation_id` is the command itself, in `key`
/// the stream's own id, in `happened_at` the time it was decided. Times are milliseconds since 1970, ids 16 bytes.
pub const FORM: Form = Form {
    name: "event log",
    application_id: i32::from_be_bytes(*b"OcLg"),
    version: 1,
    schema: "
        CREATE TABLE meta (log_id BLOB NOT NULL, epoch INTEGER NOT NULL) STRICT;
        INSERT INTO meta VALUES (randomblob(16), 1);

        CREATE TABLE streams (
            stream_no INTEGER PRIMARY KEY,
            category TEXT NOT NULL,
            id BLOB NOT NULL,
            UNIQUE (id, category)
        ) STRICT;
        CREATE TABLE types (
            type_no INTEGER PRIMARY KEY,
            category TEXT NOT NULL,
            name TEXT NOT NULL,
            UNIQUE (category, name)
        ) STRICT;
        CREATE TABLE actors (actor_no INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;

        CREATE TABLE events (
            position INTEGER PRIMARY KEY,
            stream_no INTEGER NOT NULL,
            revision INTEGER NOT NULL,
            type_no INTEGER NOT NULL,
            version INTEGER NOT NULL,
            actor_no INTEGER NOT NULL,
            origin INTEGER NOT NULL,
            decided_at INTEGER NOT NULL,
            happened_at INTEGER,
            command_id BLOB NOT NULL,
            causation_id BLOB,
            correlation_id BLOB,
            key BLOB,
            data BLOB NOT NULL
        ) STRICT;
        CREATE UNIQUE INDEX events_of_stream ON events (stream_no, revision);

        CREATE TABLE type_blocks (
            type_no INTEGER NOT NULL,
            block INTEGER NOT NULL,
            PRIMARY KEY (type_no, block)
        ) STRICT, WITHOUT ROWID;

        CREATE TABLE ledger (
            stream_no INTEGER NOT NULL,
            command_id BLOB NOT NULL,
            body_hash BLOB NOT NULL,
            first_revision INTEGER NOT NULL,
            events INTEGER NOT NULL,
            refusal BLOB,
            decided_at INTEGER NOT NULL,
            position INTEGER NOT NULL,
            PRIMARY KEY (stream_no, command_id)
        ) STRICT, WITHOUT ROWID;
    ",
};

/// Whether a command was ever answered from it.
pub fn holds_anything(connection: &Connection) -> rusqlite::Result<bool> {
    let asked = "SELECT EXISTS (SELECT 1 FROM events) OR EXISTS (SELECT 1 FROM ledger)";
    connection.query_row(asked, [], |row| row.get(0))
}

/// Which log this is, and in which epoch.
pub fn identity(connection: &Connection) -> rusqlite::Result<(LogId, u32)> {
    connection.query_row("SELECT log_id, epoch FROM meta", [], |row| {
        Ok((LogId(Uuid::from_bytes(row.get(0)?)), row.get(1)?))
    })
}
