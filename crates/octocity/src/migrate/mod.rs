//! `octocity migrate`: the log of a data folder becomes the next epoch of the same log in EventStoreDB.

#[cfg(not(feature = "distributed"))]
#[path = "absent.rs"]
mod eventstoredb;
#[cfg(feature = "distributed")]
mod eventstoredb;

use crate::args::{MigrateArgs, Target};
use crate::config::Config;
use crate::failure::Failure;
use crate::output::Output;

pub async fn run(config: &Config, args: &MigrateArgs, output: Output) -> Result<(), Failure> {
    match (args.to, &config.eventstoredb) {
        (Target::Eventstoredb, Some(to)) => eventstoredb::run(config, to, output).await,
        (Target::Eventstoredb, None) => Err(Failure::usage(
            "The configuration has no table [eventstoredb] to bring the log to; add one with url = \
             \"esdb://host:2113\".",
        )),
    }
}
