//! What befalls ClickHouse and who tells it: in the end it has every fact once, and answers as the rows do.

use std::collections::BTreeSet;
use std::thread::sleep;

use octocity_tests::stage::{Running, now_plus};
use octocity_tests_distributed::engine::Engine;
use octocity_tests_distributed::stage;
use serde_json::{Value, json};

use crate::city::{City, Do, Driven, Roles, assert_all_is_there_once, becomes, eventually, started};
use crate::{A_WHILE, CAR_PARKS, drive};

const FIGURES: &str = "query ($facilities: [ID!]!, $from: DateTime!, $until: DateTime!, $after: String) {
    analytics(facilities: $facilities, from: $from, until: $until, after: $after) {
        facilityId
        occupancyByDay { pool day hours peak average entries exits refused turnover }
        occupancyByHour { pool hour insideAtStart peak average entries exits refused }
        staysByDay { pool day stays averageSeconds longestSeconds }
        revenueByDay { pool tariff day sessions charged { amountMinor } paid { amountMinor } }
    }
}";

fn under_load(fault: impl FnOnce(&mut City, &mut Roles)) {
    let mut city = City::with_clickhouse();
    let mut roles = city.start_roles(&["api", "api"], &["relay", "projector", "processes", "analytics"]);
    let what = Do::PassagesAndGrants;
    let driven = drive(&mut city, &mut roles, CAR_PARKS, what, |city, roles, _| fault(city, roles));
    assert_analysts_are_told_the_same(&city, &roles, &driven);
    assert_all_is_there_once(&city, roles, &driven);
}

fn assert_analysts_are_told_the_same(city: &City, roles: &Roles, driven: &[Driven]) {
    let entered: u64 = driven.iter().map(|driven| driven.entered).sum();
    let engine = city.clickhouse.as_ref().unwrap();
    becomes("the entries that ClickHouse knows", &entered, || entries(engine));
    let facilities: BTreeSet<&str> = driven.iter().map(|driven| &*driven.facility).collect();
    let asked = json!({ "facilities": facilities, "from": now_plus(-7_200), "until": now_plus(0) });
    let without = stage(&city.services());
    let rows = started(&without.launch().arguments(&["--role", "api"]));
    let [told, wanted] = [&roles.api[0], &rows].map(|node| figures(node, &asked, driven));
    assert!(told.to_string().contains("occupancyByHour"), "{told}");
    assert_eq!(told, wanted, "ClickHouse answers otherwise than the rows");
    assert_eq!(rows.server.stop(), Ok(Some(0)));
}

fn entries(engine: &Engine) -> u64 {
    engine.ask("SELECT countIf(passing = 'ENTRY') FROM octocity.movements FINAL").parse().unwrap()
}

/// What is answered once it tells of all that was done.
fn figures(node: &Running, asked: &Value, driven: &[Driven]) -> Value {
    let mut said = Value::Null;
    for Driven { last, .. } in driven {
        let mut asked = asked.clone();
        asked["after"] = last.clone();
        eventually("the figures tell of the last command", || {
            said = node.client.graphql(FIGURES, asked.clone()).body;
            said["errors"].is_null()
        });
    }
    said
}

#[test]
fn clickhouse_stopped_and_started() {
    under_load(|city, _| {
        let engine = city.clickhouse.as_mut().unwrap();
        engine.stop();
        sleep(A_WHILE);
        engine.start_again();
    });
}

#[test]
fn kill_of_the_analytics() {
    under_load(|city, roles| {
        let analytics = roles.working("analytics");
        // It writes what it took every two seconds: also in the middle of a block.
        for _ in 0..2 {
            analytics.server.kill();
            *analytics = city.start("analytics");
            sleep(A_WHILE);
        }
    });
}
