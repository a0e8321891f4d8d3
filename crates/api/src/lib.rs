//! The GraphQL API: it authenticates, parses, dispatches and maps; no rule lives here, and no SQL.
//!
//! - [`http`]: GraphQL over HTTP and server-sent events; pages, health, metrics.
//! - [`ws`]: graphql-transport-ws.
//! - [`limits`]: what one request may ask for.
//! - [`auth`]: who asks.

pub mod auth;
pub mod faults;
pub mod http;
pub mod limits;
pub mod ws;
