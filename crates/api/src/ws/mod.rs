//! graphql-transport-ws: subscriptions, queries and mutations over one WebSocket, as the npm package `graphql-ws`
//! speaks it. <https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md>
//!
//! - **connection**: from the upgrade to the close; it must send `connection_init` first.
//! - **operation**: what one `subscribe` began, under an id that the client chose, until a `complete` or an `error`.
//!
//! Nothing is queued: an operation's next message is asked for only when the one before it was written, so a reader that is
//! slow holds back its own operations and nobody's memory.

mod close;
mod message;
mod operations;
mod socket;

use std::sync::Arc;

use axum::extract::WebSocketUpgrade;
use axum::response::{IntoResponse, Response};

use crate::faults::Code;
use crate::http::accept::Media;
use crate::http::connections::Place;
use crate::http::response::http_error;
use crate::http::transport::{TOO_MANY_STREAMS, Transport};

pub const SUBPROTOCOL: &str = "graphql-transport-ws";

/// `connection`: the socket's place among the open connections, kept until it closes.
pub fn accept(transport: Arc<Transport>, upgrade: WebSocketUpgrade, connection: Option<Place>) -> Response {
    let Some(stream) = transport.stream_place() else {
        let status = axum::http::StatusCode::SERVICE_UNAVAILABLE;
        return http_error(status, Code::TooManyStreams, TOO_MANY_STREAMS, Media::Json);
    };
    let limit = transport.limits.body_bytes;
    upgrade
        .protocols([SUBPROTOCOL])
        .max_message_size(limit)
        .max_frame_size(limit)
        .read_buffer_size(8 * 1024)
        .write_buffer_size(8 * 1024)
        .on_upgrade(move |socket| async move {
            let _places = (stream, connection);
            socket::run(transport, socket).await;
        })
        .into_response()
}
