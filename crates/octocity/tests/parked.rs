//! `octocity parked`: keys that stand still, on a real data folder.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::process::Stdio;

use rusqlite::Connection;
use support::{Octocity, sample};

/// The last exit of a visit in the log, which is made unreadable and readable again.
struct Exit {
    log: Connection,
    position: i64,
    data: Vec<u8>,
}

impl Exit {
    fn of(octocity: &Octocity) -> Self {
        let log = Connection::open(octocity.data().join("log.db")).unwrap();
        let last = r#"SELECT position, data FROM events NATURAL JOIN types WHERE name = 'VehicleLeft'
            AND instr(CAST(data AS TEXT), '"visit":') > 0 ORDER BY position DESC LIMIT 1"#;
        let (position, data) = log.query_row(last, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        Self { log, position, data }
    }

    fn set(&self, data: &[u8]) {
        let set = "UPDATE events SET data = ? WHERE position = ?";
        assert_eq!(self.log.execute(set, rusqlite::params![data, self.position]).unwrap(), 1);
    }
}

#[test]
fn a_key_goes_on_once_its_event_can_be_applied_or_is_skipped() {
    let octocity = Octocity::new();
    octocity.run(&["import", "gates", &sample("gates.log")]);
    let none = octocity.run(&["parked", "list", "--json"]);
    assert_eq!((none.code, none.json()["parked"].as_array().unwrap().len()), (0, 0), "{}", none.stderr);
    let before = octocity.hashes();
    let exit = Exit::of(&octocity);
    exit.set(b"{}");
    assert_eq!(octocity.run(&["rebuild", "visits"]).code, 5);
    let listed = octocity.run(&["parked", "list", "--view", "visits", "--json"]);
    assert_eq!(listed.code, 5);
    let key = listed.json()["parked"][0]["key"].as_str().unwrap().to_owned();
    assert!(
        key.starts_with("parking-") && listed.stdout.contains("stands still at event"),
        "{}",
        listed.stdout
    );

    // As long as it cannot be read it stands still again.
    let again = octocity.run(&["parked", "retry", "--all", "--json"]);
    assert_eq!((again.code, &again.json()["parked"]), (5, &listed.json()["parked"]), "{}", again.stderr);
    exit.set(&exit.data);
    let mended = octocity.run(&["parked", "retry", "visits", &key, "--json"]);
    assert_eq!(
        (mended.code, mended.json()["mended"][0]["key"].as_str()),
        (0, Some(&*key)),
        "{}",
        mended.stderr
    );
    assert_eq!(octocity.hashes(), before);

    exit.set(b"{}");
    assert_eq!(octocity.run(&["rebuild", "visits"]).code, 5);
    let no_reason = octocity.run(&["parked", "skip", "visits", &key, "--reason", " "]);
    assert_eq!(no_reason.code, 2);
    assert!(no_reason.stderr.contains("say in a few words why"), "{}", no_reason.stderr);
    let card = octocity.run(&["parked", "skip", "visits", &key, "--reason", "4111 1111 1111 1111"]);
    assert!(card.code == 2 && card.stderr.contains("card"), "{}", card.stderr);
    let skipped = octocity.run(&["parked", "skip", "visits", &key, "--reason", "a broken disk", "--json"]);
    assert_eq!(
        (skipped.code, skipped.json()["mended"][0]["key"].as_str()),
        (0, Some(&*key)),
        "{}",
        skipped.stderr
    );
    let hashes = octocity.hashes();
    assert_ne!(hashes, before, "the visit has no end");
    assert_eq!(octocity.run(&["rebuild", "visits"]).code, 0);
    assert_eq!(octocity.hashes(), hashes);
    let unknown = octocity.run(&["parked", "skip", "visits", &key, "--reason", "again"]);
    assert!(unknown.code == 2 && unknown.stderr.contains("parked list"), "{}", unknown.stderr);
}

#[test]
fn a_server_that_runs_does_it_itself() {
    let octocity = Octocity::new();
    octocity.run(&["import", "gates", &sample("gates.log")]);
    let mut server =
        octocity.command(&["serve", "--listen", "127.0.0.1:0"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(server.stdout.take().unwrap()));
    assert!(lines.any(|line| line.unwrap().starts_with("Ctrl-C")));
    let refused = octocity.run(&["parked", "retry", "visits"]);
    server.kill().unwrap();
    server.wait().unwrap();
    assert_eq!(refused.code, 3);
    assert!(refused.stderr.contains("retryParkedKeys"), "{}", refused.stderr);
}
