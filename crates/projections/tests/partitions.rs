//! Engines that share the partitions of the log write what one engine writes, whoever has which partition when.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::sync::Arc;

use octocity_log::{EventLog, Position, Recent, RecordedEvent, Tail, partition_of, partitions_of};
use octocity_projections::testing::*;
use octocity_projections::{Engine, EngineOptions, MemoryRows, RowStore, StoreError};

const PARTITIONS: i32 = 5;
const OPTIONS: EngineOptions =
    EngineOptions { batch_events: 16, rest: None, retry_seconds: 0, sole_owner: false, reforms: true };

struct City {
    history: History,
    log: Arc<dyn EventLog>,
    store: Arc<dyn RowStore>,
}

impl City {
    async fn new() -> Self {
        let mut garages: Vec<_> = (1..=9).map(Garage::new).collect();
        let mut chance = 7_u32;
        let mut next = || {
            chance = chance.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            chance >> 16
        };
        let moves: Vec<Move> = (0..400)
            .map(|_| (next() as u8, next() as u8, (next() % 20_000) as u16, next() % 2 == 0))
            .collect();
        let history = play(&mut garages, &moves).await;
        let log: Arc<dyn EventLog> = Arc::new(history.log.clone());
        Self { history, log, store: Arc::new(MemoryRows::of_partitions(PARTITIONS)) }
    }

    async fn engine(&self, partitions: &[i32]) -> Engine {
        let mut tails = partitions_of(&self.log, PARTITIONS);
        tails.retain(|partition, _| partitions.contains(partition));
        self.engine_over(tails).await.unwrap()
    }

    async fn engine_over(&self, tails: BTreeMap<i32, Arc<dyn Tail>>) -> Result<Engine, StoreError> {
        Engine::of_partitions(Arc::clone(&self.log), tails, Arc::clone(&self.store), OPTIONS).await
    }

    async fn is_as_of_one_engine(&self) {
        let alone = self.history.read(Arc::new(MemoryRows::new()), 64).await;
        let head = *self.log.head().borrow();
        let shared = self.engine(&[0, 1, 2, 3, 4]).await.models();
        assert_eq!((shared.position(), hashes(&shared).await), (head, hashes(&alone).await));
    }
}

#[tokio::test]
async fn each_with_its_own_partitions() {
    let city = City::new().await;
    for partitions in [&[0, 3][..], &[1], &[2, 4]] {
        city.engine(partitions).await.catch_up(|_| {}).await.unwrap();
    }
    city.is_as_of_one_engine().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_the_same_partitions_at_once() {
    let city = City::new().await;
    let engines = [&[0, 1, 2][..], &[1, 2, 3], &[2, 3, 4], &[0, 4]];
    let mut running = Vec::new();
    for partitions in engines {
        let mut engine = city.engine(partitions).await;
        running.push(tokio::spawn(async move { engine.catch_up(|_| {}).await.unwrap() }));
    }
    for engine in running {
        engine.await.unwrap();
    }
    city.is_as_of_one_engine().await;
}

/// As a projector has it: a part of the log is brought, what is older it reads itself; and one view is rebuilt meanwhile.
#[tokio::test]
async fn of_what_is_brought() {
    let city = City::new().await;
    let all = city.log.read_all(Position::default(), usize::MAX, &[], &[]).await.unwrap().events;
    let (older, news) = all.split_at(all.len() / 3);
    let base = older.last().unwrap().position;
    let recent: BTreeMap<i32, Arc<Recent>> = partitions_of(&city.log, PARTITIONS)
        .into_iter()
        .map(|(partition, tail)| (partition, Arc::new(Recent::new(tail, base))))
        .collect();
    let tails = recent.iter().map(|(partition, tail)| (*partition, Arc::clone(tail) as Arc<dyn Tail>));
    let mut engine = city.engine_over(tails.collect()).await.unwrap();
    engine.catch_up(|_| {}).await.unwrap();
    for (number, batch) in news.chunks(23).enumerate() {
        let reached = batch.last().unwrap().position;
        for (partition, tail) in &recent {
            let mine = |event: &&RecordedEvent| partition_of(event.meta.key, PARTITIONS) == *partition;
            tail.bring(batch.iter().filter(mine).cloned(), reached);
        }
        if number == 4 {
            let visits = octocity_projections::views::table("visits").unwrap();
            city.store.reset(visits).await.unwrap();
        }
        engine.catch_up(|_| {}).await.unwrap();
        assert!(engine.models().position() >= reached);
    }
    city.is_as_of_one_engine().await;
}
