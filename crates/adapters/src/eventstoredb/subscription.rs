//! The one call of EventStoreDB that is made without its client: a subscription to `$all`.
//!
//! The client's own, when a server that shuts down in order ends it, asks the ended stream again and again without a
//! pause and without giving the thread back; nothing can stop it. So the few messages that a follower needs are
//! written down in `wire`.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use eventstore::ClientSettings;
use tonic::client::Grpc;
use tonic::codec::ProstCodec;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::metadata::AsciiMetadataValue;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Request, Status, Streaming};

use super::User;
use super::connection::OpenError;
use super::wire::{ReadReq, ReadResp};

/// As large as EventStoreDB's own clients take them.
const LARGEST_MESSAGE: usize = 17 * 1024 * 1024;
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// Where subscriptions are opened, one host after the other.
pub struct Subscriber {
    endpoints: Vec<Endpoint>,
    authorization: Option<AsciiMetadataValue>,
}

impl Subscriber {
    pub fn new(settings: &ClientSettings, user: Option<&User>) -> Result<Self, OpenError> {
        let scheme = if settings.is_secure_mode_enabled() { "https" } else { "http" };
        let endpoints = settings.hosts().iter().map(|host| {
            let endpoint = Endpoint::from_shared(format!("{scheme}://{}:{}", host.host, host.port));
            let endpoint = endpoint.map_err(|_| OpenError::Settings)?;
            let endpoint = endpoint
                .connect_timeout(KEEP_ALIVE)
                .http2_keep_alive_interval(KEEP_ALIVE)
                .keep_alive_timeout(KEEP_ALIVE)
                .keep_alive_while_idle(true);
            match settings.is_secure_mode_enabled() {
                true => endpoint.tls_config(tls(settings)?).map_err(|_| unusable("its certificates")),
                false => Ok(endpoint),
            }
        });
        let endpoints = endpoints.collect::<Result<Vec<_>, _>>()?;
        if endpoints.is_empty() {
            return Err(OpenError::Settings);
        }
        Ok(Self { endpoints, authorization: authorization(settings, user)? })
    }

    /// The events after this position in `$all`, in streams whose name begins with one of these.
    pub async fn subscribe(
        &self,
        attempt: usize,
        after: u64,
        prefixes: &[String],
    ) -> Result<Streaming<ReadResp>, Status> {
        let endpoint = &self.endpoints[attempt % self.endpoints.len()];
        let channel = endpoint.connect().await.map_err(|error| Status::unavailable(error.to_string()))?;
        let mut request = Request::new(ReadReq::subscription(after, prefixes));
        if let Some(authorization) = &self.authorization {
            request.metadata_mut().insert("authorization", authorization.clone());
        }
        let mut client = Grpc::<Channel>::new(channel).max_decoding_message_size(LARGEST_MESSAGE);
        client.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
        let path = PathAndQuery::from_static("/event_store.client.streams.Streams/Read");
        let answer = client.server_streaming(request, path, ProstCodec::<ReadReq, ReadResp>::default());
        let answer = tokio::time::timeout(KEEP_ALIVE, answer).await;
        Ok(answer.map_err(|_| Status::unavailable("no answer in time"))??.into_inner())
    }
}

fn unusable(path: &str) -> OpenError {
    OpenError::Certificate(path.to_owned())
}

fn tls(settings: &ClientSettings) -> Result<ClientTlsConfig, OpenError> {
    if !settings.is_tls_certificate_verification_enabled() {
        return Err(OpenError::Unverified);
    }
    let read = |path: &String| std::fs::read(path).map_err(|_| unusable(path));
    let tls = match settings.tls_ca_file() {
        Some(path) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(read(path)?)),
        None => ClientTlsConfig::new().with_native_roots(),
    };
    match settings.user_certificate() {
        Some((certificate, key)) => Ok(tls.identity(Identity::from_pem(read(certificate)?, read(key)?))),
        None => Ok(tls),
    }
}

fn authorization(
    settings: &ClientSettings,
    user: Option<&User>,
) -> Result<Option<AsciiMetadataValue>, OpenError> {
    // The client's type shows what it holds only so: as numbers.
    #[derive(serde::Deserialize)]
    struct Shown {
        login: Vec<u8>,
        password: Vec<u8>,
    }
    let shown = match (user, settings.default_authenticated_user()) {
        (Some(user), _) => Shown { login: user.name.clone().into(), password: user.password.clone().into() },
        (None, Some(user)) => {
            let shown = serde_json::to_value(user).and_then(serde_json::from_value);
            shown.map_err(|_| OpenError::Settings)?
        }
        (None, None) => return Ok(None),
    };
    let value = format!("Basic {}", STANDARD.encode([&shown.login[..], b":", &shown.password[..]].concat()));
    value.parse().map(Some).map_err(|_| OpenError::Settings)
}
