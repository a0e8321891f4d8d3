//! ClickHouse under the contract of analysts' figures, and under what befalls a server.
//!
//! On the server that `OCTOCITY_TEST_CLICKHOUSE` names, or else on an engine of its own, which ends with this process.
//! Every test has a database to itself.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[allow(dead_code, reason = "other tests stop it")]
mod engine;
mod faults;
mod opening;
#[path = "../../../../xtask/src/services/ports.rs"]
#[allow(dead_code, reason = "not each test needs one port, or several")]
mod ports;
mod server;
mod switch;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use octocity_adapters::clickhouse::{ClickHouseFigures, SinkOptions};
use octocity_domain::Interval;
use octocity_log::{EventLog, Tail, WholeLog};
use octocity_projections::analytics::contract::{Answers, same_answers, scope};
use octocity_projections::analytics::scenes::{captured, crowns, long_history};
use octocity_projections::analytics::{Figures, Hours};
use octocity_projections::testing::{History, at, facility};

use server::Database;

/// Every table of facts, and the sums.
const TABLES: [&str; 5] = ["movements", "visits", "sessions", "payments", "pool_days"];

fn tail(history: &History) -> Arc<dyn Tail> {
    Arc::new(WholeLog(Arc::new(history.log.clone())))
}

fn figures(database: &octocity_adapters::clickhouse::ClickHouse, history: &History) -> ClickHouseFigures {
    ClickHouseFigures::new(database.clone(), history.log.id(), history.log.epoch())
}

#[async_trait]
impl Answers for Database {
    async fn of(&self, history: &History) -> Arc<dyn Figures> {
        let server = self.open().await;
        let tail = tail(history);
        let options = SinkOptions { block_facts: 500, ..SinkOptions::default() };
        let mut sink = self.sink(&*tail, options).await.unwrap();
        let position = sink.catch_up(&*tail).await.unwrap();
        let figures = figures(&server, history);
        assert!(figures.reached(position, Duration::from_secs(60)).await.unwrap());
        Arc::new(figures)
    }
}

octocity_projections::figures_contract!(Database::new());

/// How many rows each table has, as every question reads them.
async fn rows(database: &Database) -> Vec<u64> {
    let mut rows = Vec::new();
    for table in TABLES {
        rows.push(database.number(&format!("SELECT count() FROM {table} FINAL")).await);
    }
    rows
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_of_all_facts_doubles_nothing() {
    let database = Database::new();
    let mut history = long_history().await;
    captured(&mut history, facility(1), 5, crowns(900)).await;
    database.of(&history).await;
    let once = rows(&database).await;
    assert!(once.iter().all(|rows| *rows > 0), "{once:?}");
    database.sql("TRUNCATE TABLE checkpoints").await;
    let figures = database.of(&history).await;
    assert_eq!(rows(&database).await, once);
    same_answers(&*figures, &history).await;
    // The engine merges what is the same in its own time; afterwards the answers are the same.
    for table in TABLES {
        database.sql(&format!("OPTIMIZE TABLE {table} FINAL")).await;
        let distinct = database.number(&format!("SELECT count() FROM {table}")).await;
        assert_eq!(distinct, database.number(&format!("SELECT count() FROM {table} FINAL")).await);
    }
    same_answers(&*figures, &history).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_minutes_say_what_was_inside() {
    let database = Database::new();
    let history = long_history().await;
    let figures = database.of(&history).await;
    let interval = Interval::try_new(at(0), at(90_000)).unwrap();
    let scopes = [scope(1, "Europe/Prague"), scope(2, "Europe/Prague")];
    let mut compared = 0;
    for hour in figures.pool_hours(&scopes, Hours::within(&interval)).await.unwrap() {
        // The last change of the hour, and its minute.
        let Some((second, _)) = hour.changes.last() else { continue };
        let minute = hour.began_at().plus_seconds(i64::from(second / 60) * 60).seconds();
        let asked = format!(
            "SELECT toString(groupArray(inside)) FROM occupancy_minutes WHERE facility = '{}' AND pool = '{}' AND \
             minute = toDateTime({minute}, 'UTC')",
            hour.facility, hour.pool
        );
        assert_eq!(database.text(&asked).await, format!("[{}]", hour.start_count + hour.net), "{hour:?}");
        compared += 1;
    }
    assert!(compared > 20, "{compared}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_filled_for_the_first_time_sums_days_whose_facts_are_not_kept() {
    let (mut limited, unlimited) = (Database::new(), Database::new());
    limited.options.keep_days = Some(30);
    let history = long_history().await;
    let tail = tail(&history);
    let options = SinkOptions { block_facts: 500, ..SinkOptions::default() };
    let mut sink = limited.sink(&*tail, options).await.unwrap();
    sink.catch_up(&*tail).await.unwrap();
    unlimited.of(&history).await;
    let told = rows(&unlimited).await;
    assert_eq!(sink.rows(), told[..4].iter().sum::<u64>(), "each fact is counted once");
    limited.sql("OPTIMIZE TABLE movements FINAL").await;
    let left = rows(&limited).await;
    assert_eq!((left[0], left[4]), (0, told[4]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn facts_expire_and_what_was_inside_is_still_known() {
    let mut database = Database::new();
    let history = long_history().await;
    let before = database.of(&history).await;
    let interval = Interval::try_new(at(200_000), at(210_000)).unwrap();
    let scopes = [scope(1, "Europe/Prague"), scope(2, "Europe/Prague"), scope(3, "Europe/Prague")];
    let wanted = before.pool_hours(&scopes, Hours::within(&interval)).await.unwrap();
    assert!(wanted.iter().any(|hour| hour.start_count != 0), "{wanted:?}");
    // All of it happened in 2023.
    database.options.keep_days = Some(30);
    database.of(&history).await;
    let server = database.open().await;
    for table in TABLES {
        database.sql(&format!("OPTIMIZE TABLE {table} FINAL")).await;
    }
    let left = rows(&database).await;
    assert!(left[0] == 0 && left[1] == 0 && left[2] == 0 && left[4] > 0, "{left:?}");
    // A replay brings facts back for a while, and changes no sum.
    database.sql("TRUNCATE TABLE checkpoints").await;
    database.of(&history).await;
    database.sql("OPTIMIZE TABLE movements FINAL").await;
    let found = figures(&server, &history).pool_hours(&scopes, Hours::within(&interval)).await.unwrap();
    assert_eq!(found, wanted);
}
