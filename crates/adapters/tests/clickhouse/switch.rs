//! Facts told anew beside the live ones, and put in their place.

use std::sync::Arc;
use std::time::Duration;

use octocity_adapters::clickhouse::{ClickHouse, Fault, OpenError, Retelling, SinkOptions};
use octocity_log::{EventLog, Position, Tail};
use octocity_projections::analytics::Figures;
use octocity_projections::analytics::contract::{Answers, same_answers};
use octocity_projections::analytics::scenes::{captured, crowns, long_history};
use octocity_projections::testing::facility;
use tokio::sync::watch;

use crate::server::Database;
use crate::{figures, rows, tail};

fn retelling(database: &Database) -> Retelling {
    Retelling::new(ClickHouse::try_new(&database.options).unwrap())
}

async fn switch(database: &Database, tail: &dyn Tail) {
    let anew = retelling(database);
    let mut sink = anew.begin(tail).await.unwrap();
    assert!(anew.switch(&mut sink, tail).await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_lost_is_told_anew_while_a_sink_runs_and_there_is_a_way_back() {
    let database = Database::new();
    let mut history = long_history().await;
    database.of(&history).await;
    let whole = rows(&database).await;
    database.sql("TRUNCATE TABLE visits").await;
    let tail = tail(&history);
    let sink = database.sink(&*tail, SinkOptions { wait: Duration::from_millis(50), ..Default::default() });
    let (stop, stopped) = watch::channel(false);
    let telling = tokio::spawn(sink.await.unwrap().run(Arc::clone(&tail), stopped));

    let anew = retelling(&database);
    let mut sink = anew.begin(&*tail).await.unwrap();
    sink.catch_up(&*tail).await.unwrap();
    let compared = anew.compare().await.unwrap();
    let visits = compared.iter().find(|rows| rows.table == "visits").unwrap();
    assert_eq!((visits.live, visits.new), (0, whole[1]));
    assert!(compared.iter().all(|rows| rows.table == "visits" || rows.live == rows.new), "{compared:?}");
    assert!(anew.switch(&mut sink, &*tail).await.unwrap());
    captured(&mut history, facility(1), 5, crowns(900)).await;
    let head = *history.log.head().borrow();
    let answers = figures(&database.open().await, &history);
    assert!(answers.reached(head, Duration::from_secs(60)).await.unwrap(), "the sink goes on");
    same_answers(&answers, &history).await;
    // A view of the live database asks no other one.
    let made = database.text("SELECT create_table_query FROM system.tables WHERE name = 'occupancy_minutes' AND database = currentDatabase()").await;
    assert!(!made.contains("_green") && !made.contains("_blue"), "{made}");
    assert!(database.number("SELECT count() FROM occupancy_minutes").await > 0);
    stop.send_replace(true);
    telling.await.unwrap().unwrap();

    assert!(retelling(&database).back(&*tail).await.unwrap());
    let back = rows(&database).await;
    assert_eq!((back[1], back[3]), (0, whole[3] + 1), "as it was, and at the log's head");
    assert!(retelling(&database).back(&*tail).await.unwrap());
    same_answers(&answers, &history).await;
    retelling(&database).forget_kept().await.unwrap();
    assert!(!retelling(&database).back(&*tail).await.unwrap(), "nothing is kept any more");
}

/// Facts that were written before the switch are not in what took the place: nor is a checkpoint that says so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_checkpoint_goes_only_to_the_facts_it_tells_of() {
    let database = Database::new();
    let mut history = long_history().await;
    let tail = tail(&history);
    let mut sink = database.sink(&*tail, SinkOptions::default()).await.unwrap();
    sink.catch_up(&*tail).await.unwrap();
    let known = *history.log.head().borrow();
    switch(&database, &*tail).await;
    captured(&mut history, facility(1), 5, crowns(900)).await;
    assert!(matches!(sink.catch_up(&*tail).await, Err(Fault::Switched)));
    let checkpoint = database.number("SELECT max(position) FROM checkpoints").await;
    assert_eq!(Position(checkpoint), known);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unfinished_switch_is_put_right() {
    let database = Database::new();
    let history = long_history().await;
    let tail = tail(&history);
    database.of(&history).await;
    let name = &database.options.database;
    let outside = Database::new();
    outside.open().await;
    outside.sql(&format!("RENAME DATABASE {name} TO {name}_blue")).await;
    let refused = database.sink(&*tail, SinkOptions::default()).await.err().unwrap();
    assert!(matches!(refused, OpenError::Switching { .. }) && refused.is_transient(), "{refused}");
    switch(&database, &*tail).await;
    same_answers(&figures(&database.open().await, &history), &history).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unfinished_way_back_is_ended_and_what_was_live_is_not_told_on() {
    let database = Database::new();
    let history = long_history().await;
    let tail = tail(&history);
    database.of(&history).await;
    switch(&database, &*tail).await;
    let whole = rows(&database).await;
    database.sql("TRUNCATE TABLE visits").await;
    assert!(retelling(&database).back(&*tail).await.unwrap());
    // As by a kill before what was live is called the one that is kept.
    let (name, outside) = (&database.options.database, Database::new());
    outside.open().await;
    outside.sql(&format!("RENAME DATABASE {name}_blue TO {name}_green")).await;
    switch(&database, &*tail).await;
    assert_eq!(rows(&database).await, whole, "all is told anew");
    outside.sql(&format!("RENAME DATABASE {name} TO {name}_green")).await;
    outside.sql(&format!("RENAME DATABASE {name}_blue TO {name}")).await;
    outside
        .sql(&format!("CREATE TABLE IF NOT EXISTS {name}_green.was_live (nothing UInt8) ENGINE = Null"))
        .await;
    assert!(retelling(&database).back(&*tail).await.unwrap(), "what was live is kept");
    assert_eq!(rows(&database).await, whole);
}

/// Facts that have expired are told again, and make the sums of their days.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sums_of_days_whose_facts_expire_are_told_anew() {
    let mut database = Database::new();
    let history = long_history().await;
    database.of(&history).await;
    let sums = "SELECT toUInt64(sum(cityHash64(*))) FROM (SELECT * FROM pool_days FINAL ORDER BY ALL)";
    let wanted = database.number(sums).await;
    // All of it happened in 2023.
    database.options.keep_days = Some(30);
    database.open().await;
    database.sql("TRUNCATE TABLE pool_days").await;
    switch(&database, &*tail(&history)).await;
    assert_eq!(database.number(sums).await, wanted);
    database.sql("OPTIMIZE TABLE movements FINAL").await;
    assert_eq!(rows(&database).await[0], 0, "facts have their time to live again");
}
