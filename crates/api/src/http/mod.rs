//! The HTTP side: `/graphql` in its three transports, the pages, health and metrics.

pub mod accept;
pub mod connections;
pub mod executor;
mod graphql;
mod operation;
mod pages;
mod probes;
pub mod request;
pub mod response;
pub mod shared;
mod sse;
pub mod transport;

use std::sync::Arc;

use axum::Router;
use axum::routing::{any, get};

pub use probes::{Probes, Readiness, routes as probe_routes};
use transport::Transport;

/// Everything that is served; `page` is the HTML of `/`.
pub fn routes(transport: Arc<Transport>, probes: Arc<dyn Probes>, page: &'static str) -> Router {
    Router::new()
        .route("/graphql", any(graphql::endpoint))
        .with_state(transport)
        .route("/", get(move || pages::html(page)))
        .route("/graphiql", get(|| pages::html(pages::GRAPHIQL)))
        .merge(probes::routes(probes))
}
