//! The table `[clickhouse]`.

use std::fmt;
use std::path::Path;

use octocity_api::nearest::hint;
use toml::Value;

use super::file::{beside, number, text, truth};
use super::{secret, shown};
use crate::failure::Failure;

const KEYS: [&str; 6] = ["url", "user", "password_file", "database", "compression", "keep_days"];

/// Where ClickHouse is, as the file says it.
#[derive(Clone, PartialEq, Eq)]
pub struct ClickHouseConfig {
    pub url: String,
    /// Empty: the server's own default.
    pub user: String,
    /// What stands in the password file.
    pub password: String,
    pub database: String,
    pub compression: bool,
    /// For how many days facts are kept; None: for ever.
    pub keep_days: Option<u32>,
}

impl fmt::Debug for ClickHouseConfig {
    /// The password stays unsaid.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClickHouseConfig")
            .field("url", &self.url)
            .field("database", &self.database)
            .finish_non_exhaustive()
    }
}

impl Default for ClickHouseConfig {
    fn default() -> Self {
        Self {
            url: String::new(),
            user: String::new(),
            password: String::new(),
            database: "octocity".to_owned(),
            compression: true,
            keep_days: None,
        }
    }
}

pub fn read(value: &Value, path: &Path) -> Result<ClickHouseConfig, Failure> {
    let table = value.as_table().ok_or_else(|| {
        Failure::usage(format!("'clickhouse' in {} must be a table: [clickhouse].", shown(path)))
    })?;
    let mut config = ClickHouseConfig::default();
    for (key, value) in table {
        set(&mut config, key, value, path)?;
    }
    match config.url.is_empty() {
        false => Ok(config),
        true => Err(Failure::usage(format!(
            "[clickhouse] in {} does not say where ClickHouse is; add url = \"http://host:8123\".",
            shown(path)
        ))),
    }
}

fn set(config: &mut ClickHouseConfig, key: &str, value: &Value, path: &Path) -> Result<(), Failure> {
    let of = format!("'{key}' under [clickhouse] in {}", shown(path));
    match key {
        "url" => text(value, &of)?.clone_into(&mut config.url),
        "user" => text(value, &of)?.clone_into(&mut config.user),
        "password_file" => config.password = secret(&beside(path, Path::new(text(value, &of)?)), &of)?,
        "database" => text(value, &of)?.clone_into(&mut config.database),
        "compression" => config.compression = truth(value, &of)?,
        "keep_days" => config.keep_days = Some(keep_days(value, &of)?),
        unknown => {
            let hint = hint(unknown, &KEYS);
            let file = shown(path);
            return Err(Failure::usage(format!(
                "[clickhouse] in {file} has an unknown key '{unknown}'; {hint}"
            )));
        }
    }
    Ok(())
}

fn keep_days(value: &Value, of: &str) -> Result<u32, Failure> {
    match number(value, of)? {
        days @ 1..=36_500 => Ok(days),
        days => Err(Failure::usage(format!("{of} is {days}; it is between 1 and 36500 days."))),
    }
}
