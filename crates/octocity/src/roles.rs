//! What a process does, and what its configuration must have for it.

use std::fmt;

use clap::ValueEnum;

use crate::args::{Role, ServeArgs};
use crate::config::Config;
use crate::failure::Failure;

#[derive(Clone, Debug)]
pub struct Roles {
    named: Vec<Role>,
    /// Lost process state is begun anew at the log's end.
    pub processes_from_now: bool,
}

impl Roles {
    pub fn all() -> Self {
        Self { named: vec![Role::All], processes_from_now: false }
    }

    /// Refuses what the configuration lacks a table for.
    pub fn try_new(args: ServeArgs, config: &Config) -> Result<Self, Failure> {
        let ServeArgs { role: named, processes_from_now } = args;
        for role in &named {
            let needed: &[(&str, bool)] = match role {
                Role::All => &[],
                Role::Api | Role::Processes => &[("postgres", config.postgres.is_some())],
                Role::Relay => &[("kafka", config.kafka.is_some())],
                Role::Projector => {
                    &[("kafka", config.kafka.is_some()), ("postgres", config.postgres.is_some())]
                }
                Role::Analytics => &[("clickhouse", config.clickhouse.is_some())],
            };
            let Some((lacking, _)) = needed.iter().find(|(_, is_there)| !is_there) else { continue };
            let name = name(role);
            return Err(Failure::usage(format!(
                "The role '{name}' needs [{lacking}], and the configuration has no table [{lacking}]; add it, as octocity \
                 --help shows, or let one process do everything with --role all."
            )));
        }
        Ok(Self { named, processes_from_now })
    }

    /// Everything in one process: it writes the rows that it serves.
    pub fn are_all(&self) -> bool {
        self.named.contains(&Role::All)
    }

    pub fn have(&self, role: Role) -> bool {
        self.are_all() || self.named.contains(&role)
    }

    /// Nothing but the facts of analysts' figures.
    pub fn are_analytics_alone(&self) -> bool {
        self.named.iter().all(|role| *role == Role::Analytics)
    }

    /// Nothing that needs more than the log.
    pub fn are_relay_alone(&self) -> bool {
        self.named.iter().all(|role| *role == Role::Relay)
    }
}

impl fmt::Display for Roles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.named.iter().map(name).collect::<Vec<_>>().join(", "))
    }
}

fn name(role: &Role) -> String {
    role.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}
