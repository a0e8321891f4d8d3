//! Variables that begin with `OCTOCITY_`.

use std::path::PathBuf;

use octocity_api::nearest::hint;

use super::file::address;
use super::{Gateway, Layer, Token, check_connections, check_queue, check_retention_days, parse_level};
use crate::failure::Failure;

const PREFIX: &str = "OCTOCITY_";
const KEYS: [&str; 9] = [
    "OCTOCITY_CONFIG",
    "OCTOCITY_DATA",
    "OCTOCITY_LISTEN",
    "OCTOCITY_LOG",
    "OCTOCITY_RETENTION_DAYS",
    "OCTOCITY_QUEUE",
    "OCTOCITY_CONNECTIONS",
    "OCTOCITY_GATEWAY",
    "OCTOCITY_TOKENS",
];

/// What the environment says.
#[derive(Debug, Default)]
pub struct Said {
    pub config: Option<PathBuf>,
    pub layer: Layer,
}

pub fn read(variables: impl Iterator<Item = (String, String)>) -> Result<Said, Failure> {
    let mut said = Said::default();
    for (key, value) in variables.filter(|(key, _)| key.starts_with(PREFIX)) {
        set(&mut said, &key, &value)?;
    }
    Ok(said)
}

fn set(said: &mut Said, key: &str, value: &str) -> Result<(), Failure> {
    let layer = &mut said.layer;
    match key {
        "OCTOCITY_CONFIG" => said.config = Some(PathBuf::from(value)),
        "OCTOCITY_DATA" => layer.data = Some(PathBuf::from(value)),
        "OCTOCITY_LISTEN" => layer.listen = Some(address(value, key)?),
        "OCTOCITY_LOG" => layer.log = Some(parse_level(value, key)?),
        "OCTOCITY_RETENTION_DAYS" => {
            layer.retention_days = Some(check_retention_days(number(key, value)?, key)?);
        }
        "OCTOCITY_QUEUE" => layer.queue = Some(check_queue(number(key, value)? as usize, key)?),
        "OCTOCITY_CONNECTIONS" => layer.connections = Some(check_connections(number(key, value)?, key)?),
        "OCTOCITY_GATEWAY" => layer.gateway = Some(Gateway::parse(value, key)?),
        "OCTOCITY_TOKENS" => layer.tokens = Some(tokens(value)?),
        unknown => {
            let hint = hint(unknown, &KEYS);
            return Err(Failure::usage(format!("The environment variable {unknown} is unknown; {hint}")));
        }
    }
    Ok(())
}

fn number(key: &str, value: &str) -> Result<u32, Failure> {
    value.parse().map_err(|_| Failure::usage(format!("{key} is '{value}'; it is a whole number.")))
}

/// `name=hex,name=hex`. The value itself is never repeated in a message.
fn tokens(value: &str) -> Result<Vec<Token>, Failure> {
    let parts = value.split(',').map(str::trim).filter(|part| !part.is_empty());
    let form = || Failure::usage("OCTOCITY_TOKENS has the form name=sha256hex,name=sha256hex; correct it.");
    parts
        .map(|part| part.split_once('=').ok_or_else(form).and_then(|(name, hex)| Token::try_new(name, hex)))
        .collect()
}
