//! The stores in PostgreSQL.

use std::path::Path;
use std::sync::Arc;

use octocity_adapters::postgres::{
    Database, OpenError, PostgresBlueGreen, PostgresOptions, PostgresProcessStore, PostgresRows,
    PostgresSnapshots, Tls,
};
use octocity_adapters::sqlite::folder;
use octocity_log::LogId;
use octocity_projections::BlueGreen;

use super::{Processes, Stores};
use crate::config::PostgresConfig;
use crate::failure::Failure;

/// The rows have as many partitions as the log on Kafka: projectors share them.
pub async fn open(
    config: &PostgresConfig,
    partitions: u32,
    data: &Path,
    log: LogId,
) -> Result<Stores, Failure> {
    let database = database(config, log).await?;
    let watched = database.clone();
    tokio::spawn(async move { watched.watch().await });
    Ok(Stores {
        outage: Some(database.outage()),
        rows: Arc::new(PostgresRows::of_partitions(database.clone(), partitions.cast_signed())),
        snapshots: Arc::new(PostgresSnapshots::new(database.clone())),
        processes: Processes::InPostgres {
            store: PostgresProcessStore::new(database),
            file: data.join(folder::PROCESSES_FILE),
        },
    })
}

/// What processes remember, alone.
pub async fn process_store(config: &PostgresConfig, log: LogId) -> Result<PostgresProcessStore, Failure> {
    Ok(PostgresProcessStore::new(database(config, log).await?))
}

async fn database(config: &PostgresConfig, log: LogId) -> Result<Database, Failure> {
    let database = Database::open(&options(config)).await.map_err(|error| failure(&error))?;
    database.bind(log).await.map_err(|error| failure(&error))?;
    Ok(database)
}

/// The live rows with what stands beside them; this process alone makes views anew.
pub async fn blue_green(
    config: &PostgresConfig,
    partitions: i32,
    log: LogId,
) -> Result<Box<dyn BlueGreen>, Failure> {
    let opened = PostgresBlueGreen::open(&options(config), partitions, log).await;
    match opened.map_err(|error| failure(&error))? {
        Some(stores) => Ok(Box::new(stores)),
        None => Err(Failure::fault(
            "Another process makes a view anew in this schema, or goes back; wait until it has ended, and run it again.",
        )),
    }
}

/// Which database it would be, and whether its tables are there as they are to be, without changing anything there.
pub async fn look(config: &PostgresConfig) -> Result<(String, bool), Failure> {
    Database::look(&options(config)).await.map_err(|error| failure(&error))
}

pub fn options(config: &PostgresConfig) -> PostgresOptions {
    let PostgresConfig { url, host, port, user, database, password, schema, pool_size, tls, ca_file } =
        config.clone();
    let tls = match (tls, ca_file) {
        (Some(false), _) => Tls::Off,
        (_, Some(file)) => Tls::Of(file),
        (Some(true), None) => Tls::On,
        (None, None) => Tls::Unsaid,
    };
    PostgresOptions { url, host, port, user, database, password, schema, pool_size: pool_size as usize, tls }
}

fn failure(error: &OpenError) -> Failure {
    match error {
        OpenError::Newer { .. } | OpenError::Foreign { .. } | OpenError::OtherLog { .. } => {
            Failure::data(error.to_string())
        }
        OpenError::Unusable { .. } | OpenError::Protocol { .. } => Failure::fault(error.to_string()),
        OpenError::Unreachable { .. } => Failure::usage(error.to_string()).of_service("PostgreSQL"),
        _ => Failure::usage(error.to_string()),
    }
}
