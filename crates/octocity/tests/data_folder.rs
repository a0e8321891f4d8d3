//! What is wrong with a data folder: commands refuse it with exit code 3, and the doctor says what to do.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use serde_json::Value;
use support::{Octocity, Ran, sample};

/// What the doctor says of this part.
#[track_caller]
fn problem(doctor: &Ran, of: &str) -> String {
    let problems = doctor.json()["problems"].clone();
    let found = problems.as_array().unwrap().iter().find(|problem| problem["of"] == of);
    found.unwrap_or_else(|| panic!("no problem of {of}: {}", doctor.stdout))["problem"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[test]
fn processes_beside_another_longer_log_are_refused() {
    let (ours, other) = (Octocity::new(), Octocity::new());
    other.run(&["import", "occupancy", &sample("occupancy.csv")]);
    other.run(&["import", "gates", &sample("gates.log")]);
    ours.run(&["import", "gates", &sample("gates.log")]);
    ours.serve_once();
    assert_eq!(ours.run(&["doctor"]).code, 0);
    std::fs::copy(other.data().join("log.db"), ours.data().join("log.db")).unwrap();
    let refused = ours.run(&["serve", "--listen", "127.0.0.1:0", "--json"]);
    assert_eq!(
        (refused.code, &refused.json()["error"]["exit_code"]),
        (3, &Value::from(3)),
        "{}",
        refused.stderr
    );
    assert!(refused.stderr.contains("processes.db is of another log"), "{}", refused.stderr);
    let doctor = ours.run(&["doctor", "--json"]);
    assert!(problem(&doctor, "processes").contains("delete processes.db"), "{}", doctor.stdout);
    std::fs::remove_file(ours.data().join("processes.db")).unwrap();
    ours.serve_once();
    assert_eq!(ours.run(&["doctor"]).code, 0);
}

#[test]
fn a_lost_log_is_refused_and_not_made_anew() {
    let octocity = Octocity::new();
    octocity.run(&["import", "gates", &sample("gates.log")]);
    let log = octocity.data().join("log.db");
    let kept = std::fs::read(&log).unwrap();
    std::fs::remove_file(&log).unwrap();
    for command in [&["hash"][..], &["rebuild"], &["import", "gates", &sample("gates.log")], &["serve"]] {
        let refused = octocity.run(command);
        assert_eq!(refused.code, 3, "{command:?}: {}", refused.stderr);
        assert!(refused.stderr.contains("restore log.db"), "{}", refused.stderr);
    }
    assert!(!log.exists());
    let of = format!("data folder {}", octocity.data().display());
    assert!(problem(&octocity.run(&["doctor", "--json"]), &of).contains("restore log.db"));
    std::fs::write(&log, kept).unwrap();
    assert_eq!(octocity.run(&["doctor"]).code, 0);
}

#[test]
fn a_mistyped_folder_is_not_made() {
    let octocity = Octocity::new();
    for command in ["hash", "rebuild"] {
        let refused = octocity.run(&[command, "--json"]);
        assert_eq!((refused.code, &refused.json()["error"]["exit_code"]), (3, &Value::from(3)));
        assert!(refused.stderr.contains("--data"), "{}", refused.stderr);
    }
    assert!(!octocity.data().exists());
}

#[test]
fn damaged_caches_are_made_anew() {
    let octocity = Octocity::new();
    octocity.run(&["import", "gates", &sample("gates.log")]);
    let before = octocity.hashes();
    for name in ["readmodels.db", "snapshots.db"] {
        // What the write-ahead log has, it would read from there.
        let _ = std::fs::remove_file(octocity.data().join(format!("{name}-wal")));
        std::fs::write(octocity.data().join(name), "no database, but long enough to be taken for one")
            .unwrap();
        let doctor = octocity.run(&["doctor", "--json"]);
        assert!(
            problem(&doctor, name).contains("delete it: the next start makes it anew"),
            "{}",
            doctor.stdout
        );
    }
    let mended = octocity.run(&["hash", "--json"]);
    assert_eq!(mended.stderr.matches("made anew from the log").count(), 2, "{}", mended.stderr);
    assert_eq!(mended.json()["tables"], before);
    assert_eq!(octocity.run(&["doctor"]).code, 0);
}

#[test]
fn a_rebuild_mends_damaged_read_models() {
    let octocity = Octocity::new();
    octocity.run(&["import", "gates", &sample("gates.log")]);
    let before = octocity.hashes();
    let file = octocity.data().join("readmodels.db");
    // What the write-ahead log has, would be read from there.
    let emptied = rusqlite::Connection::open(&file).unwrap();
    emptied.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    let root = "SELECT rootpage FROM sqlite_schema WHERE name = 'visits'";
    let page: u32 = emptied.query_row(root, [], |row| row.get(0)).unwrap();
    let page = page as usize;
    drop(emptied);
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[(page - 1) * 4096..page * 4096].fill(0x5a);
    std::fs::write(&file, &bytes).unwrap();
    for command in [&["hash"][..], &["rebuild", "visits"]] {
        let refused = octocity.run(command);
        assert_eq!(refused.code, 3, "{command:?}: {}", refused.stderr);
        assert!(refused.stderr.contains("run octocity rebuild"), "{}", refused.stderr);
    }
    let doctor = octocity.run(&["doctor", "--json"]);
    assert!(problem(&doctor, "readmodels.db").contains("damaged"), "{}", doctor.stdout);
    assert_eq!(octocity.run(&["rebuild"]).code, 0);
    assert_eq!(octocity.hashes(), before);
    assert_eq!(octocity.run(&["doctor"]).code, 0);
}

fn change_log(octocity: &Octocity, change: &str) {
    let log = rusqlite::Connection::open(octocity.data().join("log.db")).unwrap();
    assert_eq!(log.execute(change, []).unwrap(), 1, "{change}");
}

#[test]
fn events_that_are_missing_or_cannot_be_read_are_found() {
    let octocity = Octocity::new();
    octocity.run(&["import", "gates", &sample("gates.log")]);
    change_log(
        &octocity,
        "UPDATE events SET data = x'7b7d' WHERE type_no = (SELECT type_no FROM types WHERE name = 'VehicleEntered')
             AND position = (SELECT max(position) FROM events NATURAL JOIN types WHERE name = 'VehicleEntered')",
    );
    let unread = octocity.run(&["doctor", "--json"]);
    assert_eq!(unread.code, 5);
    let of = unread.json()["problems"][0]["of"].as_str().unwrap().to_owned();
    assert!(of.starts_with("event ") && of.contains(" of parking-"), "{}", unread.stdout);
    let rebuilt = octocity.run(&["rebuild", "visits", "--json"]);
    assert_eq!(rebuilt.code, 5, "{}", rebuilt.stderr);
    let parked = &rebuilt.json()["parked"][0];
    assert_eq!((&parked["view"], &parked["event_type"]), (&"visits".into(), &"VehicleEntered".into()));
    assert!(of.contains(parked["stream"].as_str().unwrap()), "{parked}");
    assert!(rebuilt.stdout.contains("stands still at event"), "{}", rebuilt.stdout);

    let octocity = Octocity::new();
    octocity.run(&["import", "gates", &sample("gates.log")]);
    change_log(&octocity, "DELETE FROM events WHERE stream_no = 2 AND revision = 3");
    let doctor = octocity.run(&["doctor"]);
    assert_eq!(doctor.code, 5);
    assert!(doctor.stdout.contains("1 of the events before its revision"), "{}", doctor.stdout);
}

#[test]
fn the_doctor_says_who_holds_the_address() {
    let octocity = Octocity::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let taken = octocity.run(&["doctor", "--json", "--listen", &address]);
    assert_eq!(taken.code, 5);
    let said = problem(&taken, "address");
    assert!(said.contains(&address) && said.contains("another address with --listen"), "{said}");
    #[cfg(target_os = "linux")]
    assert!(said.contains(&format!("held by process {}", std::process::id())), "{said}");
    drop(listener);
    assert_eq!(octocity.run(&["doctor", "--listen", &address]).code, 0);
}

#[test]
fn the_doctor_finds_what_is_wrong_with_a_folder() {
    let octocity = Octocity::new();
    let nothing = octocity.run(&["doctor", "--json"]);
    assert_eq!(
        (nothing.code, &nothing.json()["problems"]),
        (0, &Value::Array(Vec::new())),
        "{}",
        nothing.stdout
    );
    assert!(!octocity.data().exists(), "a look makes nothing");
    octocity.run(&["import", "gates", &sample("gates.log")]);
    assert_eq!(octocity.run(&["doctor"]).code, 0);
    std::fs::write(octocity.data().join("log.db"), b"this is no database at all, but long enough to be read")
        .unwrap();
    let damaged = octocity.run(&["doctor", "--json"]);
    assert_eq!(damaged.code, 5, "{}", damaged.stdout);
    assert!(damaged.json()["problems"][0]["of"].as_str().unwrap().contains("log.db"), "{}", damaged.stdout);
    assert_eq!(octocity.run(&["hash"]).code, 3);
}

#[test]
fn a_folder_of_a_newer_version_is_left_alone() {
    let octocity = Octocity::new();
    octocity.run(&["import", "gates", &sample("gates.log")]);
    std::fs::write(octocity.data().join("format"), "99\n").unwrap();
    let newer = octocity.run(&["hash"]);
    assert_eq!(newer.code, 3);
    assert!(newer.stderr.contains("newer version"), "{}", newer.stderr);
    assert_eq!(octocity.run(&["doctor"]).code, 5);
}
