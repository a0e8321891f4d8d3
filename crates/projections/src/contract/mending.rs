//! Keys that stand still, on a store: what is mended there is what a rebuild in memory gives.

use std::sync::Arc;

use octocity_domain::operations::{SKIPS, SkipsEvent};
use octocity_domain::{Category, FacilityId};
use octocity_log::StreamId;

use super::Storage;
use crate::memory::MemoryRows;
use crate::mending::retry;
use crate::store::Parked;
use crate::testing::{Garage, History, at, facility, hashes, play};
use crate::views;

/// A log with events that nobody can read, in the middle.
async fn with_unreadable_events() -> (Vec<Garage>, History) {
    let mut garages = vec![Garage::new(1), Garage::new(2)];
    let steps =
        |from: u8| (from..from + 40).map(|step| (step, step / 3, u16::from(step) * 90, step % 2 == 0));
    let mut history = play(&mut garages, &steps(0).collect::<Vec<_>>()).await;
    for number in [1, 2] {
        let stream = StreamId::new(Category::Parking, facility(number).uuid());
        history.add_raw(stream, facility(number), "VehicleTeleported", b"{}".to_vec(), at(9_000)).await;
    }
    for (number, step) in steps(50).enumerate() {
        garages[number % 2].act(&mut history, step).await;
    }
    (garages, history)
}

async fn skip(history: &mut History, parked: &Parked) {
    let stream: StreamId = parked.stream.parse().unwrap();
    let skipped = SkipsEvent::EventSkipped {
        view: parked.view.clone(),
        category: stream.category,
        stream: stream.id,
        revision: parked.revision,
        reason: "nobody knows it".to_owned(),
    };
    history.add(StreamId::new(Category::Skips, SKIPS), FacilityId(SKIPS), &skipped, at(9_001)).await;
}

pub async fn mends_as_a_rebuild_does(storage: &dyn Storage) {
    let (mut garages, mut history) = with_unreadable_events().await;
    let store = storage.open();
    let mut engine = history.engine(Arc::clone(&store), 32).await;
    engine.catch_up(|_| {}).await.unwrap();
    let standing = store.parked(&[]).await.unwrap();
    assert!(standing.iter().all(|parked| parked.event_type == "VehicleTeleported") && standing.len() > 4);
    for parked in &standing {
        skip(&mut history, parked).await;
    }
    for table in views::tables() {
        let again = retry(&history.log, &*store, table, |_| true).await.unwrap().standing;
        assert_eq!(again, []);
    }
    assert_eq!(store.parked(&[]).await.unwrap(), []);
    // The engine goes on from the mended rows, and a rebuild passes over the same events.
    garages[0].act(&mut history, (0, 1, 0, false)).await;
    engine.catch_up(|_| {}).await.unwrap();
    let oracle = history.read(Arc::new(MemoryRows::new()), 64).await;
    assert_eq!(hashes(&engine.models()).await, hashes(&oracle).await);
    engine.rebuild(&[], |_| {}).await.unwrap();
    assert_eq!(hashes(&engine.models()).await, hashes(&oracle).await);
    assert_eq!(store.parked(&[]).await.unwrap(), []);
}
