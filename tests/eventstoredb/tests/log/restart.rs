//! The server is killed under load and started again on its file.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use octocity_adapters::eventstoredb::EventStoreLog;
use octocity_log::contract::{batch, client_id, stream};
use octocity_log::{AppendError, EventLog, Position};
use tempfile::TempDir;

use crate::storage::quick;

struct Server(Child);

impl Server {
    fn start(listen: &str, file: &Path) -> (Self, String) {
        let mut child = Command::new(env!("CARGO_BIN_EXE_octocity-eventstoredb-double"))
            .args(["--listen", listen, "--file"])
            .arg(file)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening at ").unwrap().to_owned();
        (Self(child), address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// Appends one event a command, again under the same id after a fault, as an actor does.
async fn appender(log: Arc<EventStoreLog>, number: u128, done: Arc<AtomicBool>) -> u64 {
    let mut acknowledged = 0;
    let mut revision = 0;
    while !done.load(Ordering::Relaxed) {
        match log.append(batch(stream(number), revision, client_id(acknowledged), &["a"])).await {
            Ok(_) | Err(AppendError::CommandKnown(_)) => acknowledged += 1,
            Err(AppendError::WrongRevision { actual }) => {
                revision = actual;
                continue;
            }
            Err(AppendError::Log(_)) => continue,
            Err(AppendError::TooLarge) => panic!("one letter"),
        }
        revision = acknowledged;
    }
    acknowledged
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_loses_nothing_and_doubles_nothing() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("events");
    let (mut server, address) = Server::start("127.0.0.1:0", &file);
    let listen = address.trim_start_matches("esdb://").split('?').next().unwrap().to_owned();
    let log = Arc::new(EventStoreLog::open(&address, quick()).await.unwrap());
    let watcher = EventStoreLog::open(&address, quick()).await.unwrap();
    let done = Arc::new(AtomicBool::new(false));
    let appenders = (0..3).map(|number| tokio::spawn(appender(Arc::clone(&log), number, Arc::clone(&done))));
    let appenders = appenders.collect::<Vec<_>>();
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(400)).await;
        drop(server);
        tokio::time::sleep(Duration::from_millis(200)).await;
        (server, _) = Server::start(&listen, &file);
        tokio::time::sleep(Duration::from_millis(1500)).await;
    }
    done.store(true, Ordering::Relaxed);
    let mut acknowledged = 0;
    for (number, appender) in (0..).zip(appenders) {
        let count = appender.await.unwrap();
        let read = log.read_stream(stream(number), 0, 1_000_000).await.unwrap();
        assert!(read.len() as u64 >= count && count > 20, "{count} of {}", read.len());
        let ids: Vec<_> = read.iter().map(|event| event.meta.command_id).collect();
        assert_eq!(ids, (0..ids.len() as u64).map(client_id).collect::<Vec<_>>(), "each once, in order");
        acknowledged += read.len();
    }
    let head = *log.head().borrow();
    let mut following = watcher.head();
    let reached = following.wait_for(|position| *position >= head);
    tokio::time::timeout(Duration::from_secs(10), reached).await.expect("it follows again").unwrap();
    let all = watcher.read_all(Position::default(), 1_000_000, &[], &[]).await.unwrap().events;
    assert_eq!(all.len(), acknowledged);
    drop(server);
}

/// Whether nothing can be stored, by now or within ten seconds.
async fn fails(log: &EventStoreLog, fails: bool) -> bool {
    for _ in 0..100 {
        if log.failure().is_some() == fails {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    false
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_asked_nothing_says_that_its_server_is_gone_and_that_it_is_back() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("events");
    let (server, address) = Server::start("127.0.0.1:0", &file);
    let listen = address.trim_start_matches("esdb://").split('?').next().unwrap().to_owned();
    let log = EventStoreLog::open(&address, quick()).await.unwrap();
    assert!(fails(&log, false).await);
    drop(server);
    assert!(fails(&log, true).await);
    let _server = Server::start(&listen, &file);
    assert!(fails(&log, false).await);
}
