//! kill -9 of each role.

use std::thread::sleep;
use std::time::Duration;

use octocity_tests::stage::Running;

use crate::city::{City, Do, assert_all_is_there_once, eventually};
use crate::{CAR_PARKS, drive, under_load};

fn again(city: &City, running: &mut Running, role: &str) {
    running.server.kill();
    sleep(Duration::from_secs(2));
    *running = city.start(role);
}

#[test]
fn kill_of_the_relay() {
    under_load(CAR_PARKS, |city, roles, _| again(city, roles.working("relay"), "relay"));
}

#[test]
fn kill_of_the_projector() {
    under_load(CAR_PARKS, |city, roles, _| again(city, roles.working("projector"), "projector"));
}

#[test]
fn a_projector_that_joins_in_the_middle_of_a_batch() {
    under_load(CAR_PARKS, |city, roles, _| {
        let next = city.start("projector");
        let has_partitions = || next.server.metric("octocity_reader_partitions") > Some(0.0);
        eventually("the second projector has partitions", has_partitions);
        // The first one goes without a word.
        roles.working("projector").server.kill();
        roles.working.insert("projector", next);
    });
}

#[test]
fn kill_of_the_processes() {
    under_load(CAR_PARKS, |city, roles, _| {
        // The one that stands by takes over.
        let next = city.start("processes");
        roles.working("processes").server.kill();
        roles.working.insert("processes", next);
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
fn kill_of_the_one_that_does_everything() {
    let mut city = City::new();
    // Beside one that only serves, which hears from it by Kafka.
    let mut roles = city.start_roles(&["all", "api"], &[]);
    let driven = drive(&mut city, &mut roles, CAR_PARKS, Do::PassagesAndGrants, |city, roles, nodes| {
        again(city, &mut roles.api[0], "all");
        nodes.lock().unwrap()[0] = roles.api[0].client.clone();
    });
    assert_all_is_there_once(&city, roles, &driven);
}
