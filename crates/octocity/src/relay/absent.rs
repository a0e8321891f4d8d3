//! In place of the relay where this octocity was built without Kafka.

use std::sync::Arc;

use octocity_log::{EventLog, Position};

use super::BrokerAway;
use crate::config::KafkaConfig;
use crate::failure::Failure;
use crate::metrics::Text;

/// There is none.
pub enum Relaying {}
#[derive(Clone)]
pub enum RelayVitals {}

impl Relaying {
    pub async fn start(_: &KafkaConfig, _: Arc<dyn EventLog>, _: BrokerAway) -> Result<Self, Failure> {
        Err(Failure::usage(
            "The configuration has a table [kafka], and this octocity was built without Kafka; build it with \
             --features distributed, or remove the table.",
        ))
    }
    pub fn vitals(&self) -> RelayVitals {
        match *self {}
    }
    pub async fn ended(&mut self) {
        match *self {}
    }
    pub async fn stop(self) -> Result<u64, Failure> {
        match self {}
    }
}

impl RelayVitals {
    pub fn position(&self) -> Position {
        match *self {}
    }
    pub fn write(&self, _: Option<i64>, _: &mut Text) {
        match *self {}
    }
}
