//! Who follows a facility on a node that writes no rows reads them as the log says, however far the stored ones are.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use octocity_domain::{Category, FacilityId};
use octocity_log::{
    EventLog, LogError, LogId, Page, Position, StreamId, Tail, WholeLog, partition_of, partitions_of,
};
use octocity_projections::facilities::FacilityRow;
use octocity_projections::parking::{AreaMovesRow, OccupancyRow, SpotOutOfServiceRow};
use octocity_projections::testing::*;
use octocity_projections::{
    Batch, Checkpoint, Engine, EngineOptions, Feed, MemoryRows, Move, ReadModels, Row, RowStore, StoreError,
    Subscription, TableWrites,
};
use tokio::sync::watch;

const PARTITIONS: i32 = 3;
const FACILITIES: u128 = 5;
const SOON: Duration = Duration::from_secs(60);
/// By then the feed has looked at what is stored.
const LOOKED: Duration = Duration::from_secs(6);

struct City {
    garages: Vec<Garage>,
    history: History,
    log: Arc<dyn EventLog>,
    store: Arc<dyn RowStore>,
    models: ReadModels,
    /// Up to where the feed can read.
    gate: watch::Sender<Position>,
    chance: u32,
    _running: watch::Sender<bool>,
}

/// The log as somebody brings it, later than the store has it or sooner.
struct Gated {
    log: WholeLog,
    gate: watch::Sender<Position>,
}

#[async_trait]
impl Tail for Gated {
    fn id(&self) -> LogId {
        self.log.id()
    }
    fn epoch(&self) -> u32 {
        self.log.epoch()
    }
    fn head(&self) -> watch::Receiver<Position> {
        self.gate.subscribe()
    }
    async fn read_after(&self, after: Position, limit: usize) -> Result<Page, LogError> {
        let gate = *self.gate.borrow();
        let mut page = self.log.read_after(after, limit).await?;
        page.events.retain(|event| event.position <= gate);
        page.next = page.next.min(gate).max(after);
        Ok(page)
    }
}

impl City {
    async fn new(seed: u32) -> Self {
        let garages: Vec<_> = (1..=FACILITIES).map(Garage::new).collect();
        let mut history = History::default();
        for garage in &garages {
            history.register(garage.facility).await;
        }
        let log: Arc<dyn EventLog> = Arc::new(history.log.clone());
        let store: Arc<dyn RowStore> =
            Arc::new(Behind(Slow, Arc::new(MemoryRows::of_partitions(PARTITIONS))));
        stored(&log, &store, &[0, 1, 2]).await;
        let gate = watch::Sender::new(*log.head().borrow());
        let tail = Gated { log: WholeLog(Arc::clone(&log)), gate: gate.clone() };
        let feed = Feed::open(Arc::new(tail), Arc::clone(&store)).await.unwrap();
        let models = feed.models();
        let (running, stop) = watch::channel(false);
        tokio::spawn(feed.run(stop));
        Self { garages, history, log, store, models, gate, chance: seed, _running: running }
    }

    fn next(&mut self) -> u32 {
        self.chance = self.chance.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        self.chance >> 16
    }

    fn any(&mut self) -> FacilityId {
        let number = self.next() as usize % self.garages.len();
        self.garages[number].facility
    }

    async fn act(&mut self) {
        let number = self.next() as usize % self.garages.len();
        let step = (
            self.next() as u8,
            self.next() as u8,
            (self.next() % 20_000) as u16,
            self.next().is_multiple_of(2),
        );
        self.garages[number].act(&mut self.history, step).await;
    }

    fn open_gate(&self) {
        self.gate.send_replace(*self.log.head().borrow());
    }

    /// An event that no version can read: its stream stands still.
    async fn break_one(&mut self, facility: FacilityId) {
        let stream = StreamId::new(Category::Parking, facility.uuid());
        self.history.add_raw(stream, facility, "Unheard", b"{}".to_vec(), at(0)).await;
    }

    fn follow(&self, facility: FacilityId) -> Followed {
        Followed {
            facility,
            topics: [
                self.models.live.facility::<OccupancyRow>(facility),
                self.models.live.facility::<FacilityRow>(facility),
                self.models.live.facility::<AreaMovesRow>(facility),
                self.models.live.facility::<SpotOutOfServiceRow>(facility),
            ],
        }
    }
}

/// So that others come between a question and its answer.
struct Slow;

async fn pause(millis: u64) {
    tokio::time::sleep(Duration::from_millis(millis)).await;
}

#[async_trait]
impl Way for Slow {
    async fn writes(&self) -> Result<(), StoreError> {
        pause(7).await;
        Ok(())
    }
    async fn reads(&self) -> Result<(), StoreError> {
        pause(1).await;
        Ok(())
    }
    async fn tells(&self) {
        pause(1).await;
    }
}

/// The rows of these partitions at the log's head.
async fn stored(log: &Arc<dyn EventLog>, store: &Arc<dyn RowStore>, partitions: &[i32]) {
    let mut tails = partitions_of(log, PARTITIONS);
    tails.retain(|partition, _| partitions.contains(partition));
    let options =
        EngineOptions { rest: None, sole_owner: false, batch_events: 3, ..EngineOptions::default() };
    let engine = Engine::of_partitions(Arc::clone(log), tails, Arc::clone(store), options).await;
    engine.unwrap().catch_up(|_| {}).await.unwrap();
}

/// One who follows a facility.
struct Followed {
    facility: FacilityId,
    topics: [Subscription; 4],
}

impl Followed {
    /// Whether one of its tables changed since it was asked last.
    async fn is_told(&mut self, in_time: Duration) -> bool {
        let mut told = false;
        for topic in &mut self.topics {
            let patience = if told { Duration::ZERO } else { in_time / 4 };
            told |= tokio::time::timeout(patience, topic.changed()).await.is_ok();
        }
        told
    }
}

async fn rows_of<R: Row>(models: &ReadModels, facility: FacilityId) -> Vec<R> {
    models.followed::<R>(&[facility]).await.unwrap().rows
}

/// All that a subscriber is shown of a facility.
async fn shown(
    models: &ReadModels,
    facility: FacilityId,
) -> (Vec<OccupancyRow>, Vec<FacilityRow>, Vec<AreaMovesRow>, Vec<SpotOutOfServiceRow>) {
    (
        rows_of(models, facility).await,
        rows_of(models, facility).await,
        rows_of(models, facility).await,
        rows_of(models, facility).await,
    )
}

#[tokio::test(start_paused = true)]
async fn the_last_that_a_follower_is_shown_is_what_the_log_says() {
    for seed in 0..64 {
        let mut city = City::new(seed).await;
        let mut followers: BTreeMap<FacilityId, Followed> = BTreeMap::new();
        let mut last_shown = BTreeMap::new();
        for _ in 0..120 {
            match city.next() % 14 {
                0..=6 => city.act().await,
                12 => city.open_gate(),
                13 if city.next().is_multiple_of(4) => {
                    let facility = city.any();
                    city.break_one(facility).await;
                }
                13 => followers.clear(),
                7 => {
                    let facility = city.any();
                    followers.insert(facility, city.follow(facility));
                    last_shown.insert(facility, shown(&city.models, facility).await);
                }
                8 => {
                    let facility = city.any();
                    followers.remove(&facility);
                    last_shown.remove(&facility);
                }
                9 => {
                    let partition = (city.next() % 3) as i32;
                    stored(&city.log, &city.store, &[partition]).await;
                }
                10 => {
                    let tables = [
                        OccupancyRow::TABLE,
                        FacilityRow::TABLE,
                        AreaMovesRow::TABLE,
                        SpotOutOfServiceRow::TABLE,
                    ];
                    if city.next().is_multiple_of(4) {
                        let table = tables[city.next() as usize % 4];
                        city.store.reset(table).await.unwrap();
                        let partition = (city.next() % 3) as i32;
                        stored(&city.log, &city.store, &[partition]).await;
                    }
                }
                _ => {
                    tokio::time::sleep(Duration::from_millis([1, 15, 40, 6_000][city.next() as usize % 4]))
                        .await
                }
            }
            for follower in followers.values_mut() {
                if follower.is_told(Duration::ZERO).await {
                    last_shown.insert(follower.facility, shown(&city.models, follower.facility).await);
                }
            }
        }
        city.open_gate();
        let oracle = city.history.read(Arc::new(MemoryRows::new()), 64).await;
        stored(&city.log, &city.store, &[0, 1, 2]).await;
        for follower in followers.values_mut() {
            while follower.is_told(SOON).await {
                last_shown.insert(follower.facility, shown(&city.models, follower.facility).await);
            }
            let of = follower.facility;
            assert_eq!(last_shown[&of], shown(&oracle, of).await, "seed {seed}, facility {of}");
        }
    }
}

/// As by a mend, or a switch to rows that were made beside these.
#[tokio::test(start_paused = true)]
async fn rows_that_changed_otherwise_than_by_folding_on_are_read_again() {
    let mut city = City::new(5).await;
    let facility = city.garages[0].facility;
    let mut follower = city.follow(facility);
    city.garages[0].act(&mut city.history, (0, 0, 0, false)).await;
    city.open_gate();
    while follower.is_told(SOON).await {}
    stored(&city.log, &city.store, &[0, 1, 2]).await;
    while follower.is_told(SOON).await {}
    let mut row = city.models.followed::<OccupancyRow>(&[facility]).await.unwrap().rows.remove(0);
    row.refused = 77;
    let is_it = |known: &Checkpoint| {
        known.view == OccupancyRow::TABLE.name && known.partition == partition_of(facility, PARTITIONS)
    };
    let known = city.store.checkpoints().await.unwrap().into_iter().find(is_it).unwrap();
    let (after, generation) = (known.position, known.generation);
    let to = Checkpoint { generation: generation + 1, ..known };
    let write =
        TableWrites { table: OccupancyRow::TABLE, upserts: vec![row.to_values()], deletes: Vec::new() };
    let batch =
        Batch { writes: vec![write], moves: vec![Move { after, generation, to }], ..Batch::default() };
    city.store.commit(Arc::new(batch)).await.unwrap();
    assert!(follower.is_told(SOON).await);
    assert_eq!(city.models.followed::<OccupancyRow>(&[facility]).await.unwrap().rows[0], row);
    city.garages[0].act(&mut city.history, (0, 0, 0, false)).await;
    city.open_gate();
    while follower.is_told(SOON).await {}
    let rows = city.models.followed::<OccupancyRow>(&[facility]).await.unwrap();
    assert_eq!((rows.rows[0].refused, rows.position), (77, *city.log.head().borrow()));
}

#[tokio::test(start_paused = true)]
async fn what_was_stored_before_the_feed_could_read_it_is_told_when_it_can() {
    let mut city = City::new(7).await;
    let facility = city.garages[0].facility;
    tokio::time::sleep(LOOKED).await;
    let mut follower = city.follow(facility);
    city.garages[0].act(&mut city.history, (0, 0, 0, false)).await;
    stored(&city.log, &city.store, &[0, 1, 2]).await;
    // Long enough for a look, by which the facility is held as it is stored.
    while follower.is_told(SOON).await {}
    city.open_gate();
    assert!(follower.is_told(SOON).await);
}

#[tokio::test(start_paused = true)]
async fn what_came_with_an_event_that_nobody_can_read_is_told_when_it_is_stored() {
    let mut city = City::new(9).await;
    let facility = city.garages[0].facility;
    let mut follower = city.follow(facility);
    tokio::time::sleep(LOOKED).await;
    city.garages[0].act(&mut city.history, (0, 0, 0, false)).await;
    city.break_one(facility).await;
    city.open_gate();
    while follower.is_told(SOON).await {}
    stored(&city.log, &city.store, &[0, 1, 2]).await;
    assert!(follower.is_told(SOON).await);
    let rows = rows_of::<OccupancyRow>(&city.models, facility).await;
    assert_eq!(rows.iter().map(OccupancyRow::inside).sum::<i64>(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_follower_is_shown_what_is_not_stored_yet() {
    let mut city = City::new(3).await;
    let facility = city.garages[0].facility;
    let mut follower = city.follow(facility);
    for number in 1..=20 {
        let entry = (0, 0, 0, false);
        let garage = &mut city.garages[0];
        garage.act(&mut city.history, entry).await;
        city.open_gate();
        let head = *city.log.head().borrow();
        loop {
            assert!(follower.is_told(SOON).await, "nothing is told of passage {number}");
            let rows = city.models.followed::<OccupancyRow>(&[facility]).await.unwrap();
            if rows.position >= head {
                assert_eq!(rows.rows.iter().map(OccupancyRow::inside).sum::<i64>(), number);
                break;
            }
        }
    }
    assert!(city.models.position() < *city.log.head().borrow(), "what is stored has not moved");
    let rows = city.models.of_facilities::<OccupancyRow>(&[facility]).await.unwrap().rows;
    assert_eq!(rows.iter().map(OccupancyRow::inside).sum::<i64>(), 0);
}

/// Read in this order, what stands beside the counts is at least as new: so they are as of the position that is said of all. (Where
/// somebody comes for more of a facility than is followed already, that is so from the next look on.)
#[tokio::test(start_paused = true)]
async fn the_counts_that_a_follower_is_shown_are_the_oldest_of_it() {
    for seed in 0..64 {
        let mut city = City::new(seed).await;
        let mut followers: BTreeMap<FacilityId, Followed> = BTreeMap::new();
        for _ in 0..120 {
            match city.next() % 12 {
                0..=6 => city.act().await,
                7 => {
                    let facility = city.any();
                    followers.insert(facility, city.follow(facility));
                }
                8 => city.open_gate(),
                9 => {
                    let partition = (city.next() % 3) as i32;
                    stored(&city.log, &city.store, &[partition]).await;
                }
                10 => {
                    let facility = city.any();
                    followers.remove(&facility);
                }
                _ => tokio::time::sleep(Duration::from_millis([1, 2, 4, 15][city.next() as usize % 4])).await,
            }
            for facility in followers.keys() {
                let counts = city.models.followed::<OccupancyRow>(&[*facility]).await.unwrap().position;
                let plan = city.models.followed::<FacilityRow>(&[*facility]).await.unwrap().position;
                let moves = city.models.followed::<AreaMovesRow>(&[*facility]).await.unwrap().position;
                assert!(counts <= plan && counts <= moves, "seed {seed}: {counts:?} {plan:?} {moves:?}");
            }
        }
    }
}
