//! Cases of writing.

use std::sync::Arc;

use octocity_domain::{Category, FacilityId};
use uuid::Uuid;

use super::{NOON, Storage, batch, client_id, entry, event, fill, must_append, stream};
use crate::envelope::{Actor, Origin, StreamId};
use crate::port::{Append, AppendError};
use crate::position::Position;

pub async fn appends_under_the_expected_revision(storage: &dyn Storage) {
    let log = storage.open();
    let first = must_append(&*log, batch(stream(1), 0, client_id(1), &["a", "b"])).await;
    let second = must_append(&*log, batch(stream(1), 2, client_id(2), &["c"])).await;
    assert_eq!((first.next_revision, second.next_revision), (2, 3));
    assert!(first.positions[0] < second.positions[0]);
    let read = log.read_stream(stream(1), 0, 10).await.unwrap();
    assert_eq!(read.iter().map(|event| event.revision).collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!(read[1].position, first.positions[0], "an entry stands at its last event");
    assert_eq!(read[2].data, br#"{"text":"c"}"#);
}

pub async fn refuses_another_revision(storage: &dyn Storage) {
    let log = storage.open();
    let ahead = log.append(batch(stream(1), 1, client_id(1), &["a"])).await;
    assert_eq!(ahead, Err(AppendError::WrongRevision { actual: 0 }));
    fill(&*log, stream(1), 10, 3).await;
    let behind = log.append(batch(stream(1), 2, client_id(1), &["a"])).await;
    assert_eq!(behind, Err(AppendError::WrongRevision { actual: 3 }));
    let decided_on_old_state = log.append(batch(stream(1), 2, client_id(1), &[])).await;
    assert_eq!(decided_on_old_state, Err(AppendError::WrongRevision { actual: 3 }));
    must_append(&*log, batch(stream(1), 3, client_id(1), &["a"])).await;
}

pub async fn stores_a_batch_whole_or_not_at_all(storage: &dyn Storage) {
    let log = storage.open();
    must_append(&*log, batch(stream(1), 0, client_id(5), &["a"])).await;
    let known_last = Append {
        stream: stream(1),
        expected: 1,
        events: vec![event(client_id(6), "Noted", "b"), event(client_id(5), "Noted", "c")],
        entries: vec![entry(client_id(6), 1, 1), entry(client_id(5), 2, 1)],
    };
    assert_eq!(log.append(known_last).await, Err(AppendError::CommandKnown(client_id(5))));
    assert_eq!(log.read_stream(stream(1), 0, 10).await.unwrap().len(), 1);
    assert_eq!(log.ledger_entries(stream(1), &[client_id(6)]).await.unwrap(), [None]);
    let twice_in_one = Append {
        stream: stream(1),
        expected: 1,
        events: Vec::new(),
        entries: vec![entry(client_id(7), 1, 0), entry(client_id(7), 1, 0)],
    };
    assert_eq!(log.append(twice_in_one).await, Err(AppendError::CommandKnown(client_id(7))));
    assert_eq!(log.ledger_entries(stream(1), &[client_id(7)]).await.unwrap(), [None]);
    must_append(&*log, batch(stream(1), 1, client_id(6), &["b"])).await;
}

pub async fn refuses_a_batch_that_does_not_add_up(storage: &dyn Storage) {
    let log = storage.open();
    let too_few = Append { entries: Vec::new(), ..batch(stream(1), 0, client_id(1), &["a"]) };
    let misplaced = Append { entries: vec![entry(client_id(1), 4, 1)], ..too_few.clone() };
    for wrong in [too_few, misplaced] {
        assert!(matches!(log.append(wrong).await, Err(AppendError::Log(_))));
    }
    assert!(log.read_stream(stream(1), 0, 10).await.unwrap().is_empty());
}

pub async fn keeps_streams_apart(storage: &dyn Storage) {
    let log = storage.open();
    let session = StreamId::new(Category::Session, stream(1).id);
    must_append(&*log, batch(stream(1), 0, client_id(1), &["a"])).await;
    must_append(&*log, batch(stream(2), 0, client_id(1), &["b"])).await;
    must_append(&*log, batch(session, 0, client_id(1), &["c"])).await;
    for (one, text) in [(stream(1), "a"), (stream(2), "b"), (session, "c")] {
        let read = log.read_stream(one, 0, 10).await.unwrap();
        assert_eq!(read.len(), 1);
        assert_eq!((read[0].stream, read[0].revision), (one, 0));
        assert_eq!(read[0].data, format!("{{\"text\":\"{text}\"}}").into_bytes());
    }
    assert!(log.read_stream(stream(3), 0, 10).await.unwrap().is_empty());
}

pub async fn keeps_all_metadata(storage: &dyn Storage) {
    let log = storage.open();
    let plain = event(client_id(1), "Noted", "plain");
    let mut full = event(client_id(1), "Weighed", "full");
    full.version = 3;
    full.meta.actor = Actor::new("Schranke Süd / 停車場");
    full.meta.causation_id = Uuid::from_u128(77);
    full.meta.correlation_id = Uuid::from_u128(78);
    full.meta.key = FacilityId(stream(1).id);
    full.meta.happened_at = NOON.minus_seconds(38_520);
    full.meta.decided_at = NOON.plus_seconds(1);
    full.meta.origin = Origin::Imported;
    let mut of_key = event(client_id(1), "Noted", "key");
    of_key.meta.key = FacilityId(Uuid::from_u128(79));
    let events = vec![plain, full, of_key];
    let given = Append {
        stream: stream(1),
        expected: 0,
        events: events.clone(),
        entries: vec![entry(client_id(1), 0, 3)],
    };
    must_append(&*log, given).await;
    drop(log);
    let read = storage.open().read_stream(stream(1), 0, 10).await.unwrap();
    for (read, given) in read.iter().zip(&events) {
        assert_eq!(read.meta, given.meta);
        assert_eq!((&*read.event_type, read.version), (&*given.event_type, given.version));
        assert_eq!(read.data, given.data);
    }
    assert_eq!(read.len(), 3);
}

/// The head rises, and whatever it names can be read.
pub async fn tells_a_head_that_can_be_read(storage: &dyn Storage) {
    let log = storage.open();
    let mut head = log.head();
    assert_eq!(*head.borrow_and_update(), Position::default());
    let writer = Arc::clone(&log);
    let writing = tokio::spawn(async move { fill(&*writer, stream(1), 1, 50).await });
    let (mut told, mut before, mut seen) = (Position::default(), Position::default(), 0);
    while seen < 50 {
        head.changed().await.unwrap();
        let now = *head.borrow_and_update();
        assert!(now > told, "the head never goes back");
        told = now;
        // A page may have what the head did not tell of yet.
        if now <= before {
            continue;
        }
        let page = log.read_all(before, 100, &[], &[]).await.unwrap();
        assert!(page.events.last().is_some_and(|last| last.position >= now), "the head is never ahead");
        (before, seen) = (page.events.last().unwrap().position, seen + page.events.len());
    }
    writing.await.unwrap();
    must_append(&*log, batch(stream(1), 50, client_id(99), &[])).await;
    assert_eq!(*log.head().borrow(), before, "a command without events moves no head");
}

pub async fn serves_many_appenders_at_once(storage: &dyn Storage) {
    let log = storage.open();
    let appenders = (0..32_u64).map(|number| {
        let log = Arc::clone(&log);
        tokio::spawn(async move {
            let own = stream(u128::from(number % 8) * 100 + u128::from(number));
            let mut positions = Vec::new();
            for revision in 0..20 {
                let id = client_id(number * 1000 + revision);
                let appended = must_append(&*log, batch(own, revision, id, &["one", "two"][..1])).await;
                positions.push(appended.positions[0]);
            }
            assert!(positions.is_sorted());
            (own, positions)
        })
    });
    let mut all = Vec::new();
    for appender in appenders.collect::<Vec<_>>() {
        let (own, positions) = appender.await.unwrap();
        let read = log.read_stream(own, 0, 100).await.unwrap();
        assert_eq!(read.iter().map(|event| event.position).collect::<Vec<_>>(), positions);
        all.extend(positions);
    }
    all.sort_unstable();
    let page = log.read_all(Position::default(), 1000, &[], &[]).await.unwrap();
    assert_eq!(page.events.iter().map(|event| event.position).collect::<Vec<_>>(), all);
}

pub async fn lets_one_of_two_rivals_win(storage: &dyn Storage) {
    let log = storage.open();
    for round in 0..20_u64 {
        let rivals = [1, 2].map(|side| {
            let log = Arc::clone(&log);
            let id = client_id(round * 10 + side);
            tokio::spawn(async move { log.append(batch(stream(1), round, id, &["x"])).await })
        });
        let mut won = 0;
        for rival in rivals {
            match rival.await.unwrap() {
                Ok(appended) => {
                    won += 1;
                    assert_eq!(appended.next_revision, round + 1);
                }
                Err(error) => assert_eq!(error, AppendError::WrongRevision { actual: round + 1 }),
            }
        }
        assert_eq!(won, 1);
    }
}

pub async fn stores_large_data(storage: &dyn Storage) {
    let log = storage.open();
    let text = "ä".repeat(500_000);
    must_append(&*log, batch(stream(1), 0, client_id(1), &[&text, "small"])).await;
    let read = log.read_stream(stream(1), 0, 10).await.unwrap();
    assert_eq!(read[0].data.len(), 1_000_011);
    assert_eq!(read[0].data, format!("{{\"text\":\"{text}\"}}").into_bytes());
    assert_eq!(read[1].data, br#"{"text":"small"}"#);
}

pub async fn is_the_same_log_after_a_restart(storage: &dyn Storage) {
    let log = storage.open();
    let (id, epoch) = (log.id(), log.epoch());
    fill(&*log, stream(1), 1, 5).await;
    let head = *log.head().borrow();
    let before = log.read_all(Position::default(), 100, &[], &[]).await.unwrap();
    let entries = log.ledger_entries(stream(1), &[client_id(3)]).await.unwrap();
    drop(log);
    let log = storage.open();
    assert_eq!((log.id(), log.epoch()), (id, epoch));
    assert_eq!(*log.head().borrow(), head);
    assert_eq!(log.read_all(Position::default(), 100, &[], &[]).await.unwrap().events, before.events);
    assert_eq!(log.ledger_entries(stream(1), &[client_id(3)]).await.unwrap(), entries);
    let repeated = log.append(batch(stream(1), 5, client_id(3), &["x"])).await;
    assert_eq!(repeated, Err(AppendError::CommandKnown(client_id(3))));
    let next = must_append(&*log, batch(stream(1), 5, client_id(9), &["x"])).await;
    assert!(next.positions[0] > head);
}
