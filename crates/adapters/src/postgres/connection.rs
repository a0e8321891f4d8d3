//! How the server is reached.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::fault::OpenError;

/// How long one attempt to connect to one host may take.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a server that is gone without a word is waited for.
const SILENCE: Duration = Duration::from_secs(20);

/// Whether the connection is encrypted, and whom it is checked against.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Tls {
    /// As the address says; else encrypted, but for a server on this machine.
    #[default]
    Unsaid,
    Off,
    /// With a certificate that this machine trusts.
    On,
    /// With a certificate of one of the authorities in this file (PEM).
    Of(PathBuf),
}

/// What is said about the server; what is not is as in the address, or as usual.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct PostgresOptions {
    /// `postgresql://user:password@host:port/database` (libpq, 34.1.1.2), several hosts included. Never shown.
    pub url: Option<String>,
    /// Several are separated by commas: the first that can be written to is used.
    pub host: Option<String>,
    pub port: Option<u16>,
    pub user: Option<String>,
    pub database: Option<String>,
    /// Never shown.
    pub password: Option<String>,
    /// Octocity's own schema in the database.
    pub schema: String,
    pub pool_size: usize,
    pub tls: Tls,
}

impl fmt::Debug for PostgresOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, user, database, schema, pool_size, tls, .. } = self;
        write!(
            f,
            "PostgresOptions {{ {host:?}:{port:?} {user:?} {database:?} {schema} {pool_size} {tls:?} }}"
        )
    }
}

/// A server as messages name it: no password in it.
#[derive(Clone, Debug)]
pub struct Place {
    pub hosts: String,
    pub user: String,
    pub database: String,
    pub schema: String,
}

/// What the client library wants to know.
pub fn client_config(options: &PostgresOptions) -> Result<(Config, Arc<Place>), OpenError> {
    check_schema(&options.schema)?;
    let mut config = match &options.url {
        // The parser's own words may repeat a part of the address, which has a password in it.
        Some(url) => url.parse().map_err(|_| OpenError::Address)?,
        None => Config::new(),
    };
    if let Some(hosts) = &options.host {
        hosts.split(',').map(str::trim).for_each(|host| _ = config.host(host));
    }
    if config.get_hosts().is_empty() {
        config.host("127.0.0.1");
    }
    options.port.map(|port| config.port(port).get_ports().len());
    let user = options.user.clone().or_else(|| config.get_user().map(str::to_owned));
    let user = user.unwrap_or_else(|| "octocity".to_owned());
    let database = options.database.clone().or_else(|| config.get_dbname().map(str::to_owned));
    let database = database.unwrap_or_else(|| user.clone());
    config.user(&user).dbname(&database);
    if let Some(password) = &options.password {
        config.password(password);
    }
    let mode = ssl_mode(&options.tls, &config);
    let hosts = hosts(&config);
    config
        .ssl_mode(mode)
        .application_name("octocity")
        // Names without a schema are ours; what counts rows in milliseconds is not compiled for each question; and one
        // statement sees what is there when it begins, after it waited for a view that is switched.
        .options(format!(
            "-c search_path={} -c jit=off -c default_transaction_isolation=read\\ committed",
            options.schema
        ))
        .target_session_attrs(TargetSessionAttrs::ReadWrite)
        .connect_timeout(CONNECT)
        .tcp_user_timeout(SILENCE)
        .keepalives_idle(SILENCE / 2)
        .keepalives_interval(SILENCE / 4)
        .keepalives_retries(2);
    let place = Place { hosts, user, database, schema: options.schema.clone() };
    Ok((config, Arc::new(place)))
}

/// A name that needs no quotes, as nobody must be able to write SQL with it.
fn check_schema(name: &str) -> Result<(), OpenError> {
    let letter = |c: char| c.is_ascii_lowercase() || c == '_';
    let fine = (1..=63).contains(&name.len())
        && name.starts_with(letter)
        && name.chars().all(|c| letter(c) || c.is_ascii_digit())
        && !name.starts_with("pg_");
    if fine { Ok(()) } else { Err(OpenError::SchemaName) }
}

fn ssl_mode(tls: &Tls, config: &Config) -> SslMode {
    let here = |host: &Host| match host {
        Host::Tcp(name) => {
            name == "localhost" || name.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
        }
        Host::Unix(_) => true,
    };
    match tls {
        Tls::Off => SslMode::Disable,
        Tls::On | Tls::Of(_) => SslMode::Require,
        Tls::Unsaid if config.get_ssl_mode() != SslMode::Prefer => config.get_ssl_mode(),
        Tls::Unsaid if config.get_hosts().iter().all(here) => SslMode::Disable,
        Tls::Unsaid => SslMode::Require,
    }
}

fn hosts(config: &Config) -> String {
    let ports = config.get_ports();
    let hosts = config.get_hosts().iter().enumerate().map(|(number, host)| {
        let port = ports.get(number).or(ports.first()).copied().unwrap_or(5432);
        match host {
            Host::Tcp(name) => format!("{name}:{port}"),
            Host::Unix(path) => path.display().to_string(),
        }
    });
    hosts.collect::<Vec<_>>().join(", ")
}

/// What checks the server's certificate.
pub fn tls(options: &PostgresOptions, config: &Config) -> Result<MakeRustlsConnect, OpenError> {
    let mut roots = RootCertStore::empty();
    match &options.tls {
        Tls::Of(path) => add_authorities(&mut roots, path)?,
        // Nobody is asked for a certificate.
        _ if config.get_ssl_mode() == SslMode::Disable => {}
        _ => _ = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs),
    }
    // Named here, so that another library's choice of a provider is not ours.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let client = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let client = client.map_err(|error| OpenError::Protocol { reason: error.to_string() })?;
    Ok(MakeRustlsConnect::new(client.with_root_certificates(roots).with_no_client_auth()))
}

fn add_authorities(roots: &mut RootCertStore, path: &Path) -> Result<(), OpenError> {
    let unusable = |reason: String| OpenError::Authority { path: path.to_owned(), reason };
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| unusable(error.to_string()))? {
        let certificate = certificate.map_err(|error| unusable(error.to_string()))?;
        roots.add(certificate).map_err(|error| unusable(error.to_string()))?;
    }
    match roots.is_empty() {
        true => Err(unusable("it has no certificate".to_owned())),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(url: &str) -> PostgresOptions {
        let url = Some(url.to_owned());
        PostgresOptions { url, schema: "octocity".to_owned(), pool_size: 4, ..PostgresOptions::default() }
    }

    #[test]
    fn an_address_is_read_and_what_is_said_beside_it_is_stronger() {
        let (config, place) = client_config(&options("postgresql://ada:hush@db1:6000,db2/city")).unwrap();
        assert_eq!(
            (place.hosts.as_str(), place.user.as_str(), place.database.as_str()),
            ("db1:6000, db2:5432", "ada", "city")
        );
        assert_eq!(config.get_ssl_mode(), SslMode::Require);
        let options = PostgresOptions {
            user: Some("bob".to_owned()),
            password: Some("other".to_owned()),
            ..options("postgresql://ada:hush@localhost/city?sslmode=disable")
        };
        let (config, place) = client_config(&options).unwrap();
        assert_eq!((place.user.as_str(), config.get_password()), ("bob", Some(b"other".as_slice())));
        assert_eq!(config.get_ssl_mode(), SslMode::Disable);
    }

    #[test]
    fn no_password_is_ever_shown() {
        let secret = PostgresOptions {
            password: Some("hush".to_owned()),
            ..options("postgresql://ada:hush@db1:port/city")
        };
        let (shown, error) = (format!("{secret:?}"), client_config(&secret).unwrap_err());
        assert!(!format!("{shown}{error}{error:?}").contains("hush"), "{shown} {error}");
        let (_, place) = client_config(&options("postgresql://ada:hush@db1/city")).unwrap();
        assert!(!format!("{place:?}").contains("hush"));
    }

    #[test]
    fn a_schema_is_a_plain_name() {
        for (name, fine) in
            [("octocity", true), ("x; DROP", false), ("", false), ("9a", false), ("pg_mine", false)]
        {
            assert_eq!(check_schema(name).is_ok(), fine, "{name}");
        }
    }
}
