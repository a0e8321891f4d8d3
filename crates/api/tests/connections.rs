//! How connections are taken, kept and ended.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use octocity_api::{Auth, Limits};
use serde_json::json;
use support::{Events, Server, serve, serve_with};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

const PATIENCE: Duration = Duration::from_secs(5);

async fn limited(limits: Limits) -> Server {
    serve_with(Auth::default(), limits, true).await
}

/// A connection on which these bytes were sent.
async fn begun(server: &Server, bytes: &str) -> TcpStream {
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    socket.write_all(bytes.as_bytes()).await.unwrap();
    socket
}

/// All that the server says until it closes.
async fn until_closed(mut socket: TcpStream) -> String {
    let mut said = Vec::new();
    let ended = timeout(PATIENCE, socket.read_to_end(&mut said)).await;
    ended.expect("the server closes the connection").unwrap();
    String::from_utf8(said).unwrap()
}

const LIVE: &str = "GET /health/live HTTP/1.1\r\nhost: localhost\r\n";

#[tokio::test]
async fn a_connection_without_a_whole_header_is_closed_in_time() {
    let server = limited(Limits { header_seconds: 1, ..Limits::default() }).await;
    for bytes in ["", "GET /heal", LIVE] {
        assert_eq!(until_closed(begun(&server, bytes).await).await, "", "{bytes:?}");
    }
    // Also one that asked before, and then falls silent.
    let said = until_closed(begun(&server, &format!("{LIVE}\r\n")).await).await;
    assert!(said.starts_with("HTTP/1.1 200 "), "{said}");
}

#[tokio::test]
async fn a_body_that_does_not_come_is_answered_with_408() {
    let server = limited(Limits { body_seconds: 1, ..Limits::default() }).await;
    let head = "POST /graphql HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 30\r\n\r\n";
    let said = until_closed(begun(&server, &format!("{head}{{\"query\"")).await).await;
    assert!(said.starts_with("HTTP/1.1 408 "), "{said}");
    assert!(said.contains("The body was not here within 1 seconds"), "{said}");
}

#[tokio::test]
async fn broken_chunks_are_a_bad_request_and_too_many_bytes_too_large() {
    let server = limited(Limits { body_bytes: 100, ..Limits::default() }).await;
    let head = "POST /graphql HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
    let chunk = format!("80\r\n{}\r\n0\r\n\r\n", " ".repeat(0x80));
    for (body, status) in [("zz\r\n", 400), (&chunk, 413)] {
        let said = until_closed(begun(&server, &format!("{head}{body}")).await).await;
        assert!(said.starts_with(&format!("HTTP/1.1 {status} ")), "{said}");
    }
}

#[tokio::test]
async fn beyond_the_cap_a_connection_waits_until_one_ends() {
    let server = limited(Limits { connections: 2, ..Limits::default() }).await;
    let facility = server.facility(5).await;
    let live = format!("subscription {{ occupancy(facilities: [\"{facility}\"]) {{ inside }} }}");
    let mut events = Events::open(&server, &live, json!({})).await;
    events.data().await;
    // A WebSocket is a connection too, though HTTP has let go of it.
    let request = format!("ws://{}/graphql", server.address).into_client_request().unwrap();
    let (socket, _) = client_async(request, begun(&server, "").await).await.unwrap();
    let mut waiting = begun(&server, &format!("{LIVE}connection: close\r\n\r\n")).await;
    let mut byte = [0];
    assert!(timeout(Duration::from_millis(300), waiting.read(&mut byte)).await.is_err(), "the cap holds");
    drop(socket);
    let said = until_closed(waiting).await;
    assert!(said.starts_with("HTTP/1.1 200 "), "{said}");
}

#[tokio::test]
async fn a_stop_ends_streams_and_sockets_and_waits_for_nobody_idle() {
    let server = serve().await;
    let idle = begun(&server, "").await;
    let facility = server.facility(5).await;
    let live = format!("subscription {{ occupancy(facilities: [\"{facility}\"]) {{ inside }} }}");
    let mut events = Events::open(&server, &live, json!({})).await;
    events.data().await;
    let mut request = format!("ws://{}/graphql", server.address).into_client_request().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", "graphql-transport-ws".parse().unwrap());
    let (mut socket, _) = client_async(request, begun(&server, "").await).await.unwrap();
    socket.send(Message::text(r#"{"type":"connection_init"}"#)).await.unwrap();
    socket.next().await.unwrap().unwrap();
    server.stop.send(true).unwrap();
    // A state that was already under way may come before the end.
    if events.next().await.is_some() {
        assert_eq!(events.next().await, None);
    }
    let Some(Ok(Message::Close(Some(frame)))) = socket.next().await else { panic!("no close") };
    assert_eq!(u16::from(frame.code), 1001);
    while socket.next().await.is_some() {}
    assert_eq!(until_closed(idle).await, "");
    timeout(PATIENCE, server.serving).await.expect("the server has stopped").unwrap();
    assert!(TcpStream::connect(server.address).await.is_err(), "nobody listens any more");
}
