//! SQLite: the embedded default of every store.
//!
//! - **form**: what a file is for and in which version; written into its header, so that a file of another
//!   program or of a newer version is never touched.
//! - **writer**: the one thread that owns a file's write connection.
//! - **reader**: a connection that may only read; as many as read at once, up to a limit.

mod blocking;
mod checkpointer;
mod file;
pub mod folder;
pub mod log;
mod processes;
mod readers;
pub mod rows;
pub mod snapshots;

use checkpointer::Checkpointer;
pub use file::{Form, OpenError, log_error, open_disposable, open_existing, open_to_read, open_to_write};
pub use folder::{DataFolder, FolderError};
pub use log::{Gap, SqliteLog, SqliteLogOptions, held_at as log_held_at};
pub use processes::SqliteProcessStore;
pub use rows::{SqliteBlueGreen, SqliteRows};
pub use snapshots::SqliteSnapshots;
