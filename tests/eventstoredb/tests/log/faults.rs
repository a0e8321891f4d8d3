//! An answer that is lost, a node that is no leader, two nodes at one stream.

use std::time::Duration;

use octocity_adapters::eventstoredb::{EventStoreLog, EventStoreOptions};
use octocity_eventstoredb_double::AppendFault;
use octocity_log::contract::{batch, client_id, entry, event, fill, must_append, stream};
use octocity_log::{Append, AppendError, EventLog, LogError};

use crate::storage::{Served, quick};

#[tokio::test(flavor = "multi_thread")]
async fn what_was_stored_while_its_answer_was_lost_stands_once() {
    let served = Served::double();
    let faults = served.server().faults();
    let options = EventStoreOptions { deadline: Duration::from_secs(2), ..quick() };
    let log = EventStoreLog::open(&served.server().connection_string(), options).await.unwrap();
    let lost =
        [AppendFault::AnswerLost, AppendFault::TimedOutAfter, AppendFault::Silence, AppendFault::Unavailable];
    for (revision, fault) in (0..).zip(lost) {
        faults.appends([Some(fault)]);
        let appended = must_append(&log, batch(stream(1), revision, client_id(revision), &["once"])).await;
        assert_eq!(appended.next_revision, revision + 1, "{fault:?}");
        assert_eq!(*log.head().borrow(), appended.positions[0], "{fault:?}");
    }
    // Lost, and another node is faster before it is asked again.
    faults.appends([Some(AppendFault::AnswerLost), Some(AppendFault::AnswerLost)]);
    must_append(&log, batch(stream(1), 4, client_id(4), &["once", "more"])).await;
    let read = log.read_stream(stream(1), 0, 100).await.unwrap();
    assert_eq!(read.iter().map(|event| event.revision).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5]);
    assert_eq!(log.read_all(Default::default(), 100, &[], &[]).await.unwrap().events, read);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_bounded_attempts_the_fault_is_told_and_the_id_finds_out() {
    let served = Served::double();
    let faults = served.server().faults();
    let log = served.log();
    faults.appends([Some(AppendFault::Unavailable); 5]);
    let refused = log.append(batch(stream(1), 0, client_id(1), &["a"])).await;
    assert!(matches!(refused, Err(AppendError::Log(LogError::Unavailable(_)))), "{refused:?}");
    must_append(&*log, batch(stream(1), 0, client_id(1), &["a"])).await;
    faults.appends([Some(AppendFault::AnswerLost); 5]);
    let unknown = log.append(batch(stream(1), 1, client_id(2), &["b"])).await;
    assert!(matches!(unknown, Err(AppendError::Log(LogError::Unavailable(_)))), "{unknown:?}");
    let repeated = log.append(batch(stream(1), 1, client_id(2), &["b, decided again"])).await;
    assert_eq!(repeated, Err(AppendError::WrongRevision { actual: 2 }));
    let repeated = log.append(batch(stream(1), 2, client_id(2), &["b"])).await;
    assert_eq!(repeated, Err(AppendError::CommandKnown(client_id(2))));
    assert_eq!(log.read_stream(stream(1), 0, 10).await.unwrap().len(), 2);
    faults.fail_reads(2);
    assert_eq!(log.read_stream(stream(1), 0, 10).await.unwrap().len(), 2, "a read is asked again");
    faults.fail_reads(100);
    assert!(matches!(log.read_stream(stream(1), 0, 10).await, Err(LogError::Unavailable(_))));
    assert!(matches!(log.failure(), Some(LogError::Unavailable(_))));
    assert_eq!(log.counters().failed_commits, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_names_the_leader_and_the_log_goes_there() {
    let (leader, follower) = (Served::double(), Served::double());
    follower.server().faults().follow(Some(("127.0.0.1", leader.server().address().port())));
    let log = follower.log();
    fill(&*log, stream(1), 0, 3).await;
    assert_eq!(leader.log().read_stream(stream(1), 0, 10).await.unwrap().len(), 3);
    // The leader changes while the log is in use.
    let (first, second) = (Served::double(), leader);
    second.server().faults().appends([]);
    let log = second.log();
    second.server().faults().follow(Some(("127.0.0.1", first.server().address().port())));
    must_append(&*log, batch(stream(9), 0, client_id(1), &["a"])).await;
    assert_eq!(first.log().read_stream(stream(9), 0, 10).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_nodes_that_are_named_are_asked_in_turn_when_one_is_gone() {
    let served = Served::double();
    let other = served.server().another_node().await.unwrap();
    let (one, two) = (served.server().address(), other.address());
    // Nobody listens at the first, and a follower names a leader that is gone.
    other.faults().follow(Some(("127.0.0.1", 1)));
    let log =
        EventStoreLog::open(&format!("esdb://127.0.0.1:1,{two},{one}?tls=false"), quick()).await.unwrap();
    must_append(&log, batch(stream(1), 0, client_id(1), &["a"])).await;
    // The leader changes, and the new one stops answering.
    served.server().faults().follow(Some(("127.0.0.1", two.port())));
    other.faults().follow(None);
    must_append(&log, batch(stream(1), 1, client_id(2), &["b"])).await;
    served.server().faults().follow(None);
    other.faults().appends([Some(AppendFault::Unavailable); 50]);
    must_append(&log, batch(stream(1), 2, client_id(3), &["c"])).await;
    assert_eq!(log.read_stream(stream(1), 0, 10).await.unwrap().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_at_one_stream_see_each_others_commands() {
    let served = Served::double();
    let (one, two) = (served.log(), served.log());
    must_append(&*one, batch(stream(1), 0, client_id(1), &["a"])).await;
    must_append(&*two, batch(stream(1), 1, client_id(2), &["b"])).await;
    let behind = one.append(batch(stream(1), 1, client_id(3), &["c"])).await;
    assert_eq!(behind, Err(AppendError::WrongRevision { actual: 2 }));
    let known = one.append(batch(stream(1), 2, client_id(2), &["b"])).await;
    assert_eq!(known, Err(AppendError::CommandKnown(client_id(2))));
    // A refusal leaves the events as they are: what was decided on them still holds.
    must_append(&*two, batch(stream(1), 2, client_id(4), &[])).await;
    must_append(&*one, batch(stream(1), 2, client_id(5), &["d"])).await;
    must_append(&*one, batch(stream(1), 3, client_id(6), &[])).await;
    let known = two.append(batch(stream(1), 3, client_id(6), &[])).await;
    assert_eq!(known, Err(AppendError::CommandKnown(client_id(6))));
    assert_eq!(two.ledger_window(stream(1), 10).await.unwrap().ids, [6, 5, 4, 2, 1].map(client_id));
    assert_eq!(two.read_stream(stream(1), 2, 10).await.unwrap().len(), 1);
}

/// Two nodes decide the same command on the same state: only one of the decisions is told.
#[tokio::test(flavor = "multi_thread")]
async fn another_decision_on_the_same_command_is_not_taken_for_its_own() {
    let served = Served::double();
    let (one, two) = (served.log(), served.log());
    must_append(&*one, batch(stream(1), 0, client_id(1), &["decided at one"])).await;
    let rival = two.append(batch(stream(1), 0, client_id(1), &["decided at the other"])).await;
    assert_eq!(rival, Err(AppendError::WrongRevision { actual: 1 }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_larger_than_one_append_goes_in_parts_of_whole_commands() {
    let served = Served::double();
    let log = served.log();
    let text = "x".repeat(300_000);
    let ids: Vec<_> = (0..8).map(client_id).collect();
    let events = ids.iter().flat_map(|id| [event(*id, "Noted", &text), event(*id, "Noted", "end")]).collect();
    let entries = (0..).zip(&ids).map(|(number, id)| entry(*id, 2 * number, 2)).collect();
    let appended = must_append(&*log, Append { stream: stream(1), expected: 0, events, entries }).await;
    assert_eq!((appended.positions.len(), appended.next_revision), (8, 16));
    assert!(appended.positions.is_sorted());
    assert_eq!(log.read_stream(stream(1), 0, 100).await.unwrap().len(), 16);
    assert!(log.ledger_entries(stream(1), &ids).await.unwrap().iter().all(Option::is_some));
    let huge = log.append(batch(stream(1), 16, client_id(20), &[&"x".repeat(1_100_000)])).await;
    assert_eq!(huge, Err(AppendError::TooLarge));
    let events = ["small", &"x".repeat(700_000), &"x".repeat(1_100_000)];
    let ids = [21, 22, 23].map(client_id);
    let beside = Append {
        stream: stream(1),
        expected: 16,
        events: ids.iter().zip(events).map(|(id, text)| event(*id, "Noted", text)).collect(),
        entries: (16..).zip(&ids).map(|(revision, id)| entry(*id, revision, 1)).collect(),
    };
    assert_eq!(log.append(beside).await, Err(AppendError::TooLarge));
    assert_eq!(log.read_stream(stream(1), 16, 1).await.unwrap(), [], "nothing of it is stored");
    assert_eq!(log.failure(), None, "others are stored");
}
