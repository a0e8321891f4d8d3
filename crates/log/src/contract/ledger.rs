//! Cases of the ledger of command ids.

use super::{NOON, Storage, batch, client_id, entry, event, must_append, source_id, stream};
use crate::envelope::LedgerEntry;
use crate::port::{Append, AppendError};
use crate::position::Position;

pub async fn answers_a_known_command(storage: &dyn Storage) {
    let log = storage.open();
    let appended = must_append(&*log, batch(stream(1), 0, client_id(1), &["a", "b"])).await;
    let again = log.append(batch(stream(1), 2, client_id(1), &["a", "b"])).await;
    assert_eq!(again, Err(AppendError::CommandKnown(client_id(1))));
    let found = log.ledger_entries(stream(1), &[client_id(1)]).await.unwrap();
    let stored = LedgerEntry { position: appended.positions[0], ..entry(client_id(1), 0, 2) };
    assert_eq!(found, [Some(stored)]);
    assert_eq!(log.ledger_entries(stream(2), &[client_id(1)]).await.unwrap(), [None]);
    must_append(&*log, batch(stream(2), 0, client_id(1), &["another stream's"])).await;
}

/// A refusal, and a command that changed nothing: entries of their own, seen by no reader of events.
pub async fn records_commands_without_events(storage: &dyn Storage) {
    let log = storage.open();
    let refused = LedgerEntry { refusal: Some(br#"{"code":"FULL"}"#.to_vec()), ..entry(client_id(1), 0, 0) };
    let only_refused =
        Append { stream: stream(1), expected: 0, events: Vec::new(), entries: vec![refused.clone()] };
    let at_start = must_append(&*log, only_refused).await;
    assert_eq!((at_start.next_revision, at_start.positions[0]), (0, Position::default()));
    let mixed = Append {
        stream: stream(1),
        expected: 0,
        events: vec![event(client_id(2), "Noted", "a"), event(client_id(4), "Noted", "b")],
        entries: vec![
            entry(client_id(2), 0, 1),
            LedgerEntry { refusal: refused.refusal.clone(), ..entry(client_id(3), 1, 0) },
            entry(client_id(4), 1, 1),
        ],
    };
    let positions = must_append(&*log, mixed).await.positions;
    let events = log.read_all(Position::default(), 10, &[], &[]).await.unwrap().events;
    assert_eq!(events.len(), 2);
    let (first, last) = (events[0].position, events[1].position);
    // A store may know no more than where the batch ended: who waits for that sees all that the reply rests on.
    assert!(positions.is_sorted() && positions[0] >= first && positions[2] == last, "{positions:?}");
    drop(log);
    let log = storage.open();
    let found = log.ledger_entries(stream(1), &[client_id(2), client_id(3), client_id(4)]).await.unwrap();
    let told: Vec<Position> = found.iter().flatten().map(|entry| entry.position).collect();
    assert_eq!(told, positions, "a repeat names the position that the first reply named");
    let found = log.ledger_entries(stream(1), &[client_id(3), client_id(1)]).await.unwrap();
    assert_eq!(found[0].as_ref().unwrap().refusal, refused.refusal);
    let stands = found[0].as_ref().unwrap().position;
    assert!(stands >= first && stands <= positions[1], "a refusal stands where the log was");
    assert_eq!(found[1], Some(refused));
    let repeated = log.append(batch(stream(1), 2, client_id(1), &[])).await;
    assert_eq!(repeated, Err(AppendError::CommandKnown(client_id(1))));
}

pub async fn looks_up_many_entries(storage: &dyn Storage) {
    let log = storage.open();
    let known: Vec<_> = (0..300).map(source_id).collect();
    let entries = known.iter().map(|id| entry(*id, 0, 0)).collect();
    must_append(&*log, Append { stream: stream(1), expected: 0, events: Vec::new(), entries }).await;
    let asked: Vec<_> = (0..600).rev().map(source_id).collect();
    let found = log.ledger_entries(stream(1), &asked).await.unwrap();
    assert_eq!(found.len(), 600);
    for (id, found) in asked.iter().zip(found) {
        assert_eq!(found.map(|entry| entry.command_id), known.contains(id).then_some(*id));
    }
    assert!(log.ledger_entries(stream(1), &[]).await.unwrap().is_empty());
}

pub async fn keeps_a_window_of_the_newest_ids(storage: &dyn Storage) {
    let log = storage.open();
    let none = log.ledger_window(stream(1), 10).await.unwrap();
    assert_eq!((none.floor, none.ids.len()), (None, 0));
    // Recorded out of order: the window goes by id.
    let entries = [3, 1, 5, 2, 4].map(|number| entry(client_id(number), 0, 0)).to_vec();
    must_append(&*log, Append { stream: stream(1), expected: 0, events: Vec::new(), entries }).await;
    must_append(&*log, batch(stream(2), 0, client_id(9), &[])).await;
    let all = log.ledger_window(stream(1), 5).await.unwrap();
    assert_eq!((all.floor, all.ids), (None, [5, 4, 3, 2, 1].map(client_id).to_vec()));
    let newest = log.ledger_window(stream(1), 2).await.unwrap();
    assert_eq!((newest.floor, newest.ids), (Some(client_id(4)), vec![client_id(5), client_id(4)]));
    let blind = log.ledger_window(stream(1), 0).await.unwrap();
    assert!(blind.ids.is_empty() && blind.floor.is_some_and(|floor| floor > client_id(5)));
}

pub async fn forgets_old_ids_of_clients_only(storage: &dyn Storage) {
    let log = storage.open();
    let at = |id, seconds| LedgerEntry { decided_at: NOON.plus_seconds(seconds), ..entry(id, 0, 0) };
    let entries =
        vec![at(client_id(1), -10), at(client_id(2), 0), at(source_id(1), -10), at(client_id(3), -1)];
    must_append(&*log, Append { stream: stream(1), expected: 0, events: Vec::new(), entries }).await;
    let old = Append {
        stream: stream(2),
        expected: 0,
        events: vec![event(client_id(1), "Noted", "kept")],
        entries: vec![LedgerEntry { events: 1, ..at(client_id(1), -10) }],
    };
    must_append(&*log, old).await;
    assert_eq!(log.prune_ledger(NOON).await.unwrap(), if storage.forgets() { 3 } else { 0 });
    let kept_old = !storage.forgets();
    let ids = [client_id(1), client_id(2), source_id(1), client_id(3)];
    let kept = log.ledger_entries(stream(1), &ids).await.unwrap();
    assert_eq!(kept.iter().map(Option::is_some).collect::<Vec<_>>(), [kept_old, true, true, kept_old]);
    assert_eq!(log.read_stream(stream(2), 0, 10).await.unwrap().len(), 1, "events stay");
    assert_eq!(log.prune_ledger(NOON).await.unwrap(), 0);
}
