//! What is said of read models that are behind, and of rows that stand still.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::sync::Arc;
use std::time::Duration;

use octocity_api::{Auth, Limits};
use octocity_commands::Clock;
use octocity_projections::parking::VisitRow;
use octocity_projections::payments::RevenueHourRow;
use octocity_projections::reservations::ReservationRow;
use octocity_projections::{Batch, Parked, Row};
use serde_json::json;
use support::{RealClock, Server, serve, serve_on};

/// As after a restart with what the server stored, and rows that stay as they are.
async fn restarted(server: &Server) -> Server {
    server.stop.send_replace(true);
    let limits = Limits { wait_seconds: 1, ..Limits::default() };
    let (log, rows) = (Arc::clone(&server.log), Arc::clone(&server.models.store));
    serve_on(log, rows, Auth::default(), limits, false).await
}

/// The log's head, once the visit has its session.
async fn head(server: &Server, visit: &str) -> String {
    let session = "query Q($v: ID!) { session(id: $v) { status } }";
    while server.data(session, json!({ "v": visit })).await["session"].is_null() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    server.data("{ status { position } }", json!({})).await["status"]["position"].as_str().unwrap().to_owned()
}

/// Answers once the rows are at the log's head.
const OVERVIEW: &str =
    "query Q($after: String) { operatorOverview(operator: \"city\", after: $after) { inside } }";

#[tokio::test]
async fn a_query_waits_only_for_what_it_asks() {
    let server = serve().await;
    let facility = server.facility(5).await;
    let visit = server.enter(&facility, "B-AB 1").await["visitId"].as_str().unwrap().to_owned();
    let after = json!({ "after": head(&server, &visit).await });
    assert_eq!(server.data(OVERVIEW, after.clone()).await["operatorOverview"]["inside"], 1);

    server.models.store.reset(RevenueHourRow::TABLE).await.unwrap();
    let server = restarted(&server).await;
    let seen = "query Q($visit: ID!, $f: ID!, $after: String) {
        visit(id: $visit, after: $after) { status facility { name occupancy { inside } } session { status } }
        visits(facilityId: $f, afterPosition: $after) { edges { node { id } } }
        occupancy(facilities: [$f], after: $after) { inside } }";
    let asked = json!({ "visit": visit, "f": facility, "after": after["after"] });
    let seen = server.data(seen, asked).await;
    assert_eq!(seen["visit"]["status"], "OPEN");
    assert_eq!(seen["occupancy"][0]["inside"], 1);
    // This one is from the view that is rebuilt.
    let refused = server.ask(OVERVIEW, after.clone()).await;
    assert_eq!(refused["errors"][0]["extensions"]["code"], "POSITION_NOT_REACHED", "{refused:#}");

    // A view that is only asked within the answer is waited for too.
    server.models.store.reset(VisitRow::TABLE).await.unwrap();
    let server = restarted(&server).await;
    let session = "query Q($v: ID!, $after: String) { session(id: $v, after: $after) { status } }";
    let asked = json!({ "v": visit, "after": after["after"] });
    server.data(session, asked.clone()).await;
    let session = "query Q($v: ID!, $after: String) { session(id: $v, after: $after) { ...Of } }
        fragment Of on Session { visit { id } }";
    let refused = server.ask(session, asked).await;
    assert_eq!(refused["errors"][0]["extensions"]["code"], "POSITION_NOT_REACHED", "{refused:#}");
}

fn parked(view: &str, key: String, stream: String) -> Parked {
    let error = "it does not fit".to_owned();
    Parked { view: view.to_owned(), key, stream, revision: 1, event_type: "Whatever".to_owned(), error }
}

#[tokio::test]
async fn what_stands_still_says_so() {
    let server = serve().await;
    let facility = server.facility(5).await;
    let mut visits = Vec::new();
    for plate in ["B-AB 1", "B-AB 2"] {
        visits.push(server.enter(&facility, plate).await["visitId"].as_str().unwrap().to_owned());
    }
    let [starts_at, ends_at] = [3_600, 7_200].map(|later| RealClock.now().plus_seconds(later).to_string());
    let reserve = json!({ "facilityId": facility, "pool": "main", "startsAt": starts_at, "endsAt": ends_at });
    let reservation = server.command("reserveSpot", "reservationId", reserve).await["reservationId"].clone();
    assert!(reservation.is_string(), "{reservation}");
    let asked =
        json!({ "v": visits[0], "w": visits[1], "r": reservation, "after": head(&server, &visits[1]).await });
    server.data(OVERVIEW, json!({ "after": asked["after"] })).await;

    let parking = format!("parking-{facility}");
    let parked = vec![
        parked(VisitRow::TABLE.name, format!("{facility}/{}", visits[0]), parking),
        // The event could not even be read, so that its whole stream stands still.
        parked("sessions", format!("session-{}", visits[1]), format!("session-{}", visits[1])),
        parked(ReservationRow::TABLE.name, format!("parking-{facility}"), format!("parking-{facility}")),
    ];
    server.models.store.commit(Arc::new(Batch { parked, ..Batch::default() })).await.unwrap();
    let server = restarted(&server).await;
    let seen = "query Q($v: ID!, $w: ID!, $r: ID!) {
        v: visit(id: $v) { parked session { parked } } w: visit(id: $w) { parked session { parked } }
        reservation(id: $r) { parked } }";
    let seen = server.data(seen, asked).await;
    assert_eq!(seen["v"], json!({ "parked": true, "session": { "parked": false } }));
    assert_eq!(seen["w"], json!({ "parked": false, "session": { "parked": true } }));
    assert_eq!(seen["reservation"], json!({ "parked": true }));
}
