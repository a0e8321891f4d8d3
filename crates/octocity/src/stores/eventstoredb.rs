//! The log in EventStoreDB.

use std::sync::Arc;

use octocity_adapters::eventstoredb::{EventStoreLog, EventStoreOptions, OpenError, User};

use super::Log;
use crate::config::EventStoreConfig;
use crate::failure::Failure;

pub async fn open(config: &EventStoreConfig) -> Result<Log, Failure> {
    let log = EventStoreLog::open(&config.url, options(config)).await.map_err(|error| failure(&error))?;
    Ok(Log::InEventStoreDb(Arc::new(log)))
}

/// Which log it would be, and whether there is one; nothing is changed there.
pub async fn look(config: &EventStoreConfig) -> Result<(String, bool), Failure> {
    EventStoreLog::look(&config.url, &options(config)).await.map_err(|error| failure(&error))
}

pub fn options(config: &EventStoreConfig) -> EventStoreOptions {
    let EventStoreConfig { user, password, namespace, .. } = config.clone();
    let user = user.zip(password).map(|(name, password)| User { name, password });
    EventStoreOptions { user, namespace, ..EventStoreOptions::default() }
}

pub fn failure(error: &OpenError) -> Failure {
    match error {
        OpenError::Newer { .. } | OpenError::Foreign { .. } | OpenError::Unfinished { .. } => {
            Failure::data(error.to_string())
        }
        OpenError::Unreachable { .. } => Failure::usage(error.to_string()).of_service("EventStoreDB"),
        _ => Failure::usage(error.to_string()),
    }
}
