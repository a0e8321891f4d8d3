//! The binary with its read models, process state and snapshots in PostgreSQL: the same commands, the same rows.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../../../xtask/src/services/cluster.rs"]
mod cluster;
#[path = "../../adapters/tests/postgres/own.rs"]
mod own;
#[path = "../../../xtask/src/services/ports.rs"]
#[allow(dead_code, reason = "not each test needs one port, or several")]
mod ports;
mod support;

use own::Own;
use support::{Octocity, sample};

fn on(server: &Own, more: &str) -> Octocity {
    let octocity = Octocity::new();
    configure(&octocity, server, more);
    octocity
}

fn configure(octocity: &Octocity, server: &Own, more: &str) {
    let text = format!("[postgres]\nurl = {:?}\n{more}", server.url());
    std::fs::write(octocity.folder.path().join("octocity.toml"), text).unwrap();
}

#[test]
fn the_same_commands_give_the_same_rows() {
    let server = Own::start();
    let (postgres, files) = (on(&server, ""), Octocity::new());
    for octocity in [&postgres, &files] {
        assert_eq!(octocity.run(&["import", "occupancy", &sample("occupancy.csv")]).code, 0);
        assert_eq!(octocity.run(&["import", "gates", &sample("gates.log")]).code, 0);
        octocity.serve_once();
    }
    let wanted = files.hashes();
    assert_eq!(postgres.hashes(), wanted);
    assert!(postgres.run(&["rebuild", "--json"]).number("events") > 200);
    assert_eq!(postgres.hashes(), wanted);
    let doctor = postgres.run(&["doctor"]);
    assert_eq!(doctor.code, 0, "{}", doctor.stdout);
    assert!(doctor.stdout.contains("well   PostgreSQL: 127.0.0.1"), "{}", doctor.stdout);
    let mut kept = std::fs::read_dir(postgres.data()).unwrap().map(|file| file.unwrap().file_name());
    assert!(
        kept.all(|name| !["readmodels.db", "processes.db", "snapshots.db"].contains(&name.to_str().unwrap()))
    );
    // Who would cut the rows otherwise is refused, and changes none.
    configure(&postgres, &server, "[kafka]\nbrokers = \"127.0.0.1:9\"\npartitions = 3\n");
    for command in [&["hash"][..], &["parked", "list"], &["rebuild", "visits", "--blue-green"]] {
        let refused = postgres.run(command);
        assert!(
            refused.code == 2 && refused.stderr.contains("is cut into 1 partition"),
            "{}",
            refused.stderr
        );
    }
    configure(&postgres, &server, "");
    assert_eq!(postgres.hashes(), wanted);
    // Another log must not write into the same schema.
    let another = on(&server, "");
    let refused = another.run(&["import", "gates", &sample("gates.log")]);
    assert!(refused.code == 3 && refused.stderr.contains("belongs to another log"), "{}", refused.stderr);
    assert_eq!(postgres.hashes(), wanted);
    // What was planned in the file is not forgotten without a word.
    configure(&files, &server, "schema = \"second\"");
    let refused = files.run(&["serve"]);
    assert!(refused.code == 3 && refused.stderr.contains("processes.db holds"), "{}", refused.stderr);
}

#[test]
fn what_is_wrong_is_told_at_once_and_changes_nothing() {
    let server = Own::start();
    let octocity = on(&server, "schema = \"city\"");
    assert_eq!(octocity.run(&["doctor"]).code, 0);
    let doctor_made = octocity.run(&["hash", "--json"]);
    assert_eq!(doctor_made.code, 3, "there is no data folder yet");
    configure(&octocity, &server, "user = \"nobody\"");
    let refused = octocity.run(&["import", "gates", &sample("gates.log"), "--json"]);
    assert_eq!((refused.code, &refused.json()["error"]["exit_code"]), (2, &serde_json::Value::from(2)));
    assert!(refused.stderr.contains("does not let the user 'nobody' in"), "{}", refused.stderr);
    assert_eq!(refused.stderr.lines().count(), 1, "{}", refused.stderr);
    server.stop();
    configure(&octocity, &server, "");
    let away = octocity.run(&["import", "gates", &sample("gates.log")]);
    assert!(away.code == 2 && away.stderr.contains("cannot be reached"), "{}", away.stderr);
    let doctor = octocity.run(&["doctor"]);
    assert!(doctor.code == 5 && doctor.stdout.contains("WRONG  PostgreSQL"), "{}", doctor.stdout);
}
