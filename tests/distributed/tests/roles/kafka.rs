//! What befalls Kafka and the relay.

use std::thread::sleep;

use octocity_tests::stage::Running;

use crate::city::{PARTITIONS, eventually, is_ready, says_away};
use crate::{A_WHILE, CAR_PARKS, under_load};

#[test]
fn kafka_stopped_and_started() {
    under_load(CAR_PARKS, |city, roles, _| {
        city.kafka.stop();
        for role in ["relay", "projector"] {
            eventually(role, || says_away(&roles.working[role], "Kafka"));
        }
        assert!(roles.api.iter().all(is_ready), "gates do not wait for Kafka");
        city.kafka.start_again();
        for role in ["relay", "projector"] {
            eventually(role, || is_ready(&roles.working[role]));
        }
    });
}

fn leads(relay: &Running) -> bool {
    relay.server.metric("octocity_relay_leads") == Some(1.0)
}

#[test]
fn a_relay_that_sleeps_wakes_after_another_took_over() {
    under_load(CAR_PARKS, |city, roles, _| {
        let first = &roles.working["relay"];
        first.server.signal("STOP").unwrap();
        let second = city.start("relay");
        eventually("the second one leads", || leads(&second));
        sleep(A_WHILE);
        first.server.signal("CONT").unwrap();
        eventually("the first one is fenced", || !leads(first) && leads(&second));
        // Now the first one stands by, and notices by itself that the second one sleeps.
        second.server.signal("STOP").unwrap();
        eventually("the first one leads again", || leads(first));
        second.server.signal("CONT").unwrap();
        eventually("the second one is fenced", || !leads(&second) && leads(first));
        roles.working.insert("second relay", second);
    });
}

#[test]
fn partitions_added_from_outside_stay_empty() {
    const TOPICS: [&str; 2] = ["octocity.log", "octocity.events"];
    under_load(CAR_PARKS, |city, roles, _| {
        for topic in TOPICS {
            let count = (2 * PARTITIONS).to_string();
            let more = ["--alter", "--topic", topic, "--partitions", &count];
            city.kafka.tool("org.apache.kafka.tools.TopicCommand", &more);
        }
        sleep(A_WHILE);
        // A member of the group that comes is given some of them, and another count is no fault of the configuration.
        let next = city.start("projector");
        roles.working.insert("second projector", next);
        let relay = city.start("relay");
        eventually("the second relay leads", || leads(&relay));
        roles.working.insert("second relay", relay);
        sleep(A_WHILE);
        for topic in TOPICS {
            // `topic:partition:offset`
            let ends = city.kafka.tool("org.apache.kafka.tools.GetOffsetShell", &["--topic", topic]);
            let of = |line: &str| line.split(':').skip(1).map(|number| number.parse().unwrap()).collect();
            let ends: Vec<Vec<u32>> = ends.lines().map(of).collect();
            assert_eq!(ends.len(), 2 * PARTITIONS as usize, "{ends:?}");
            let (own, added): (Vec<_>, Vec<_>) = ends.iter().partition(|end| end[0] < PARTITIONS);
            assert!(own.iter().any(|end| end[1] > 0) && added.iter().all(|end| end[1] == 0), "{ends:?}");
        }
    });
}
