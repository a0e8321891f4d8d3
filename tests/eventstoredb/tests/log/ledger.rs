//! Ids older than what is in memory, late ones, and reading between commands without events.

use octocity_domain::CommandId;
use octocity_log::contract::{batch, client_id, entry, event, must_append, source_id, stream};
use octocity_log::{Append, AppendError, EventLog, LedgerEntry};

use crate::storage::Served;

/// One event each.
async fn append_many(log: &dyn EventLog, expected: u64, ids: &[CommandId]) {
    let events = ids.iter().map(|id| event(*id, "Noted", "many")).collect();
    let entries = (expected..).zip(ids).map(|(revision, id)| entry(*id, revision, 1)).collect();
    must_append(log, Append { stream: stream(1), expected, events, entries }).await;
}

async fn found(log: &dyn EventLog, ids: &[CommandId]) -> Vec<Option<u64>> {
    let entries = log.ledger_entries(stream(1), ids).await.unwrap();
    entries.into_iter().map(|entry| entry.map(|entry| entry.first_revision)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_id_is_found_in_few_reads_and_a_late_one_too() {
    let served = Served::double();
    let log = served.log();
    let thousand = |from: u64| (from..from + 1000).map(|number| source_id(10 * number)).collect::<Vec<_>>();
    for number in 0..7 {
        append_many(&*log, number * 1000, &thousand(number * 1000)).await;
    }
    // Long after higher ones: an hour's worth that was cut off, and an import of what was before all.
    let late = [source_id(15), source_id(40_015), source_id(20_005)];
    append_many(&*log, 7000, &late).await;
    for number in 7..13 {
        append_many(&*log, number * 1000 + 3, &thousand(number * 1000)).await;
    }
    // The node that has it all in memory knows no more than one that comes anew.
    for log in [log, served.log()] {
        log.ledger_window(stream(1), 10).await.unwrap();
        let before = served.server().faults().reads();
        let asked = [source_id(25_000), source_id(25_003), late[0], late[1], source_id(16)];
        let revisions = [Some(2500), None, Some(7000), Some(7001), None];
        for (id, revision) in asked.into_iter().zip(revisions) {
            assert_eq!(found(&*log, &[id]).await, [revision], "{id}");
        }
        let each = (served.server().faults().reads() - before) / asked.len();
        assert!(each <= 20, "{each} reads a lookup");
        assert_eq!(found(&*log, &asked).await, revisions);
        for known in [source_id(0), source_id(69_990), late[2]] {
            let repeated = log.append(batch(stream(1), 13_003, known, &["again"])).await;
            assert_eq!(repeated, Err(AppendError::CommandKnown(known)));
        }
        let window = log.ledger_window(stream(1), 100_000).await.unwrap();
        assert!(window.ids.len() > 3000 && window.floor == window.ids.last().copied());
    }
    // A late id that is new is appended, and known from then on.
    let log = served.log();
    must_append(&*log, batch(stream(1), 13_003, source_id(33), &["late"])).await;
    let again = served.log().append(batch(stream(1), 13_004, source_id(33), &["late"])).await;
    assert_eq!(again, Err(AppendError::CommandKnown(source_id(33))));
}

/// A note of an append that never came to be names a record of somebody else's.
#[tokio::test(flavor = "multi_thread")]
async fn a_note_without_its_append_means_nothing() {
    let served = Served::double();
    let log = served.log();
    let ids = |from: u64| (from..from + 1000).map(|number| source_id(10 * number)).collect::<Vec<_>>();
    for number in 1..7 {
        append_many(&*log, (number - 1) * 1000, &ids(number * 1000)).await;
    }
    // The note goes through, what it is of does not.
    let faults = served.server().faults();
    let refused = [None].into_iter().chain([Some(octocity_eventstoredb_double::AppendFault::Unavailable); 5]);
    faults.appends(refused);
    assert!(log.append(batch(stream(1), 6000, source_id(3), &["never"])).await.is_err());
    must_append(&*log, batch(stream(1), 6000, source_id(90_000), &["another's"])).await;
    assert_eq!(found(&*log, &[source_id(3)]).await, [None]);
    must_append(&*log, batch(stream(1), 6001, source_id(3), &["now"])).await;
    assert_eq!(found(&*served.log(), &[source_id(3)]).await, [Some(6001)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_read_by_their_revision_among_commands_without_events() {
    let served = Served::double();
    let log = served.log();
    let mut id = 0;
    for revision in 0..14 {
        for _ in 0..revision % 4 {
            id += 1;
            let refused = LedgerEntry { refusal: Some(b"{}".to_vec()), ..entry(client_id(id), revision, 0) };
            let entries = vec![refused];
            must_append(&*log, Append { stream: stream(1), expected: revision, events: Vec::new(), entries })
                .await;
        }
        id += 1;
        must_append(&*log, batch(stream(1), revision, client_id(id), &["one"])).await;
    }
    let all = log.read_stream(stream(1), 0, 1000).await.unwrap();
    assert_eq!(all.iter().map(|event| event.revision).collect::<Vec<_>>(), (0..14).collect::<Vec<_>>());
    for log in [log, served.log()] {
        let before = served.server().faults().reads();
        for from in 0..16 {
            let revisions = |events: Vec<octocity_log::RecordedEvent>| {
                events.iter().map(|event| event.revision).collect::<Vec<_>>()
            };
            let read = revisions(log.read_stream(stream(1), from, 3).await.unwrap());
            assert_eq!(read, (from..14).take(3).collect::<Vec<_>>());
            let back = revisions(log.read_stream_back(stream(1), from, 3).await.unwrap());
            assert_eq!(back, (0..from.min(14)).rev().take(3).collect::<Vec<_>>());
        }
        let each = (served.server().faults().reads() - before) / 32;
        assert!(each <= 8, "{each} reads a page");
    }
}
