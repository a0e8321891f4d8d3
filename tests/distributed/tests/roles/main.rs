//! Each role a process of its own, on all services, under load; and what befalls them. Each test also runs alone, by its
//! name. The end of each: every acknowledged command is in the log and in the rows once.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../../../../crates/adapters/tests/kafka/broker.rs"]
#[allow(dead_code)]
mod broker;
mod city;
#[path = "../../../../xtask/src/services/cluster.rs"]
mod cluster;
#[path = "../../../../crates/adapters/tests/postgres/own.rs"]
mod own;

use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::Duration;

use octocity_tests::client::Client;
use octocity_tests::stage::{Running, car_park};
use serde_json::{Value, json};

use city::{City, Roles, Traffic, assert_all_is_there_once};

const CAR_PARKS: usize = 6;
/// So long traffic flows before, between and after what befalls it.
const A_WHILE: Duration = Duration::from_secs(4);

type Nodes = Arc<Mutex<Vec<Client>>>;

/// Traffic flows; `fault` befalls; traffic flows on; all is there once.
fn under_load(car_parks: usize, fault: impl FnOnce(&City, &mut Roles, &Nodes)) {
    let city = City::new();
    let mut roles = city.start_roles();
    let facilities = roles.open(car_parks);
    let nodes = Arc::new(Mutex::new(roles.api.iter().map(|node| node.client.clone()).collect()));
    // Two drivers each: one facility is decided on at both nodes at once.
    let traffic = Traffic::flow(&[facilities.clone(), facilities].concat(), &nodes);
    sleep(A_WHILE);
    fault(&city, &mut roles, &nodes);
    sleep(A_WHILE);
    assert_all_is_there_once(&city, roles, &traffic.stop());
}

fn again(city: &City, running: &mut Running, role: &str) {
    running.server.kill();
    sleep(Duration::from_secs(2));
    *running = city.start(role);
}

#[test]
fn what_one_node_does_another_tells() {
    const OCCUPANCY: &str = "subscription ($facility: ID!, $after: String) {
            occupancy(facilities: [$facility], after: $after) { inside position } }";
    let city = City::new();
    let roles = city.start_roles();
    let [doing, telling] = &roles.api;
    let opened = doing.does("registerFacility", &car_park(10_000));
    let (facility, after) = (opened["facilityId"].as_str().unwrap().to_owned(), &opened["position"]);
    let mut states = telling.client.events(OCCUPANCY, json!({ "facility": facility, "after": after }));
    let inside = |state: &Value| state["data"]["occupancy"]["inside"].as_i64();
    assert_eq!(states.next().as_ref().and_then(inside), Some(0));
    let nodes = Arc::new(Mutex::new(vec![doing.client.clone()]));
    let traffic = Traffic::flow(std::slice::from_ref(&facility), &nodes);
    sleep(A_WHILE);
    let driven = traffic.stop();
    let (_, entered, last) = &driven.entries[0];
    assert_eq!(
        telling.occupancy(&facility, last)["inside"],
        json!(entered),
        "a query waits for what was done"
    );
    let told = states.find(|state| inside(state) == i64::try_from(*entered).ok());
    assert!(told.is_some(), "a subscriber is told of the last state");
    drop(states);
    assert_all_is_there_once(&city, roles, &driven);
}

#[test]
fn kill_of_the_relay() {
    under_load(CAR_PARKS, |city, roles, _| again(city, &mut roles.relay, "relay"));
}

#[test]
fn kill_of_the_projector() {
    under_load(CAR_PARKS, |city, roles, _| again(city, &mut roles.projector, "projector"));
}

#[test]
fn kill_of_the_processes() {
    under_load(CAR_PARKS, |city, roles, _| {
        // The one that stands by takes over.
        let next = city.start("processes");
        roles.processes.server.kill();
        roles.processes = next;
    });
}

#[test]
fn kill_of_a_node_that_serves() {
    under_load(CAR_PARKS, |city, roles, nodes| {
        again(city, &mut roles.api[0], "api");
        nodes.lock().unwrap()[0] = roles.api[0].client.clone();
    });
}

#[test]
fn two_nodes_on_one_hot_facility() {
    under_load(1, |_, _, _| {});
}

#[test]
fn kafka_stopped_and_started() {
    under_load(CAR_PARKS, |city, _, _| {
        city.kafka.stop();
        sleep(A_WHILE);
        city.kafka.start_again();
    });
}

#[test]
fn postgres_stopped_and_started() {
    under_load(CAR_PARKS, |city, _, _| {
        city.postgres.stop();
        sleep(A_WHILE);
        city.postgres.start_again();
    });
}

#[test]
fn a_projector_that_joins_in_the_middle_of_a_batch() {
    under_load(CAR_PARKS, |city, roles, _| {
        let next = city.start("projector");
        sleep(Duration::from_secs(15));
        // The first one goes without a word.
        roles.projector.server.kill();
        roles.projector = next;
    });
}
