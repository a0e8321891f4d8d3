//! Relay and readers on a real Kafka: the one that `OCTOCITY_TEST_KAFKA` names, or one started for these tests.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod broker;
mod configuration;
mod faults;
mod groups;
mod order;
mod projectors;
mod support;
mod two_relays;
