//! What stands still: shown, retried and skipped while the server runs.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::sync::Arc;
use std::time::Duration;

use octocity_api::{Auth, Limits};
use octocity_log::{EventLog, StreamId};
use octocity_projections::parking::VisitRow;
use octocity_projections::{Batch, Parked, Row};
use serde_json::{Value, json};
use support::{Events, Server, new_id, serve, serve_on};

const VISIT: &str = "query Q($v: ID!) { visit(id: $v) { parked status } }";
const RETRY: &str = "mutation R($input: RetryParkedKeysInput!) {
    retryParkedKeys(input: $input) { mended { key } parked { key revision } } }";

/// A server on whose rows an earlier version left a visit standing at its grant: the server, the visit, and that event.
async fn left_behind() -> (Server, String, Parked) {
    let server = serve().await;
    let facility = server.facility(5).await;
    let visit = server.enter(&facility, "B-AB 1").await["visitId"].as_str().unwrap().to_owned();
    let stream: StreamId = format!("parking-{facility}").parse().unwrap();
    let events = server.log.read_stream(stream, 0, 100).await.unwrap();
    let grant = events.iter().find(|event| &*event.event_type == "EntryGranted").unwrap();
    let head = *server.log.head().borrow();
    assert!(server.models.wait_for(&[VisitRow::TABLE], head, Duration::from_secs(5)).await);
    let parked = Parked {
        view: VisitRow::TABLE.name.to_owned(),
        key: format!("{facility}/{visit}"),
        stream: stream.to_string(),
        revision: grant.revision,
        event_type: grant.event_type.to_string(),
        error: "it does not fit".to_owned(),
    };
    server.stop.send_replace(true);
    let stands = Batch { parked: vec![parked.clone()], ..Batch::default() };
    server.models.store.commit(Arc::new(stands)).await.unwrap();
    let (log, rows) = (Arc::clone(&server.log), Arc::clone(&server.models.store));
    (serve_on(log, rows, Auth::default(), Limits::default(), true).await, visit, parked)
}

fn input(parked: &Parked, reason: &str) -> Value {
    json!({ "projection": parked.view, "stream": parked.stream, "revision": parked.revision, "reason": reason,
        "commandId": new_id() })
}

#[tokio::test]
async fn a_key_is_shown_and_retried() {
    let (server, visit, parked) = left_behind().await;
    let status = "{ status { heldKeys parked { projection key stream revision event error }
        projections { name caughtUp lagSeconds oldestUnprocessed } } }";
    let status = server.data(status, json!({})).await["status"].take();
    assert_eq!(status["heldKeys"], 3);
    assert_eq!(status["parked"][0]["key"], json!(parked.key));
    assert_eq!(status["parked"][0]["error"], "it does not fit");
    for projection in status["projections"].as_array().unwrap() {
        assert_eq!(projection["caughtUp"], projection["oldestUnprocessed"].is_null(), "{projection}");
    }
    assert_eq!(server.data(VISIT, json!({ "v": visit })).await["visit"]["parked"], true);
    let follow = "subscription S($v: ID!) { visit(id: $v) { parked } }";
    let mut followed = Events::open(&server, follow, json!({ "v": visit })).await;
    assert_eq!(followed.data().await["visit"]["parked"], true);

    let other = server.data(RETRY, json!({ "input": { "projection": "visits", "key": "another" } })).await;
    assert_eq!(other["retryParkedKeys"], json!({ "mended": [], "parked": [] }));
    let retried = server.data(RETRY, json!({ "input": { "projection": "visits" } })).await;
    assert_eq!(retried["retryParkedKeys"], json!({ "mended": [{ "key": parked.key }], "parked": [] }));
    let seen = server.data(VISIT, json!({ "v": visit })).await;
    assert_eq!(seen["visit"], json!({ "parked": false, "status": "OPEN" }));
    // Its session may have been told of before.
    while followed.data().await["visit"]["parked"] != false {}
    let unknown = server.ask(RETRY, json!({ "input": { "projection": "vists" } })).await;
    assert_eq!(unknown["errors"][0]["extensions"]["code"], "BAD_USER_INPUT");
}

#[tokio::test]
async fn an_event_is_skipped_once_and_the_same_id_says_so_again() {
    let (server, visit, parked) = left_behind().await;
    let wanted = "mended { key } parked { key }";
    let elsewhere = Parked { revision: parked.revision + 1, ..parked.clone() };
    let query = "mutation M($input: SkipParkedEventInput!) { skipParkedEvent(input: $input) { repeated } }";
    let refused = server.ask(query, json!({ "input": input(&elsewhere, "why not") })).await;
    assert_eq!(refused["errors"][0]["extensions"]["code"], "BAD_USER_INPUT", "{refused:#}");

    let asked = input(&parked, "the column told it twice");
    let skipped = server.command("skipParkedEvent", wanted, asked.clone()).await;
    assert_eq!((&skipped["refusal"], &skipped["mended"]), (&Value::Null, &json!([{ "key": parked.key }])));
    let seen = server.data(VISIT, json!({ "v": visit })).await;
    assert_eq!(
        seen["visit"],
        json!({ "parked": false, "status": "OPEN" }),
        "its entry is no longer a grant's"
    );
    let again = server.command("skipParkedEvent", wanted, asked).await;
    assert_eq!((&again["refusal"], &again["repeated"]), (&Value::Null, &json!(true)));
    let another = server.command("skipParkedEvent", wanted, input(&parked, "again")).await;
    assert_eq!(another["refusal"]["code"], "EVENT_ALREADY_SKIPPED");
}
