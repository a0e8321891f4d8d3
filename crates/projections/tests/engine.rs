//! The engine: keys that stand still, what waits for it, and who is told.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Waker};
use std::time::Duration;

use octocity_domain::parking::{Departure, DeviceClock, ParkingEvent};
use octocity_domain::{Category, VisitId};
use octocity_log::{EventLog, StreamId};
use octocity_projections::parking::{OccupancyHourRow, OccupancyRow, VisitRow};
use octocity_projections::query::find;
use octocity_projections::testing::*;
use octocity_projections::{MemoryRows, ReadModels, Row, RowStore, Step};

const SOON: Duration = Duration::from_secs(5);

fn entered(visit: Option<VisitId>) -> ParkingEvent {
    ParkingEvent::VehicleEntered {
        visit,
        grant: None,
        lane: lane("in"),
        pool: pool("short"),
        area: Some(area("deck")),
        credentials: visit.map(|visit| plate(&visit.to_string())).into_iter().collect(),
        irregularities: Vec::new(),
        joined_exit: None,
        used_reservation: None,
        clock: DeviceClock::default(),
    }
}

fn left(visit: VisitId) -> ParkingEvent {
    ParkingEvent::VehicleLeft {
        on_reservation: false,
        departure: Departure::Visit { visit },
        grant: None,
        lane: lane("out"),
        pool: pool("short"),
        area: Some(area("deck")),
        requested_at: None,
        credentials: Vec::new(),
        irregularities: Vec::new(),
        clock: DeviceClock::default(),
    }
}

async fn inside(models: &ReadModels, number: u128) -> i64 {
    let (row, _) = find::<OccupancyRow>(&*models.store, &(facility(number), pool("short"))).await.unwrap();
    row.unwrap().inside()
}

#[tokio::test]
async fn a_poisoned_key_parks_alone() {
    let mut history = History::default();
    history.register(facility(1)).await;
    history.parking(facility(1), &entered(Some(visit(1))), at(0)).await;
    // Nobody heard of this visit: its row cannot follow, all others can.
    history.parking(facility(1), &left(visit(9)), at(10)).await;
    history.parking(facility(1), &entered(Some(visit(9))), at(20)).await;
    history.parking(facility(1), &left(visit(1)), at(30)).await;
    for batch_events in [1, 4_096] {
        let models = history.read(Arc::new(MemoryRows::new()), batch_events).await;
        let parked = models.parked(VisitRow::TABLE).await.unwrap();
        assert_eq!(parked.len(), 1);
        assert_eq!(parked[0].key, format!("{}/{}", facility(1), visit(9)));
        assert_eq!((parked[0].event_type.as_str(), parked[0].revision), ("VehicleLeft", 1));
        let (standing, _) = find::<VisitRow>(&*models.store, &(facility(1), visit(9))).await.unwrap();
        assert_eq!(standing, None);
        let why = models.standing_still::<VisitRow>(&(facility(1), visit(9)), &[]).await.unwrap();
        assert_eq!(why.as_ref(), parked.first());
        assert_eq!(models.standing_still::<VisitRow>(&(facility(1), visit(1)), &[]).await.unwrap(), None);
        let (other, _) = find::<VisitRow>(&*models.store, &(facility(1), visit(1))).await.unwrap();
        assert_eq!(other.unwrap().ended_at, Some(at(30)));
        assert!(models.parked(OccupancyRow::TABLE).await.unwrap().is_empty());
        assert_eq!(inside(&models, 1).await, 0);
        assert_eq!(models.stats.parked.load(Ordering::Relaxed), 1);
    }
}

#[tokio::test]
async fn an_unreadable_event_stops_its_stream_in_the_views_that_read_it() {
    let mut history = History::default();
    for number in [1, 2] {
        history.register(facility(number)).await;
        history.parking(facility(number), &entered(None), at(0)).await;
    }
    let stream = StreamId::new(Category::Parking, facility(1).uuid());
    history.add_raw(stream, facility(1), "VehicleTeleported", b"{}".to_vec(), at(5)).await;
    for number in [1, 2] {
        history.parking(facility(number), &entered(None), at(10)).await;
    }
    let store = Arc::new(MemoryRows::new());
    let models = history.read(store.clone(), 2).await;
    assert_eq!((inside(&models, 1).await, inside(&models, 2).await), (1, 2));
    let parked = models.parked(OccupancyHourRow::TABLE).await.unwrap();
    assert_eq!((parked[0].key.as_str(), parked[0].revision), (stream.to_string().as_str(), 1));

    // It still stands after a restart.
    history.parking(facility(1), &entered(None), at(20)).await;
    let models = history.read(store, 2).await;
    assert_eq!(inside(&models, 1).await, 1);
}

#[tokio::test]
async fn an_anonymous_passage_writes_two_rows() {
    let mut history = History::default();
    history.register(facility(1)).await;
    let mut engine = history.engine(Arc::new(MemoryRows::new()), 1).await;
    engine.catch_up(|_| {}).await.unwrap();
    let models = engine.models();
    for second in 0..10 {
        let before = models.stats.rows.load(Ordering::Relaxed);
        history.parking(facility(1), &entered(None), at(second * 600)).await;
        engine.catch_up(|_| {}).await.unwrap();
        assert_eq!(models.stats.rows.load(Ordering::Relaxed) - before, 2);
    }
}

#[tokio::test]
async fn one_view_is_rebuilt_and_the_others_stay() {
    let mut history = History::default();
    history.register(facility(1)).await;
    history.parking(facility(1), &entered(Some(visit(1))), at(0)).await;
    let mut engine = history.engine(Arc::new(MemoryRows::new()), 4_096).await;
    let head = engine.catch_up(|_| {}).await.unwrap();
    let before = hashes(&engine.models()).await;
    let mut steps = Vec::new();
    engine.rebuild(&[VisitRow::TABLE], |step| steps.push(step)).await.unwrap();
    assert_eq!(steps.last().map(|step| (step.events, step.position)), Some((2, head)));
    assert_eq!(hashes(&engine.models()).await, before);
}

#[tokio::test]
async fn a_view_is_rebuilt_while_the_log_grows_with_every_step() {
    let mut history = History::default();
    history.register(facility(1)).await;
    for second in 0..20 {
        history.parking(facility(1), &entered(None), at(second)).await;
    }
    let store = Arc::new(MemoryRows::new());
    history.read(store.clone(), 4_096).await;
    store.reset(VisitRow::TABLE).await.unwrap();
    let mut engine = history.engine(store, 8).await;
    let mut steps = 0;
    let grow = |step: Step| {
        steps += 1;
        if step.position < step.head && steps < 200 {
            let event = entered(None);
            let appended = pin!(history.parking(facility(1), &event, at(30)));
            assert!(appended.poll(&mut Context::from_waker(Waker::noop())).is_ready());
        }
    };
    engine.catch_up(grow).await.unwrap();
    assert!(steps < 200, "the rebuilt view had to wait until nothing came any more");
}

#[tokio::test]
async fn a_wait_ends_when_the_rows_are_there_or_the_time_is_over() {
    let mut history = History::default();
    let first = history.register(facility(1)).await;
    let engine = history.engine(Arc::new(MemoryRows::new()), 4_096).await;
    let models = engine.models();
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let running = tokio::spawn(engine.run(stopped));
    assert!(models.wait_for(&[OccupancyRow::TABLE], first, SOON).await);
    let next = octocity_log::Position(first.0 + 1);
    assert!(!models.wait_for(&[OccupancyRow::TABLE], next, Duration::from_millis(20)).await);
    let second = history.parking(facility(1), &entered(None), at(0)).await;
    assert!(models.wait_for(&octocity_projections::views::tables(), second, SOON).await);
    assert_eq!(inside(&models, 1).await, 1);
    assert_eq!(models.position(), *history.log.head().borrow());
    assert!(!models.ended());
    stop.send(true).unwrap();
    running.await.unwrap();
    assert!(models.ended());
}

#[tokio::test]
async fn a_subscription_merges_changes_and_gets_the_last() {
    let mut history = History::default();
    history.register(facility(1)).await;
    history.register(facility(2)).await;
    let mut engine = history.engine(Arc::new(MemoryRows::new()), 1).await;
    engine.catch_up(|_| {}).await.unwrap();
    let models = engine.models();
    assert!(models.live.is_idle());
    let mut one = models.live.facility::<OccupancyRow>(facility(1));
    let mut row = models.live.row::<OccupancyRow>(&(facility(2), pool("long")));
    let mut all = models.live.all::<OccupancyRow>();
    let mut last = octocity_log::Position(0);
    for second in 0..5 {
        last = history.parking(facility(1), &entered(None), at(second)).await;
    }
    let of_other = history.parking(facility(2), &entered(None), at(9)).await;
    engine.catch_up(|_| {}).await.unwrap();
    assert_eq!(one.changed().await, Some(last));
    assert_eq!(all.changed().await, Some(of_other));
    // Neither again for what it has seen, nor for the other pool.
    assert!(tokio::time::timeout(Duration::from_millis(20), one.changed()).await.is_err());
    assert!(tokio::time::timeout(Duration::from_millis(20), row.changed()).await.is_err());
    drop((one, row, all));
    assert!(models.live.is_idle());
}

#[tokio::test]
async fn the_engine_goes_on_after_a_fault() {
    use octocity_projections::CommitFault::{NotWritten, ReplyLost};
    let mut history = History::default();
    history.register(facility(1)).await;
    let store = Arc::new(MemoryRows::new());
    let options =
        octocity_projections::EngineOptions { batch_events: 2, retry_seconds: 0, ..Default::default() };
    let log: Arc<dyn EventLog> = Arc::new(history.log.clone());
    let engine = octocity_projections::Engine::open(log, store.clone(), options).await.unwrap();
    let models = engine.models();
    store.inject([Some(ReplyLost), Some(NotWritten), None, Some(ReplyLost)]);
    let (_stop, stopped) = tokio::sync::watch::channel(false);
    tokio::spawn(engine.run(stopped));
    let mut last = octocity_log::Position(0);
    for second in 0..20 {
        last = history.parking(facility(1), &entered(None), at(second)).await;
    }
    assert!(models.wait_for(&[OccupancyRow::TABLE, OccupancyHourRow::TABLE], last, SOON).await);
    assert_eq!(inside(&models, 1).await, 20);
}

/// More rows than stay in memory: what was put aside is read back, and goes on where it was.
#[tokio::test]
async fn rows_beyond_the_cache_are_read_back() {
    const VISITS: u128 = 9_000;
    let mut history = History::default();
    history.register(facility(1)).await;
    for number in 0..VISITS {
        history.parking(facility(1), &entered(Some(visit(number))), at(number as i64)).await;
    }
    for number in (0..VISITS).step_by(1_000) {
        history.parking(facility(1), &left(visit(number)), at(20_000)).await;
    }
    let models = history.read(Arc::new(MemoryRows::new()), 500).await;
    assert!(models.store.parked(&[]).await.unwrap().is_empty());
    assert_eq!(inside(&models, 1).await, VISITS as i64 - 9);
    let (row, _) = find::<VisitRow>(&*models.store, &(facility(1), visit(1_000))).await.unwrap();
    let row = row.unwrap();
    assert_eq!((row.entered_at, row.ended_at, row.revisions.len()), (Some(at(1_000)), Some(at(20_000)), 2));
}
