//! A role that nobody has: whoever looks is told which.

use std::thread::sleep;
use std::time::Duration;

use octocity_tests::stage::{car_park, input, now_plus};
use serde_json::json;

use crate::city::{City, eventually};

/// From then on it is said.
const MINUTE: Duration = Duration::from_secs(60);
const MISSING: [(&str, &str); 3] = [
    ("relay", "the log's topic lacks what was decided since"),
    ("views facilities, occupancy", "start octocity serve --role projector"),
    ("processes", "start octocity serve --role processes"),
];
const LAGS: [&str; 2] = ["octocity_projection_lag_seconds", "octocity_processes_lag_seconds"];

#[test]
fn roles_that_nobody_has_are_told() {
    let city = City::new();
    let api = city.start("api");
    let opened = api.does("registerFacility", &car_park(100));
    let facility = opened["facilityId"].as_str().unwrap();
    let seen = json!({ "lane": "in", "direction": "ENTRY", "happenedAt": now_plus(0) });
    api.does("recordPassage", &input(facility, seen));
    for lag in LAGS {
        eventually(lag, || api.server.metric(lag) > Some(1.0));
    }
    sleep(MINUTE);
    let doctor = city.run(&["doctor"]);
    for (of, what) in MISSING {
        let wrong = format!("WRONG  {of}");
        let said = doctor.stdout.lines().any(|line| line.starts_with(&wrong) && line.contains(what));
        assert!(doctor.code == Some(5) && said, "{of}: {}", doctor.stdout);
    }
    let running = ["relay", "projector", "processes"].map(|role| city.start(role));
    for lag in LAGS {
        eventually(lag, || api.server.metric(lag) == Some(0.0));
    }
    let doctor = city.run(&["doctor"]);
    assert_eq!(doctor.code, Some(0), "{}", doctor.stdout);
    for running in running {
        assert_eq!(running.server.stop(), Ok(Some(0)));
    }
}
