//! The table `[kafka]`.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use toml::Value;

use super::file::{beside, number, text, truth};
use super::{secret, shown};
use crate::failure::Failure;
use octocity_api::nearest::hint;

const KEYS: [&str; 12] = [
    "brokers",
    "partitions",
    "replication",
    "retention_hours",
    "create_topics",
    "log_topic",
    "events_topic",
    "relay",
    "group",
    "source",
    "password_file",
    "client",
];

const PARTITIONS: u32 = 12;

/// Where Kafka is, as the file says it; what it does not say is as usual.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct KafkaConfig {
    pub brokers: String,
    /// Into how many the log is cut there, and with it the work of projectors.
    pub partitions: u32,
    pub replication: Option<u32>,
    pub retention_hours: Option<u32>,
    pub create_topics: Option<bool>,
    pub log_topic: Option<String>,
    pub events_topic: Option<String>,
    pub relay: Option<String>,
    pub group: Option<String>,
    pub source: Option<String>,
    /// Options of the client, for TLS and SASL.
    pub client: BTreeMap<String, String>,
}

impl fmt::Debug for KafkaConfig {
    /// The options of the client stay unsaid: one of them is a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaConfig").field("brokers", &self.brokers).finish_non_exhaustive()
    }
}

pub fn read(value: &Value, path: &Path) -> Result<KafkaConfig, Failure> {
    let table = value
        .as_table()
        .ok_or_else(|| Failure::usage(format!("'kafka' in {} must be a table: [kafka].", shown(path))))?;
    let mut config = KafkaConfig { partitions: PARTITIONS, ..KafkaConfig::default() };
    for (key, value) in table {
        set(&mut config, key, value, path)?;
    }
    match config.brokers.is_empty() {
        false => Ok(config),
        true => Err(Failure::usage(format!(
            "[kafka] in {} does not say where Kafka is; add brokers = \"host:port\".",
            shown(path)
        ))),
    }
}

fn set(config: &mut KafkaConfig, key: &str, value: &Value, path: &Path) -> Result<(), Failure> {
    let of = format!("'{key}' under [kafka] in {}", shown(path));
    let word = || text(value, &of).map(str::to_owned);
    match key {
        "brokers" => config.brokers = word()?,
        "partitions" => config.partitions = within(value, &of, 1_000)?,
        "replication" => config.replication = Some(within(value, &of, 100)?),
        "retention_hours" => config.retention_hours = Some(within(value, &of, 1_000_000)?),
        "create_topics" => config.create_topics = Some(truth(value, &of)?),
        "log_topic" => config.log_topic = Some(word()?),
        "events_topic" => config.events_topic = Some(word()?),
        "relay" => config.relay = Some(word()?),
        "group" => config.group = Some(word()?),
        "source" => config.source = Some(word()?),
        "password_file" => {
            let password = secret(&beside(path, Path::new(text(value, &of)?)), &of)?;
            config.client.insert("sasl.password".to_owned(), password);
        }
        "client" => config.client.extend(client(value, &of)?),
        unknown => {
            let hint = hint(unknown, &KEYS);
            let file = shown(path);
            return Err(Failure::usage(format!("[kafka] in {file} has an unknown key '{unknown}'; {hint}")));
        }
    }
    Ok(())
}

fn within(value: &Value, of: &str, at_most: u32) -> Result<u32, Failure> {
    let number = number(value, of)?;
    match (1..=at_most).contains(&number) {
        true => Ok(number),
        false => Err(Failure::usage(format!("{of} is {number}; it is between 1 and {at_most}."))),
    }
}

fn client(value: &Value, of: &str) -> Result<BTreeMap<String, String>, Failure> {
    let wrong = || Failure::usage(format!("{of} must be a table: \"security.protocol\" = \"sasl_ssl\"."));
    let option = |(name, value): (&String, &Value)| {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Integer(number) => number.to_string(),
            Value::Boolean(truth) => truth.to_string(),
            _ => return Err(wrong()),
        };
        Ok((name.clone(), text))
    };
    value.as_table().ok_or_else(wrong)?.iter().map(option).collect()
}
