//! A server that speaks EventStoreDB's gRPC protocol with its own semantics, for tests alone: appends under expected
//! versions with idempotence by event id, reads of streams and of `$all` both ways, filtered and plain subscriptions
//! to `$all` and to streams, deadlines, and the faults of a cluster on demand.
//!
//! - **position**: of an event in `$all`, commit and prepare alike; values leave gaps, and one that is no event's
//!   is refused, as the real server does.
//! - **follower**: a node that is not the leader; whoever requires the leader is told where it is.
//!
//! Not here, as nobody of ours asks for it: batch append, deletion, links, persistent subscriptions, gossip.
//!
//! What the real server does was read from its sources (`IndexWriter.CheckCommit`, `Streams.Append`, `Streams.Read`,
//! `RpcExceptions`); the messages are those that its client ships.

#![allow(clippy::result_large_err, reason = "a status is what a call of tonic answers")]

mod append;
mod faults;
mod features;
mod proposal;
mod read;
mod selection;
mod store;
mod subscribe;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

pub use faults::{AppendFault, Cut, Faults};
use wire::event_store::client as messages;

/// As the packages of the messages stand.
#[allow(clippy::all, dead_code)]
mod wire {
    pub mod event_store {
        pub mod client {
            tonic::include_proto!("event_store.client");
            pub mod streams {
                tonic::include_proto!("event_store.client.streams");
            }
            pub mod server_features {
                tonic::include_proto!("event_store.client.server_features");
            }
        }
    }
    pub mod google {
        pub mod rpc {
            tonic::include_proto!("google.rpc");
        }
    }
}

/// Of appended data and metadata, as EventStoreDB has it by default.
pub const MAX_APPEND_BYTES: usize = 1024 * 1024;

#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Whoever does not send these is refused. None: everybody may come.
    pub credentials: Option<(String, String)>,
}

/// A running server; it ends when this is dropped.
pub struct Double {
    address: SocketAddr,
    node: Node,
    serving: JoinHandle<()>,
}

impl Double {
    /// Serves the events of the file, which is made where there is none.
    pub async fn start(listen: SocketAddr, file: &Path, options: Options) -> std::io::Result<Self> {
        let store = Arc::new(store::Store::open(file)?);
        let (proposals, waiting) = mpsc::unbounded_channel();
        let writing = Arc::clone(&store);
        std::thread::Builder::new().name("writer".to_owned()).spawn(move || writing.write(waiting))?;
        let node = Node { store, proposals, faults: Arc::default(), options: Arc::new(options) };
        Self::serve(listen, node).await
    }

    /// Another node of the same cluster, on a free port: the same events, faults of its own.
    pub async fn another_node(&self) -> std::io::Result<Self> {
        let listen = SocketAddr::new(self.address.ip(), 0);
        Self::serve(listen, Node { faults: Arc::default(), ..self.node.clone() }).await
    }

    async fn serve(listen: SocketAddr, node: Node) -> std::io::Result<Self> {
        let listener = TcpListener::bind(listen).await?;
        let address = listener.local_addr()?;
        let streams = messages::streams::streams_server::StreamsServer::new(node.clone())
            .max_decoding_message_size(17 * 1024 * 1024);
        let router = Server::builder().add_service(streams).add_service(features::service());
        let serving = tokio::spawn(async move {
            let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
            if let Err(error) = router.serve_with_incoming(incoming).await {
                eprintln!("the server stopped: {error}");
            }
        });
        Ok(Self { address, node, serving })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn connection_string(&self) -> String {
        format!("esdb://{}?tls=false", self.address)
    }

    pub fn faults(&self) -> &Faults {
        &self.node.faults
    }

    /// Serves until the process ends.
    pub async fn run(mut self) {
        // A panic was already told.
        let _ = (&mut self.serving).await;
    }
}

impl Drop for Double {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// What answers the calls.
#[derive(Clone)]
struct Node {
    store: Arc<store::Store>,
    proposals: mpsc::UnboundedSender<proposal::Proposal>,
    faults: Arc<Faults>,
    options: Arc<Options>,
}
