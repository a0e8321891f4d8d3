//! What the SQLite log does when its world fails: full disk, crash, damage, a newer version, another program.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use octocity_adapters::sqlite::{OpenError, SqliteLog, SqliteLogOptions, log_held_at};
use octocity_log::contract::{batch, client_id, fill, must_append, stream};
use octocity_log::{AppendError, EventLog, LogError, Position};
use rusqlite::Connection;
use tempfile::TempDir;

fn open(path: &Path) -> Result<SqliteLog, OpenError> {
    SqliteLog::open(path, SqliteLogOptions::default())
}

async fn events(log: &dyn EventLog) -> usize {
    log.read_all(Position::default(), 100_000, &[], &[]).await.unwrap().events.len()
}

#[tokio::test]
async fn a_log_that_was_only_made_is_none_that_is_left() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("log.db");
    assert_eq!(log_held_at(&path).unwrap(), None);
    let log = open(&path).unwrap();
    assert_eq!(log_held_at(&path).unwrap(), None);
    must_append(&log, batch(stream(1), 0, client_id(1), &["one"])).await;
    assert_eq!(log_held_at(&path).unwrap(), Some(log.id()));
}

#[tokio::test]
async fn a_full_disk_fails_the_append_and_keeps_all_that_was_acknowledged() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("log.db");
    let small = SqliteLogOptions { max_pages: Some(64), ..SqliteLogOptions::default() };
    let log = SqliteLog::open(&path, small).unwrap();
    let text = "x".repeat(4000);
    let mut stored = 0;
    let failure = loop {
        match log.append(batch(stream(1), stored, client_id(stored), &[&text])).await {
            Ok(_) => stored += 1,
            Err(failure) => break failure,
        }
    };
    assert!(matches!(failure, AppendError::Log(LogError::Full(_))), "{failure}");
    assert!(stored > 5);
    assert_eq!(events(&log).await as u64, stored, "reading goes on");
    let again = log.append(batch(stream(1), stored, client_id(stored), &[&text])).await;
    assert!(matches!(again, Err(AppendError::Log(LogError::Full(_)))), "it stays full: {again:?}");
    assert!(matches!(log.failure(), Some(LogError::Full(_))));
    assert_eq!(log.counters().failed_commits, 2);
    drop(log);
    let larger = open(&path).unwrap();
    assert_eq!(events(&larger).await as u64, stored);
    must_append(&larger, batch(stream(1), stored, client_id(stored), &[&text])).await;
}

/// One batch too large for the disk fails with its group; the log goes on for others by itself.
#[tokio::test]
async fn after_a_failed_commit_the_log_goes_on() {
    let folder = TempDir::new().unwrap();
    let small = SqliteLogOptions { max_pages: Some(200), ..SqliteLogOptions::default() };
    let log = SqliteLog::open(&folder.path().join("log.db"), small).unwrap();
    fill(&log, stream(1), 0, 10).await;
    let huge = "x".repeat(2_000_000);
    let refused = log.append(batch(stream(1), 10, client_id(50), &[&huge])).await;
    assert!(matches!(refused, Err(AppendError::Log(LogError::Full(_)))));
    assert!(matches!(log.failure(), Some(LogError::Full(_))));
    let head = *log.head().borrow();
    let next = must_append(&log, batch(stream(1), 10, client_id(50), &["small"])).await;
    assert_eq!(log.failure(), None);
    assert!(next.positions[0] > head);
    assert_eq!(events(&log).await, 11);
}

#[tokio::test]
async fn a_newer_version_is_refused_and_left_as_it_is() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("log.db");
    drop(open(&path).unwrap());
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let before = fs::read(&path).unwrap();
    let error = open(&path).err().unwrap();
    assert!(matches!(error, OpenError::Newer { found: 99, known: 1, .. }), "{error}");
    assert!(error.to_string().contains("upgrade Octocity"));
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[tokio::test]
async fn another_programs_file_is_refused_and_left_as_it_is() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("log.db");
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE songs (title TEXT)").unwrap();
    let before = fs::read(&path).unwrap();
    assert!(matches!(open(&path).err().unwrap(), OpenError::Foreign { .. }));
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[tokio::test]
async fn a_damaged_file_is_named_so_and_left_as_it_is() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("log.db");
    let log = open(&path).unwrap();
    fill(&log, stream(1), 0, 200).await;
    drop(log);
    let whole = fs::read(&path).unwrap();
    let truncated = whole[..whole.len() / 2].to_vec();
    let mut scratched = whole.clone();
    scratched[..100].fill(0xa5);
    for damaged in [truncated, scratched, b"not a database, just some text".repeat(200)] {
        fs::write(&path, &damaged).unwrap();
        let error = open(&path).err().expect("it cannot be opened");
        assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
        assert!(error.to_string().contains("restore it from a backup"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), damaged);
    }
    fs::write(&path, &whole).unwrap();
    assert_eq!(events(&open(&path).unwrap()).await, 200);
}

/// Damage inside, met only while reading: a fault with its name, not wrong events.
#[tokio::test]
async fn a_damaged_page_is_met_as_damage() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("log.db");
    let log = open(&path).unwrap();
    let text = "y".repeat(1000);
    for revision in 0..100 {
        must_append(&log, batch(stream(1), revision, client_id(revision), &[&text])).await;
    }
    drop(log);
    let root = Connection::open(&path)
        .unwrap()
        .query_row("SELECT rootpage FROM sqlite_schema WHERE name = 'events'", [], |row| row.get::<_, u32>(0))
        .unwrap();
    let mut bytes = fs::read(&path).unwrap();
    bytes[(root as usize - 1) * 4096..root as usize * 4096].fill(0xff);
    fs::write(&path, &bytes).unwrap();
    let met = match open(&path) {
        Err(OpenError::Damaged { .. }) => true,
        Err(error) => panic!("{error}"),
        Ok(log) => {
            matches!(log.read_all(Position::default(), 1000, &[], &[]).await, Err(LogError::Damaged(_)))
        }
    };
    assert!(met);
}

#[tokio::test]
async fn dropping_it_finishes_what_waits_and_folds_the_file() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("log.db");
    let log = Arc::new(open(&path).unwrap());
    let waiting: Vec<_> = (0..50_u64)
        .map(|number| {
            let log = Arc::clone(&log);
            tokio::spawn(async move {
                log.append(batch(stream(u128::from(number)), 0, client_id(1), &["last"])).await
            })
        })
        .collect();
    for appended in waiting {
        appended.await.unwrap().unwrap();
    }
    drop(log);
    assert!(!folder.path().join("log.db-wal").exists(), "no write-ahead log is left behind");
    assert_eq!(events(&open(&path).unwrap()).await, 50);
}

/// Run only by the test below, in a process of its own: appends until it is killed, and says what was acknowledged.
#[tokio::test]
async fn child_that_appends_until_killed() {
    let Some(path) = std::env::var_os("OCTOCITY_TEST_CRASH_LOG") else { return };
    let log = Arc::new(open(Path::new(&path)).unwrap());
    for number in 0..4_u128 {
        let log = Arc::clone(&log);
        tokio::spawn(async move {
            let mut revision = log.read_stream(stream(number), 0, 1_000_000).await.unwrap().len() as u64;
            loop {
                must_append(&*log, batch(stream(number), revision, client_id(revision), &["a", "b"])).await;
                revision += 2;
                let mut out = std::io::stdout().lock();
                writeln!(out, "\nacknowledged {number} {revision}").unwrap();
                out.flush().unwrap();
            }
        });
    }
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn what_was_acknowledged_survives_kills_and_nothing_is_doubled() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("log.db");
    let mut acknowledged = [0_u64; 4];
    for round in 1..=3 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["child_that_appends_until_killed", "--exact", "--nocapture"])
            .env("OCTOCITY_TEST_CRASH_LOG", &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut seen = 0;
        for line in lines {
            let line = line.unwrap_or_default();
            if let Some(said) = line.strip_prefix("acknowledged ") {
                let (number, revision) = said.split_once(' ').unwrap();
                acknowledged[number.parse::<usize>().unwrap()] = revision.parse().unwrap();
                seen += 1;
                if seen == 200 * round {
                    tokio::time::sleep(Duration::from_millis(3)).await;
                    child.kill().unwrap();
                }
            }
        }
        child.wait().unwrap();
        let log = open(&path).unwrap();
        for (number, acknowledged) in (0_u128..).zip(acknowledged) {
            let read = log.read_stream(stream(number), 0, 1_000_000).await.unwrap();
            assert!(read.len() as u64 >= acknowledged, "stream {number}");
            assert!(read.len() % 2 == 0, "a batch is whole or not there");
            assert!((0_u64..).zip(&read).all(|(revision, event)| event.revision == revision));
            let last = read.len() as u64 - 2;
            let repeated = log.append(batch(stream(number), last + 2, client_id(last), &["a", "b"])).await;
            assert_eq!(repeated, Err(AppendError::CommandKnown(client_id(last))));
        }
    }
    assert!(acknowledged.iter().all(|count| *count > 20), "{acknowledged:?}");
}
