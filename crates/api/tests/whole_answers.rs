//! An answer is whole, or says where it goes on; what is not known is null.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::borrow::Cow;
use std::sync::Arc;

use octocity_api::{Auth, Limits};
use octocity_commands::Clock;
use octocity_domain::CommandId;
use octocity_log::{Append, EventLog, LedgerEntry, NewEvent, Origin, Position, RecordedEvent};
use octocity_projections::facilities::FacilityRow;
use octocity_projections::{Batch, Row, Select, TableWrites, Value};
use serde_json::json;
use support::{RealClock, Server, new_id, serve, serve_with};
use uuid::Uuid;

#[tokio::test]
async fn an_overview_sums_more_facilities_than_it_lists() {
    let server = serve().await;
    let facility = server.facility(5).await;
    let entered = server.enter(&facility, "B-AB 1").await;
    let overview = "query Q($after: String) { operatorOverview(operator: \"city\", after: $after) {
        inside entriesToday facilities { entriesToday } } }";
    let asked = json!({ "after": entered["position"] });
    server.data(overview, asked.clone()).await;

    // As many others as are listed, all of them before this one by their names.
    let store = &server.models.store;
    let row = store.select(Select::new(FacilityRow::TABLE)).await.unwrap().rows.remove(0);
    let place = |column| FacilityRow::TABLE.column(column).unwrap();
    let another = |number: u128| {
        let mut row = row.clone();
        row[place("facility")] = Value::Id(Uuid::from_u128(number));
        row[place("name")] = Value::Text(format!("Arcade {number}"));
        row
    };
    let upserts = (1..=500).map(another).collect();
    let writes = vec![TableWrites { table: FacilityRow::TABLE, upserts, deletes: Vec::new() }];
    store.commit(Arc::new(Batch { writes, ..Batch::default() })).await.unwrap();
    let seen = server.data(overview, asked).await["operatorOverview"].take();
    assert_eq!(seen["facilities"].as_array().unwrap().len(), 500);
    assert_eq!(seen["facilities"][0]["entriesToday"], 0);
    assert_eq!(
        (&seen["inside"], &seen["entriesToday"]),
        (&json!(1), &json!(1)),
        "of the one that is not listed"
    );
}

/// Appends copies of an event, as imported ones.
async fn append_copies(server: &Server, event: &RecordedEvent, count: u32) {
    let newest = server.log.read_stream_back(event.stream, i64::MAX as u64, 1).await.unwrap();
    let expected = newest[0].revision + 1;
    let mut meta = event.meta.clone();
    meta.origin = Origin::Imported;
    let event = NewEvent {
        event_type: Cow::Owned(event.event_type.to_string()),
        version: event.version,
        data: event.data.clone(),
        meta,
    };
    let entry = LedgerEntry {
        command_id: CommandId::new(new_id().parse().unwrap()),
        body_hash: [0; 16],
        first_revision: expected,
        events: count,
        refusal: None,
        decided_at: event.meta.decided_at,
        position: Position::default(),
    };
    let events = vec![event; count as usize];
    let stream = newest[0].stream;
    server.log.append(Append { stream, expected, events, entries: vec![entry] }).await.unwrap();
}

#[tokio::test]
async fn the_activity_of_a_quiet_lane_goes_on_behind_an_empty_page() {
    let server = serve_with(Auth::default(), Limits::default(), false).await;
    let facility = server.facility(5).await;
    let left = json!({
        "facilityId": facility, "lane": "out", "direction": "EXIT", "happenedAt": RealClock.now().to_string(),
    });
    let left = server.command("recordPassage", "visitId", left).await;
    assert!(left["refusal"].is_null(), "{left:#}");
    server.enter(&facility, "B-AB 1").await;
    let events =
        server.log.read_all(Position::default(), 1_000, &[], &["VehicleEntered"]).await.unwrap().events;
    append_copies(&server, &events[0], 20_000).await;

    let asked =
        "query Q($f: ID!, $after: String) { laneActivity(facilityId: $f, lane: \"out\", after: $after) {
        nextAfter pageInfo { hasNextPage } nodes { event } } }";
    let page = server.data(asked, json!({ "f": facility })).await["laneActivity"].take();
    assert_eq!((&page["nodes"], &page["pageInfo"]["hasNextPage"]), (&json!([]), &json!(true)));
    let next = json!({ "f": facility, "after": page["nextAfter"] });
    let page = server.data(asked, next).await["laneActivity"].take();
    let whole =
        json!({ "nextAfter": null, "pageInfo": { "hasNextPage": false }, "nodes": [{ "event": "LEFT" }] });
    assert_eq!(page, whole);
}

#[tokio::test]
async fn what_nobody_knows_of_a_past_moment_is_null() {
    let server = serve().await;
    let facility = server.facility(5).await;
    let entered = server.enter(&facility, "B-AB 1").await;
    let shut = json!({ "facilityId": facility, "mode": "SHUT", "reason": "fire" });
    let before = RealClock.now().to_string();
    let shut = server.command("setAdmissionMode", "", shut).await;
    assert!(shut["refusal"].is_null() && entered["refusal"].is_null(), "{shut:#}");
    let fields = "mode closed overCapacity outOfService pools { inside overCapacity outOfService }";
    let query = format!(
        "query Q($f: ID!, $at: DateTime, $after: String) {{
            now: occupancy(facilities: [$f], after: $after) {{ {fields} }}
            past: occupancy(facilities: [$f], at: $at, after: $after) {{ {fields} }} }}"
    );
    let seen = server.data(&query, json!({ "f": facility, "at": before, "after": shut["position"] })).await;
    let pool = json!({ "inside": 1, "overCapacity": 0, "outOfService": 0 });
    let now = json!({
        "mode": "SHUT", "closed": true, "overCapacity": 0, "outOfService": 0, "pools": [pool],
    });
    assert_eq!(seen["now"][0], now);
    let pool = json!({ "inside": 1, "overCapacity": null, "outOfService": null });
    let past = json!({
        "mode": null, "closed": null, "overCapacity": null, "outOfService": null, "pools": [pool],
    });
    assert_eq!(seen["past"][0], past);
}
