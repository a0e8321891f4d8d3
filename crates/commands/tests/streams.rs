//! Stream actors: durability before replies, two owners, snapshots, full queues.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::join_all;
use octocity_commands::{CommandError, Handler, HandlerOptions, Outcome};
use octocity_domain::parking::{Direction, ParkingCommand, ParkingRefusal, ParkingState};
use octocity_log::{LogError, MemorySnapshots, SnapshotStore, StreamId};
use support::held_log::HeldLog;
use support::*;

/// Lets every task that can go on go on.
async fn settle() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}

fn held(world: &World, options: HandlerOptions) -> (HeldLog, Arc<Handler>) {
    let log = HeldLog::new(world.log.clone());
    let handler = Handler::new(Arc::new(log.clone()), None, world.clock.clone(), options);
    (log, handler)
}

#[tokio::test]
async fn no_reply_of_any_kind_leaves_before_it_is_durable() {
    let world = World::new().await;
    let (log, handler) = held(&world, HandlerOptions::default());
    let send = |command| {
        let (handler, facility, submission) = (handler.clone(), world.facility, world.submit(command));
        tokio::spawn(async move { handler.parking(facility, submission).await })
    };
    let entry = send(enter("gate", "B-1"));
    settle().await;
    let wrong = send(exit("gate", "X-9"));
    let read = tokio::spawn({
        let (handler, facility) = (handler.clone(), world.facility);
        async move { handler.look_at_parking(facility, |state| state.pool(pool()).inside()).await }
    });
    settle().await;
    assert!(!entry.is_finished() && !wrong.is_finished() && !read.is_finished());
    log.permits.add_permits(9);
    assert!(matches!(entry.await.unwrap().unwrap().outcome, Outcome::Accepted(_)));
    assert_eq!(refused(wrong.await.unwrap()), ParkingRefusal::CredentialUnknown);
    assert_eq!(read.await.unwrap().unwrap(), 1);
}

#[tokio::test]
async fn those_who_ask_at_once_look_at_a_shared_log_once() {
    let world = World::new().await;
    let (log, handler) = held(&world, HandlerOptions { sole_owner: false, ..HandlerOptions::default() });
    handler.plan(world.facility).await.unwrap();
    let before = log.reads.load(Ordering::Relaxed);
    for plan in join_all((0..50).map(|_| handler.plan(world.facility))).await {
        assert!(plan.unwrap().is_some());
    }
    assert_eq!(log.reads.load(Ordering::Relaxed), before + 1);
}

#[tokio::test]
async fn waiting_commands_are_one_append() {
    let world = World::new().await;
    let (log, handler) = held(&world, HandlerOptions::default());
    let sends: Vec<_> = (0..100)
        .map(|number| {
            let submission = world.submit(passage(Some(&format!("P-{number}")), Direction::Entry, MORNING));
            let (handler, facility) = (handler.clone(), world.facility);
            tokio::spawn(async move { handler.parking(facility, submission).await })
        })
        .collect();
    settle().await;
    // One append for the first to come, and one for all that queued meanwhile.
    log.permits.add_permits(2);
    for send in sends {
        accepted(send.await.unwrap());
    }
    assert_eq!(world.count("VehicleEntered").await, 100);
}

#[tokio::test]
async fn only_the_command_that_is_too_large_for_the_log_is_told_so() {
    let world = World::new().await;
    let (log, handler) = held(&world, HandlerOptions::default());
    log.permits.add_permits(9);
    let submissions: Vec<_> = ["B-1", "B-2", "B-3"]
        .map(|plate| world.submit(passage(Some(plate), Direction::Entry, MORNING)))
        .into_iter()
        .collect();
    *log.too_large.lock().unwrap() = Some(submissions[1].command_id);
    let mut replies = handler.parking_in_order(world.facility, submissions).await;
    assert!(matches!(replies.remove(1), Err(CommandError::TooLarge)));
    replies.into_iter().for_each(|reply| drop(accepted(reply)));
    assert_eq!(world.count("VehicleEntered").await, 2);
}

#[tokio::test]
async fn a_repeat_that_cannot_be_read_back_faults_alone() {
    let world = World::new().await;
    let (log, handler) = held(&world, HandlerOptions::default());
    log.permits.add_permits(2);
    let (unread, known) = (world.submit(enter("gate", "B-1")), world.submit(enter("gate", "B-2")));
    for submission in [&unread, &known] {
        accepted(handler.parking(world.facility, submission.clone()).await);
    }
    *log.garbled.lock().unwrap() = Some(unread.command_id);
    let news = world.submit(enter("gate", "B-3"));
    // Held, so that what comes meanwhile is one batch.
    let first = world.submit(enter("gate", "B-4"));
    let sends: Vec<_> = [first, unread, known, news]
        .into_iter()
        .map(|submission| {
            let (handler, facility) = (handler.clone(), world.facility);
            tokio::spawn(async move { handler.parking(facility, submission).await })
        })
        .collect();
    settle().await;
    log.permits.add_permits(2);
    let mut replies = Vec::new();
    for send in sends {
        replies.push(send.await.unwrap());
    }
    assert!(matches!(replies[1], Err(CommandError::Log(LogError::Damaged(_)))), "{:?}", replies[1]);
    assert!(replies[2].as_ref().unwrap().repeated);
    for reply in [replies.remove(3), replies.remove(0)] {
        accepted(reply);
    }
}

#[tokio::test]
async fn a_full_queue_says_busy_and_stores_nothing() {
    let world = World::new().await;
    let options = HandlerOptions { queue: 2, ..HandlerOptions::default() };
    let (log, handler) = held(&world, options);
    handler.plan(world.facility).await.unwrap();
    let mut sends = Vec::new();
    for number in 0..6 {
        let submission = world.submit(passage(Some(&format!("P-{number}")), Direction::Entry, MORNING));
        let (handler, facility) = (handler.clone(), world.facility);
        sends.push(tokio::spawn(async move { handler.parking(facility, submission).await }));
        settle().await;
    }
    log.permits.add_permits(9);
    let mut busy = 0;
    for send in sends {
        busy += usize::from(matches!(send.await.unwrap(), Err(CommandError::Busy)));
    }
    assert_eq!(busy, 3, "one is being appended, two wait");
    assert_eq!(world.count("VehicleEntered").await, 3);
}

#[tokio::test]
async fn a_stream_that_was_let_go_while_it_appends_is_read_after_that() {
    let world = World::new().await;
    let (log, handler) = held(&world, HandlerOptions { live_streams: 1, ..HandlerOptions::default() });
    let submission = world.submit(enter("gate", "B-1"));
    let entry = tokio::spawn({
        let (handler, facility) = (handler.clone(), world.facility);
        async move { handler.parking(facility, submission).await }
    });
    settle().await;
    // Another stream takes the room of this one, whose append is under way.
    let other = octocity_domain::FacilityId::new(uuid::Uuid::from_u128(8));
    handler.look_at_parking(other, |_| ()).await.unwrap();
    let read = tokio::spawn({
        let (handler, facility) = (handler.clone(), world.facility);
        async move { handler.look_at_parking(facility, |state| state.pool(pool()).inside()).await }
    });
    settle().await;
    assert!(!entry.is_finished() && !read.is_finished());
    log.permits.add_permits(1);
    accepted(entry.await.unwrap());
    assert_eq!(read.await.unwrap().unwrap(), 1);
}

#[tokio::test]
async fn two_owners_of_one_stream_never_grant_a_place_twice() {
    let world = World::new().await;
    let places = ParkingCommand::SetPoolCapacity { pool: pool(), places: Some(10) };
    accepted(world.park(world.submit(places)).await);
    let other = world.another_handler();
    let mut admitted = 0;
    for number in 0..20 {
        let handler = if number % 2 == 0 { &world.handler } else { &other };
        let submission = world.submit(enter("gate", &format!("P-{number}")));
        let reply = handler.parking(world.facility, submission).await.unwrap();
        admitted += usize::from(matches!(reply.outcome, Outcome::Accepted(_)));
    }
    // One place is the book's.
    assert_eq!(admitted, 9);
    assert_eq!(world.count("VehicleEntered").await, 9);
}

#[tokio::test]
async fn an_id_sent_to_two_owners_is_decided_once() {
    let world = World::new().await;
    let other = world.another_handler();
    // Both have the state in memory, so that the second one's is stale.
    other.parking(world.facility, world.submit(exit("gate", "X-1"))).await.unwrap();
    world.park(world.submit(exit("gate", "X-2"))).await.unwrap();
    let submission = world.submit(enter("gate", "B-1"));
    let first = world.park(submission.clone()).await.unwrap();
    let again = other.parking(world.facility, submission).await.unwrap();
    assert!(again.repeated);
    assert_eq!((again.outcome, again.position), (first.outcome, first.position));
    assert_eq!(world.count("VehicleEntered").await, 1);
}

#[tokio::test]
async fn a_snapshot_and_its_tail_equal_the_whole_fold() {
    let snapshots = MemorySnapshots::default();
    let options = HandlerOptions { snapshot_every: 10, ..HandlerOptions::default() };
    let world = World::with_options(options.clone(), Some(Arc::new(snapshots.clone()))).await;
    for number in 0..37 {
        let text = format!("P-{}", number % 9);
        let direction = if number % 3 == 2 { Direction::Exit } else { Direction::Entry };
        let at = MORNING.plus_seconds(number);
        accepted(world.park(world.submit(passage(Some(&text), direction, at))).await);
        settle().await;
    }
    let stream = StreamId::new(octocity_domain::Category::Parking, world.facility.uuid());
    let saved = snapshots.load(stream).await.unwrap().expect("a snapshot");
    assert!(saved.next_revision >= 10);
    let from_snapshot =
        Handler::new(Arc::new(world.log.clone()), Some(Arc::new(snapshots)), world.clock.clone(), options);
    let whole = world.another_handler();
    let json = |state: &ParkingState| serde_json::to_value(state).unwrap();
    let expected = whole.look_at_parking(world.facility, json).await.unwrap();
    assert_eq!(from_snapshot.look_at_parking(world.facility, json).await.unwrap(), expected);
    assert_eq!(world.handler.look_at_parking(world.facility, json).await.unwrap(), expected);
}

#[tokio::test(start_paused = true)]
async fn an_idle_stream_leaves_the_memory_and_comes_back() {
    let world = World::new().await;
    world.enter("B-1").await;
    tokio::time::sleep(Duration::from_secs(301)).await;
    world.log.fail_reads(1);
    let read = world.handler.look_at_parking(world.facility, |state| state.pool(pool()).inside()).await;
    assert!(read.is_err(), "the state was read anew, and that read failed");
    world.enter("B-2").await;
    let read = world.handler.look_at_parking(world.facility, |state| state.pool(pool()).inside()).await;
    assert_eq!(read.unwrap(), 2);
}

#[tokio::test]
async fn many_streams_share_a_bounded_memory() {
    let options = HandlerOptions { live_streams: 3, ..HandlerOptions::default() };
    let world = World::with_options(options, None).await;
    for number in 0..20_u128 {
        let visit = octocity_domain::VisitId::new(uuid::Uuid::from_u128(number));
        world.handler.session_state(visit).await.unwrap();
    }
    world.enter("B-1").await;
    assert_eq!(world.count("VehicleEntered").await, 1);
}
