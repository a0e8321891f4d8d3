//! In place of the migration where this octocity was built without EventStoreDB.

use crate::config::{Config, EventStoreConfig};
use crate::failure::Failure;
use crate::output::Output;

pub async fn run(_: &Config, _: &EventStoreConfig, _: Output) -> Result<(), Failure> {
    Err(Failure::usage(
        "This octocity was built without EventStoreDB; build it with --features distributed to bring a log there.",
    ))
}
