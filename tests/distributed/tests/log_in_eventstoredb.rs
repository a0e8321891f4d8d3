//! The binary with its log in EventStoreDB: the same commands, the same rows.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::{Duration, Instant};

use eventstore::{AppendToStreamOptions, Client, EventData};
use octocity_eventstoredb_double::Options;
use octocity_tests::stage::{Stage, car_park, input, opened, plate};
use octocity_tests_distributed::eventstoredb::EventStoreDb;
use octocity_tests_distributed::{Ran, run, sample, stage};
use serde_json::json;

#[track_caller]
fn refused(stage: &Stage, code: i32, part: &str) -> Ran {
    let begun = Instant::now();
    let ran = run(stage, &["import", "gates", &sample("gates.log"), "--json"]);
    assert_eq!(ran.code, Some(code), "{}", ran.stderr);
    assert!(ran.stderr.contains(part) && ran.stderr.lines().count() == 1, "{}", ran.stderr);
    assert_eq!(ran.json()["error"]["exit_code"], json!(code));
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
    ran
}

#[test]
fn the_same_commands_give_the_same_rows() {
    let server = EventStoreDb::start();
    let (there, files) = (stage(&server.table()), stage(""));
    for stage in [&there, &files] {
        assert_eq!(run(stage, &["import", "occupancy", &sample("occupancy.csv")]).code, Some(0));
        assert_eq!(run(stage, &["import", "gates", &sample("gates.log")]).code, Some(0));
        assert_eq!(stage.start().server.stop(), Ok(Some(0)));
    }
    let wanted = files.hashes();
    assert_eq!(there.hashes(), wanted);
    assert!(run(&there, &["rebuild", "--json"]).json()["events"].as_u64().unwrap() > 200);
    assert_eq!(there.hashes(), wanted);
    assert!(!there.data().join("log.db").exists());
    let doctor = run(&there, &["doctor"]);
    assert_eq!(doctor.code, Some(0), "{}", doctor.stdout);
    assert!(doctor.stdout.contains("well   EventStoreDB: 127.0.0.1"), "{}", doctor.stdout);
    assert!(doctor.stdout.contains("events, all readable"), "{}", doctor.stdout);
    // Another process with nothing of its own reads the same.
    assert_eq!(stage(&server.table()).hashes(), wanted);
    // Another installation on the same server has streams of its own.
    let north = stage(&format!("{}namespace = \"north.\"", server.table()));
    assert_ne!(north.hashes(), wanted);
}

#[test]
fn a_command_is_answered_alike_by_a_server_that_comes_after() {
    let server = EventStoreDb::start();
    let stage = stage(&server.table());
    let running = stage.start();
    let input = car_park(3);
    let first = running.does("registerFacility", &input);
    running.server.stop().unwrap();
    std::fs::remove_dir_all(stage.data()).unwrap();
    let mut again = stage.start().does("registerFacility", &input);
    assert_eq!(again["repeated"], json!(true));
    again["repeated"] = json!(false);
    assert_eq!(again, first);
}

#[test]
fn what_is_wrong_is_told_at_once_and_changes_nothing() {
    let credentials = Some(("admin".to_owned(), "changeit".to_owned()));
    let server = EventStoreDb::with(Options { credentials });
    let stage = stage(&server.table());
    refused(&stage, 2, "refuses the user; check user and password.");
    let secret = stage.folder.path().join("secret");
    std::fs::write(&secret, "changeit\n").unwrap();
    let known = format!("{}user = \"admin\"\npassword_file = {secret:?}\n", server.table());
    stage.configure(&known);
    let doctor = run(&stage, &["doctor"]);
    assert!(doctor.code == Some(0) && doctor.stdout.contains("no log yet"), "{}", doctor.stdout);
    // A form that this version does not know, and a stream that is somebody else's.
    let url = server.url().replace("esdb://", "esdb://admin:changeit@");
    let client = server.block_on(async { Client::new(url.parse().unwrap()) }).unwrap();
    for (namespace, record, part) in [
        (
            "new.",
            json!({"form": 2}),
            "written by a newer version of Octocity (its form is 2, this one knows 1)",
        ),
        ("other.", json!({"whose": "not ours"}), "holds a stream other.octocity-log that is not Octocity's"),
    ] {
        let (name, record) =
            (format!("{namespace}octocity-log"), EventData::json("Opened", &record).unwrap());
        let options = AppendToStreamOptions::default();
        server.block_on(client.append_to_stream(name, &options, record)).unwrap();
        stage.configure(&format!("{known}namespace = {namespace:?}"));
        refused(&stage, 3, part);
    }
    // A log in the folder that never became the one in EventStoreDB.
    stage.configure("");
    assert_eq!(run(&stage, &["import", "gates", &sample("gates.log")]).code, Some(0));
    let kept = stage.hashes();
    stage.configure(&known);
    refused(&stage, 3, "log.db is not in EventStoreDB yet");
    let elsewhere = octocity_tests_distributed::stage(&known);
    assert_eq!(run(&elsewhere, &["import", "gates", &sample("gates.log")]).code, Some(0));
    refused(&stage, 3, "log.db is another log than the one in EventStoreDB; name another 'namespace'");
    // Traffic at one folder, and then a start with another: where the processes are kept is asked for first.
    let running = elsewhere.start();
    let facility = opened(&running, 10);
    running.does("enterGate", &input(&facility, json!({ "lane": "column", "credentials": [plate("1")] })));
    running.server.stop().unwrap();
    let bare = octocity_tests_distributed::stage(&known);
    let told = run(&bare, &["serve", "--listen", "127.0.0.1:0"]);
    let asked = "What processes remember is not in this data folder";
    assert!(told.code == Some(3) && told.stderr.contains(asked), "{}", told.stderr);
    stage.configure("");
    assert_eq!(stage.hashes(), kept);
}

#[test]
fn a_server_that_is_away_is_named_and_not_waited_for() {
    let stage = stage("[eventstoredb]\nurl = \"esdb://127.0.0.1:1?tls=false\"");
    refused(&stage, 2, "EventStoreDB at 127.0.0.1:1 cannot be reached");
    let doctor = run(&stage, &["doctor"]);
    assert!(doctor.code == Some(5) && doctor.stdout.contains("WRONG  EventStoreDB"), "{}", doctor.stdout);
    stage.configure("[eventstoredb]\nurl = \"http://here\"");
    refused(&stage, 2, "esdb://USER:PASSWORD@HOST:2113");
}
