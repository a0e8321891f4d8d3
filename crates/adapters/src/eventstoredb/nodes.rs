//! How the nodes of EventStoreDB are reached.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tonic::metadata::{AsciiMetadataValue, MetadataMap};
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};

use super::User;
use super::connection::OpenError;
use super::node::Node;
use super::settings::Settings;

/// Less than a call may take, so that there is time to ask another node.
const CONNECT: Duration = Duration::from_secs(2);

#[derive(Clone)]
pub struct Nodes {
    settings: Arc<Settings>,
    tls: Option<ClientTlsConfig>,
    /// Said with every call.
    headers: MetadataMap,
    /// Those that the connection string names.
    endpoints: Vec<Endpoint>,
}

impl Nodes {
    /// `user`: in place of the one in the connection string.
    pub fn try_new(connection_string: &str, user: Option<&User>) -> Result<Self, OpenError> {
        let settings: Arc<Settings> = Arc::new(connection_string.parse()?);
        let tls = settings.has_tls.then(|| tls(&settings)).transpose()?;
        let mut headers = MetadataMap::new();
        if let Some(user) = user.or(settings.user.as_ref()) {
            headers.insert("authorization", authorization(user)?);
        }
        if let Some(name) = &settings.connection_name {
            headers.insert("connection-name", name.parse().map_err(|_| OpenError::Settings)?);
        }
        let mut nodes = Self { settings, tls, headers, endpoints: Vec::new() };
        let endpoints = nodes.settings.hosts.iter().map(|host| nodes.endpoint(host));
        nodes.endpoints = endpoints.collect::<Result<_, _>>()?;
        Ok(nodes)
    }

    fn endpoint(&self, host: &str) -> Result<Endpoint, OpenError> {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let endpoint = Endpoint::from_shared(format!("{scheme}://{host}"));
        let endpoint = endpoint
            .map_err(|_| OpenError::Settings)?
            .tcp_nodelay(true)
            .connect_timeout(CONNECT)
            .http2_keep_alive_interval(self.settings.keep_alive_interval)
            .keep_alive_timeout(self.settings.keep_alive_timeout)
            .keep_alive_while_idle(true);
        match &self.tls {
            Some(tls) => endpoint.tls_config(tls.clone()).map_err(|_| unusable("its certificates")),
            None => Ok(endpoint),
        }
    }

    pub fn hosts(&self) -> &[String] {
        &self.settings.hosts
    }

    /// The named ones in turn.
    pub fn in_turn(&self, number: usize) -> Node {
        self.connected(&self.endpoints[number % self.endpoints.len()])
    }

    /// None: that is no host and port.
    pub fn at(&self, host: &str) -> Option<Node> {
        Some(self.connected(&self.endpoint(host).ok()?))
    }

    fn connected(&self, endpoint: &Endpoint) -> Node {
        Node::new(endpoint, self.headers.clone())
    }
}

fn unusable(path: &str) -> OpenError {
    OpenError::Certificate(path.to_owned())
}

fn tls(settings: &Settings) -> Result<ClientTlsConfig, OpenError> {
    if !settings.is_verified {
        return Err(OpenError::Unverified);
    }
    let read = |path: &String| std::fs::read(path).map_err(|_| unusable(path));
    let tls = match &settings.ca_file {
        Some(path) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(read(path)?)),
        None => ClientTlsConfig::new().with_native_roots(),
    };
    match settings.certificate_file.as_ref().zip(settings.key_file.as_ref()) {
        Some((certificate, key)) => Ok(tls.identity(Identity::from_pem(read(certificate)?, read(key)?))),
        None => Ok(tls),
    }
}

fn authorization(user: &User) -> Result<AsciiMetadataValue, OpenError> {
    let value = format!("Basic {}", STANDARD.encode(format!("{}:{}", user.name, user.password)));
    let mut value: AsciiMetadataValue = value.parse().map_err(|_| OpenError::Settings)?;
    value.set_sensitive(true);
    Ok(value)
}
