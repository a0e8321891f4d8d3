//! A key that stood still and is mended has the rows that a rebuild gives, whoever writes meanwhile.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use octocity_domain::operations::{SKIPS, SkipsEvent};
use octocity_domain::parking::{Departure, DeviceClock, ParkingEvent, Reconciliation};
use octocity_domain::{Category, FacilityId, VisitId};
use octocity_log::{EventLog, StreamId};
use octocity_projections::parking::{OccupancyHourRow, OccupancyRow, VisitRow};
use octocity_projections::query::find;
use octocity_projections::testing::*;
use octocity_projections::{
    Batch, CommitFault, Engine, MemoryRows, MendError, Mended, Parked, ReadModels, Row, RowStore, StoreError,
    Table, mending, views,
};

const GARAGES: u128 = 3;

fn moves(count: usize, mut chance: u32) -> Vec<Move> {
    let mut next = || {
        chance = chance.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        chance >> 16
    };
    (0..count).map(|_| (next() as u8, next() as u8, (next() % 20_000) as u16, next() % 2 == 0)).collect()
}

/// Garages whose history goes on.
struct City {
    garages: Vec<Garage>,
    history: History,
}

impl City {
    async fn new() -> Self {
        let mut garages: Vec<_> = (1..=GARAGES).map(Garage::new).collect();
        let history = play(&mut garages, &moves(120, 7)).await;
        Self { garages, history }
    }

    async fn go_on(&mut self) {
        for (number, step) in moves(90, 11).into_iter().enumerate() {
            self.garages[number % 3].act(&mut self.history, step).await;
        }
    }

    /// Two of its visits become one: their rows are folded jointly.
    async fn merge(&mut self, visits: [VisitId; 2]) {
        let [visit, into] = visits;
        let merged = ParkingEvent::VisitReconciled {
            on_reservation: false,
            visit,
            pool: pool("short"),
            outcome: Reconciliation::Merged { into },
            visits_change: 0,
            unidentified_change: 0,
        };
        self.history.parking(facility(1), &merged, at(90_000)).await;
    }

    async fn is_as_rebuilt(&self, models: &ReadModels) {
        let rebuilt = self.history.read(Arc::new(MemoryRows::new()), 64).await;
        assert_eq!(hashes(models).await, hashes(&rebuilt).await);
        assert_eq!(models.store.parked(&[]).await.unwrap(), []);
    }
}

fn stream_of(garage: u128) -> StreamId {
    StreamId::new(Category::Parking, facility(garage).uuid())
}

fn stands_still(table: &Table, key: impl ToString, garage: u128, revision: u64) -> Parked {
    Parked {
        view: table.name.to_owned(),
        key: key.to_string(),
        stream: stream_of(garage).to_string(),
        revision,
        event_type: "VehicleEntered".to_owned(),
        error: "an earlier version could not apply it".to_owned(),
    }
}

fn visit_key(garage: u128, visit: VisitId) -> String {
    format!("{}/{visit}", facility(garage))
}

async fn visits_of(models: &ReadModels, garage: u128) -> Vec<VisitId> {
    let of_garage = octocity_projections::Query::<VisitRow>::new().eq("facility", &facility(garage));
    of_garage.run(&*models.store).await.unwrap().rows.into_iter().map(|row| row.visit).collect()
}

/// As an earlier version left them: these keys stand still, and the log has gone on.
async fn left_behind(city: &mut City, store: &Arc<dyn RowStore>) -> Engine {
    let models = city.history.read(Arc::clone(store), 16).await;
    let visits = visits_of(&models, 1).await;
    let mut parked = vec![
        stands_still(VisitRow::TABLE, visit_key(1, visits[0]), 1, 0),
        stands_still(OccupancyRow::TABLE, format!("{}/short", facility(2)), 2, 3),
    ];
    parked.extend(views::tables().into_iter().map(|table| stands_still(table, stream_of(3), 3, 9)));
    store.commit(Arc::new(Batch { parked, ..Batch::default() })).await.unwrap();
    let mut engine = city.history.engine(Arc::clone(store), 16).await;
    city.go_on().await;
    city.merge([visits[0], visits[1]]).await;
    engine.catch_up(|_| {}).await.unwrap();
    engine
}

async fn retry_all(city: &City, store: &dyn RowStore) -> Mended {
    let mut done = Mended::default();
    for table in views::tables() {
        let Mended { mended, standing } =
            mending::retry(&city.history.log, store, table, |_| true).await.unwrap();
        done.mended.extend(mended);
        done.standing.extend(standing);
    }
    done
}

#[tokio::test]
async fn mended_rows_are_those_of_a_rebuild() {
    for partitions in [1, 5] {
        let mut city = City::new().await;
        let store: Arc<dyn RowStore> = Arc::new(MemoryRows::of_partitions(partitions));
        let mut engine = left_behind(&mut city, &store).await;
        let models = engine.models();
        let standing = store.parked(&[]).await.unwrap();
        // The merge could not be applied to the visit that stood still, and so stopped the other one.
        assert_eq!(standing.len(), 2 + views::tables().len() + 1);
        let done = retry_all(&city, &*store).await;
        let keys = |list: &[Parked]| {
            list.iter().map(|key| (key.view.clone(), key.key.clone())).collect::<BTreeSet<_>>()
        };
        assert_eq!((keys(&done.mended), done.standing), (keys(&standing), vec![]));
        city.is_as_rebuilt(&models).await;
        // The engine, which remembers them as they were, goes on from what is written now.
        city.go_on().await;
        engine.catch_up(|_| {}).await.unwrap();
        city.is_as_rebuilt(&models).await;
        assert_eq!(models.stats.parked.load(Ordering::Relaxed), 0);
        assert_eq!(retry_all(&city, &*store).await, Mended::default());
    }
}

#[tokio::test]
async fn what_is_folded_jointly_with_a_key_is_mended_with_it() {
    let mut city = City::new().await;
    let store: Arc<dyn RowStore> = Arc::new(MemoryRows::new());
    left_behind(&mut city, &store).await;
    let parked = store.parked(&[VisitRow::TABLE.name]).await.unwrap();
    let merged: Vec<_> = parked.iter().filter(|parked| parked.event_type == "VisitReconciled").collect();
    let [other] = merged[..] else { panic!("{parked:?}") };
    let done = mending::retry(&city.history.log, &*store, VisitRow::TABLE, |parked| parked.key == other.key);
    assert_eq!(done.await.unwrap().mended.len(), 2);
    let left = store.parked(&[VisitRow::TABLE.name]).await.unwrap();
    assert_eq!(left, [stands_still(VisitRow::TABLE, stream_of(3), 3, 9)], "nobody asked for it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_mended_while_an_engine_runs_on() {
    let mut city = City::new().await;
    let store: Arc<dyn RowStore> = Arc::new(MemoryRows::of_partitions(2));
    let engine = left_behind(&mut city, &store).await;
    let models = engine.models();
    let (_stop, stopped) = tokio::sync::watch::channel(false);
    tokio::spawn(engine.run(stopped));
    let (log, rows) = (city.history.log.clone(), Arc::clone(&store));
    let mending = tokio::spawn(async move {
        for table in views::tables() {
            mending::retry(&log, &*rows, table, |_| true).await.unwrap();
        }
    });
    while !mending.is_finished() {
        city.go_on().await;
        tokio::task::yield_now().await;
    }
    mending.await.unwrap();
    let head = *city.history.log.head().borrow();
    assert!(models.wait_for(&views::tables(), head, Duration::from_secs(20)).await);
    city.is_as_rebuilt(&models).await;
}

fn entered(visit: VisitId) -> ParkingEvent {
    ParkingEvent::VehicleEntered {
        visit: Some(visit),
        grant: None,
        lane: lane("in"),
        pool: pool("short"),
        area: Some(area("deck")),
        credentials: vec![plate(&visit.to_string())],
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

async fn skip(history: &mut History, parked: &Parked) {
    let stream: StreamId = parked.stream.parse().unwrap();
    let skipped = SkipsEvent::EventSkipped {
        view: parked.view.clone(),
        category: stream.category,
        stream: stream.id,
        revision: parked.revision,
        reason: "a device told it twice".to_owned(),
    };
    let skips = StreamId::new(Category::Skips, SKIPS);
    history.add(skips, FacilityId(SKIPS), &skipped, at(100)).await;
}

/// One that no version can apply, and one that this version cannot read.
async fn poisoned() -> History {
    let mut history = History::default();
    history.register(facility(1)).await;
    history.parking(facility(1), &left(visit(9)), at(10)).await;
    history.parking(facility(1), &entered(visit(9)), at(20)).await;
    history.add_raw(stream_of(1), facility(1), "VehicleTeleported", b"{}".to_vec(), at(30)).await;
    history.parking(facility(1), &left(visit(9)), at(40)).await;
    history
}

#[tokio::test]
async fn every_engine_passes_over_what_is_skipped() {
    let mut history = poisoned().await;
    let store = Arc::new(MemoryRows::new());
    let mut engine = history.engine(store.clone(), 2).await;
    engine.catch_up(|_| {}).await.unwrap();
    let models = engine.models();
    let mut visits = models.live.row::<VisitRow>(&(facility(1), visit(9)));
    let parked = models.parked(VisitRow::TABLE).await.unwrap();
    assert_eq!(parked.len(), 2);
    // Until it is skipped it stands still again at the same event.
    let again = models.mend(&history.log, VisitRow::TABLE, |_| true).await.unwrap();
    assert_eq!((again.mended, again.standing), (vec![], parked.clone()));
    for parked in &parked {
        skip(&mut history, parked).await;
    }
    let done = models.mend(&history.log, VisitRow::TABLE, |_| true).await.unwrap();
    assert_eq!((done.mended, done.standing), (parked, vec![]));
    visits.changed().await.unwrap();
    let (row, _) = find::<VisitRow>(&*store, &(facility(1), visit(9))).await.unwrap();
    let row = row.unwrap();
    assert_eq!((row.entered_at, row.ended_at), (Some(at(20)), Some(at(40))));
    // For this view alone.
    assert_eq!(models.parked(OccupancyHourRow::TABLE).await.unwrap().len(), 1);
    let rebuilt = history.read(Arc::new(MemoryRows::of_partitions(3)), 64).await;
    assert_eq!(hashes(&rebuilt).await, hashes(&models).await);
    assert_eq!(rebuilt.parked(VisitRow::TABLE).await.unwrap(), []);
    // Also the one that ran on meanwhile.
    history.parking(facility(1), &entered(visit(10)), at(50)).await;
    engine.catch_up(|_| {}).await.unwrap();
    let rebuilt = history.read(Arc::new(MemoryRows::new()), 64).await;
    assert_eq!(hashes(&rebuilt).await, hashes(&models).await);
}

#[tokio::test]
async fn who_follows_a_key_that_was_mended_elsewhere_is_told() {
    let mut history = poisoned().await;
    let store = Arc::new(MemoryRows::new());
    let mut engine = history.engine(store.clone(), 64).await;
    engine.catch_up(|_| {}).await.unwrap();
    let models = engine.models();
    let mut row = models.live.row::<VisitRow>(&(facility(1), visit(9)));
    for parked in models.parked(VisitRow::TABLE).await.unwrap() {
        skip(&mut history, &parked).await;
    }
    mending::retry(&history.log, &*store, VisitRow::TABLE, |_| true).await.unwrap();
    history.parking(facility(2), &entered(visit(1)), at(50)).await;
    engine.catch_up(|_| {}).await.unwrap();
    tokio::time::timeout(Duration::from_secs(5), row.changed()).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_mend_that_fails_changes_nothing_and_says_why() {
    let history = poisoned().await;
    let store = Arc::new(MemoryRows::new());
    let models = history.read(store.clone(), 64).await;
    let before = (hashes(&models).await, models.parked(VisitRow::TABLE).await.unwrap());
    store.inject([Some(CommitFault::NotWritten)]);
    let failed = mending::retry(&history.log, &*store, VisitRow::TABLE, |_| true).await.unwrap_err();
    assert!(matches!(failed, MendError::Store(StoreError::Unavailable(_))));
    assert_eq!((hashes(&models).await, models.parked(VisitRow::TABLE).await.unwrap()), before);
    // A log that has no such event.
    let failed =
        mending::retry(&History::default().log, &*store, VisitRow::TABLE, |_| true).await.unwrap_err();
    assert_eq!(failed, MendError::NotOfThisLog("visits"));
}

/// Another process heard of the log's end before this one, which therefore cannot read to where the rows are.
#[tokio::test(start_paused = true)]
async fn rows_are_never_mended_without_events_that_this_process_cannot_read_yet() {
    let (mut history, behind) = (poisoned().await, poisoned().await);
    history.parking(facility(2), &entered(visit(1)), at(50)).await;
    let store = Arc::new(MemoryRows::new());
    let models = history.read(store.clone(), 64).await;
    let before = (hashes(&models).await, models.parked(VisitRow::TABLE).await.unwrap());
    let failed = mending::retry(&behind.log, &*store, VisitRow::TABLE, |_| true).await.unwrap_err();
    assert_eq!(failed, MendError::LogBehind("visits"));
    assert_eq!((hashes(&models).await, models.parked(VisitRow::TABLE).await.unwrap()), before);
    mending::retry(&history.log, &*store, VisitRow::TABLE, |_| true).await.unwrap();
}
