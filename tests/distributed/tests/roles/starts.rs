//! Roles that start before the services that they need.

use octocity_tests::stage::Running;

use crate::city::{City, eventually, is_ready};

/// Whether it is not ready, and says that it waits for this.
fn waits_for(running: &Running, what: &str) -> bool {
    let said = running.server.readiness();
    said.is_some_and(|(status, said)| status == 503 && said.contains("waits") && said.contains(what))
}

#[test]
fn roles_that_start_first_wait_for_their_services() {
    let city = City::new();
    city.postgres.stop();
    city.kafka.stop();
    let begun = |role: &str| Running::of(city.launch(role).begin().unwrap());
    let (api, projector, relay) = (begun("api"), begun("projector"), begun("relay"));
    eventually("the api", || waits_for(&api, "PostgreSQL at"));
    eventually("the projector", || waits_for(&projector, "PostgreSQL at"));
    eventually("the relay", || waits_for(&relay, "no Kafka broker answers"));
    let given_up = begun("processes");
    eventually("the processes", || waits_for(&given_up, "PostgreSQL at"));
    assert_eq!(given_up.server.stop(), Ok(Some(0)), "who waits can be stopped");
    city.postgres.start_again();
    eventually("no gate waits for Kafka", || is_ready(&api));
    eventually("the projector goes on to the next", || waits_for(&projector, "no Kafka broker answers"));
    city.kafka.start_again();
    for running in [projector, relay, api] {
        eventually("all are ready", || is_ready(&running));
        // All write to one file: each has told once of each service that it waited for.
        let log = running.server.log();
        assert_eq!(log.matches("the start waits for a service").count(), 5, "{log}");
        assert_eq!(running.server.stop(), Ok(Some(0)));
    }
}

#[test]
fn a_relay_beside_another_role_makes_its_topics_once_kafka_is_there() {
    let city = City::new();
    city.kafka.stop();
    let node = city.start("api,relay");
    eventually("the relay tries again", || node.server.metric("octocity_relay_faults_total") > Some(0.0));
    city.kafka.start_again();
    eventually("the relay publishes", || node.server.metric("octocity_relay_leads") == Some(1.0));
}
