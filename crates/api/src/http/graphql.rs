//! `/graphql`: GraphQL over HTTP, and from the same path server-sent events and WebSockets.
//!
//! - GET and POST carry queries; only POST carries mutations (405 otherwise).
//! - `application/json` answers 200 to every well-formed request, `application/graphql-response+json` 400 to one whose
//!   document cannot be executed.
//! - `Accept: text/event-stream` answers with a stream, see [`super::sse`]; an upgrade is a WebSocket, see [`crate::ws`].

use std::error::Error;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_graphql::parser::types::OperationType;
use axum::body::{Body, to_bytes};
use axum::extract::{FromRequestParts, State, WebSocketUpgrade};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use http_body_util::LengthLimitError;
use tokio::time::timeout;

use super::accept::{Media, negotiate};
use super::connections::Place;
use super::request::{Malformed, Parameters, check_content, from_body, from_query_string};
use super::transport::{AfterHeader, TOO_MANY_STREAMS, Transport};
use super::{response, sse};
use crate::auth::Unauthenticated;
use crate::faults::Code;
use crate::limits::Limits;
use crate::ws;

const AFTER_HEADER: &str = "x-octocity-after";

pub async fn endpoint(State(transport): State<Arc<Transport>>, request: Request<Body>) -> Response {
    let (mut parts, body) = request.into_parts();
    if transport.only_here && !is_for_here(&parts.headers) {
        let sentence = "This server has no tokens and answers under its machine's own names only, such as localhost; \
                        configure tokens to use another name.";
        return response::http_error(StatusCode::FORBIDDEN, Code::BadRequest, sentence, Media::Json);
    }
    if parts.method == Method::GET && is_upgrade(&parts.headers) {
        return upgrade(transport, &mut parts).await;
    }
    if parts.method != Method::GET && parts.method != Method::POST {
        return not_allowed("GET, POST", "Send queries by GET or POST, mutations by POST.", Media::Json);
    }
    let accept = header_text(&parts.headers, header::ACCEPT.as_str());
    let Some(media) = negotiate(accept) else {
        let sentence = "Accept application/graphql-response+json, application/json or text/event-stream.";
        return response::http_error(StatusCode::NOT_ACCEPTABLE, Code::BadRequest, sentence, Media::Json);
    };
    match read(&transport, &parts, body).await {
        Ok(parameters) => serve(&transport, &parts, parameters, media).await,
        Err(Malformed { status, sentence }) => {
            response::http_error(status, Code::BadRequest, sentence, media)
        }
    }
}

async fn read(transport: &Transport, parts: &Parts, body: Body) -> Result<Parameters, Malformed> {
    if parts.method == Method::GET {
        let query_string = parts.uri.query().unwrap_or_default();
        return from_query_string(query_string);
    }
    check_content(&parts.headers)?;
    let Limits { body_bytes, body_seconds, .. } = transport.limits;
    let reading = timeout(Duration::from_secs(body_seconds), to_bytes(body, body_bytes));
    let bytes = reading.await.map_err(|_| Malformed {
        status: StatusCode::REQUEST_TIMEOUT,
        sentence: format!("The body was not here within {body_seconds} seconds; send it faster."),
    })?;
    from_body(&bytes.map_err(|error| unreadable(&error, body_bytes))?)
}

fn unreadable(error: &axum::Error, body_bytes: usize) -> Malformed {
    if error.source().is_some_and(|source| source.is::<LengthLimitError>()) {
        let sentence = format!("The body has more than {body_bytes} bytes; send less.");
        return Malformed { status: StatusCode::PAYLOAD_TOO_LARGE, sentence };
    }
    Malformed::bad("The body broke off, or its chunks are not those of HTTP/1.1; send it whole.")
}

async fn serve(transport: &Transport, parts: &Parts, parameters: Parameters, media: Media) -> Response {
    let Ok(actor) = transport.auth.actor(header_text(&parts.headers, header::AUTHORIZATION.as_str())) else {
        return unauthenticated(media);
    };
    let after = header_text(&parts.headers, AFTER_HEADER).map(|token| AfterHeader(token.to_owned()));
    let prepared = match transport.prepare(parameters, actor, after) {
        Ok(prepared) => prepared,
        Err(error) if media == Media::EventStream => return sse::request_error(*error),
        Err(error) => return response::request_error(*error, media),
    };
    if parts.method == Method::GET && prepared.operation == OperationType::Mutation {
        return not_allowed("POST", "Send mutations by POST.", media);
    }
    if media == Media::EventStream {
        return match transport.stream_place() {
            Some(place) => sse::respond(transport, prepared, place),
            None => {
                let status = StatusCode::SERVICE_UNAVAILABLE;
                response::http_error(status, Code::TooManyStreams, TOO_MANY_STREAMS, media)
            }
        };
    }
    if prepared.operation == OperationType::Subscription {
        let sentence = "Subscribe with 'Accept: text/event-stream' or over a WebSocket.";
        return response::http_error(StatusCode::NOT_ACCEPTABLE, Code::BadRequest, sentence, media);
    }
    response::graphql(transport.executor.execute(prepared.asked).await, media)
}

fn is_upgrade(headers: &HeaderMap) -> bool {
    header_text(headers, header::UPGRADE.as_str())
        .is_some_and(|value| value.eq_ignore_ascii_case("websocket"))
}

async fn upgrade(transport: Arc<Transport>, parts: &mut Parts) -> Response {
    if transport.auth.is_open() && is_cross_site(&parts.headers) {
        let sentence = "An open server takes WebSockets from its own pages only; configure tokens.";
        return response::http_error(StatusCode::FORBIDDEN, Code::BadRequest, sentence, Media::Json);
    }
    let place = parts.extensions.get::<Place>().cloned();
    match WebSocketUpgrade::from_request_parts(parts, &()).await {
        Ok(upgrade) => ws::accept(transport, upgrade, place),
        Err(rejection) => rejection.into_response(),
    }
}

/// Whether the name that the client knows the server by is one of the machine itself. A page of another site can give
/// its own name this address, and would then ask as if it were ours.
fn is_for_here(headers: &HeaderMap) -> bool {
    let Some(host) = header_text(headers, header::HOST.as_str()) else {
        return !headers.contains_key(header::HOST);
    };
    let name = match host.strip_prefix('[') {
        Some(bracketed) => bracketed.split(']').next(),
        None => host.split(':').next(),
    };
    name.is_some_and(|name| {
        name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    })
}

/// Whether a page of another origin opens the socket; browsers ask nobody before they do.
fn is_cross_site(headers: &HeaderMap) -> bool {
    let Some(origin) = header_text(headers, header::ORIGIN.as_str()) else { return false };
    let host = header_text(headers, header::HOST.as_str()).unwrap_or_default();
    origin.split_once("://").is_none_or(|(_, origin_host)| !origin_host.eq_ignore_ascii_case(host))
}

fn unauthenticated(media: Media) -> Response {
    let sentence = Unauthenticated::SENTENCE;
    let mut answer = response::http_error(StatusCode::UNAUTHORIZED, Code::Unauthenticated, sentence, media);
    answer.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    answer
}

fn not_allowed(allow: &'static str, sentence: &str, media: Media) -> Response {
    let mut answer = response::http_error(StatusCode::METHOD_NOT_ALLOWED, Code::BadRequest, sentence, media);
    answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
    answer
}

fn header_text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}
