//! The TOML file.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use octocity_api::nearest::hint;
use toml::{Table, Value};

use super::{
    Gateway, Layer, Token, check_connections, check_queue, check_retention_days, clickhouse, eventstoredb,
    kafka, parse_level, postgres, shown,
};
use crate::failure::Failure;

const KEYS: [&str; 12] = [
    "data",
    "listen",
    "log",
    "retention_days",
    "queue",
    "connections",
    "gateway",
    "tokens",
    "eventstoredb",
    "postgres",
    "kafka",
    "clickhouse",
];

pub fn read(path: &Path) -> Result<Layer, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        Failure::usage(format!("{} cannot be read: {error}; correct --config.", shown(path)))
    })?;
    let table: Table = text.parse().map_err(|error| Failure::usage(no_toml(path, &text, &error)))?;
    let mut layer = Layer::default();
    for (key, value) in &table {
        set(&mut layer, key, value, path)?;
    }
    Ok(layer)
}

/// Where, and why. What stands there is not repeated: it may be a password.
fn no_toml(path: &Path, text: &str, error: &toml::de::Error) -> String {
    let line =
        error.span().and_then(|span| text.get(..span.start)).map(|before| before.matches('\n').count() + 1);
    let at = line.map_or_else(String::new, |line| format!(" in line {line}"));
    format!("{} is no TOML{at} ({}); correct it there.", shown(path), error.message())
}

fn set(layer: &mut Layer, key: &str, value: &Value, path: &Path) -> Result<(), Failure> {
    let of = format!("'{key}' in {}", shown(path));
    match key {
        // A relative folder is relative to the file that names it, wherever the command is started.
        "data" => layer.data = Some(beside(path, Path::new(text(value, &of)?))),
        "listen" => layer.listen = Some(address(text(value, &of)?, &of)?),
        "log" => layer.log = Some(parse_level(text(value, &of)?, &of)?),
        "retention_days" => layer.retention_days = Some(check_retention_days(number(value, &of)?, &of)?),
        "queue" => layer.queue = Some(check_queue(number(value, &of)? as usize, &of)?),
        "connections" => layer.connections = Some(check_connections(number(value, &of)?, &of)?),
        "gateway" => layer.gateway = Some(Gateway::parse(text(value, &of)?, &of)?),
        "tokens" => layer.tokens = Some(tokens(value, &of)?),
        "eventstoredb" => layer.eventstoredb = Some(eventstoredb::read(value, path)?),
        "kafka" => layer.kafka = Some(kafka::read(value, path)?),
        "clickhouse" => layer.clickhouse = Some(clickhouse::read(value, path)?),
        "postgres" => layer.postgres = Some(postgres::read(value, path)?),
        unknown => {
            let file = shown(path);
            let hint = hint(unknown, &KEYS);
            return Err(Failure::usage(format!("{file} has an unknown key '{unknown}'; {hint}")));
        }
    }
    Ok(())
}

pub fn beside(file: &Path, folder: &Path) -> PathBuf {
    file.parent().map_or_else(|| folder.to_owned(), |parent| parent.join(folder))
}

pub fn text<'a>(value: &'a Value, of: &str) -> Result<&'a str, Failure> {
    value.as_str().ok_or_else(|| Failure::usage(format!("{of} must be a text in quotes.")))
}

pub fn number(value: &Value, of: &str) -> Result<u32, Failure> {
    let number = value.as_integer().and_then(|number| u32::try_from(number).ok());
    number.ok_or_else(|| Failure::usage(format!("{of} must be a whole number, not negative.")))
}

pub fn truth(value: &Value, of: &str) -> Result<bool, Failure> {
    value.as_bool().ok_or_else(|| Failure::usage(format!("{of} must be true or false.")))
}

pub fn address(text: &str, of: &str) -> Result<SocketAddr, Failure> {
    text.parse()
        .map_err(|_| Failure::usage(format!("{of} is '{text}'; it is an address such as 127.0.0.1:8090.")))
}

fn tokens(value: &Value, of: &str) -> Result<Vec<Token>, Failure> {
    let table = value
        .as_table()
        .ok_or_else(|| Failure::usage(format!("{of} must be a table: name = \"sha256 hex\".")))?;
    table.iter().map(|(name, hash)| Token::try_new(name, text(hash, &format!("token '{name}'"))?)).collect()
}
