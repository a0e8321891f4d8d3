//! EventStoreDB's connection string: `esdb://USER:PASSWORD@HOST:PORT,HOST:PORT?KEY=VALUE&KEY=VALUE`.

use std::str::FromStr;
use std::time::Duration;

use percent_encoding::percent_decode_str;

use super::User;
use super::connection::OpenError;

/// With `+discover` behind it the name stands for the addresses of several nodes; each of them names the leader.
const SCHEMES: [&str; 4] = ["esdb", "kurrentdb", "kurrent", "kdb"];
const PORT: u16 = 2113;
/// EventStoreDB's own clients take no less.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
const FOR_EVER: Duration = Duration::from_secs(u32::MAX as u64);

#[derive(Clone, PartialEq, Eq)]
pub struct Settings {
    pub user: Option<User>,
    /// Each with its port.
    pub hosts: Vec<String>,
    pub has_tls: bool,
    pub is_verified: bool,
    pub ca_file: Option<String>,
    pub certificate_file: Option<String>,
    pub key_file: Option<String>,
    pub connection_name: Option<String>,
    pub keep_alive_interval: Duration,
    pub keep_alive_timeout: Duration,
}

impl FromStr for Settings {
    type Err = OpenError;

    /// No error repeats the string, and with it the password.
    fn from_str(text: &str) -> Result<Self, OpenError> {
        let mut settings = places(text).ok_or(OpenError::Settings)?;
        let query = text.split_once('?').map_or("", |(_, query)| query);
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = decoded(value).ok_or(OpenError::Settings)?;
            settings.set(&key.to_ascii_lowercase(), value).ok_or(OpenError::Settings)?;
        }
        match settings.certificate_file.is_some() == settings.key_file.is_some() {
            true => Ok(settings),
            false => Err(OpenError::Settings),
        }
    }
}

/// What stands before the question mark.
fn places(text: &str) -> Option<Settings> {
    let text = text.split('?').next()?;
    let (scheme, rest) = text.split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    if !SCHEMES.contains(&scheme.strip_suffix("+discover").unwrap_or(&scheme)) {
        return None;
    }
    let (user, hosts) = match rest.rsplit_once('@') {
        Some((user, hosts)) => (named(user)?, hosts),
        None => (None, rest),
    };
    let hosts = hosts.strip_suffix('/').unwrap_or(hosts).split(',').map(with_port);
    Some(Settings {
        user,
        hosts: hosts.collect::<Option<_>>()?,
        has_tls: true,
        is_verified: true,
        ca_file: None,
        certificate_file: None,
        key_file: None,
        connection_name: None,
        keep_alive_interval: KEEP_ALIVE,
        keep_alive_timeout: KEEP_ALIVE,
    })
}

/// Some(None): nobody is named.
fn named(user: &str) -> Option<Option<User>> {
    let (name, password) = user.split_once(':').unwrap_or((user, ""));
    let user = User { name: decoded(name)?, password: decoded(password)? };
    Some((!user.name.is_empty()).then_some(user))
}

fn with_port(host: &str) -> Option<String> {
    // The colons of an IPv6 address stand between brackets.
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, port.parse().ok()?),
        _ => (host, PORT),
    };
    let is_name = !name.is_empty() && !name.contains(['/', '@', ' ']);
    is_name.then(|| format!("{name}:{port}"))
}

fn decoded(text: &str) -> Option<String> {
    percent_decode_str(text).decode_utf8().ok().map(|text| text.into_owned())
}

/// In milliseconds; -1 for ever.
fn patience(value: &str) -> Option<Duration> {
    match value.parse::<i64>().ok()? {
        -1 => Some(FOR_EVER),
        millis => u64::try_from(millis).ok().map(|millis| Duration::from_millis(millis).max(KEEP_ALIVE)),
    }
}

impl Settings {
    /// None: that is no value of this key.
    fn set(&mut self, key: &str, value: String) -> Option<()> {
        match key {
            "tls" => self.has_tls = value.parse().ok()?,
            "tlsverifycert" => self.is_verified = value.parse().ok()?,
            "tlscafile" => self.ca_file = Some(value),
            "usercertfile" => self.certificate_file = Some(value),
            "userkeyfile" => self.key_file = Some(value),
            "connectionname" => self.connection_name = Some(value),
            "keepaliveinterval" => self.keep_alive_interval = patience(&value)?,
            "keepalivetimeout" => self.keep_alive_timeout = patience(&value)?,
            // Every call goes to the leader, which whoever is asked names, and has a deadline of its own.
            "nodepreference"
            | "gossiptimeout"
            | "discoveryinterval"
            | "maxdiscoverattempts"
            | "defaultdeadline" => {}
            // Where a question mark stands in a password as it is, this is the rest of it.
            unknown if unknown.contains(['@', ':', '/']) => return None,
            _ => tracing::warn!(
                "EventStoreDB's connection string has a key that is not known; it is passed over"
            ),
        }
        Some(())
    }
}

#[cfg(test)]
mod tests;
