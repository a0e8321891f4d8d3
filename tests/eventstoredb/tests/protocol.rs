//! The server as EventStoreDB's own client meets it.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use eventstore::{
    CurrentRevision, Error, EventData, Position, ReadAllOptions, ReadStreamOptions, StreamPosition,
    StreamState, SubscribeToAllOptions, SubscriptionEvent, SubscriptionFilter,
};
use support::{Server, append, event, expecting, types};

#[tokio::test]
async fn an_append_is_held_to_its_expected_version() {
    let server = Server::start().await;
    let wrong = append(&server, "a-1", StreamState::StreamRevision(0), vec![event(1, "One")]).await;
    let expected = Error::WrongExpectedVersion {
        expected: StreamState::StreamRevision(0),
        current: CurrentRevision::NoStream,
    };
    assert_eq!(wrong.unwrap_err().to_string(), expected.to_string());
    let first = append(&server, "a-1", StreamState::NoStream, vec![event(1, "One"), event(2, "Two")]).await;
    let first = first.unwrap();
    assert_eq!(first.next_expected_version, 1);
    let behind = append(&server, "a-1", StreamState::NoStream, vec![event(3, "Three")]).await;
    assert!(matches!(behind, Err(Error::WrongExpectedVersion { current: CurrentRevision::Current(1), .. })));
    let next = append(&server, "a-1", StreamState::StreamRevision(1), vec![event(3, "Three")]).await.unwrap();
    assert_eq!(next.next_expected_version, 2);
    assert!(next.position.commit > first.position.commit);
    assert!(append(&server, "b-1", StreamState::StreamExists, vec![event(4, "Four")]).await.is_err());
    append(&server, "a-1", StreamState::Any, vec![event(4, "Four")]).await.unwrap();
    assert_eq!(types(&server.read("a-1", 0, 10).await), ["One", "Two", "Three", "Four"]);
}

#[tokio::test]
async fn the_same_batch_is_stored_once_and_answered_twice() {
    let server = Server::start().await;
    let batch = || vec![event(1, "One"), event(2, "Two")];
    let first = append(&server, "a-1", StreamState::NoStream, batch()).await.unwrap();
    append(&server, "a-1", StreamState::StreamRevision(1), vec![event(3, "Three")]).await.unwrap();
    for state in [StreamState::NoStream, StreamState::Any] {
        let again = append(&server, "a-1", state, batch()).await.unwrap();
        assert_eq!((again.next_expected_version, again.position), (1, first.position));
    }
    let half = vec![event(1, "One"), event(9, "Other")];
    let corrupt = append(&server, "a-1", StreamState::NoStream, half).await;
    assert!(matches!(corrupt, Err(Error::Grpc { .. })), "{corrupt:?}");
    let moved = append(&server, "a-1", StreamState::StreamRevision(2), batch()).await.unwrap();
    assert_eq!(moved.next_expected_version, 4, "at another revision the ids alone do not deduplicate");
}

#[tokio::test]
async fn a_stream_is_read_both_ways() {
    let server = Server::start().await;
    let missing = server.client.read_stream("a-1", &ReadStreamOptions::default()).await.unwrap().next().await;
    assert!(matches!(missing, Err(Error::ResourceNotFound)));
    let events = (1..=600).map(|number| event(number, &format!("T{number}"))).collect();
    append(&server, "a-1", StreamState::NoStream, events).await.unwrap();
    let read = server.read("a-1", 298, 4).await;
    assert_eq!(types(&read), ["T299", "T300", "T301", "T302"]);
    assert_eq!(read.iter().map(|event| event.revision).collect::<Vec<_>>(), [298, 299, 300, 301]);
    assert_eq!(server.read("a-1", 0, 10_000).await.len(), 600);
    assert!(server.read("a-1", 600, 5).await.is_empty());
    let back = ReadStreamOptions::default().backwards();
    let last = server.read_with("a-1", &back.clone().position(StreamPosition::End).max_count(2)).await;
    assert_eq!(types(&last), ["T600", "T599"]);
    let earlier = server.read_with("a-1", &back.position(StreamPosition::Position(1)).max_count(5)).await;
    assert_eq!(types(&earlier), ["T2", "T1"]);
}

#[tokio::test]
async fn all_is_read_both_ways_and_filtered() {
    let server = Server::start().await;
    let events = |numbers: std::ops::Range<u64>| numbers.map(|number| event(number, &format!("T{number}")));
    for hundred in [0, 100, 200] {
        let (before, after) = (hundred..hundred + 7, hundred + 8..hundred + 100);
        append(&server, "many-1", StreamState::Any, events(before).collect()).await.unwrap();
        append(&server, "rare-1", StreamState::Any, events(hundred + 7..hundred + 8).collect())
            .await
            .unwrap();
        append(&server, "many-1", StreamState::Any, events(after).collect()).await.unwrap();
    }
    let all = server.read_all(&ReadAllOptions::default()).await;
    assert_eq!(all.len(), 300);
    assert!(all.windows(2).all(|pair| pair[0].position.commit < pair[1].position.commit));
    assert!(all[0].position.commit > 0);
    let rare = SubscriptionFilter::on_stream_name().add_prefix("rare-");
    let found = server.read_all(&ReadAllOptions::default().filter(rare.clone())).await;
    assert_eq!(types(&found), ["T7", "T107", "T207"]);
    let last = ReadAllOptions::default().position(StreamPosition::End).filter(rare).max_count(1);
    assert_eq!(types(&server.read_all(&last).await), ["T207"]);
    let by_type = SubscriptionFilter::on_event_type().regex("^(?:T1|T299)$");
    let from = StreamPosition::Position(all[2].position);
    let on = ReadAllOptions::default().position(from);
    assert_eq!(types(&server.read_all(&on.clone().filter(by_type)).await), ["T299"]);
    assert_eq!(
        types(&server.read_all(&on.clone().max_count(2)).await),
        ["T2", "T3"],
        "the position is included"
    );
    assert_eq!(types(&server.read_all(&on.backwards()).await), ["T1", "T0"], "backwards it is not");
    let nowhere = Position { commit: all[2].position.commit + 1, prepare: all[2].position.commit + 1 };
    let invalid = ReadAllOptions::default().position(StreamPosition::Position(nowhere));
    assert!(matches!(server.client.read_all(&invalid).await, Err(Error::ServerError(_))));
}

#[tokio::test]
async fn a_filtered_subscription_tells_what_is_there_then_what_comes() {
    let server = Server::start().await;
    for (stream, numbers) in [("many-1", 0..70), ("rare-1", 70..71), ("many-1", 71..100)] {
        let events = numbers.map(|number| event(number, "T")).collect();
        append(&server, stream, StreamState::Any, events).await.unwrap();
    }
    let filter = SubscriptionFilter::on_stream_name().add_prefix("rare-");
    let options = SubscribeToAllOptions::default().filter(filter);
    let mut subscription = server.client.subscribe_to_all(&options).await;
    let (mut checkpoints, mut found) = (Vec::new(), Vec::new());
    loop {
        match subscription.next_subscription_event().await.unwrap() {
            SubscriptionEvent::Confirmed(_) => assert!(checkpoints.is_empty() && found.is_empty()),
            SubscriptionEvent::Checkpoint(position) => checkpoints.push(position.commit),
            SubscriptionEvent::EventAppeared(event) => found.push(event.get_original_event().position.commit),
            SubscriptionEvent::CaughtUp(_) => break,
            _ => panic!("nothing else is told"),
        }
    }
    assert_eq!((checkpoints.len(), found.len()), (3, 1), "a checkpoint after every 32");
    assert!(checkpoints.is_sorted());
    append(&server, "rare-1", StreamState::Any, vec![event(200, "T")]).await.unwrap();
    let live = subscription.next_subscription_event().await.unwrap();
    assert!(matches!(live, SubscriptionEvent::EventAppeared(_)));
    let after = StreamPosition::Position(Position { commit: found[0], prepare: found[0] });
    let mut resumed = server.client.subscribe_to_all(&options.position(after)).await;
    assert_eq!(
        resumed.next().await.unwrap().get_original_event().id,
        support::id(200),
        "its own is left out"
    );
}

#[tokio::test]
async fn a_batch_that_is_too_large_is_refused_whole() {
    let server = Server::start().await;
    let large = |number| EventData::json("Large", &"x".repeat(600_000)).unwrap().id(support::id(number));
    let refused = append(&server, "a-1", StreamState::NoStream, vec![large(1), large(2)]).await;
    assert!(refused.unwrap_err().to_string().contains("Maximum Append Size"));
    append(&server, "a-1", StreamState::NoStream, vec![large(1)]).await.unwrap();
}

#[tokio::test]
async fn others_than_its_user_are_refused() {
    let server = Server::start_with(Some(("admin", "changeit"))).await;
    let refused = append(&server, "a-1", StreamState::NoStream, vec![event(1, "One")]).await;
    assert!(matches!(refused, Err(Error::AccessDenied)));
    let client = server.client_of("admin:changeit@").await;
    client.append_to_stream("a-1", &expecting(StreamState::NoStream), event(1, "One")).await.unwrap();
}
