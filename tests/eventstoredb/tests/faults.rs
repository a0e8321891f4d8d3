//! What goes wrong on demand, and the process that is killed.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use eventstore::{Client, Error, ReadStreamOptions, StreamState, SubscribeToAllOptions, SubscriptionEvent};
use octocity_eventstoredb_double::{AppendFault, Cut};
use support::{Server, append, client, event, expecting, types};

#[tokio::test]
async fn whoever_needs_the_leader_is_told_where_it_is() {
    let (leader, follower) = (Server::start().await, Server::start().await);
    follower.double.faults().follow(Some(("127.0.0.1", leader.double.address().port())));
    let content = client(&format!("{}&nodePreference=follower", follower.double.connection_string()));
    let own = content.read_stream("a-1", &ReadStreamOptions::default()).await.unwrap().next().await;
    assert!(matches!(own, Err(Error::ResourceNotFound)), "a read that needs no leader is answered");
    let refused = append(&follower, "a-1", StreamState::NoStream, vec![event(1, "One")]).await;
    let Err(Error::NotLeaderException(endpoint)) = refused else { panic!("{refused:?}") };
    assert_eq!(endpoint.port, u32::from(leader.double.address().port()));
    // By now the client is with the leader.
    append(&follower, "a-1", StreamState::NoStream, vec![event(1, "One")]).await.unwrap();
    assert_eq!(types(&leader.read("a-1", 0, 10).await), ["One"]);
}

#[tokio::test]
async fn an_append_fails_before_or_after_it_was_done() {
    let server = Server::start().await;
    let faults = server.double.faults();
    let one = || vec![event(1, "One")];
    faults.appends([Some(AppendFault::Unavailable)]);
    assert!(matches!(append(&server, "a-1", StreamState::NoStream, one()).await, Err(Error::ServerError(_))));
    assert!(
        server.client.read_stream("a-1", &ReadStreamOptions::default()).await.unwrap().next().await.is_err()
    );
    faults.appends([None, Some(AppendFault::AnswerLost), Some(AppendFault::TimedOutAfter)]);
    append(&server, "b-1", StreamState::NoStream, vec![event(5, "Five")]).await.unwrap();
    assert!(matches!(append(&server, "a-1", StreamState::NoStream, one()).await, Err(Error::ServerError(_))));
    assert_eq!(types(&server.read("a-1", 0, 10).await), ["One"]);
    let two = || vec![event(2, "Two")];
    assert!(matches!(
        append(&server, "a-1", StreamState::StreamRevision(0), two()).await,
        Err(Error::Grpc { .. })
    ));
    append(&server, "a-1", StreamState::StreamRevision(0), two()).await.unwrap();
    assert_eq!(types(&server.read("a-1", 0, 10).await), ["One", "Two"]);
}

#[tokio::test]
async fn silence_lasts_until_the_deadline() {
    let server = Server::start().await;
    server.double.faults().appends([Some(AppendFault::Silence)]);
    let options = expecting(StreamState::NoStream).deadline(Duration::from_secs(2));
    let silent = server.client.append_to_stream("a-1", &options, event(1, "One")).await;
    assert!(matches!(silent, Err(Error::DeadlineExceeded)), "{silent:?}");
    assert_eq!(types(&server.read("a-1", 0, 10).await), ["One"], "it was done");
}

#[tokio::test]
async fn reads_fail_and_subscriptions_are_cut() {
    let server = Server::start().await;
    append(&server, "a-1", StreamState::NoStream, vec![event(1, "One")]).await.unwrap();
    server.double.faults().fail_reads(1);
    let failed = server.client.read_stream("a-1", &ReadStreamOptions::default()).await;
    assert!(matches!(failed, Err(Error::ServerError(_))));
    assert_eq!(server.read("a-1", 0, 10).await.len(), 1);
    let mut subscription = server.client.subscribe_to_all(&SubscribeToAllOptions::default()).await;
    while !matches!(subscription.next_subscription_event().await.unwrap(), SubscriptionEvent::CaughtUp(_)) {}
    server.double.faults().cut_subscriptions(Cut::Unavailable);
    assert!(matches!(subscription.next_subscription_event().await, Err(Error::ServerError(_))));
    assert_eq!(server.double.faults().subscriptions(), 1);
}

fn start(file: &Path) -> (Child, Client) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_octocity-eventstoredb-double"))
        .args(["--listen", "127.0.0.1:0", "--file"])
        .arg(file)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let client = client(line.trim().strip_prefix("listening at ").unwrap());
    (child, client)
}

#[tokio::test]
async fn what_was_answered_outlives_a_kill_and_a_torn_end_is_cut_off() {
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("events");
    let mut stored = 0;
    for round in 0..3 {
        let (mut child, client) = start(&file);
        let (acknowledged, mut heard) = tokio::sync::watch::channel(stored);
        let appending = tokio::spawn(async move {
            let mut revision = stored;
            loop {
                let state = match revision {
                    0 => StreamState::NoStream,
                    revision => StreamState::StreamRevision(revision - 1),
                };
                let batch = vec![event(revision, "One"), event(revision + 1, "Two")];
                match client.append_to_stream("a-1", &expecting(state), batch).await {
                    Ok(_) => {
                        revision += 2;
                        acknowledged.send_replace(revision);
                    }
                    Err(_) => return revision,
                }
            }
        });
        let begun = heard.wait_for(|revision| *revision > stored);
        let begun = tokio::time::timeout(Duration::from_secs(60), begun).await;
        assert!(begun.is_ok_and(|heard| heard.is_ok()), "nothing is answered in round {round}");
        tokio::time::sleep(Duration::from_millis(500)).await;
        child.kill().unwrap();
        child.wait().unwrap();
        let answered = appending.await.unwrap();
        OpenOptions::new().append(true).open(&file).unwrap().write_all(&[9, 0, 0, 0, 1, 2, 3]).unwrap();
        let (mut child, client) = start(&file);
        let mut read = client.read_stream("a-1", &ReadStreamOptions::default()).await.unwrap();
        let mut found = Vec::new();
        while let Some(event) = read.next().await.unwrap() {
            found.push(event.event.unwrap());
        }
        assert!(found.len() as u64 >= answered && found.len() % 2 == 0);
        let in_order = |(revision, event): (u64, &eventstore::RecordedEvent)| event.revision == revision;
        assert!((0..).zip(&found).all(in_order));
        stored = found.len() as u64;
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
