//! The binary as scripts use it: exit codes, the last line of `--json`, imports, hashes, rebuilds.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use support::{Octocity, ran, sample};

#[test]
fn usage_and_configuration_faults_exit_with_2_and_say_what_to_do() {
    let octocity = Octocity::new();
    assert_eq!(octocity.run(&["serv"]).code, 2);
    std::fs::write(octocity.folder.path().join("octocity.toml"), "lisen = \"127.0.0.1:1\"\n").unwrap();
    let misspelt = octocity.run(&["hash", "--json"]);
    assert_eq!(misspelt.code, 2);
    assert!(misspelt.stderr.contains("'listen'"), "{}", misspelt.stderr);
    assert_eq!(misspelt.json()["error"]["exit_code"], 2);
    std::fs::remove_file(octocity.folder.path().join("octocity.toml")).unwrap();
    #[cfg(not(feature = "distributed"))]
    {
        for (table, name) in [
            ("[eventstoredb]\nurl = \"esdb://db:2113\"", "EventStoreDB"),
            ("[postgres]\nhost = \"db\"", "PostgreSQL"),
            ("[kafka]\nbrokers = \"db:9092\"", "Kafka"),
            ("[clickhouse]\nurl = \"http://db:8123\"", "ClickHouse"),
        ] {
            std::fs::write(octocity.folder.path().join("octocity.toml"), table).unwrap();
            let without = octocity.run(&["serve"]);
            let part = format!("was built without {name}; build it with --features distributed");
            assert!(without.code == 2 && without.stderr.contains(&part), "{}", without.stderr);
            let doctor = octocity.run(&["doctor"]);
            assert!(doctor.stdout.contains(&format!("WRONG  {name}: ")), "{}", doctor.stdout);
            assert!(doctor.code == 5 && doctor.stdout.contains(&part), "{}", doctor.stdout);
        }
        std::fs::remove_file(octocity.folder.path().join("octocity.toml")).unwrap();
    }
    let open = octocity.run(&["serve", "--listen", "0.0.0.0:0"]);
    assert_eq!(open.code, 2);
    assert!(open.stderr.contains("no tokens are configured"), "{}", open.stderr);
    let unknown = octocity.command(&["hash"]).env("OCTOCITY_LISTN", "x").output().unwrap();
    assert!(ran(unknown).stderr.contains("'OCTOCITY_LISTEN'"));
}

#[test]
fn a_gate_log_is_imported_once() {
    let octocity = Octocity::new();
    let report = octocity.folder.path().join("report.csv");
    let file = sample("gates.log");
    let first = octocity.run(&["import", "gates", &file, "--json", "--report", report.to_str().unwrap()]);
    assert_eq!(first.code, 0, "{}", first.stderr);
    assert_eq!((first.number("lines"), first.number("duplicates"), first.number("reported")), (21, 2, 9));
    for key in ["commands", "events_added", "peak_rss_bytes"] {
        assert!(first.number(key) > 0, "{key}");
    }
    assert!(first.json()["seconds"].as_f64().unwrap() > 0.0);
    assert!(first.json()["commands_per_second"].as_f64().unwrap() > 0.0);
    assert_eq!(std::fs::read_to_string(&report).unwrap().lines().count(), 10);
    let before = octocity.hashes();
    let again = octocity.run(&["import", "gates", "--format", "aps", &file, "--json"]);
    assert_eq!(
        (again.number("events_added"), again.number("duplicates"), again.number("usable")),
        (0, 12, 12)
    );
    assert_eq!(again.json().get("mean_difference"), Some(&Value::Null), "{}", again.stdout);
    assert!(again.json()["commands_per_second"].is_number(), "{}", again.stdout);
    assert!(again.stdout.contains("12 usable, of which 12 were known already"), "{}", again.stdout);
    assert!(again.stdout.contains("no event added"), "{}", again.stdout);
    let (facility, visits) = (again.json()["facility_id"].clone(), again.number("visits_to_review"));
    assert!(visits > 0 && again.number("unmatched_exits") > 0, "{}", again.stdout);
    let query = format!("toReview(facilityId: {facility})");
    assert!(again.stdout.contains(&query), "{}", again.stdout);
    assert_eq!(octocity.hashes(), before);
}

#[test]
fn an_input_file_that_is_missing_or_cut_exits_with_4() {
    let octocity = Octocity::new();
    let missing = octocity.run(&["import", "gates", "nowhere.log", "--json"]);
    assert_eq!((missing.code, &missing.json()["error"]["exit_code"]), (4, &Value::from(4)));
    let packed = octocity.folder.path().join("cut.csv.gz");
    let rows: String = (0..2000_u32)
        .map(|row| format!("A{},100,{},2016-10-04 07:59:42\n", row.wrapping_mul(2_654_435_761), row % 100))
        .collect();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut encoder, rows.as_bytes()).unwrap();
    let whole = encoder.finish().unwrap();
    std::fs::write(&packed, &whole[..whole.len() - 100]).unwrap();
    let cut = octocity.run(&["import", "occupancy", packed.to_str().unwrap()]);
    assert_eq!(cut.code, 4, "{}", cut.stderr);
    assert!(cut.stderr.contains("Fetch the file again"), "{}", cut.stderr);
}

#[test]
fn a_file_without_a_usable_line_exits_with_4_and_registers_nothing() {
    let octocity = Octocity::new();
    let file = octocity.folder.path().join("other.csv");
    for (lines, text) in [(0, ""), (2, "name;age\nAda;36\n")] {
        std::fs::write(&file, text).unwrap();
        for kind in ["gates", "occupancy"] {
            let wrong = octocity.run(&["import", kind, file.to_str().unwrap(), "--json"]);
            assert_eq!((wrong.code, &wrong.json()["error"]["exit_code"]), (4, &Value::from(4)), "{kind}");
            let last = (wrong.number("lines"), wrong.number("reported"), wrong.number("events_added"));
            assert_eq!(last, (lines, lines, 0), "{kind}: {}", wrong.stdout);
        }
    }
}

#[test]
fn read_models_are_the_same_after_a_rebuild_or_without_their_file() {
    let octocity = Octocity::new();
    octocity.run(&["import", "occupancy", &sample("occupancy.csv")]);
    octocity.run(&["import", "gates", &sample("gates.log")]);
    let before = octocity.hashes();
    let names: Vec<_> =
        before.as_array().unwrap().iter().map(|table| table["name"].as_str().unwrap()).collect();
    assert!(names.is_sorted(), "{names:?}");
    let rebuilt = octocity.run(&["rebuild", "--json"]);
    assert!(rebuilt.number("events") > 200, "{}", rebuilt.stdout);
    assert_eq!(octocity.hashes(), before);
    assert_eq!(octocity.run(&["rebuild", "occupancy"]).code, 0);
    assert_eq!(octocity.hashes(), before);
    assert_eq!(octocity.run(&["rebuild", "nothing"]).code, 2);
    std::fs::remove_file(octocity.data().join("readmodels.db")).unwrap();
    assert_eq!(octocity.hashes(), before);
}

#[test]
fn a_kill_in_the_middle_of_an_import_loses_and_doubles_nothing() {
    let whole = Octocity::new();
    let file = made_counts(whole.folder.path());
    assert_eq!(whole.run(&["import", "occupancy", file.as_str()]).code, 0);
    let broken = Octocity::new();
    for milliseconds in [150, 400, 700] {
        let mut import = broken.command(&["import", "occupancy", file.as_str()]);
        let mut import = import.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(milliseconds));
        import.kill().unwrap();
        import.wait().unwrap();
    }
    assert_eq!(broken.run(&["import", "occupancy", file.as_str()]).code, 0);
    for (broken, whole) in broken.hashes().as_array().unwrap().iter().zip(whole.hashes().as_array().unwrap())
    {
        assert_eq!(broken, whole);
    }
}

/// Counts that take a few seconds to import, unless the machine is very fast.
fn made_counts(folder: &Path) -> String {
    let path = folder.join("counts.csv");
    let mut text = "SystemCodeNumber,Capacity,Occupancy,LastUpdated\n".to_owned();
    for car_park in 0..6 {
        for row in 0..60 {
            let count = if row % 2 == 0 { 20 + car_park } else { 120 + row };
            text += &format!("P{car_park},200,{count},2016-10-{:02} {:02}:15:00\n", 4 + row / 24, row % 24);
        }
    }
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}
