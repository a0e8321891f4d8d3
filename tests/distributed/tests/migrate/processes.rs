//! What processes remember goes to PostgreSQL, with the log or without.

use std::time::Duration;

use octocity_tests::stage::{Running, Stage, eventually, input, mutation, now_plus, opened, plate};
use octocity_tests_distributed::eventstoredb::EventStoreDb;
use octocity_tests_distributed::{run, stage};
use serde_json::{Value, json};

use crate::own::Own;

/// What was begun before the move and is not done yet.
struct Open {
    visit: Value,
    reservation: Value,
}

/// A booking whose end is near, and a payment that the gateway has not answered; then the server is killed.
fn begin(mut running: Running) -> Open {
    let facility = opened(&running, 10);
    let tariff = json!({
        "id": "day-1", "currency": "CZK", "incrementSeconds": 3600, "pricePerIncrementMinor": 2000, "graceSeconds": 0
    });
    running.does("activateTariff", &input(&facility, json!({ "tariff": tariff })));
    let car = json!([plate("5A2 1234")]);
    let granted =
        running.does("enterGate", &input(&facility, json!({ "lane": "column", "credentials": car.clone() })));
    let visit = granted["visitId"].clone();
    let seen = json!({ "lane": "in", "direction": "ENTRY", "credentials": car, "happenedAt": now_plus(0) });
    running.does("recordPassage", &input(&facility, seen));
    let promised = json!({
        "pool": "day", "startsAt": now_plus(5), "endsAt": now_plus(20), "credentials": [plate("RES 1")]
    });
    let reservation = running.does("reserveSpot", &input(&facility, promised))["reservationId"].clone();
    let order = json!({
        "amount": { "amountMinor": 2000, "currency": "CZK" }, "token": "sim-slow", "pricedAt": now_plus(0),
        "allocations": [{ "visitId": visit, "amountMinor": 2000 }]
    });
    let (client, order) = (running.client.clone(), json!({ "input": input(&facility, order) }));
    let asking = std::thread::spawn(move || client.try_graphql(&mutation("authorizePayment"), order));
    eventually("the payment is begun", || times(&running, &visit, "PaymentRequested") == 1);
    running.server.kill();
    // It has its answer from the gateway after two seconds.
    drop(asking.join());
    Open { visit, reservation }
}

/// How often the visit's history tells of it.
fn times(running: &Running, visit: &Value, event: &str) -> usize {
    let query = "query ($visit: ID!) { visitHistory(visitId: $visit) { event } }";
    let told = running.query(query, json!({ "visit": visit }))["visitHistory"].clone();
    told.as_array().unwrap().iter().filter(|entry| entry["event"] == event).count()
}

fn is_all_done_once(running: &Running, open: &Open) {
    let ended = || {
        let query = "query ($id: ID!) { reservation(id: $id) { status end } }";
        let reservation = running.query(query, json!({ "id": open.reservation }))["reservation"].clone();
        (reservation["status"] == "ENDED").then(|| reservation["end"].clone())
    };
    eventually("the payment is carried out", || times(running, &open.visit, "PaymentAuthorized") > 0);
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(times(running, &open.visit, "PaymentAuthorized"), 1);
    eventually("the deadline fires", || ended().is_some());
    assert_eq!(ended(), Some(json!("NO_SHOW")));
}

fn postgres(server: &Own, more: &str) -> String {
    format!("[postgres]\nurl = {:?}\n{more}", server.url())
}

#[track_caller]
fn fails(stage: &Stage, arguments: &[&str], part: &str) {
    let refused = run(stage, arguments);
    assert!(refused.code == Some(3) && refused.stderr.contains(part), "{}", refused.stderr);
    assert_eq!(refused.stderr.lines().count(), 1, "{}", refused.stderr);
}

#[test]
fn deadlines_and_payments_go_along_with_the_log() {
    let (log, rows) = (EventStoreDb::start(), Own::start());
    let stage = stage("");
    let open = begin(stage.start());
    stage.configure(&format!("{}{}", log.table(), postgres(&rows, "")));
    fails(&stage, &["serve"], "log.db is not in EventStoreDB yet; bring it there by octocity migrate");
    let told = run(&stage, &["migrate", "--to", "eventstoredb", "--json"]);
    assert_eq!((told.code, &told.json()["processes"]), (Some(0), &Value::Null), "{}", told.stderr);
    assert!(told.stdout.contains("run octocity migrate --to postgres"), "{}", told.stdout);
    fails(&stage, &["serve"], "processes.db holds what processes remember");
    let both = ["migrate", "--to", "eventstoredb,postgres", "--json"];
    let told = run(&stage, &both);
    assert_eq!((told.code, &told.json()["epoch"]), (Some(0), &json!(2)), "{}", told.stderr);
    assert!(told.json()["processes"]["effects"].as_u64() > Some(0), "{}", told.stdout);
    // Killed between PostgreSQL's commit and the file's new name, it goes on.
    let [file, moved] = ["processes.db", "processes.moved.db"].map(|name| stage.data().join(name));
    std::fs::rename(&moved, &file).unwrap();
    assert_eq!(run(&stage, &both).json()["processes"], told.json()["processes"]);
    assert!(moved.exists() && !file.exists());

    let running = stage.start();
    is_all_done_once(&running, &open);
    running.server.stop().unwrap();
    let again = run(&stage, &both);
    assert_eq!((again.code, &again.json()["processes"]), (Some(0), &Value::Null), "{}", again.stderr);
    assert_eq!(run(&stage, &["doctor"]).code, Some(0));
    // What has gone on since is not overwritten.
    std::fs::rename(&moved, &file).unwrap();
    fails(&stage, &both, "PostgreSQL holds other process state already");
}

#[test]
fn deadlines_and_payments_go_while_the_log_stays() {
    let rows = Own::start();
    let stage = stage("");
    let open = begin(stage.start());
    let migrate = ["migrate", "--to", "postgres"];
    let unconfigured = run(&stage, &migrate);
    assert!(unconfigured.code == Some(2) && unconfigured.stderr.contains("no table [postgres]"));
    stage.configure(&postgres(&rows, ""));
    let told = run(&stage, &migrate);
    assert!(told.code == Some(0) && told.stdout.contains("Cut over"), "{}", told.stderr);
    let running = stage.start();
    is_all_done_once(&running, &open);
    running.server.stop().unwrap();
    stage.configure("");
    fails(&stage, &["serve"], "was brought to PostgreSQL");
    // The log can follow later.
    let log = EventStoreDb::start();
    stage.configure(&format!("{}{}", log.table(), postgres(&rows, "")));
    let told = run(&stage, &["migrate", "--to", "eventstoredb"]);
    assert_eq!(told.code, Some(0), "{}", told.stderr);
    let running = stage.start();
    is_all_done_once(&running, &open);
    running.server.stop().unwrap();
}
