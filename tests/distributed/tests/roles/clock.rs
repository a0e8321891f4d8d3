//! A clock that goes wrong.

use std::thread::sleep;

use octocity_tests_distributed::clock::Clock;

use crate::city::{City, Do, assert_all_is_there_once, started};
use crate::{A_WHILE, CAR_PARKS, drive};

const HOURS: i64 = 3_600;

#[test]
fn the_clock_of_one_node_jumps_forth_and_back() {
    let mut city = City::new();
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::new(folder.path());
    let mut roles = city.start_roles(&["api"], &["relay", "projector"]);
    roles.api.push(started(&clock.under(city.launch("api"))));
    roles.working.insert("processes", started(&clock.under(city.launch("processes"))));
    let mut driven = drive(&mut city, &mut roles, CAR_PARKS, Do::Passages, |_, _, _| {
        clock.set_ahead(2 * HOURS);
        sleep(A_WHILE);
        // New ids are from the future there, and it says so: whoever sends them goes elsewhere.
        clock.set_ahead(-2 * HOURS);
        sleep(A_WHILE);
        clock.set_ahead(0);
    });
    // Nothing of it stays: ids are taken everywhere, and what is granted from now on lapses in its time.
    driven.extend(drive(&mut city, &mut roles, 2, Do::PassagesAndGrants, |_, _, _| {}));
    assert_all_is_there_once(&city, roles, &driven);
}
