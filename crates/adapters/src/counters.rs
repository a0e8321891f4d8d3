//! What a log counts.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use octocity_log::LogError;

/// What the log has done since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogCounters {
    pub commits: u64,
    pub failed_commits: u64,
    pub appended_events: u64,
    pub appended_entries: u64,
    pub last_commit_micros: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    commits: AtomicU64,
    failed_commits: AtomicU64,
    appended_events: AtomicU64,
    appended_entries: AtomicU64,
    last_commit_micros: AtomicU64,
    /// What the last commit met, unless it went well.
    failure: Mutex<Option<LogError>>,
}

impl Counters {
    pub fn read(&self) -> LogCounters {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        LogCounters {
            commits: read(&self.commits),
            failed_commits: read(&self.failed_commits),
            appended_events: read(&self.appended_events),
            appended_entries: read(&self.appended_entries),
            last_commit_micros: read(&self.last_commit_micros),
        }
    }

    pub fn committed(&self, took: Duration) {
        self.commits.fetch_add(1, Ordering::Relaxed);
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.last_commit_micros.store(micros, Ordering::Relaxed);
    }

    pub fn failed(&self) {
        self.failed_commits.fetch_add(1, Ordering::Relaxed);
    }

    pub fn appended(&self, events: usize, entries: usize) {
        self.appended_events.fetch_add(events as u64, Ordering::Relaxed);
        self.appended_entries.fetch_add(entries as u64, Ordering::Relaxed);
    }

    pub fn failure(&self) -> Option<LogError> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn set_failure(&self, failure: Option<LogError>) -> Option<LogError> {
        std::mem::replace(&mut *self.failure.lock().unwrap_or_else(PoisonError::into_inner), failure)
    }
}
