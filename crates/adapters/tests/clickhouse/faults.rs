//! What befalls a server, or the way to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use octocity_adapters::clickhouse::SinkOptions;
use octocity_log::EventLog;
use octocity_projections::analytics::Figures;
use octocity_projections::analytics::contract::{Answers, same_answers};
use octocity_projections::analytics::scenes::long_history;
use octocity_projections::testing::facility;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::server::Database;
use crate::{figures, rows, tail};

/// A way to the server: where it is shut, connections break; where it keeps checkpoints back, one that would insert
/// a checkpoint breaks.
#[derive(Default)]
struct Way {
    shut: AtomicBool,
    keeps_checkpoints_back: AtomicBool,
}

impl Way {
    async fn to(url: &str) -> (String, Arc<Self>) {
        let server = url.trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let way = Arc::new(Self::default());
        let kept = Arc::clone(&way);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&server).await.unwrap();
                tokio::spawn(Arc::clone(&way).carry(client, server));
            }
        });
        (format!("http://{address}"), kept)
    }

    async fn carry(self: Arc<Self>, mut client: TcpStream, mut server: TcpStream) {
        let (mut asked, mut said) = (vec![0; 65_536], vec![0; 65_536]);
        loop {
            tokio::select! {
                read = client.read(&mut asked) => {
                    let Ok(length @ 1..) = read else { return };
                    let text = String::from_utf8_lossy(&asked[..length]);
                    let checkpoint = text.contains("INSERT") && text.contains("checkpoints");
                    let kept_back = checkpoint && self.keeps_checkpoints_back.load(Ordering::SeqCst);
                    if kept_back || self.shut.load(Ordering::SeqCst) {
                        return;
                    }
                    server.write_all(&asked[..length]).await.unwrap();
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
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopped_between_facts_and_checkpoint_it_tells_the_facts_again() {
    let mut database = Database::new();
    let direct = database.options.url.clone();
    let (url, way) = Way::to(&direct).await;
    database.options.url = url;
    let history = long_history().await;
    let tail = tail(&history);
    let options = SinkOptions { block_facts: 300, ..SinkOptions::default() };
    let mut sink = database.sink(&*tail, options).await.unwrap();
    way.keeps_checkpoints_back.store(true, Ordering::SeqCst);
    assert!(sink.catch_up(&*tail).await.is_err());
    drop(sink);
    database.options.url = direct;
    let stopped = rows(&database).await;
    assert!(stopped[0] > 0, "facts are written: {stopped:?}");
    assert_eq!(database.number("SELECT count() FROM checkpoints").await, 0);
    let figures = database.of(&history).await;
    same_answers(&*figures, &history).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn figures_go_on_when_the_server_is_back() {
    let mut database = Database::new();
    let direct = database.options.url.clone();
    let (url, way) = Way::to(&direct).await;
    database.options.url = url;
    let mut history = long_history().await;
    let tail = tail(&history);
    let options = SinkOptions { wait: Duration::from_millis(50), ..SinkOptions::default() };
    let sink = database.sink(&*tail, options).await.unwrap();
    database.options.url = direct;
    way.shut.store(true, Ordering::SeqCst);
    let (stop, stopped) = watch::channel(false);
    let running = tokio::spawn(sink.run(tail, stopped));
    let answers = figures(&database.open().await, &history);
    let head = *history.log.head().borrow();
    assert!(!answers.reached(head, Duration::from_millis(700)).await.unwrap());
    let late = history.register(facility(9)).await;
    way.shut.store(false, Ordering::SeqCst);
    assert!(answers.reached(late, Duration::from_secs(30)).await.unwrap());
    same_answers(&answers, &history).await;
    stop.send(true).unwrap();
    tokio::time::timeout(Duration::from_secs(60), running).await.unwrap().unwrap().unwrap();
}
