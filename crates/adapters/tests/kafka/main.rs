//! Relay and readers on a real Kafka: the one that `OCTOCITY_TEST_KAFKA` names, or one started for these tests.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod broker;
mod configuration;
mod faults;
mod groups;
mod order;
#[path = "../../../../xtask/src/services/ports.rs"]
#[allow(dead_code, reason = "not each test needs one port, or several")]
mod ports;
mod projectors;
mod support;
mod two_relays;
