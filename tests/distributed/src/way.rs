//! A way to a server that is cut where it is told to, and may be led to another server.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::watch;

/// What PostgreSQL is sent to commit.
const COMMIT: &[u8] = b"COMMIT\0";

/// Stands between clients and a server.
pub struct Way {
    pub address: SocketAddr,
    rule: Arc<Rule>,
    _runtime: Runtime,
}

struct Rule {
    /// None: it is cut.
    server: watch::Sender<Option<SocketAddr>>,
    /// So many of the next commits never reach the server.
    before_commit: AtomicU32,
    /// Of so many of the next commits the answer is lost.
    after_commit: AtomicU32,
}

impl Way {
    pub fn to(server: SocketAddr) -> Self {
        let runtime = Runtime::new().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let rule = Arc::new(Rule {
            server: watch::Sender::new(Some(server)),
            before_commit: AtomicU32::new(0),
            after_commit: AtomicU32::new(0),
        });
        let ruling = Arc::clone(&rule);
        runtime.spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(Arc::clone(&ruling).carry(client));
            }
        });
        Self { address, rule, _runtime: runtime }
    }

    /// Breaks every connection in the middle of whatever it carries, and lets none through until it leads somewhere.
    pub fn cut(&self) {
        self.rule.server.send_replace(None);
    }

    /// From now on it leads to this server; what led elsewhere is broken.
    pub fn lead_to(&self, server: SocketAddr) {
        self.rule.server.send_replace(Some(server));
    }

    /// So many connections break with a commit that never reaches the server, then so many with one whose answer is lost.
    pub fn cut_at_commits(&self, before: u32, after: u32) {
        self.rule.before_commit.store(before, Ordering::SeqCst);
        self.rule.after_commit.store(after, Ordering::SeqCst);
    }

    /// How many of those are still to come.
    pub fn cuts_to_come(&self) -> u32 {
        self.rule.before_commit.load(Ordering::SeqCst) + self.rule.after_commit.load(Ordering::SeqCst)
    }
}

impl Rule {
    async fn carry(self: Arc<Self>, client: TcpStream) {
        let mut leads = self.server.subscribe();
        let Some(address) = *leads.borrow_and_update() else { return };
        let Ok(server) = TcpStream::connect(address).await else { return };
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
        let loses_answer = AtomicBool::new(false);
        tokio::select! {
            () = self.forth(from_client, to_server, &loses_answer) => {}
            () = back(from_server, to_client, &loses_answer) => {}
            _ = leads.changed() => {}
        }
    }

    async fn forth(&self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf, loses_answer: &AtomicBool) {
        let mut asked = vec![0; 65_536];
        while let Ok(length @ 1..) = from.read(&mut asked).await {
            let asked = &asked[..length];
            if asked.windows(COMMIT.len()).any(|words| words == COMMIT) {
                if take(&self.before_commit) {
                    return;
                }
                loses_answer.store(take(&self.after_commit), Ordering::SeqCst);
            }
            if to.write_all(asked).await.is_err() {
                return;
            }
        }
    }
}

async fn back(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, loses_answer: &AtomicBool) {
    let mut said = vec![0; 65_536];
    while let Ok(length @ 1..) = from.read(&mut said).await {
        if loses_answer.load(Ordering::SeqCst) || to.write_all(&said[..length]).await.is_err() {
            return;
        }
    }
}

fn take(left: &AtomicU32) -> bool {
    left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
}
