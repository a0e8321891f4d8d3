//! What befalls PostgreSQL and the way to it.

use std::thread::sleep;

use octocity_tests::stage::Running;
use octocity_tests_distributed::own::Own;
use octocity_tests_distributed::way::Way;

use crate::city::{eventually, is_ready, says_away};
use crate::{A_WHILE, CAR_PARKS, under_load};

#[test]
fn postgres_stopped_and_started() {
    under_load(CAR_PARKS, |city, roles, _| {
        city.postgres.stop();
        let away = |running: &Running| says_away(running, "PostgreSQL");
        eventually("who serves says so", || roles.api.iter().all(away));
        for role in ["projector", "processes"] {
            eventually(role, || away(&roles.working[role]));
        }
        assert!(is_ready(&roles.working["relay"]), "it needs the log alone");
        city.postgres.start_again();
        eventually("all are ready", || roles.api.iter().chain(roles.working.values()).all(is_ready));
    });
}

/// How far the rows are, all views and partitions together.
fn reached(server: &Own) -> u64 {
    server.sql("SELECT sum(position) FROM octocity.checkpoints").parse().unwrap()
}

#[test]
fn postgres_fails_over_and_its_newest_commits_are_lost() {
    under_load(CAR_PARKS, |city, _, _| {
        let heard = Way::to(city.postgres.address());
        let standby = city.postgres.standby(heard.address.port());
        sleep(A_WHILE);
        // What is committed from now on, nobody else hears of.
        heard.cut();
        sleep(A_WHILE);
        let before = reached(&city.postgres);
        city.postgres.kill();
        standby.promote();
        let after = reached(&standby);
        assert!(after < before, "commits are lost: {after}, {before}");
        city.way.lead_to(standby.address());
        city.standby = Some(standby);
    });
}

#[test]
fn connections_are_cut_at_commits() {
    under_load(CAR_PARKS, |city, _, _| {
        city.way.cut_at_commits(10, 10);
        eventually("all cuts befell", || city.way.cuts_to_come() == 0);
    });
}
