//! In place of PostgreSQL where this octocity was built without.

use std::path::Path;

use octocity_log::LogId;
use octocity_projections::BlueGreen;

use super::Stores;
use crate::config::PostgresConfig;
use crate::failure::Failure;

pub async fn open(_: &PostgresConfig, _: u32, _: &Path, _: LogId) -> Result<Stores, Failure> {
    Err(absent())
}

pub async fn blue_green(_: &PostgresConfig, _: i32, _: LogId) -> Result<Box<dyn BlueGreen>, Failure> {
    Err(absent())
}

pub async fn look(_: &PostgresConfig) -> Result<(String, bool), Failure> {
    Err(absent())
}

fn absent() -> Failure {
    Failure::usage(
        "The configuration has a table [postgres], and this octocity was built without PostgreSQL; build it with \
         --features distributed, or remove the table.",
    )
}
