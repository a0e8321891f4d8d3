//! What befalls a server and the way to it: nothing is lost, nothing is written twice.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use octocity_adapters::postgres::{PostgresRows, PostgresSnapshots};
use octocity_domain::Category;
use octocity_log::{Snapshot, SnapshotStore, StreamId};
use octocity_projections::testing::{Garage, History, hashes, play};
use octocity_projections::{
    Engine, EngineOptions, Filter, MemoryRows, ReadModels, RowStore, Select, Selected, StoreError, TableHash,
    Value, views,
};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::cut::{Cuts, way};
use crate::own::Own;
use crate::server::{Schema, moves, url};

const IN_TIME: Duration = Duration::from_secs(60);

async fn history() -> (Arc<History>, Vec<TableHash>) {
    let history = Arc::new(play(&mut [Garage::new(1)], &moves()).await);
    let wanted = hashes(&history.read(Arc::new(MemoryRows::new()), 4_096).await).await;
    (history, wanted)
}

async fn engine(history: &History, rows: PostgresRows) -> Engine {
    let options = EngineOptions { batch_events: 20, retry_seconds: 0, ..EngineOptions::default() };
    Engine::open(Arc::new(history.log.clone()), Arc::new(rows), options).await.unwrap()
}

/// Runs on through faults, as in a server.
fn follow(engine: Engine) -> (ReadModels, watch::Sender<bool>, JoinHandle<()>) {
    let (stop, stopped) = watch::channel(false);
    let models = engine.models();
    (models, stop, tokio::spawn(engine.run(stopped)))
}

async fn at_head(history: &History, models: &ReadModels) {
    let head = *octocity_log::EventLog::head(&history.log).borrow();
    assert!(models.wait_for(&views::tables(), head, IN_TIME).await, "the rows stand still");
}

/// The schema, reached over a way that breaks.
async fn through(schema: &Schema, cuts: &Arc<Cuts>) -> Schema {
    let server = url();
    let port = server.rsplit_once(':').unwrap().1.split('/').next().unwrap();
    let own = way(port.parse().unwrap(), Arc::clone(cuts)).await;
    Schema { url: server.replace(&format!(":{port}/"), &format!(":{own}/")), name: schema.name.clone() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_is_lost_without_a_word_holds_up_nobody_for_long() {
    let (_schema, rows, cuts) = rows_over_a_way().await;
    for question in ask(&rows, 8) {
        question.await.unwrap().unwrap();
    }
    cuts.silences.fetch_add(1, Ordering::SeqCst);
    for question in ask(&rows, 8) {
        tokio::time::timeout(IN_TIME, question).await.expect("an answer").unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_while_a_question_is_not_answered_does_not_wait_for_it() {
    let (_schema, rows, cuts) = rows_over_a_way().await;
    for question in ask(&rows, 1) {
        question.await.unwrap().unwrap();
    }
    cuts.silences.fetch_add(1, Ordering::SeqCst);
    let lost = ask(&rows, 1).remove(0);
    // Until its statement is on its way, and slow.
    tokio::time::sleep(Duration::from_millis(200)).await;
    for question in ask(&rows, 8) {
        question.await.unwrap().unwrap();
    }
    assert!(!lost.is_finished(), "the connection was not lost");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stands_still_keeps_nobody_waiting_for_long() {
    const AT_MOST: Duration = Duration::from_secs(30);
    let (_schema, rows, cuts) = rows_over_a_way().await;
    cuts.stands_still.store(true, Ordering::SeqCst);
    for question in ask(&rows, 8) {
        let ended = tokio::time::timeout(AT_MOST, question).await.expect("an end").unwrap();
        assert!(matches!(ended, Err(StoreError::Unavailable(_))), "{ended:?}");
    }
    cuts.stands_still.store(false, Ordering::SeqCst);
    for question in ask(&rows, 8) {
        question.await.unwrap().unwrap();
    }
}

/// Rows at the log's head that are read over a way that breaks; the schema goes with its value.
async fn rows_over_a_way() -> (Schema, Arc<PostgresRows>, Arc<Cuts>) {
    let (history, _) = history().await;
    let cuts = Arc::new(Cuts::default());
    let through = through(&Schema::new(), &cuts).await;
    engine(&history, PostgresRows::new(through.database())).await.catch_up(|_| {}).await.unwrap();
    let rows = Arc::new(PostgresRows::new(through.database()));
    (through, rows, cuts)
}

/// So many questions for a visit each, asked at the same time.
fn ask(rows: &Arc<PostgresRows>, count: u128) -> Vec<JoinHandle<Result<Selected, StoreError>>> {
    let table = views::tables().into_iter().find(|table| table.name == "visits").unwrap();
    let asked = (0..count).map(|number| {
        let filters = vec![Filter::Eq("visit", Value::Id(Uuid::from_u128(number)))];
        let rows = Arc::clone(rows);
        tokio::spawn(async move { rows.select(Select { filters, ..Select::new(table) }).await })
    });
    asked.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_cut_at_a_commit_loses_and_doubles_nothing() {
    let (history, wanted) = history().await;
    let (schema, cuts) = (Schema::new(), Arc::new(Cuts::default()));
    let through = through(&schema, &cuts).await;
    let engine = engine(&history, PostgresRows::new(through.database())).await;
    cuts.before.store(3, Ordering::SeqCst);
    cuts.after.store(3, Ordering::SeqCst);
    let (models, stop, task) = follow(engine);
    at_head(&history, &models).await;
    assert_eq!((cuts.before.load(Ordering::SeqCst), cuts.after.load(Ordering::SeqCst)), (0, 0));
    assert_eq!(hashes(&models).await, wanted);
    stop.send_replace(true);
    task.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backend_ended_between_write_and_commit_writes_nothing() {
    let (history, wanted) = history().await;
    let schema = Schema::new();
    let engine = engine(&history, PostgresRows::new(schema.database())).await;
    // Somebody holds the newest row of a table: the writer has moved its checkpoint, and waits with its rows.
    let (client, connection) = tokio_postgres::connect(&schema.url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client
        .batch_execute(&format!("BEGIN; LOCK TABLE {}.visits IN EXCLUSIVE MODE", schema.name))
        .await
        .unwrap();
    let (models, stop, task) = follow(engine);
    let end = format!(
        "SELECT pg_terminate_backend(pid) FROM pg_locks
         WHERE NOT granted AND relation = '{}.visits'::regclass",
        schema.name
    );
    for _ in 0..3 {
        while client.query(&end, &[]).await.unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(schema.sql("SELECT FROM checkpoints").await.is_empty(), "half a batch was written");
    }
    client.batch_execute("COMMIT").await.unwrap();
    at_head(&history, &models).await;
    assert_eq!(hashes(&models).await, wanted);
    stop.send_replace(true);
    task.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_restarts_is_waited_for() {
    let (history, wanted) = history().await;
    let server = Own::start();
    let schema = Schema::at(&server.url());
    let database = schema.database();
    let (models, stop, task) = follow(engine(&history, PostgresRows::new(database.clone())).await);
    server.stop();
    let read = |store: Arc<dyn RowStore>| async move { store.select(Select::new(views::tables()[0])).await };
    let reading = tokio::spawn(read(Arc::clone(&models.store)));
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!reading.is_finished(), "a read is tried again while the server is away");
    server.start_again();
    // It gives up after some seconds, which a server may take to start; the next one is answered.
    drop(reading.await.unwrap());
    let answered = async {
        while read(Arc::clone(&models.store)).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(IN_TIME, answered).await.expect("reads go on");
    at_head(&history, &models).await;
    assert_eq!(hashes(&models).await, wanted);
    stop.send_replace(true);
    task.await.unwrap();
    server.stop();
    let snapshots = PostgresSnapshots::new(database);
    let begun = Instant::now();
    let stream = StreamId::new(Category::Parking, Uuid::from_u128(1));
    assert_eq!(snapshots.load(stream).await, Ok(None));
    let snapshot = Snapshot { next_revision: 1, version: 1, state: vec![] };
    assert_eq!(snapshots.save(stream, snapshot).await, Ok(()));
    assert!(begun.elapsed() < Duration::from_secs(5), "nobody waits for a cache");
    let away = read(Arc::clone(&models.store)).await;
    assert!(matches!(away, Err(StoreError::Unavailable(_))), "not for ever: {away:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_projectors_of_the_same_views_take_turns_and_double_nothing() {
    let (history, wanted) = history().await;
    let schema = Schema::new();
    let one = follow(engine(&history, PostgresRows::new(schema.database())).await);
    let other = follow(engine(&history, PostgresRows::new(schema.database())).await);
    for (models, _, _) in [&one, &other] {
        at_head(&history, models).await;
        assert_eq!(hashes(models).await, wanted);
    }
    for (_, stop, task) in [one, other] {
        stop.send_replace(true);
        task.await.unwrap();
    }
}
