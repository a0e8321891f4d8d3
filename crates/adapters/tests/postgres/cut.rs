//! A way to the server that breaks where it is told to.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Which of the next commits meet what.
#[derive(Default)]
pub struct Cuts {
    /// So many never reach the server.
    pub before: AtomicU32,
    /// So many are done, but the answer is lost.
    pub after: AtomicU32,
    /// Nothing goes over a connection from before this last rose, and none of its ends hears of it.
    pub silences: AtomicU32,
    /// So long nothing reaches the server, and no connection ends.
    pub stands_still: AtomicBool,
}

/// Stands between; the address to use instead of the server's.
pub async fn way(port: u16, cuts: Arc<Cuts>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let own = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            tokio::spawn(carry(client, server, Arc::clone(&cuts)));
        }
    });
    own
}

async fn carry(mut client: TcpStream, mut server: TcpStream, cuts: Arc<Cuts>) {
    let (mut asked, mut said) = (vec![0; 65_536], vec![0; 65_536]);
    let begun = cuts.silences.load(Ordering::SeqCst);
    loop {
        tokio::select! {
            read = client.read(&mut asked) => {
                if cuts.silences.load(Ordering::SeqCst) > begun {
                    return std::future::pending().await;
                }
                let Ok(length @ 1..) = read else { return };
                while cuts.stands_still.load(Ordering::SeqCst) {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                let commit = asked[..length].windows(7).any(|words| words == b"COMMIT\0");
                if commit && take(&cuts.before) {
                    return;
                }
                server.write_all(&asked[..length]).await.unwrap();
                if commit && take(&cuts.after) {
                    // The server has answered, so it is done.
                    assert!(server.read(&mut said).await.unwrap() > 0);
                    return;
                }
            }
            read = server.read(&mut said) => {
                let Ok(length @ 1..) = read else { return };
                if client.write_all(&said[..length]).await.is_err() {
                    return;
                }
            }
        }
    }
}

fn take(left: &AtomicU32) -> bool {
    left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
}
