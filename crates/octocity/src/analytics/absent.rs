//! In place of ClickHouse where this octocity was built without.

use std::sync::Arc;

use octocity_log::{EventLog, LogId, Position, Tail};
use octocity_projections::Step;
use octocity_projections::analytics::Figures;
use tokio::sync::watch;

use super::{Retold, ServerAway};
use crate::config::ClickHouseConfig;
use crate::failure::Failure;
use crate::metrics::Text;

/// There is none.
pub enum Telling {}
#[derive(Clone)]
pub enum TellingVitals {}

impl Telling {
    pub async fn start(
        _: &ClickHouseConfig,
        _: Arc<dyn Tail>,
        _: ServerAway,
        _: watch::Receiver<bool>,
    ) -> Result<Self, Failure> {
        Err(absent())
    }
    pub fn vitals(&self) -> TellingVitals {
        match *self {}
    }
    pub async fn ended(&mut self) {
        match *self {}
    }
    pub async fn stop(self) -> Result<(), Failure> {
        match self {}
    }
}

impl TellingVitals {
    pub fn has_ended(&self) -> bool {
        match *self {}
    }
    pub fn is_cut_off(&self) -> bool {
        match *self {}
    }
    pub fn position(&self) -> Position {
        match *self {}
    }
    pub fn write(&self, _: Option<i64>, _: &mut Text) {
        match *self {}
    }
}

pub async fn figures(_: &ClickHouseConfig, _: LogId, _: u32) -> Result<Arc<dyn Figures>, Failure> {
    Err(absent())
}

pub async fn check_log(_: &ClickHouseConfig, _: LogId, _: u32) -> Result<(), Failure> {
    Err(absent())
}

pub async fn rows_per_second(_: &ClickHouseConfig, _: Arc<dyn EventLog>) -> Result<f64, Failure> {
    Err(absent())
}

pub async fn tell_anew(
    _: &ClickHouseConfig,
    _: Arc<dyn Tail>,
    _: bool,
    _: impl FnMut(Step),
) -> Result<Retold, Failure> {
    Err(absent())
}

pub async fn go_back(_: &ClickHouseConfig, _: Arc<dyn Tail>, _: impl FnMut(Step)) -> Result<Retold, Failure> {
    Err(absent())
}

pub async fn look(_: &ClickHouseConfig) -> Result<String, Failure> {
    Err(absent())
}

fn absent() -> Failure {
    Failure::usage(
        "The configuration has a table [clickhouse], and this octocity was built without ClickHouse; build it with \
         --features distributed, or remove the table.",
    )
}
