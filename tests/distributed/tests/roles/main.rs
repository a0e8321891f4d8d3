//! Each role a process of its own, on all services, under load; and what befalls them. Each test also runs alone, by its
//! name. The end of each: every acknowledged command is in the log and in the rows once.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod absent;
mod analytics;
mod city;
#[cfg(target_os = "linux")]
mod clock;
mod kafka;
mod kills;
mod postgres;
mod starts;

use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::Duration;

use octocity_tests::client::Client;
use octocity_tests::stage::car_park;
use serde_json::{Value, json};

use city::{City, Do, Driven, Roles, Traffic, assert_all_is_there_once};

const CAR_PARKS: usize = 6;
/// So long traffic flows before, between and after what befalls it.
const A_WHILE: Duration = Duration::from_secs(3);

type Nodes = Arc<Mutex<Vec<Client>>>;

/// Traffic flows; `fault` befalls; traffic flows on; all is there once.
fn under_load(car_parks: usize, fault: impl FnOnce(&mut City, &mut Roles, &Nodes)) {
    let mut city = City::new();
    let mut roles = city.start_roles(&["api", "api"], &["relay", "projector", "processes"]);
    let driven = drive(&mut city, &mut roles, car_parks, Do::PassagesAndGrants, fault);
    assert_all_is_there_once(&city, roles, &driven);
}

fn drive(
    city: &mut City,
    roles: &mut Roles,
    car_parks: usize,
    what: Do,
    fault: impl FnOnce(&mut City, &mut Roles, &Nodes),
) -> Vec<Driven> {
    let facilities = roles.open(car_parks);
    let nodes = Arc::new(Mutex::new(roles.api.iter().map(|node| node.client.clone()).collect()));
    // Two drivers each: one facility is decided on at both nodes at once.
    let traffic = Traffic::flow(what, &[facilities.clone(), facilities].concat(), &nodes);
    sleep(A_WHILE);
    fault(city, roles, &nodes);
    sleep(A_WHILE);
    traffic.stop()
}

#[test]
fn what_one_node_does_another_tells() {
    const OCCUPANCY: &str = "subscription ($facility: ID!, $after: String) {
            occupancy(facilities: [$facility], after: $after) { inside position } }";
    let city = City::new();
    let roles = city.start_roles(&["api", "api"], &["relay", "projector"]);
    let [doing, telling] = &roles.api[..] else { panic!("two nodes serve") };
    let opened = doing.does("registerFacility", &car_park(10_000));
    let (facility, after) = (opened["facilityId"].as_str().unwrap().to_owned(), &opened["position"]);
    // A query is asked again until the roles that have just started got there; a subscription says that they did not.
    telling.occupancy(&facility, after);
    let mut states = telling.client.events(OCCUPANCY, json!({ "facility": facility, "after": after }));
    let inside = |state: &Value| state["data"]["occupancy"]["inside"].as_i64();
    assert_eq!(states.next().as_ref().and_then(inside), Some(0));
    let nodes = Arc::new(Mutex::new(vec![doing.client.clone()]));
    let traffic = Traffic::flow(Do::Passages, std::slice::from_ref(&facility), &nodes);
    sleep(A_WHILE);
    let driven = traffic.stop();
    let [Driven { entered, last, .. }] = &driven[..] else { panic!("one driver") };
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
fn two_nodes_on_one_hot_facility() {
    under_load(1, |_, _, _| {});
}

#[test]
fn views_made_anew_while_projectors_write_them() {
    under_load(CAR_PARKS, |city, _, _| {
        city.postgres.sql("UPDATE octocity.facilities SET name = 'of nobody'");
        let renew = |view: &str| {
            let ran = city.run(&["rebuild", view, "--blue-green", "--json"]);
            assert_eq!(ran.code, Some(0), "{view}: {}", ran.stderr);
            let said = ran.json();
            assert_eq!(said["switched"], json!(true), "{said}");
            said
        };
        let facilities = renew("facilities");
        assert_eq!(facilities["columns"], json!({ "name": CAR_PARKS }), "{facilities}");
        for view in ["occupancy", "occupancy_hours"] {
            let said = renew(view);
            assert!(said["live_rows"].as_u64() > Some(0), "{said}");
            assert_eq!(
                (&said["only_live"], &said["only_new"], &said["differing"]),
                (&json!(0), &json!(0), &json!(0))
            );
        }
        sleep(A_WHILE);
        let back = city.run(&["rebuild", "occupancy", "--back"]);
        assert_eq!(back.code, Some(0), "{}", back.stderr);
    });
}
