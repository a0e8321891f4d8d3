//! In place of Kafka where this octocity was built without.

use std::convert::Infallible;
use std::sync::Arc;

use octocity_log::{EventLog, Position, Tail};
use octocity_projections::{ReadModels, RowStore};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::BrokerAway;
use crate::config::KafkaConfig;
use crate::failure::Failure;
use crate::metrics::Text;

/// There is none of these: none can be made.
#[derive(Clone)]
pub struct RelayVitals(Infallible);
#[derive(Clone)]
pub struct ReaderVitals(Infallible);

pub struct Relaying {
    vitals: RelayVitals,
}
pub struct Projecting {
    pub models: ReadModels,
    vitals: ReaderVitals,
}

pub struct Live {
    pub tail: Arc<dyn Tail>,
    pub vitals: ReaderVitals,
    pub task: JoinHandle<()>,
}

fn absent() -> Failure {
    Failure::usage(
        "The configuration has a table [kafka], and this octocity was built without Kafka; build it with \
         --features distributed, or remove the table.",
    )
}

pub async fn look(_: &KafkaConfig) -> Result<String, Failure> {
    Err(absent())
}

pub async fn published(_: &KafkaConfig, _: &dyn EventLog) -> Result<Position, Failure> {
    Err(absent())
}

impl Relaying {
    pub async fn start(_: &KafkaConfig, _: Arc<dyn EventLog>, _: BrokerAway) -> Result<Self, Failure> {
        Err(absent())
    }
    pub fn vitals(&self) -> RelayVitals {
        match self.vitals.0 {}
    }
    pub async fn ended(&mut self) {
        match self.vitals.0 {}
    }
    pub async fn stop(self) -> Result<u64, Failure> {
        match self.vitals.0 {}
    }
}

impl RelayVitals {
    pub fn has_ended(&self) -> bool {
        match self.0 {}
    }
    pub fn is_cut_off(&self) -> bool {
        match self.0 {}
    }
    pub fn position(&self) -> Position {
        match self.0 {}
    }
    pub fn write(&self, _: Option<i64>, _: &mut Text) {
        match self.0 {}
    }
}

impl Projecting {
    pub async fn start(
        _: &KafkaConfig,
        _: Arc<dyn EventLog>,
        _: Arc<dyn RowStore>,
        _: BrokerAway,
        _: watch::Receiver<bool>,
    ) -> Result<Self, Failure> {
        Err(absent())
    }
    pub fn vitals(&self) -> ReaderVitals {
        match self.vitals.0 {}
    }
    pub async fn ended(&mut self) {
        match self.vitals.0 {}
    }
    pub async fn stop(self) -> Result<(), Failure> {
        match self.vitals.0 {}
    }
}

impl Live {
    pub async fn start(
        _: &KafkaConfig,
        _: Arc<dyn EventLog>,
        _: watch::Receiver<bool>,
    ) -> Result<Self, Failure> {
        Err(absent())
    }
}

impl ReaderVitals {
    pub fn is_cut_off(&self) -> bool {
        match self.0 {}
    }
    pub fn held_keys(&self) -> u64 {
        match self.0 {}
    }
    pub fn has_ended(&self) -> bool {
        match self.0 {}
    }
    pub fn write(&self, _: &mut Text) {
        match self.0 {}
    }
}
