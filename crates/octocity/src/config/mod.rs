//! Configuration: file, then environment, then flags, each stronger than the one before it.
//!
//! An unknown key is an error that names the nearest known one: a misspelt setting must never be silently absent.

mod clickhouse;
mod environment;
mod eventstoredb;
mod file;
mod gateway;
mod kafka;
mod postgres;
mod tokens;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use tracing::level_filters::LevelFilter;

use crate::args::Common;
use crate::failure::Failure;
pub use clickhouse::ClickHouseConfig;
pub use eventstoredb::EventStoreConfig;
pub use gateway::Gateway;
pub use kafka::KafkaConfig;
pub use postgres::PostgresConfig;
pub use tokens::Token;

/// One layer: what a file, the environment or the flags say.
#[derive(Clone, Debug, Default)]
pub struct Layer {
    pub data: Option<PathBuf>,
    pub listen: Option<SocketAddr>,
    pub log: Option<LevelFilter>,
    pub retention_days: Option<u32>,
    pub queue: Option<usize>,
    pub connections: Option<u32>,
    pub tokens: Option<Vec<Token>>,
    pub gateway: Option<Gateway>,
    pub eventstoredb: Option<EventStoreConfig>,
    pub postgres: Option<PostgresConfig>,
    pub kafka: Option<KafkaConfig>,
    pub clickhouse: Option<ClickHouseConfig>,
}

impl Layer {
    /// What `stronger` says wins; the rest stays.
    fn overlaid(self, stronger: Self) -> Self {
        Self {
            data: stronger.data.or(self.data),
            listen: stronger.listen.or(self.listen),
            log: stronger.log.or(self.log),
            retention_days: stronger.retention_days.or(self.retention_days),
            queue: stronger.queue.or(self.queue),
            connections: stronger.connections.or(self.connections),
            tokens: stronger.tokens.or(self.tokens),
            gateway: stronger.gateway.or(self.gateway),
            eventstoredb: stronger.eventstoredb.or(self.eventstoredb),
            postgres: stronger.postgres.or(self.postgres),
            kafka: stronger.kafka.or(self.kafka),
            clickhouse: stronger.clickhouse.or(self.clickhouse),
        }
    }
}

/// What the command runs with.
#[derive(Clone, Debug)]
pub struct Config {
    pub data: PathBuf,
    pub listen: SocketAddr,
    pub log: LevelFilter,
    /// How long the ids of clients' commands are remembered.
    pub retention_days: u32,
    /// How many commands may wait at one stream.
    pub queue: usize,
    /// How many connections may be open.
    pub connections: u32,
    pub tokens: Vec<Token>,
    /// Without one no payment begins.
    pub gateway: Option<Gateway>,
    /// Where the event log is; else in the data folder.
    pub eventstoredb: Option<EventStoreConfig>,
    /// Where read models, process state and snapshots are; else in the data folder.
    pub postgres: Option<PostgresConfig>,
    /// Where the log is published to, if anywhere.
    pub kafka: Option<KafkaConfig>,
    /// What answers analysts; else the read models do.
    pub clickhouse: Option<ClickHouseConfig>,
    /// The file that was read, if any.
    pub file: Option<PathBuf>,
}

const DEFAULT_FILE: &str = "octocity.toml";

impl Config {
    /// Reads all layers. `environment` is every variable of the process.
    pub fn load(
        common: &Common,
        environment: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, Failure> {
        let said = environment::read(environment)?;
        let named = common.config.clone().or(said.config);
        let file = match named {
            Some(file) => Some(file),
            None => Some(PathBuf::from(DEFAULT_FILE)).filter(|file| file.exists()),
        };
        let from_file = match &file {
            Some(path) => file::read(path)?,
            None => Layer::default(),
        };
        let flags = Layer { data: common.data.clone(), listen: common.listen, ..Layer::default() };
        Ok(Self::of(from_file.overlaid(said.layer).overlaid(flags), file))
    }

    fn of(layer: Layer, file: Option<PathBuf>) -> Self {
        Self {
            data: layer.data.unwrap_or_else(|| PathBuf::from("./octocity-data")),
            listen: layer.listen.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 8090))),
            log: layer.log.unwrap_or(LevelFilter::INFO),
            retention_days: layer.retention_days.unwrap_or(7),
            queue: layer.queue.unwrap_or(4096),
            connections: layer.connections.unwrap_or(10_000),
            tokens: layer.tokens.unwrap_or_default(),
            gateway: layer.gateway,
            eventstoredb: layer.eventstoredb,
            postgres: layer.postgres,
            kafka: layer.kafka,
            clickhouse: layer.clickhouse,
            file,
        }
    }

    /// Nobody beyond this machine may command the gates without a token.
    pub fn check_listen(&self) -> Result<(), Failure> {
        match self.listen.ip().is_loopback() || !self.tokens.is_empty() {
            true => Ok(()),
            false => Err(Failure::usage(format!(
                "{} can be reached from other machines and no tokens are configured; add a [tokens] table or \
                 listen on 127.0.0.1.",
                self.listen
            ))),
        }
    }
}

fn parse_level(text: &str, of: &str) -> Result<LevelFilter, Failure> {
    let known = ["off", "error", "warn", "info", "debug", "trace"];
    match known.contains(&text) {
        true => text.parse().map_err(|_| Failure::usage(format!("{of} is no level of logging"))),
        false => Err(Failure::usage(format!("{of} is '{text}'; it is one of {}.", known.join(", ")))),
    }
}

fn check_retention_days(days: u32, of: &str) -> Result<u32, Failure> {
    match (1..=365).contains(&days) {
        true => Ok(days),
        false => Err(Failure::usage(format!("{of} is {days}; it is between 1 and 365 days."))),
    }
}

fn check_queue(queue: usize, of: &str) -> Result<usize, Failure> {
    match (16..=1_000_000).contains(&queue) {
        true => Ok(queue),
        false => Err(Failure::usage(format!("{of} is {queue}; it is between 16 and 1000000 commands."))),
    }
}

fn check_connections(connections: u32, of: &str) -> Result<u32, Failure> {
    match (16..=1_000_000).contains(&connections) {
        true => Ok(connections),
        false => Err(Failure::usage(format!("{of} is {connections}; it is between 16 and 1000000."))),
    }
}

/// The content of a file that holds a secret, without the end of its line. `of` says which key names it.
fn secret(path: &Path, of: &str) -> Result<String, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        Failure::usage(format!("{} cannot be read: {error}; correct {of}, or its rights.", shown(path)))
    })?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

fn shown(path: &Path) -> std::path::Display<'_> {
    path.display()
}

#[cfg(test)]
mod tests;
