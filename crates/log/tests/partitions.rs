//! The log in parts, and what is brought of it as it comes.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;

use octocity_domain::{Category, FacilityId};
use octocity_log::contract::{batch, client_id, must_append};
use octocity_log::{
    EventLog, MemoryLog, Position, Recent, RecordedEvent, StreamId, Tail, WholeLog, partition_of,
    partitions_of,
};
use uuid::Uuid;

const PARTITIONS: i32 = 4;

async fn city() -> (Arc<dyn EventLog>, Vec<RecordedEvent>) {
    let log = MemoryLog::default();
    for revision in 0..5 {
        for facility in 1..=20 {
            let stream = StreamId::new(Category::Parking, Uuid::from_u128(facility));
            let id = client_id(facility as u64 * 10 + revision);
            let mut append = batch(stream, revision, id, &["noted"]);
            append.events[0].meta.key = FacilityId::new(Uuid::from_u128(facility));
            must_append(&log, append).await;
        }
    }
    let all = log.read_all(Position::default(), usize::MAX, &[], &[]).await.unwrap().events;
    (Arc::new(log), all)
}

async fn read(tail: &dyn Tail, limit: usize) -> Vec<RecordedEvent> {
    let (mut after, mut events) = (Position::default(), Vec::new());
    while after < *tail.head().borrow() {
        let page = tail.read_after(after, limit).await.unwrap();
        assert!(page.next > after && page.events.iter().all(|event| event.position <= page.next));
        events.extend(page.events);
        after = page.next;
    }
    events
}

#[tokio::test]
async fn each_event_stands_in_the_partition_of_its_key() {
    let (log, all) = city().await;
    for together in [true, false] {
        let tails = partitions_of(&log, PARTITIONS);
        assert_eq!(tails.len(), 4);
        let mut read_events = Vec::new();
        if together {
            // In turn, as an engine does.
            let mut after = Position::default();
            while after < *log.head().borrow() {
                let mut next = after;
                for tail in tails.values() {
                    let page = tail.read_after(after, 7).await.unwrap();
                    read_events.extend(page.events);
                    next = page.next;
                }
                after = next;
            }
        } else {
            for (number, tail) in &tails {
                let events = read(&**tail, 7).await;
                assert!(events.iter().all(|event| partition_of(event.meta.key, PARTITIONS) == *number));
                read_events.extend(events);
            }
        }
        read_events.sort_by_key(|event| event.position);
        assert_eq!(read_events, all, "each once");
    }
}

#[tokio::test]
async fn what_is_brought_comes_in_order_and_what_is_older_from_the_log() {
    let (log, all) = city().await;
    let base = all[29].position;
    let recent = Recent::new(Arc::new(WholeLog(Arc::clone(&log))), base);
    // Those of other partitions are brought later, and one has come before.
    let mut brought = all[20..].to_vec();
    brought.sort_by_key(|event| std::cmp::Reverse(event.meta.key));
    let (first, later) = brought.split_at(30);
    recent.bring(first.to_vec(), base);
    assert!(recent.read_after(base, 100).await.unwrap().events.is_empty(), "something may be missing");
    recent.bring(later.to_vec(), all[89].position);
    let page = recent.read_after(base, 7).await.unwrap();
    assert_eq!((page.events, page.next), (all[30..37].to_vec(), all[36].position));
    // What was taken may be asked for again, until it is known to be done.
    let again = recent.read_after(base, 100).await.unwrap();
    assert_eq!((again.events, again.next), (all[30..90].to_vec(), all[89].position));
    assert!(recent.read_after(all[89].position, 100).await.unwrap().events.is_empty());
    let older = recent.read_after(Position::default(), 30).await.unwrap();
    assert_eq!(older.events, all[..30]);
}

#[tokio::test]
async fn what_nobody_takes_is_left_to_the_log() {
    let (log, all) = city().await;
    let recent = Recent::new(Arc::new(WholeLog(log)), Position::default());
    let key = FacilityId::new(Uuid::from_u128(1));
    let mut last = 0;
    for number in 1..=20_000 {
        let event = &all[0];
        let meta = octocity_log::EventMeta { key, ..event.meta.clone() };
        last = 1_000_000 + number;
        recent.bring([RecordedEvent { position: Position(last), meta, ..event.clone() }], Position(last));
    }
    let page = recent.read_after(Position::default(), 10).await.unwrap();
    assert_eq!(page.events, all[..10], "the log has it");
    let kept = recent.read_after(Position(last - 5), 10).await.unwrap();
    assert_eq!((kept.events.len(), kept.next), (5, Position(last)));
}
