//! The table `[postgres]`.

use std::fmt;
use std::path::{Path, PathBuf};

use octocity_api::nearest::hint;
use toml::Value;

use super::file::{beside, number, text, truth};
use super::{secret, shown};
use crate::failure::Failure;

const KEYS: [&str; 10] =
    ["url", "host", "port", "user", "database", "password_file", "schema", "pool_size", "tls", "ca_file"];

/// Where PostgreSQL is, as the file says it; what it does not say is as in the address, or as usual.
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresConfig {
    pub url: Option<String>,
    pub host: Option<String>,
    pub port: Option<u16>,
    pub user: Option<String>,
    pub database: Option<String>,
    /// What stands in the password file.
    pub password: Option<String>,
    pub schema: String,
    pub pool_size: u32,
    pub tls: Option<bool>,
    pub ca_file: Option<PathBuf>,
}

impl fmt::Debug for PostgresConfig {
    /// The address and the password stay unsaid.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresConfig")
            .field("host", &self.host)
            .field("schema", &self.schema)
            .finish_non_exhaustive()
    }
}

impl Default for PostgresConfig {
    fn default() -> Self {
        Self {
            url: None,
            host: None,
            port: None,
            user: None,
            database: None,
            password: None,
            schema: "octocity".to_owned(),
            pool_size: 8,
            tls: None,
            ca_file: None,
        }
    }
}

pub fn read(value: &Value, path: &Path) -> Result<PostgresConfig, Failure> {
    let table = value.as_table().ok_or_else(|| {
        Failure::usage(format!("'postgres' in {} must be a table: [postgres].", shown(path)))
    })?;
    let mut config = PostgresConfig::default();
    for (key, value) in table {
        set(&mut config, key, value, path)?;
    }
    Ok(config)
}

fn set(config: &mut PostgresConfig, key: &str, value: &Value, path: &Path) -> Result<(), Failure> {
    let of = format!("'{key}' under [postgres] in {}", shown(path));
    let word = || text(value, &of).map(|text| Some(text.to_owned()));
    match key {
        "url" => config.url = word()?,
        "host" => config.host = word()?,
        "port" => config.port = Some(port(value, &of)?),
        "user" => config.user = word()?,
        "database" => config.database = word()?,
        "password_file" => config.password = Some(secret(&beside(path, Path::new(text(value, &of)?)), &of)?),
        "schema" => text(value, &of)?.clone_into(&mut config.schema),
        "pool_size" => config.pool_size = pool_size(value, &of)?,
        "tls" => config.tls = Some(truth(value, &of)?),
        "ca_file" => config.ca_file = Some(beside(path, Path::new(text(value, &of)?))),
        unknown => {
            let hint = hint(unknown, &KEYS);
            let file = shown(path);
            return Err(Failure::usage(format!(
                "[postgres] in {file} has an unknown key '{unknown}'; {hint}"
            )));
        }
    }
    Ok(())
}

fn port(value: &Value, of: &str) -> Result<u16, Failure> {
    let port = u16::try_from(number(value, of)?).ok().filter(|port| *port > 0);
    port.ok_or_else(|| Failure::usage(format!("{of} is no port; it is between 1 and 65535.")))
}

/// One writes the read models, one does what processes plan; the others read.
fn pool_size(value: &Value, of: &str) -> Result<u32, Failure> {
    match number(value, of)? {
        size @ 2..=500 => Ok(size),
        size => Err(Failure::usage(format!("{of} is {size}; it is between 2 and 500 connections."))),
    }
}
