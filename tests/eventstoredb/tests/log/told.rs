//! What the subscription has told is not asked for again, and what it has not told is.

use std::time::Duration;

use eventstore::{AppendToStreamOptions, Client, ClientSettings, EventData};
use octocity_domain::Category;
use octocity_eventstoredb_double::Cut;
use octocity_log::contract::{batch, client_id, fill, must_append, stream};
use octocity_log::{EventLog, LogError, Position};

use crate::storage::Served;
use crate::subscription::{head_of, reaches};

const STREAMS: u64 = 50;
/// Fewer reads than this answer twenty times as many questions as there are streams.
const FEW: usize = 2 * STREAMS as usize;

/// Everything after a position, in pages of so many events.
async fn all_after(log: &dyn EventLog, after: Position, limit: usize) -> Vec<(Position, u64)> {
    let (mut all, mut next) = (Vec::new(), after);
    while next < head_of(log) {
        let page = log.read_all(next, limit, &[], &[]).await.unwrap();
        assert!(page.next > next, "a page behind the head goes on");
        all.extend(page.events.iter().map(|event| (event.position, event.revision)));
        next = page.next;
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_whether_a_stream_went_on_sees_what_another_node_appended_before() {
    let served = Served::double();
    let (one, two) = (served.log(), served.log());
    fill(&*one, stream(1), 0, 1).await;
    assert_eq!(two.read_stream(stream(1), 0, 10).await.unwrap().len(), 1);
    for revision in 1..200 {
        assert!(two.read_stream(stream(1), revision, 1).await.unwrap().is_empty());
        match revision % 40 {
            10 => served.server().faults().cut_subscriptions(Cut::Unavailable),
            20 => served.server().faults().hush(true),
            30 => served.server().faults().hush(false),
            _ => {}
        }
        if revision % 7 == 0 {
            must_append(&*one, batch(stream(1), revision, client_id(1_000 + revision), &[])).await;
        }
        must_append(&*one, batch(stream(1), revision, client_id(2_000 + revision), &["a"])).await;
        let read = two.read_stream(stream(1), revision, 1).await.unwrap();
        assert_eq!(read.iter().map(|event| event.revision).collect::<Vec<_>>(), [revision]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_who_ask_whether_their_streams_went_on_share_a_look() {
    let served = Served::double();
    let log = served.log();
    for number in 1..=STREAMS {
        must_append(&*log, batch(stream(number.into()), 0, client_id(number), &["a"])).await;
    }
    reaches(&*log, head_of(&*log)).await;
    let mut fewest = usize::MAX;
    // Whoever waits for long asks alone: a machine that stood still shows nothing.
    for _ in 0..10 {
        let before = served.server().faults().reads();
        let asked = (0..20 * STREAMS).map(|number| {
            let log = log.clone();
            tokio::spawn(async move { log.read_stream(stream((number % STREAMS + 1).into()), 1, 1).await })
        });
        for answer in asked.collect::<Vec<_>>() {
            assert!(answer.await.unwrap().unwrap().is_empty());
        }
        fewest = fewest.min(served.server().faults().reads() - before);
        if fewest < FEW {
            break;
        }
    }
    assert!(fewest < FEW, "{fewest} reads answered {} questions", 20 * STREAMS);
}

#[tokio::test(flavor = "multi_thread")]
async fn followers_ask_the_server_for_nothing_that_it_has_told() {
    let served = Served::double();
    let (one, two) = (served.log(), served.log());
    for round in 0..3 {
        let after = head_of(&*two);
        for number in 1..=STREAMS {
            must_append(
                &*one,
                batch(stream(number.into()), 2 * round, client_id(100 * round + number), &["a", "b"]),
            )
            .await;
            if number == STREAMS / 2 {
                served.server().faults().cut_subscriptions(Cut::Clean);
            }
        }
        reaches(&*two, head_of(&*one)).await;
        // Whoever comes now was told nothing of it.
        let asked = all_after(&*served.log(), after, 1_000).await;
        assert_eq!(asked.len(), 2 * STREAMS as usize);
        let before = served.server().faults().reads();
        for limit in [1, 7, 1_000] {
            assert_eq!(all_after(&*two, after, limit).await, asked);
        }
        let none = two.read_all(after, 10, &[Category::Payment], &[]).await.unwrap();
        assert_eq!((none.events.len(), none.next), (0, head_of(&*two)));
        assert_eq!(served.server().faults().reads(), before);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_silent_subscription_does_not_tell_is_asked_for() {
    let served = Served::double();
    let log = served.log();
    fill(&*log, stream(1), 0, 3).await;
    reaches(&*log, head_of(&*log)).await;
    served.server().faults().hush(true);
    let after = head_of(&*log);
    must_append(&*log, batch(stream(1), 3, client_id(10), &["a"])).await;
    let read = tokio::time::timeout(Duration::from_secs(5), log.read_all(after, 10, &[], &[])).await;
    assert_eq!(read.expect("nobody waits for it").unwrap().events.len(), 1);
    assert_eq!(log.read_stream(stream(1), 3, 1).await.unwrap().len(), 1);
    assert!(log.read_stream(stream(1), 4, 1).await.unwrap().is_empty());
}

/// Whatever version wrote it: it is never passed over.
#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_cannot_be_read_is_told_to_whoever_comes_to_it() {
    let served = Served::double();
    let log = served.log();
    fill(&*log, stream(1), 0, 3).await;
    let before = head_of(&*log);
    reaches(&*log, before).await;
    let client: ClientSettings = served.server().connection_string().parse().unwrap();
    let client = Client::new(client).unwrap();
    let damaged = EventData::json("VehicleEntered", &1).unwrap();
    let name = stream(1).to_string();
    client.append_to_stream(name, &AppendToStreamOptions::default(), damaged).await.unwrap();
    let mut head = log.head();
    let moved = head.wait_for(|head| *head > before);
    tokio::time::timeout(Duration::from_secs(60), moved).await.expect("the head follows").unwrap();
    for _ in 0..2 {
        let read = log.read_all(before, 10, &[], &[]).await;
        assert!(matches!(read, Err(LogError::Damaged(_))), "{read:?}");
        assert!(matches!(log.read_stream(stream(1), 3, 10).await, Err(LogError::Damaged(_))));
    }
}
