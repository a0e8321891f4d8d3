//! What is followed over SSE; the WebSocket's own judge is the npm client.

use octocity_tests::stage::*;
use serde_json::{Value, json};

use crate::stage;

const OCCUPANCY: &str = "subscription ($facility: ID!, $after: String) {
    occupancy(facilities: [$facility], after: $after) { inside position }
}";
const ACTIVITY: &str = "subscription ($facility: ID!, $after: String) {
    laneActivity(facilityId: $facility, lane: \"in\", after: $after) { event position }
}";

fn pass(running: &Running, facility: &str) -> Value {
    let seen = json!({ "lane": "in", "direction": "ENTRY", "happenedAt": now_plus(0) });
    running.does("recordPassage", &input(facility, seen))["position"].clone()
}

#[test]
fn a_state_subscription_ends_on_the_last_state() {
    let stage = stage();
    let running = stage.start();
    let facility = opened(&running, 100);
    let mut states = running.client.events(OCCUPANCY, json!({ "facility": facility }));
    let first = states.next().unwrap();
    assert_eq!(first["data"]["occupancy"]["inside"], 0, "{first}");
    for _ in 0..30 {
        pass(&running, &facility);
    }
    let inside = |state: &Value| state["data"]["occupancy"]["inside"].as_i64();
    let last = states.find(|state| inside(state) == Some(30));
    assert!(last.is_some(), "the last state arrives");
}

#[test]
fn an_event_subscription_resumes_where_it_broke_off_also_over_a_restart() {
    let stage = stage();
    let running = stage.start();
    let facility = opened(&running, 100);
    let first = pass(&running, &facility);
    let mut sent: Vec<Value> = (0..10).map(|_| pass(&running, &facility)).collect();
    let follow = |running: &Running, after: &Value, count: usize| -> Vec<Value> {
        let events = running.client.events(ACTIVITY, json!({ "facility": facility, "after": after }));
        events.take(count).map(|event| event["data"]["laneActivity"]["position"].clone()).collect()
    };
    assert_eq!(follow(&running, &first, 10), sent);
    drop(running);
    let running = stage.start();
    sent.push(pass(&running, &facility));
    assert_eq!(follow(&running, &sent[4], 6), sent[5..]);
}
