//! `octocity migrate`: the log of a data folder becomes the next epoch of the same log in EventStoreDB, and what
//! processes remember goes to PostgreSQL.

#[cfg(not(feature = "distributed"))]
mod absent;
#[cfg(feature = "distributed")]
mod eventstoredb;
#[cfg(feature = "distributed")]
mod postgres;

#[cfg(not(feature = "distributed"))]
use absent::{eventstoredb, postgres};
use octocity_adapters::sqlite::folder;
use serde_json::{Map, Value};

use crate::args::{MigrateArgs, Target};
use crate::config::Config;
use crate::failure::Failure;
use crate::output::Output;

pub async fn run(config: &Config, args: &MigrateArgs, output: Output) -> Result<(), Failure> {
    let is_named = |target: Target| args.to.contains(&target);
    let lacking = |table: &str, example: &str| {
        Failure::usage(format!(
            "The configuration has no table [{table}] to bring it to; add one with {example}."
        ))
    };
    let log = match (is_named(Target::Eventstoredb), &config.eventstoredb) {
        (true, None) => return Err(lacking("eventstoredb", "url = \"esdb://host:2113\"")),
        (is_named, to) => to.as_ref().filter(|_| is_named),
    };
    let processes = match (is_named(Target::Postgres), &config.postgres) {
        (true, None) => return Err(lacking("postgres", "host, user and password_file")),
        (is_named, to) => to.as_ref().filter(|_| is_named),
    };
    let mut done = Map::new();
    // The log first: then processes go on by its new positions.
    if let Some(to) = log {
        done.append(&mut eventstoredb::run(config, to, output).await?);
    }
    if let Some(to) = processes {
        done.insert("processes".to_owned(), postgres::run(config, to, output).await?);
    }
    if config.postgres.is_some() && config.data.join(folder::PROCESSES_FILE).exists() {
        output
            .say("What processes remember is in the data folder still: run octocity migrate --to postgres.");
    } else {
        output.say("Cut over: start octocity serve with the same --config and --data.");
    }
    output.finish(&Value::Object(done));
    Ok(())
}
