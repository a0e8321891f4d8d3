//! One connection from its upgrade to its close.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{Message, WebSocket};
use octocity_log::Actor;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::close::Close;
use super::message::{self, FromClient};
use super::operations::Operations;
use crate::http::request::Parameters;
use crate::http::transport::{Transport, closed, too_many_streams};

/// How often a silent connection is pinged; after two without any answer it is given up.
const PING: Duration = Duration::from_secs(15);
/// How long one message may take to be written before the reader counts as gone.
const WRITE: Duration = Duration::from_secs(30);

/// How long the other side's part of a close is waited for.
const CLOSE: Duration = Duration::from_secs(2);

/// Why the connection ends.
enum End {
    /// Told to the client.
    Close(Close),
    /// There is nobody to tell.
    Gone,
}

struct Connection {
    transport: Arc<Transport>,
    socket: WebSocket,
    /// Set by `connection_init`.
    actor: Option<Actor>,
    operations: Operations,
    silent_pings: u8,
}

pub async fn run(transport: Arc<Transport>, socket: WebSocket) {
    let spoken = socket.protocol().is_some_and(|protocol| protocol == super::SUBPROTOCOL);
    let mut connection =
        Connection { transport, socket, actor: None, operations: Operations::default(), silent_pings: 0 };
    let end = if spoken { connection.serve().await } else { End::Close(Close::SubprotocolNotAcceptable) };
    if let End::Close(close) = end {
        connection.close(&close).await;
    }
}

impl Connection {
    async fn serve(&mut self) -> End {
        let init = sleep(Duration::from_secs(self.transport.limits.init_timeout_seconds));
        let closed = closed(self.transport.closing.clone());
        tokio::pin!(init, closed);
        let mut ping = interval(PING);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // The first tick comes at once; a connection that has just been made is not silent.
        ping.tick().await;
        loop {
            let turn = tokio::select! {
                () = &mut closed => Err(End::Close(Close::GoingAway)),
                () = &mut init, if self.actor.is_none() => Err(End::Close(Close::InitTimeout)),
                received = self.socket.recv() => self.received(received).await,
                text = self.operations.next() => self.send(Message::Text(text.into())).await,
                _ = ping.tick() => self.ping().await,
            };
            if let Err(end) = turn {
                return end;
            }
        }
    }

    async fn received(&mut self, received: Option<Result<Message, axum::Error>>) -> Result<(), End> {
        self.silent_pings = 0;
        match received {
            Some(Ok(Message::Text(text))) => {
                let message = FromClient::parse(&text).map_err(End::Close)?;
                self.handle(message).await
            }
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(()),
            Some(Ok(Message::Binary(_))) => Err(End::Close(Close::BadMessage("Send messages as text"))),
            Some(Ok(Message::Close(_))) => {
                // Reading on writes the close that answers it; without one the client reports a broken connection.
                let _ = timeout(CLOSE, self.socket.recv()).await;
                Err(End::Gone)
            }
            None => Err(End::Gone),
            Some(Err(error)) => Err(Close::of(error).map_or(End::Gone, End::Close)),
        }
    }

    async fn handle(&mut self, message: FromClient) -> Result<(), End> {
        match message {
            FromClient::ConnectionInit { authorization } => self.init(authorization.as_deref()).await,
            FromClient::Ping { payload } => self.send_text(message::pong(payload)).await,
            FromClient::Pong => Ok(()),
            FromClient::Complete { id } => {
                self.operations.stop(&id);
                Ok(())
            }
            FromClient::Subscribe { id, parameters } => self.subscribe(id, parameters).await,
        }
    }

    async fn init(&mut self, authorization: Option<&str>) -> Result<(), End> {
        if self.actor.is_some() {
            return Err(End::Close(Close::TooManyInits));
        }
        let actor = self.transport.auth.actor(authorization).map_err(|_| End::Close(Close::Forbidden))?;
        self.actor = Some(actor);
        self.send_text(message::CONNECTION_ACK.to_owned()).await
    }

    async fn subscribe(&mut self, id: String, parameters: Parameters) -> Result<(), End> {
        let Some(actor) = self.actor.clone() else { return Err(End::Close(Close::Unauthorized)) };
        if self.operations.has(&id) {
            return Err(End::Close(Close::SubscriberExists { id }));
        }
        if self.operations.count() >= self.transport.limits.operations_per_socket {
            return self.send_text(message::error(&id, &[*too_many_streams()])).await;
        }
        match self.transport.prepare(parameters, actor, None) {
            Ok(prepared) => {
                self.operations.start(&self.transport, id, prepared);
                Ok(())
            }
            Err(error) => self.send_text(message::error(&id, &[*error])).await,
        }
    }

    async fn ping(&mut self) -> Result<(), End> {
        self.silent_pings += 1;
        if self.silent_pings > 2 {
            return Err(End::Gone);
        }
        self.send(Message::Ping(Vec::new().into())).await
    }

    async fn send_text(&mut self, text: String) -> Result<(), End> {
        self.send(Message::Text(text.into())).await
    }

    async fn send(&mut self, message: Message) -> Result<(), End> {
        match timeout(WRITE, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(End::Gone),
        }
    }

    /// Sends the close and reads, for a moment, until the client's own: an unread message would reset the
    /// connection before the code arrives.
    async fn close(&mut self, close: &Close) {
        if self.send(Message::Close(Some(close.frame()))).await.is_err() {
            return;
        }
        let answered = async { while let Some(Ok(_)) = self.socket.recv().await {} };
        // Nothing hangs on whether the client answered.
        let _ = timeout(CLOSE, answered).await;
    }
}
