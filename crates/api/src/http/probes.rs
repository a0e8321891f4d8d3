//! `/health/live`, `/health/ready` and `/metrics`, for whoever watches the process. No token is asked for them, and
//! they tell nothing of drivers.

use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

/// Whether the process can serve, and if not, why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readiness {
    Ready,
    NotReady { sentence: String },
}

/// What the binary knows of its parts.
#[async_trait]
pub trait Probes: Send + Sync + 'static {
    /// Ready: commands are taken, and the projections follow.
    fn readiness(&self) -> Readiness;
    /// In Prometheus' text format, version 0.0.4.
    async fn metrics(&self) -> String;
    /// How many keys wait for an event that is missing on Kafka; 0 where nothing comes over it.
    fn held_keys(&self) -> u64;
}

pub fn routes(probes: Arc<dyn Probes>) -> Router {
    let metrics = probes.clone();
    Router::new()
        .route("/health/live", get(|| async { "live\n" }))
        .route("/health/ready", get(move || async move { ready(&*probes) }))
        .route("/metrics", get(move || async move { show_metrics(&*metrics).await }))
}

fn ready(probes: &dyn Probes) -> Response {
    match probes.readiness() {
        Readiness::Ready => "ready\n".into_response(),
        Readiness::NotReady { sentence } => {
            (StatusCode::SERVICE_UNAVAILABLE, format!("{sentence}\n")).into_response()
        }
    }
}

async fn show_metrics(probes: &dyn Probes) -> Response {
    let metrics = probes.metrics().await;
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], metrics).into_response()
}
