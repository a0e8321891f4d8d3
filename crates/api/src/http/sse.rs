//! Server-sent events, as the "distinct connections" mode of graphql-sse: one request, one stream of `next` events
//! that a `complete` ends. <https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md>
//!
//! The body is pulled: a reader that is slow makes no queue, for the next message is taken when it asks. A stream that
//! ends without `complete` was broken off, by the network or by the server's stop; the client resumes from its position.

use std::convert::Infallible;
use std::time::Duration;

use async_graphql::{Response as GraphqlResponse, ServerError};
use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use futures_util::stream::{Stream, StreamExt};
use tokio::sync::OwnedSemaphorePermit;

use super::accept::Media;
use super::request::Prepared;
use super::response;
use super::transport::{Transport, closed};

/// How often a comment shows that a silent stream is alive.
const KEEP_ALIVE: Duration = Duration::from_secs(12);

pub fn respond(transport: &Transport, prepared: Prepared, place: OwnedSemaphorePermit) -> Response {
    let mut answers = transport.answers(prepared);
    let closing = transport.closing.clone();
    event_stream(async_stream::stream! {
        let _place = place;
        let closed = closed(closing);
        tokio::pin!(closed);
        yield ":\n\n".to_owned();
        loop {
            tokio::select! {
                biased;
                () = &mut closed => return,
                answer = answers.next() => match answer {
                    Some(told) => yield event("next", &told.text),
                    None => break,
                },
                () = tokio::time::sleep(KEEP_ALIVE) => yield ":\n\n".to_owned(),
            }
        }
        yield event("complete", "");
    })
}

/// A request error, told as the stream's only message, as graphql-sse's own server does.
pub fn request_error(error: ServerError) -> Response {
    let body = response::body(&mut GraphqlResponse::from_errors(vec![error]), false);
    event_stream(async_stream::stream! {
        yield event("next", &body);
        yield event("complete", "");
    })
}

/// `data` is one line: JSON as it is written here has no line breaks.
fn event(kind: &str, data: &str) -> String {
    format!("event: {kind}\ndata: {data}\n\n")
}

fn event_stream(events: impl Stream<Item = String> + Send + 'static) -> Response {
    let mut response = Response::new(Body::from_stream(events.map(Ok::<_, Infallible>)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(Media::EventStream.content_type()));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Proxies that buffer would hold the messages back.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}
