//! `octocity rebuild VIEW --blue-green` on a data folder.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use serde_json::{Value, json};

use support::{Octocity, sample};

/// With the passages of a garage, and two rows that are not what the log says.
fn damaged() -> (Octocity, Value) {
    let octocity = Octocity::new();
    octocity.run(&["import", "gates", &sample("gates.log")]);
    let whole = octocity.hashes();
    change(
        &octocity,
        "readmodels.db",
        "UPDATE visits SET entered_at = 7 WHERE visit = (SELECT min(visit) FROM visits)",
    );
    change(&octocity, "readmodels.db", "DELETE FROM visits WHERE visit = (SELECT max(visit) FROM visits)");
    (octocity, whole)
}

fn change(octocity: &Octocity, file: &str, change: &str) {
    let connection = rusqlite::Connection::open(octocity.data().join(file)).unwrap();
    assert_eq!(connection.execute(change, []).unwrap(), 1, "{change}");
}

#[test]
fn what_differs_is_told_and_mended_and_there_is_a_way_back() {
    let (octocity, whole) = damaged();
    let damaged = octocity.hashes();
    let report = octocity.folder.path().join("report.csv");
    let rebuild = ["rebuild", "visits", "--blue-green", "--json"];
    let compare = [&rebuild[..], &["--compare-only", "--report", report.to_str().unwrap()]].concat();
    let compared = octocity.run(&compare);
    assert_eq!(compared.code, 5, "{}", compared.stderr);
    let said = compared.json();
    assert_eq!(
        (&said["switched"], &said["differing"], &said["only_new"]),
        (&json!(false), &json!(1), &json!(1))
    );
    assert_eq!(said["columns"], json!({"entered_at": 1}));
    let written = std::fs::read_to_string(&report).unwrap();
    assert_eq!(written.lines().count(), 3, "{written}");
    assert!(written.contains(",differs,entered_at\n") && written.contains(",only_new,\n"), "{written}");
    assert_eq!(octocity.hashes(), damaged, "a comparison changes nothing");
    assert!(!octocity.data().join("readmodels.green.db").exists());

    let switched = octocity.run(&rebuild);
    assert_eq!((switched.code, &switched.json()["switched"]), (0, &json!(true)), "{}", switched.stderr);
    assert_eq!(octocity.hashes(), whole);
    assert_eq!(octocity.run(&["rebuild", "visits", "--back"]).code, 0);
    assert_eq!(octocity.hashes(), damaged);
    assert_eq!(octocity.run(&["doctor"]).code, 0);
    let again = octocity.run(&["rebuild", "visits", "--back", "--json"]);
    assert_eq!((again.code, &again.json()["switched"]), (0, &json!(true)));
    assert_eq!(octocity.hashes(), whole);
    let same = octocity.run(&compare);
    assert_eq!((same.code, &same.json()["differing"]), (0, &json!(0)), "{}", same.stderr);
}

#[test]
fn what_cannot_be_done_is_said_in_one_sentence() {
    let octocity = Octocity::new();
    octocity.run(&["import", "gates", &sample("gates.log")]);
    for (arguments, code, words) in [
        (&["rebuild", "--blue-green"][..], 2, "octocity rebuild VIEW --blue-green; there are "),
        (&["rebuild", "--back"], 2, "octocity rebuild VIEW --back; there are "),
        (&["rebuild", "visitors", "--blue-green"], 2, "No view is called 'visitors'"),
        (&["rebuild", "visits", "--back"], 3, "Nothing is kept of the view 'visits'"),
        (&["rebuild", "visits", "--blue-green", "--report", "/nowhere/report.csv"], 2, "correct --report"),
    ] {
        let refused = octocity.run(arguments);
        assert_eq!(refused.code, code, "{arguments:?}: {}", refused.stderr);
        assert!(refused.stderr.contains(words), "{arguments:?}: {}", refused.stderr);
    }
    assert_eq!(octocity.run(&["rebuild", "visits", "--blue-green"]).code, 0);
    change(&octocity, "readmodels.blue.db", "UPDATE read_models SET definition = 'of another version'");
    let refused = octocity.run(&["rebuild", "visits", "--back"]);
    assert_eq!(refused.code, 3, "{}", refused.stderr);
    assert!(refused.stderr.contains("of another form than this version's"), "{}", refused.stderr);
}

#[test]
fn rows_in_which_a_key_stands_still_are_not_switched_to() {
    let octocity = Octocity::new();
    octocity.run(&["import", "gates", &sample("gates.log")]);
    let whole = octocity.hashes();
    change(
        &octocity,
        "log.db",
        "UPDATE events SET data = x'7b7d' WHERE type_no = (SELECT type_no FROM types WHERE name = 'VehicleEntered')
             AND position = (SELECT max(position) FROM events NATURAL JOIN types WHERE name = 'VehicleEntered')",
    );
    let refused = octocity.run(&["rebuild", "visits", "--blue-green", "--json"]);
    assert_eq!(refused.code, 5, "{}", refused.stderr);
    let said = refused.json();
    assert_eq!(
        (&said["switched"], &said["parked"][0]["event_type"]),
        (&json!(false), &json!("VehicleEntered"))
    );
    assert!(refused.stdout.contains("Nothing was switched."), "{}", refused.stdout);
    assert_eq!(octocity.hashes(), whole);
}
