//! `octocity migrate`: the log and what processes remember go elsewhere, and nobody notices.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../../../../xtask/src/services/cluster.rs"]
mod cluster;
#[path = "../../../../crates/adapters/tests/postgres/own.rs"]
mod own;
#[path = "../../../../xtask/src/services/ports.rs"]
#[allow(dead_code, reason = "not each test needs one port, or several")]
mod ports;
mod processes;

use std::fmt::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use octocity_tests::stage::{Running, Stage, id, input, now_plus, opened, plate};
use octocity_tests_distributed::eventstoredb::EventStoreDb;
use octocity_tests_distributed::{run, sample, stage};
use serde_json::{Value, json};

const MIGRATE: [&str; 4] = ["migrate", "--to", "eventstoredb", "--json"];

/// Commands of all kinds, each with what it was answered.
fn talk(running: &Running, facility: &str) -> Vec<(&'static str, Value, Value)> {
    let mut said = Vec::new();
    let mut say = |field: &'static str, more: Value| {
        let input = input(facility, more);
        let reply = running.sends(field, &input);
        said.push((field, input, reply));
    };
    for number in 0..20 {
        let credentials = [plate(&format!("M{number}"))];
        say("enterGate", json!({ "lane": "column", "credentials": credentials }));
        say("enterGate", json!({ "lane": "nowhere", "credentials": credentials }));
        let seen = json!({ "lane": "in", "direction": "ENTRY", "happenedAt": now_plus(0) });
        say("recordPassage", seen);
        say("exitGate", json!({ "lane": "out", "credentials": credentials }));
    }
    assert!(said.iter().any(|(_, _, reply)| !reply["refusal"].is_null()));
    assert!(said.iter().any(|(_, _, reply)| reply["refusal"].is_null()));
    said
}

const LANE_ACTIVITY: &str = "subscription ($facility: ID!, $after: String) {
    laneActivity(facilityId: $facility, lane: \"in\", after: $after) { position } }";

/// Where a position is within its epoch.
fn place(position: &Value) -> u64 {
    let last = position.as_str().unwrap().rsplit('-').next().unwrap();
    u64::from_str_radix(last, 16).unwrap()
}

/// Without where it stands: that is another place in another epoch.
fn without_position(mut reply: Value) -> Value {
    let fields = reply.as_object_mut().unwrap();
    assert!(fields.remove("position").is_some_and(|position| position.is_string()));
    fields["repeated"] = json!(true);
    reply
}

#[test]
fn after_a_migration_all_is_answered_as_before() {
    let server = EventStoreDb::start();
    let stage = stage("");
    let running = stage.start();
    let facility = opened(&running, 15);
    let said = talk(&running, &facility);
    let old_position = said.last().unwrap().2["position"].clone();
    let occupancy = running.occupancy(&facility, &old_position);
    running.server.stop().unwrap();
    assert_eq!(run(&stage, &["import", "gates", &sample("gates.log")]).code, Some(0));
    let hashes = stage.hashes();

    let unconfigured = run(&stage, &MIGRATE);
    assert!(unconfigured.code == Some(2) && unconfigured.stderr.contains("[eventstoredb]"));
    stage.configure(&server.table());
    let told = run(&stage, &MIGRATE);
    assert_eq!(told.code, Some(0), "{}", told.stderr);
    assert_eq!((&told.json()["epoch"], told.json()["events"].as_u64() > Some(60)), (&json!(2), true));
    assert!(told.json()["commands"].as_u64() > told.json()["events"].as_u64().map(|events| events / 4));

    let running = stage.start();
    let waited = running.occupancy(&facility, &old_position);
    assert_eq!((&waited["inside"], &waited["visits"]), (&occupancy["inside"], &occupancy["visits"]));
    for (field, input, reply) in said {
        assert_eq!(without_position(running.sends(field, &input)), without_position(reply), "{field}");
    }
    // Life goes on: a subscriber is told what follows, and nothing again; a device that tells the same again adds nothing.
    let mut heard =
        running.client.events(LANE_ACTIVITY, json!({ "facility": facility, "after": old_position }));
    running.does(
        "recordPassage",
        &input(
            &facility,
            json!({
                "lane": "in", "direction": "ENTRY", "happenedAt": now_plus(0), "commandId": id()
            }),
        ),
    );
    let heard = heard.next().unwrap()["data"]["laneActivity"]["position"].clone();
    assert!(place(&heard) > place(&waited["position"]), "{heard} is told again");
    running.server.stop().unwrap();
    let imported = run(&stage, &["import", "gates", &sample("gates.log"), "--json"]);
    assert_eq!(imported.code, Some(0), "{}", imported.stderr);
    let doctor = run(&stage, &["doctor"]);
    assert_eq!(doctor.code, Some(0), "{}", doctor.stdout);
    assert_ne!(stage.hashes(), hashes, "one more passage");
    // Nobody writes the old log again, and what was done is not done twice.
    let again = run(&stage, &MIGRATE).json();
    assert_eq!((&again["hash"], &again["events"]), (&told.json()["hash"], &told.json()["events"]));
    stage.configure("");
    let refused = run(&stage, &["hash"]);
    assert!(
        refused.code == Some(3) && refused.stderr.contains("was brought to EventStoreDB"),
        "{}",
        refused.stderr
    );
    std::fs::remove_file(stage.data().join("migrated")).unwrap();
    assert_eq!(stage.hashes(), hashes, "the old log is as it was");
}

/// Some ten thousand passages in two car parks.
fn counts(stage: &Stage) -> String {
    let mut text = "SystemCodeNumber,Capacity,Occupancy,LastUpdated\n".to_owned();
    for row in 0..60 {
        for (park, swing) in [("North", 190), ("South", 170)] {
            let (day, hour) = (1 + row / 12, 8 + row % 12);
            let count = 5 + swing * (row % 2);
            writeln!(text, "{park},200,{count},2026-03-{day:02} {hour:02}:00:00").unwrap();
        }
    }
    let path = stage.folder.path().join("counts.csv");
    std::fs::write(&path, text).unwrap();
    path.to_string_lossy().into_owned()
}

#[test]
fn a_migration_that_is_killed_goes_on_where_it_was() {
    let server = EventStoreDb::start();
    let stage = stage("");
    let counts = counts(&stage);
    assert_eq!(run(&stage, &["import", "occupancy", &counts]).code, Some(0));
    assert_eq!(run(&stage, &["import", "gates", &sample("gates.log")]).code, Some(0));
    let hashes = stage.hashes();
    stage.configure(&server.table());
    let mut killed = 0;
    for bytes in [300_000, 2_000_000, 4_000_000, 6_000_000] {
        let mut migration = Command::new(octocity_tests_distributed::binary())
            .args(MIGRATE)
            .arg("--data")
            .arg(stage.data())
            .current_dir(stage.folder.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        while server.stored_bytes() < bytes && migration.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        killed += usize::from(migration.try_wait().unwrap().is_none());
        migration.kill().unwrap();
        migration.wait().unwrap();
    }
    assert!(killed >= 3, "only {killed} runs were cut off");
    let unfinished = run(&stage, &["hash"]);
    assert!(
        unfinished.code == Some(3) && unfinished.stderr.contains("not finished"),
        "{}",
        unfinished.stderr
    );
    let told = run(&stage, &MIGRATE);
    assert_eq!(told.code, Some(0), "{}", told.stderr);
    assert!(told.json()["events"].as_u64() > Some(10_000), "{}", told.stdout);
    assert_eq!(stage.hashes(), hashes);
    // Another log has no place there.
    let other = octocity_tests_distributed::stage("");
    assert_eq!(run(&other, &["import", "gates", &sample("gates.log")]).code, Some(0));
    other.configure(&server.table());
    let refused = run(&other, &MIGRATE);
    assert!(refused.code == Some(3) && refused.stderr.contains("holds another log"), "{}", refused.stderr);
}
