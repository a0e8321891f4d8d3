//! The GraphQL API: it authenticates, parses, dispatches and maps; no rule lives here, and no SQL.
//!
//! - [`http`] speaks GraphQL over HTTP and server-sent events; pages, health, metrics.
//! - [`ws`] speaks graphql-transport-ws.
//! - [`graphql`] has the schema, one folder or file per context.
//! - [`limits`] says what one request may ask for.
//! - [`auth`] tells who asks.

pub mod auth;
pub mod faults;
pub mod graphql;
pub mod http;
pub mod limits;
pub mod nearest;
pub mod plates;
pub mod state;
pub mod ws;

use std::sync::Arc;

pub use auth::{Auth, TokenEntry};
pub use http::connections::serve;
pub use http::{Probes, Readiness, probe_routes};
pub use limits::Limits;
pub use state::ApiState;

/// All routes: `/graphql`, `/graphiql`, `/`, `/health/live`, `/health/ready`, `/metrics`.
pub fn router(state: ApiState) -> axum::Router {
    let ApiState { handler, log, models, clock, auth, limits, listen, closing, probes, page } = state;
    let schemas =
        graphql::schemas(graphql::Api { handler, log, models, clock, limits, probes: Arc::clone(&probes) });
    let transport =
        http::transport::Transport::new(Arc::new(schemas), graphql::STATES, auth, limits, listen, closing);
    http::routes(transport, probes, page)
}

/// The schema as it stands in `schema/schema.graphql`.
pub fn sdl() -> String {
    graphql::sdl()
}
