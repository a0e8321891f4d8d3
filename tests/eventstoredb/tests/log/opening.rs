//! Bad configuration gets one sentence that says what to do.

use std::time::{Duration, Instant};

use octocity_adapters::eventstoredb::{EventStoreLog, EventStoreOptions};
use octocity_eventstoredb_double::{Double, Options};
use octocity_log::EventLog;
use octocity_log::contract::{fill, stream};
use tempfile::TempDir;

use crate::storage::{ANY_PORT, Served, quick};

async fn refused(connection_string: &str) -> String {
    let opened = EventStoreLog::open(connection_string, quick()).await;
    opened.err().expect("it cannot be opened").to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_string_that_cannot_be_read_is_not_repeated() {
    for wrong in
        ["esdb:/admin:secret@", "http://admin:secret@127.0.0.1:2113", "esdb://admin:secret@host:99999"]
    {
        let told = refused(wrong).await;
        assert!(told.contains("esdb://USER:PASSWORD@HOST:2113"), "{told}");
        assert!(!told.contains("secret"), "{told}");
    }
    assert!(refused("esdb://127.0.0.1:2113?tlsVerifyCert=false").await.contains("tlsCaFile"));
    let no_file = "esdb://127.0.0.1:2113?tlsCaFile=/nowhere/ca.crt";
    assert!(refused(no_file).await.starts_with("/nowhere/ca.crt cannot be read"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_server_is_named_after_bounded_attempts() {
    let begun = Instant::now();
    let told = refused("esdb://admin:secret@127.0.0.1:1?tls=false").await;
    assert!(told.starts_with("EventStoreDB at 127.0.0.1:1 cannot be reached (Connection refused"), "{told}");
    assert!(told.contains("check that it runs, that the connection string names it, "), "{told}");
    assert!(!told.contains("secret"), "{told}");
    assert!(begun.elapsed() < Duration::from_secs(60));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_user_is_refused_at_once() {
    let folder = TempDir::new().unwrap();
    let options = Options { credentials: Some(("admin".to_owned(), "changeit".to_owned())) };
    let file = folder.path().join("events");
    let double = Double::start(ANY_PORT.parse().unwrap(), &file, options).await.unwrap();
    let address = double.address();
    let told = refused(&format!("esdb://admin:secret@{address}?tls=false")).await;
    let wanted = format!("EventStoreDB at {address} refuses the user; check user and password.");
    assert_eq!(told, wanted);
    let known = format!("esdb://admin:changeit@{address}?tls=false");
    let (one, two) = (
        EventStoreLog::open(&known, quick()).await.unwrap(),
        EventStoreLog::open(&known, quick()).await.unwrap(),
    );
    let mut head = two.head();
    fill(&one, stream(1), 1, 1).await;
    // The subscription is the user's too.
    tokio::time::timeout(Duration::from_secs(10), head.changed()).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn all_who_open_it_at_once_open_the_same_log_and_others_another() {
    let served = Served::double();
    let address = served.server().connection_string();
    let opened = (0..4).map(|_| {
        let address = address.clone();
        tokio::spawn(async move { EventStoreLog::open(&address, quick()).await.unwrap().id() })
    });
    let mut ids = Vec::new();
    for opened in opened.collect::<Vec<_>>() {
        ids.push(opened.await.unwrap());
    }
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    let options = EventStoreOptions { namespace: "north.".to_owned(), ..quick() };
    let other = EventStoreLog::open(&address, options).await.unwrap();
    assert_ne!(other.id(), ids[0]);
    fill(&other, stream(1), 1, 2).await;
    let log = served.log();
    assert_eq!(log.read_all(Default::default(), 10, &[], &[]).await.unwrap().events.len(), 0);
    assert!(log.read_stream(stream(1), 0, 10).await.unwrap().is_empty());
}
