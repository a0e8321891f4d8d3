//! Copies what was committed from the write-ahead log into its file, on a thread of its own: a writer that does it itself
//! stands still for some tens of milliseconds each time. (Two connections that do so need SQLite
//! 3.51.3 or later, which mends the reset of the log under them; the bundled one is.)

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use rusqlite::Connection;

use super::file::{Form, OpenError, open_existing};

/// How often it looks whether something was committed.
const EVERY: Duration = Duration::from_millis(250);

/// Ends with the file's writer, before the writer's connection is closed.
pub struct Checkpointer {
    committed: Arc<AtomicBool>,
    /// None only while it is dropped.
    goes_on: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Checkpointer {
    pub fn start(path: &Path, form: &Form) -> Result<Self, OpenError> {
        let connection = open_existing(path, form)?;
        let (committed, (goes_on, until)) = (Arc::<AtomicBool>::default(), channel());
        let seen = Arc::clone(&committed);
        let thread = Builder::new().name("checkpointer".to_owned());
        let thread = thread
            .spawn(move || run(&connection, &seen, &until))
            .map_err(|error| OpenError::Unavailable { path: path.to_owned(), reason: error.to_string() })?;
        Ok(Self { committed, goes_on: Some(goes_on), thread: Some(thread) })
    }

    /// There is something to copy.
    pub fn committed(&self) {
        self.committed.store(true, Ordering::Relaxed);
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        self.goes_on = None;
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread that copies the write-ahead log panicked");
        }
    }
}

fn run(connection: &Connection, committed: &AtomicBool, until: &Receiver<()>) {
    while until.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
        if committed.swap(false, Ordering::Relaxed) {
            // It waits for nobody, and leaves what a reader still needs. A full disk is the writer's to tell.
            let all_copied = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| {
                let (busy, pages, copied): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
                Ok(busy == 0 && copied >= pages)
            });
            if !all_copied.unwrap_or_else(|error| {
                tracing::debug!(%error, "the write-ahead log could not be copied; it is tried again");
                false
            }) {
                committed.store(true, Ordering::Relaxed);
            }
        }
    }
}
