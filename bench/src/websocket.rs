//! Subscribers over graphql-transport-ws.

use std::net::SocketAddr;

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use crate::Fault;

/// One subscriber to one car park's counts.
pub struct Subscriber(WebSocketStream<TcpStream>);

impl Subscriber {
    pub async fn open(address: SocketAddr, facility: &str) -> Result<Self, Fault> {
        let mut request = format!("ws://{address}/graphql").into_client_request()?;
        let protocol = HeaderValue::from_static("graphql-transport-ws");
        request.headers_mut().insert("sec-websocket-protocol", protocol);
        let socket = TcpStream::connect(address).await?;
        socket.set_nodelay(true)?;
        let small = WebSocketConfig::default().read_buffer_size(1024).write_buffer_size(0);
        let (mut socket, _) = client_async_with_config(request, socket, Some(small)).await?;
        socket.send(Message::text(r#"{"type":"connection_init"}"#)).await?;
        socket.next().await.ok_or("the server does not acknowledge")??;
        let subscribe = serde_json::json!({ "id": "1", "type": "subscribe", "payload": {
            "query": "subscription($facility:ID!){occupancy(facilities:[$facility]){inside free}}",
            "variables": { "facility": facility },
        } });
        socket.send(Message::text(subscribe.to_string())).await?;
        Ok(Self(socket))
    }

    /// How many are inside, by the next frame.
    pub async fn inside(&mut self) -> Result<usize, Fault> {
        loop {
            let message = self.0.next().await.ok_or("the server has closed a subscription")??;
            let Message::Text(text) = message else { continue };
            let (_, rest) = text.split_once(r#""inside":"#).ok_or_else(|| format!("no state: {text}"))?;
            let digits = rest.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
            return Ok(digits.parse()?);
        }
    }
}
