//! What the API is given by the binary.

use std::net::SocketAddr;
use std::sync::Arc;

use octocity_commands::{Clock, Handler};
use octocity_log::EventLog;
use octocity_projections::ReadModels;
use tokio::sync::watch;

use crate::auth::Auth;
use crate::http::Probes;
use crate::limits::Limits;

/// Everything that [`crate::router`] serves from.
pub struct ApiState {
    pub handler: Arc<Handler>,
    pub log: Arc<dyn EventLog>,
    pub models: ReadModels,
    pub clock: Arc<dyn Clock>,
    pub auth: Auth,
    pub limits: Limits,
    /// Where it listens.
    pub listen: SocketAddr,
    /// Becomes true when the server stops; open subscriptions end then.
    pub closing: watch::Receiver<bool>,
    pub probes: Arc<dyn Probes>,
    /// The HTML of `/`.
    pub page: &'static str,
}
