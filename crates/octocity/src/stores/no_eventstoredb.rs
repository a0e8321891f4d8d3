//! In place of EventStoreDB where this octocity was built without.

use super::Log;
use crate::config::EventStoreConfig;
use crate::failure::Failure;

pub async fn open(_: &EventStoreConfig) -> Result<Log, Failure> {
    Err(absent())
}

pub async fn look(_: &EventStoreConfig) -> Result<(String, bool), Failure> {
    Err(absent())
}

fn absent() -> Failure {
    Failure::usage(
        "The configuration has a table [eventstoredb], and this octocity was built without EventStoreDB; build it \
         with --features distributed, or remove the table.",
    )
}
