//! The table `[eventstoredb]`.

use std::fmt;
use std::path::Path;

use octocity_api::nearest::hint;
use toml::Value;

use super::file::{beside, text};
use super::{secret, shown};
use crate::failure::Failure;

const KEYS: [&str; 4] = ["url", "user", "password_file", "namespace"];

/// Where EventStoreDB is, as the file says it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct EventStoreConfig {
    /// EventStoreDB's own connection string.
    pub url: String,
    /// In place of the one in the connection string.
    pub user: Option<String>,
    /// What stands in the password file.
    pub password: Option<String>,
    /// What the names of all streams begin with.
    pub namespace: String,
}

impl fmt::Debug for EventStoreConfig {
    /// The connection string and the password stay unsaid.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventStoreConfig").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}

pub fn read(value: &Value, path: &Path) -> Result<EventStoreConfig, Failure> {
    let table = value.as_table().ok_or_else(|| {
        Failure::usage(format!("'eventstoredb' in {} must be a table: [eventstoredb].", shown(path)))
    })?;
    let mut config = EventStoreConfig::default();
    for (key, value) in table {
        set(&mut config, key, value, path)?;
    }
    let lacks =
        |what: &str| Failure::usage(format!("[eventstoredb] in {} does not say {what}.", shown(path)));
    if config.url.is_empty() {
        return Err(lacks("where EventStoreDB is; add url = \"esdb://host:2113\""));
    }
    match (&config.user, &config.password) {
        (Some(_), None) => Err(lacks("the user's password; add password_file")),
        (None, Some(_)) => Err(lacks("whose password it is; add user")),
        _ => Ok(config),
    }
}

fn set(config: &mut EventStoreConfig, key: &str, value: &Value, path: &Path) -> Result<(), Failure> {
    let of = format!("'{key}' under [eventstoredb] in {}", shown(path));
    match key {
        "url" => text(value, &of)?.clone_into(&mut config.url),
        "user" => config.user = Some(text(value, &of)?.to_owned()),
        "password_file" => config.password = Some(secret(&beside(path, Path::new(text(value, &of)?)), &of)?),
        "namespace" => text(value, &of)?.clone_into(&mut config.namespace),
        unknown => {
            let hint = hint(unknown, &KEYS);
            let file = shown(path);
            return Err(Failure::usage(format!(
                "[eventstoredb] in {file} has an unknown key '{unknown}'; {hint}"
            )));
        }
    }
    Ok(())
}
