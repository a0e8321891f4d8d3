//! Taking connections: how many at once, and how long a client may take to ask.
//!
//! At the cap no further connection is accepted: clients wait in the listener's backlog, which the kernel bounds, until
//! a place is free. A client that never finishes its request keeps its place only for the header's and body's time.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::transport::closed;
use crate::limits::Limits;

/// How long accepting rests after a fault of ours, such as too few file descriptors: it fails at once and would spin.
const ACCEPT_AGAIN: Duration = Duration::from_secs(1);
/// How long a peer may leave what was sent to it untaken, gone or only slow, before the connection is given up.
#[cfg(target_os = "linux")]
const UNTAKEN: Duration = Duration::from_secs(60);

/// One of the open connections. Each request carries it, so that an upgraded socket can keep it.
#[derive(Clone)]
pub struct Place {
    _permit: Arc<OwnedSemaphorePermit>,
}

/// Serves until `closing` is true, and then until every connection has ended.
pub async fn serve(listener: TcpListener, routes: Router, limits: Limits, closing: watch::Receiver<bool>) {
    let places = Arc::new(Semaphore::new(limits.connections as usize));
    let doors = Doors { listener, routes, limits, places: Arc::clone(&places), closing: closing.clone() };
    tokio::select! {
        () = closed(closing) => {}
        () = doors.accept() => {}
    }
    // All places are back when all sockets are closed, WebSockets too. The semaphore is never closed.
    let _ = places.acquire_many(limits.connections).await;
}

struct Doors {
    listener: TcpListener,
    routes: Router,
    limits: Limits,
    places: Arc<Semaphore>,
    closing: watch::Receiver<bool>,
}

impl Doors {
    /// Until it is dropped, and the listener with it.
    async fn accept(self) {
        let (mut full, mut failing) = (false, false);
        loop {
            full = self.is_full(full);
            let Ok(permit) = Arc::clone(&self.places).acquire_owned().await else { return };
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    failing = false;
                    self.attend(stream, Place { _permit: Arc::new(permit) });
                }
                Err(error) if is_of_the_client(&error) => {}
                Err(error) => {
                    if !failing {
                        tracing::error!(%error, "connections cannot be accepted; it is tried again every second");
                    }
                    failing = true;
                    tokio::time::sleep(ACCEPT_AGAIN).await;
                }
            }
        }
    }

    /// Said once, and again only after a tenth of the places was free.
    fn is_full(&self, was_full: bool) -> bool {
        let free = self.places.available_permits();
        if free == 0 && !was_full {
            let connections = self.limits.connections;
            tracing::warn!(connections, "no more connections are accepted until one of them ends");
        }
        free == 0 || was_full && free <= self.limits.connections as usize / 10
    }

    fn attend(&self, stream: TcpStream, place: Place) {
        let header_time = Duration::from_secs(self.limits.header_seconds);
        tokio::spawn(attend(stream, self.routes.clone(), place, header_time, self.closing.clone()));
    }
}

/// One connection, until it ends or became a WebSocket.
async fn attend(
    stream: TcpStream,
    routes: Router,
    place: Place,
    header_time: Duration,
    closing: watch::Receiver<bool>,
) {
    tune(&stream);
    let (routes, asked) = (TowerToHyperService::new(routes), AtomicBool::new(false));
    let service = service_fn(|mut request: hyper::Request<Incoming>| {
        asked.store(true, Ordering::Relaxed);
        request.extensions_mut().insert(place.clone());
        routes.call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(header_time)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = closed(closing) => {
            // What has asked for nothing yet would be waited for until its header's time is over.
            if !asked.load(Ordering::Relaxed) {
                return;
            }
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke off");
    }
}

/// A socket on which an option cannot be set is served without it.
fn tune(stream: &TcpStream) {
    // Messages are small and each is awaited.
    let _ = stream.set_nodelay(true);
    #[cfg(target_os = "linux")]
    let _ = socket2::SockRef::from(stream).set_tcp_user_timeout(Some(UNTAKEN));
}

/// The client was gone before it was accepted; the next one may be there.
fn is_of_the_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
