//! Views made anew beside the live ones, in schemas.

use std::sync::Arc;
use std::time::Duration;

use octocity_adapters::postgres::{PostgresBlueGreen, PostgresRows};
use octocity_log::{EventLog, LogId, Position};
use octocity_projections::blue_green::contract;
use octocity_projections::parking::VisitRow;
use octocity_projections::testing::{Garage, hashes, play};
use octocity_projections::{Engine, EngineOptions, MemoryRows, Renewal, Row, RowStore, Select, hash_all};
use tokio::sync::watch;

use crate::server::{Schema, moves};

/// The schema's, and what is beside it, dropped with this.
struct Schemas {
    live: Schema,
    _beside: [Schema; 2],
}

impl Schemas {
    fn new() -> Self {
        let live = Schema::new();
        let beside = ["green", "blue"]
            .map(|which| Schema { url: live.url.clone(), name: format!("{}_{which}", live.name) });
        Self { live, _beside: beside }
    }

    async fn open(&self, partitions: i32, log: LogId) -> Option<PostgresBlueGreen> {
        PostgresBlueGreen::open(&self.live.options(), partitions, log).await.unwrap()
    }
}

/// Histories of tests are all of this log.
fn log() -> LogId {
    octocity_projections::testing::History::default().log.id()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn compares_switches_and_goes_back() {
    for partitions in [1, 3] {
        let schemas = Schemas::new();
        contract::compares_switches_and_goes_back(&schemas.open(partitions, log()).await.unwrap()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn goes_on_after_a_stop_and_replaces_only_what_was_compared() {
    let schemas = Schemas::new();
    let stores = schemas.open(3, log()).await.unwrap();
    contract::goes_on_after_a_stop_and_replaces_only_what_was_compared(&stores).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn compares_where_the_live_rows_stand() {
    let schemas = Schemas::new();
    contract::compares_where_the_live_rows_stand(&schemas.open(3, log()).await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replaces_rows_of_another_form() {
    let schemas = Schemas::new();
    contract::replaces_rows_of_another_form(&schemas.open(3, log()).await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refuses_rows_of_another_log() {
    let schemas = Schemas::new();
    contract::refuses_rows_of_another_log(&schemas.open(1, log()).await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_process_at_a_time_makes_views_anew() {
    let schemas = Schemas::new();
    let first = schemas.open(1, log()).await;
    assert!(first.is_some() && schemas.open(1, log()).await.is_none());
    drop(first);
    for _ in 0..600 {
        // The server learns a moment later that the connection is gone.
        if schemas.open(1, log()).await.is_some() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("what was held ends with its holder");
}

/// The view is switched again and again while an engine folds and others read: no reader sees rows behind what it saw
/// before, and at the end they are those of an undisturbed run.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn switches_under_load() {
    let schemas = Schemas::new();
    let mut garages = [Garage::new(1), Garage::new(2), Garage::new(3)];
    let mut history = play(&mut garages, &moves()).await;
    let events: Arc<dyn EventLog> = Arc::new(history.log.clone());
    let stores = schemas.open(2, events.id()).await.unwrap();
    let live = || Arc::new(PostgresRows::of_partitions(schemas.live.database(), 2));
    let options = EngineOptions { batch_events: 20, sole_owner: false, ..EngineOptions::default() };
    let mut engine = Engine::open(Arc::clone(&events), live(), options).await.unwrap();
    engine.catch_up(|_| {}).await.unwrap();
    let models = engine.models();
    let (stop, stopped) = watch::channel(false);
    let folding = tokio::spawn(engine.run(stopped.clone()));
    let reading = tokio::spawn(read(live(), stopped.clone()));
    let acting = tokio::spawn(async move {
        for (turn, step) in moves().into_iter().cycle().enumerate() {
            if *stopped.borrow() {
                break;
            }
            garages[turn % 3].act(&mut history, step).await;
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        history
    });
    for _ in 0..6 {
        let mut anew = Renewal::new(Arc::clone(&events), &stores, VisitRow::TABLE, options);
        anew.build(|_| {}).await.unwrap();
        let compared = anew.compare(|_| {}, &mut |_| {}).await.unwrap();
        assert_eq!((compared.differences(), compared.live_rows), (0, compared.new_rows));
        anew.switch(|_| {}).await.unwrap();
        let back = Renewal::new(Arc::clone(&events), &stores, VisitRow::TABLE, options);
        back.back(|_| {}).await.unwrap();
    }
    let position = *events.head().borrow();
    assert!(models.wait_for(&[VisitRow::TABLE], position, Duration::from_secs(120)).await, "folding goes on");
    stop.send_replace(true);
    let history = acting.await.unwrap();
    folding.await.unwrap();
    assert!(reading.await.unwrap() > 100);
    let mut engine = Engine::open(Arc::clone(&events), live(), options).await.unwrap();
    engine.catch_up(|_| {}).await.unwrap();
    let wanted = hashes(&history.read(Arc::new(MemoryRows::new()), 4_096).await).await;
    assert_eq!(hash_all(&*live()).await.unwrap(), wanted);
}

/// How often it read. Visits are never taken away: at a later position there are no fewer.
async fn read(store: Arc<dyn RowStore>, stopped: watch::Receiver<bool>) -> u64 {
    let (mut reads, mut last) = (0, (Position::default(), 0));
    while !*stopped.borrow() {
        let page = store.select(Select { count: true, ..Select::new(VisitRow::TABLE) }).await.unwrap();
        let seen = (page.position, page.rows.len());
        assert_eq!(page.total, Some(page.rows.len() as u64));
        assert!(seen.0 >= last.0 && seen.1 >= last.1, "{seen:?} after {last:?}");
        (reads, last) = (reads + 1, seen);
    }
    reads
}
