//! A node whose rows another process writes: its subscribers are told of every change, and of what is not folded on there only
//! when the rows have it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use octocity_domain::VisitId;
use octocity_domain::parking::{Departure, DeviceClock, ParkingEvent};
use octocity_log::{Tail, WholeLog};
use octocity_projections::parking::{OccupancyRow, VisitRow};
use octocity_projections::query::find;
use octocity_projections::testing::*;
use octocity_projections::{
    Batch, Checkpoint, Engine, Feed, MemoryRows, Move, ReadModels, Row, RowStore, StoreError,
};
use tokio::sync::watch;

const SOON: Duration = Duration::from_secs(5);

fn entered(number: u128) -> ParkingEvent {
    ParkingEvent::VehicleEntered {
        visit: Some(visit(number)),
        grant: None,
        lane: lane("in"),
        pool: pool("short"),
        area: None,
        credentials: vec![plate(&format!("CAR{number}"))],
        irregularities: Vec::new(),
        joined_exit: None,
        used_reservation: None,
        clock: DeviceClock::default(),
    }
}

/// Of a visit that nobody began, this cannot be applied.
fn left(visit: VisitId) -> ParkingEvent {
    ParkingEvent::VehicleLeft {
        on_reservation: false,
        departure: Departure::Visit { visit },
        grant: None,
        lane: lane("out"),
        pool: pool("short"),
        area: None,
        requested_at: None,
        credentials: Vec::new(),
        irregularities: Vec::new(),
        clock: DeviceClock::default(),
    }
}

/// A history, the engine that writes its rows when it is told to, and the read models of a node that only reads.
struct City {
    history: History,
    engine: Engine,
    models: ReadModels,
    _running: watch::Sender<bool>,
}

impl City {
    async fn new() -> Self {
        Self::on(Arc::new(MemoryRows::new())).await
    }

    async fn on(store: Arc<dyn RowStore>) -> Self {
        let mut history = History::default();
        history.register(facility(1)).await;
        let engine = history.engine(Arc::clone(&store), 4).await;
        let tail: Arc<dyn Tail> = Arc::new(WholeLog(Arc::new(history.log.clone())));
        let feed = Feed::open(tail, store).await.unwrap();
        let models = feed.models();
        let (running, stop) = watch::channel(false);
        tokio::spawn(feed.run(stop));
        Self { history, engine, models, _running: running }
    }

    async fn inside(&self) -> i64 {
        let key = (facility(1), pool("short"));
        let (row, _) = find::<OccupancyRow>(&*self.models.store, &key).await.unwrap();
        row.map_or(0, |row| row.inside())
    }
}

#[tokio::test]
async fn a_change_is_told_once_the_rows_have_it() {
    let mut city = City::new().await;
    let mut subscription = city.models.live.facility::<OccupancyRow>(facility(1));
    let head = city.history.parking(facility(1), &entered(1), at(0)).await;
    let early = tokio::time::timeout(Duration::from_millis(100), subscription.changed()).await;
    assert!(early.is_err(), "the rows do not have it yet");
    city.engine.catch_up(|_| {}).await.unwrap();
    let told = tokio::time::timeout(SOON, subscription.changed()).await.unwrap().unwrap();
    assert!(told >= head);
    assert_eq!(city.inside().await, 1);
    assert!(city.models.wait_for(&[OccupancyRow::TABLE], head, SOON).await);
}

#[tokio::test]
async fn who_subscribes_between_the_event_and_its_rows_is_told() {
    let mut city = City::new().await;
    for number in 1..=20 {
        let head = city.history.parking(facility(1), &entered(number), at(0)).await;
        // The feed has seen the head by now, with nobody to tell.
        tokio::time::sleep(Duration::from_millis(2)).await;
        let mut subscription = city.models.live.facility::<OccupancyRow>(facility(1));
        assert_eq!(city.inside().await, i64::try_from(number).unwrap() - 1);
        city.engine.catch_up(|_| {}).await.unwrap();
        let told = tokio::time::timeout(SOON, subscription.changed()).await.unwrap().unwrap();
        assert!(told >= head);
        assert_eq!(city.inside().await, i64::try_from(number).unwrap());
    }
}

#[tokio::test]
async fn others_are_not_woken() {
    let mut city = City::new().await;
    city.history.register(facility(2)).await;
    let mut other = city.models.live.facility::<OccupancyRow>(facility(2));
    let mut this = city.models.live.facility::<OccupancyRow>(facility(1));
    city.engine.catch_up(|_| {}).await.unwrap();
    tokio::time::timeout(SOON, other.changed()).await.unwrap().unwrap();
    city.history.parking(facility(1), &entered(1), at(0)).await;
    city.engine.catch_up(|_| {}).await.unwrap();
    tokio::time::timeout(SOON, this.changed()).await.unwrap().unwrap();
    assert!(tokio::time::timeout(Duration::from_millis(100), other.changed()).await.is_err());
}

/// An answer for which somebody waited is never from a row that stands still without saying so.
#[tokio::test]
async fn rows_that_stand_still_are_known_as_soon_as_their_position_is() {
    let mut city = City::new().await;
    let head = city.history.parking(facility(1), &entered(1), at(0)).await;
    city.engine.catch_up(|_| {}).await.unwrap();
    assert!(city.models.wait_for(&[VisitRow::TABLE], head, SOON).await);
    let head = city.history.parking(facility(1), &left(visit(9)), at(10)).await;
    city.engine.catch_up(|_| {}).await.unwrap();
    assert!(city.models.wait_for(&[VisitRow::TABLE], head, SOON).await);
    let key = (facility(1), visit(9));
    assert!(city.models.standing_still::<VisitRow>(&key, &[]).await.unwrap().is_some());
}

async fn followed_inside(city: &City) -> i64 {
    let found = city.models.followed::<OccupancyRow>(&[facility(1)]).await.unwrap();
    found.rows.iter().map(OccupancyRow::inside).sum()
}

/// However far behind the rows are.
#[tokio::test]
async fn who_follows_is_told_on_while_the_rows_stand_still_and_others_once_they_do_not() {
    const VEHICLES: u32 = 30_000;
    let mut city = City::new().await;
    city.history.register(facility(2)).await;
    let mut followed = city.models.live.facility::<OccupancyRow>(facility(1));
    let mut visits = city.models.live.facility::<VisitRow>(facility(2));
    city.engine.catch_up(|_| {}).await.unwrap();
    // The only one there: it comes before so many that no key of theirs is remembered.
    city.history.parking(facility(2), &entered(VEHICLES.into()), at(0)).await;
    for (first, last) in [(1, 1), (2, VEHICLES - 1)] {
        for number in first..=last {
            city.history.parking(facility(1), &entered(number.into()), at(0)).await;
        }
        while followed_inside(&city).await < i64::from(last) {
            tokio::time::timeout(SOON, followed.changed()).await.expect("it is told on").unwrap();
        }
    }
    assert_eq!(city.inside().await, 0);
    while tokio::time::timeout(Duration::from_millis(100), visits.changed()).await.is_ok() {}
    city.engine.catch_up(|_| {}).await.unwrap();
    tokio::time::timeout(SOON, visits.changed()).await.expect("it is told").unwrap();
}

/// A store that is away from time to time: whoever asks it waits, and is told so.
struct Away(watch::Receiver<bool>);

#[async_trait]
impl Way for Away {
    async fn reads(&self) -> Result<(), StoreError> {
        let is_away = *self.0.borrow();
        if !is_away {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_secs(3)).await;
        Err(StoreError::Unavailable("away".to_owned()))
    }
}

#[tokio::test(start_paused = true)]
async fn who_follows_is_told_at_once_while_the_store_is_away() {
    let (away, is_away) = watch::channel(false);
    let mut city = City::on(Arc::new(Behind(Away(is_away), Arc::new(MemoryRows::new())))).await;
    let mut followed = city.models.live.facility::<OccupancyRow>(facility(1));
    city.engine.catch_up(|_| {}).await.unwrap();
    for number in 1..=30 {
        city.history.parking(facility(1), &entered(number), at(0)).await;
        let told = async {
            while followed_inside(&city).await < number.try_into().unwrap() {
                followed.changed().await.unwrap();
            }
        };
        // Long before the longest pause between two looks at what is stored.
        tokio::time::timeout(Duration::from_millis(200), told).await.expect("it is told at once");
        tokio::time::sleep(Duration::from_secs(1)).await;
        away.send_replace((5..25).contains(&number));
    }
}

/// Also where no event comes after it.
#[tokio::test(start_paused = true)]
async fn a_mend_elsewhere_is_told_within_seconds() {
    let mut city = City::new().await;
    let head = city.history.parking(facility(1), &entered(1), at(0)).await;
    city.engine.catch_up(|_| {}).await.unwrap();
    assert!(city.models.wait_for(&[OccupancyRow::TABLE], head, SOON).await);
    let mut subscription = city.models.live.facility::<OccupancyRow>(facility(1));
    let store = &city.models.store;
    let is_it = |known: &Checkpoint| known.view == OccupancyRow::TABLE.name;
    let known = store.checkpoints().await.unwrap().into_iter().find(is_it).unwrap();
    let (after, generation) = (known.position, known.generation);
    let to = Checkpoint { generation: generation + 1, ..known };
    let batch = Batch { moves: vec![Move { after, generation, to }], ..Batch::default() };
    store.commit(Arc::new(batch)).await.unwrap();
    tokio::time::timeout(2 * SOON, subscription.changed()).await.unwrap().unwrap();
}
