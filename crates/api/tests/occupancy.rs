//! Occupancy as it is followed.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use octocity_commands::Clock;
use serde_json::{Value, json};
use support::{Events, RealClock, serve};

#[tokio::test]
async fn occupancy_is_told_from_the_first_state_to_the_last() {
    let server = serve().await;
    let facility = server.facility(9).await;
    server.enter(&facility, "L 0").await;
    let query = "subscription S($f: [ID!]!) { occupancy(facilities: $f) { facilityId inside position } }";
    let mut events = Events::open(&server, query, json!({ "f": [facility] })).await;
    events.data().await;
    for at in 1..5 {
        server.enter(&facility, &format!("L {at}")).await;
    }
    let mut last = events.data().await;
    while last["occupancy"]["inside"] != 5 {
        last = events.data().await;
    }
    assert_eq!(last["occupancy"]["facilityId"], json!(facility));
}

#[tokio::test]
async fn who_asks_of_areas_is_told_of_inner_lanes() {
    let server = serve().await;
    let layout = json!({
        "areas": [{ "id": "deck", "name": "Deck" }, { "id": "roof", "name": "Roof" }],
        "pools": [{ "id": "day", "name": "Day", "places": 9 }],
        "lanes": [
            { "id": "in", "name": "In", "to": "deck", "pool": "day" },
            { "id": "ramp", "name": "Ramp", "from": "deck", "to": "roof", "pool": "day" }
        ],
    });
    let made = json!({ "operator": "city", "name": "Ramp", "zone": "Europe/Berlin", "currency": "EUR", "layout": layout });
    let facility = server.command("registerFacility", "facilityId", made).await["facilityId"].clone();
    let passage = |lane: &str| {
        json!({ "facilityId": facility, "lane": lane, "direction": "ENTRY", "credentials": [{ "ticket": "1" }],
            "happenedAt": RealClock.now().to_string() })
    };
    let entered = server.command("recordPassage", "visitId", passage("in")).await;
    let query = "subscription S($f: [ID!]!, $p: String) { occupancy(facilities: $f, after: $p) { ...Where } }
        fragment Where on Occupancy { areas { area inside } }";
    let asked = json!({ "f": [facility], "p": entered["position"] });
    let mut states = Events::open(&server, query, asked).await;
    let counts = |state: &Value| {
        let areas = state["occupancy"]["areas"].as_array().unwrap().iter();
        areas.map(|area| area["inside"].as_i64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(counts(&states.data().await), [1, 0]);
    server.command("recordPassage", "visitId", passage("ramp")).await;
    assert_eq!(counts(&states.data().await), [0, 1]);
}
