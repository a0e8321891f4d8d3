//! The facts told anew into a database beside the live one, which then takes its place.
//!
//! Whole databases are renamed, as that is the one thing that moves all tables at once. Between the two renames there is
//! none of the live name: whoever asks then is told that it cannot be answered just now, and nobody is answered from
//! tables of both. A sink writes its checkpoint only into the database whose facts it wrote (`sink.rs`), so that it takes
//! up that of the new one.

use std::time::Duration;

use clickhouse::Row;
use octocity_log::Tail;
use serde::Deserialize;

use super::fault::{Fault, OpenError};
use super::schema;
use super::server::ClickHouse;
use super::sink::{AnalyticsSink, SinkOptions, position_of};

const GREEN: &str = "green";
pub const BLUE: &str = "blue";
/// How often a switch is tried while the live facts go on.
const TRIES: u32 = 20;

/// What was live has it when it is to be kept: where a way back is killed before it has its name as such, it is not taken
/// for facts that are being told anew.
const WAS_LIVE: &str = "CREATE TABLE IF NOT EXISTS was_live (nothing UInt8) ENGINE = Null";

#[derive(Row, Deserialize)]
struct Count {
    count: u64,
}

/// How many rows a table has, as every question reads them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableRows {
    pub table: &'static str,
    pub live: u64,
    pub new: u64,
}

/// Makes the facts of one database anew.
pub struct Retelling {
    live: ClickHouse,
    green: ClickHouse,
    blue: ClickHouse,
}

impl Retelling {
    pub fn new(live: ClickHouse) -> Self {
        // Facts that would have gone by now are told again, so that the sums of their days are made; they go later.
        let mut green = live.beside(GREEN);
        green.keep_days = None;
        Self { green, blue: live.beside(BLUE), live }
    }

    /// Makes what lacks.
    pub async fn begin(&self, tail: &dyn Tail) -> Result<AnalyticsSink, OpenError> {
        self.put_right().await?;
        self.live.prepare().await?;
        let mut sink = AnalyticsSink::new(self.green.clone(), tail, SinkOptions::default());
        sink.begin(tail).await?;
        Ok(sink)
    }

    /// Where both are near the log's head.
    pub async fn compare(&self) -> Result<Vec<TableRows>, Fault> {
        let mut compared = Vec::new();
        for table in schema::FACTS.into_iter().chain(["pool_days"]) {
            let (live, new) = (self.live.count(table).await?, self.green.count(table).await?);
            compared.push(TableRows { table, live, new });
        }
        Ok(compared)
    }

    /// Brings the new facts to the log's head, and puts them in place of the live ones, which are kept. False: the live
    /// ones were always further.
    pub async fn switch(&self, sink: &mut AnalyticsSink, tail: &dyn Tail) -> Result<bool, Fault> {
        for _ in 0..TRIES {
            let told = sink.catch_up(tail).await?;
            if position_of(&self.live, tail).await? <= told {
                self.blue.remove().await?;
                self.exchange(&self.green, &self.blue).await?;
                return Ok(true);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(false)
    }

    /// Lets what is kept and the live facts change places, once it knows all that the log does. False: nothing is kept.
    pub async fn back(&self, tail: &dyn Tail) -> Result<bool, Fault> {
        self.put_right().await?;
        if !self.blue.exists().await? {
            return Ok(false);
        }
        AnalyticsSink::new(self.blue.clone(), tail, SinkOptions::default()).catch_up(tail).await?;
        self.green.remove().await?;
        self.live.execute(WAS_LIVE).await?;
        self.exchange(&self.blue, &self.green).await?;
        self.green.rename(&self.blue).await?;
        Ok(true)
    }

    pub async fn forget_kept(&self) -> Result<(), OpenError> {
        self.blue.remove().await
    }

    /// Ends what was killed between two renames.
    async fn put_right(&self) -> Result<(), OpenError> {
        if !self.live.exists().await? && self.blue.exists().await? {
            self.blue.rename(&self.live).await?;
        }
        if self.green.was_live().await? {
            self.blue.remove().await?;
            self.green.rename(&self.blue).await?;
        }
        Ok(())
    }

    /// What is live gets the name of `away`, and `next` becomes live.
    async fn exchange(&self, next: &ClickHouse, away: &ClickHouse) -> Result<(), OpenError> {
        self.live.rename(away).await?;
        if let Err(error) = next.rename(&self.live).await {
            away.rename(&self.live).await?;
            return Err(error);
        }
        // A view names the tables it was made on by their database.
        schema::make_views(&self.live).await?;
        self.live.prepare().await?;
        let limited = schema::set_time_to_live(&self.live).await;
        limited.map_err(|error| OpenError::of(&self.live.place, &error))
    }
}

impl ClickHouse {
    async fn count(&self, table: &str) -> Result<u64, Fault> {
        let counted = self.all::<Count>(&format!("SELECT count() AS count FROM {table} FINAL")).await?;
        Ok(counted.first().map_or(0, |counted| counted.count))
    }
}
