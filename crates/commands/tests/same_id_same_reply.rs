//! The ledger of command ids, on the log in memory.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use octocity_commands::{CommandError, HandlerOptions, Outcome, Submission};
use octocity_domain::parking::{Credential, Direction, MatchKey, ParkingCommand, ParkingRefusal};
use octocity_domain::{CommandId, Timestamp};
use octocity_log::{Actor, EventLog, Fault, StreamId};
use support::*;
use uuid::Uuid;

#[tokio::test]
async fn an_accepted_command_is_answered_again_and_adds_no_event() {
    let world = World::new().await;
    let submission = world.submit(enter("gate", "B-1"));
    let first = world.park(submission.clone()).await.unwrap();
    let events = world.events().await.len();
    let again = world.park(submission).await.unwrap();
    assert!(matches!(&first.outcome, Outcome::Accepted(events) if events.len() == 2));
    assert!(!first.repeated && again.repeated);
    assert_eq!((first.outcome, first.position), (again.outcome, again.position));
    assert_eq!(world.events().await.len(), events);
}

#[tokio::test]
async fn a_refusal_is_answered_again_though_the_state_has_changed() {
    let world = World::new().await;
    let full = ParkingCommand::SetPoolCapacity { pool: pool(), places: Some(1) };
    accepted(world.park(world.submit(full)).await);
    let submission = world.submit(enter("gate", "B-1"));
    let first = world.park(submission.clone()).await;
    assert_eq!(refused(first), ParkingRefusal::PoolFull { pool: pool() });
    let roomy = ParkingCommand::SetPoolCapacity { pool: pool(), places: Some(9) };
    accepted(world.park(world.submit(roomy)).await);
    let again = world.park(submission).await.unwrap();
    assert!(again.repeated);
    assert_eq!(again.outcome, Outcome::Refused(ParkingRefusal::PoolFull { pool: pool() }));
    world.enter("B-1").await;
}

#[tokio::test]
async fn a_restart_forgets_no_reply() {
    let world = World::new().await;
    let entry = world.submit(enter("gate", "B-1"));
    let wrong = world.submit(exit("gate", "X-9"));
    let first = world.park(entry.clone()).await.unwrap();
    let turned_away = world.park(wrong.clone()).await.unwrap();
    let restarted = world.another_handler();
    let again = restarted.parking(world.facility, entry).await.unwrap();
    assert_eq!((again.outcome, again.position), (first.outcome, first.position));
    let again = restarted.parking(world.facility, wrong).await.unwrap();
    assert!(again.repeated);
    assert_eq!((again.outcome, again.position), (turned_away.outcome, turned_away.position));
}

#[tokio::test]
async fn an_accepted_command_without_events_is_remembered_too() {
    let world = World::new().await;
    let nothing = ParkingCommand::ReleaseHold {
        reservation: id_at(MORNING).reservation(world.facility),
        release: octocity_domain::parking::HoldRelease::Expired,
    };
    let submission = world.submit(nothing);
    let first = world.park(submission.clone()).await.unwrap();
    let again = world.park(submission.clone()).await.unwrap();
    assert_eq!(first.outcome, Outcome::Accepted(Vec::new()));
    assert!(again.repeated && again.outcome == first.outcome);
    let other = Submission { command: enter("gate", "B-1"), ..submission };
    assert_eq!(world.park(other).await.unwrap_err(), CommandError::IdReused);
}

#[tokio::test]
async fn an_id_with_another_body_is_refused_and_changes_nothing() {
    let world = World::new().await;
    let submission = world.submit(enter("gate", "B-1"));
    world.park(submission.clone()).await.unwrap();
    let events = world.events().await.len();
    let other = Submission { command: enter("gate", "B-2"), ..submission };
    assert_eq!(world.park(other).await.unwrap_err(), CommandError::IdReused);
    assert_eq!(world.events().await.len(), events);
}

#[tokio::test]
async fn a_repeat_is_answered_also_by_a_newer_normaliser_of_plates() {
    let world = World::new().await;
    let submission = world.submit(enter("gate", "B-1"));
    let first = world.park(submission.clone()).await.unwrap();
    let mut again = submission;
    let ParkingCommand::EnterGate { credentials, .. } = &mut again.command else { panic!("no entry") };
    let [Credential::Plate(read)] = &mut credentials[..] else { panic!("no plate") };
    (read.match_key, read.normaliser) = (MatchKey("8-1".to_owned()), 2);
    assert_eq!(world.park(again).await.unwrap().outcome, first.outcome);
}

#[tokio::test]
async fn ids_must_be_of_now_and_of_a_known_kind() {
    let world = World::new().await;
    let send =
        async |id: CommandId| world.park(Submission::new(id, Actor::new("test"), enter("gate", "B-1"))).await;
    let retention = HandlerOptions::default().retention_seconds;
    let old = id_at(MORNING.minus_seconds(retention + 1));
    let ahead = id_at(MORNING.plus_seconds(301));
    let random = CommandId::new(Uuid::from_u128(4 << 76 | 2 << 62));
    assert_eq!(send(old).await.unwrap_err(), CommandError::IdExpired);
    assert_eq!(send(ahead).await.unwrap_err(), CommandError::IdFromFuture);
    assert_eq!(send(random).await.unwrap_err(), CommandError::IdInvalid);
    assert!(send(id_at(MORNING.plus_seconds(299))).await.is_ok());
    let derived = CommandId::from_source(Timestamp::from_seconds(1), "aps", "line 1");
    assert!(send(derived).await.is_ok());
}

#[tokio::test]
async fn after_the_retention_an_id_is_refused_rather_than_decided_anew() {
    let world = World::new().await;
    let submission = world.submit(enter("gate", "B-1"));
    world.park(submission.clone()).await.unwrap();
    let derived = CommandId::from_source(MORNING, "aps", "line 1");
    let imported =
        Submission::new(derived, Actor::new("import"), passage(Some("B-2"), Direction::Entry, MORNING));
    world.park(imported.clone()).await.unwrap();
    world.clock.pass_seconds(8 * 86_400);
    assert!(world.handler.prune().await.unwrap() >= 1);
    assert_eq!(world.park(submission).await.unwrap_err(), CommandError::IdExpired);
    assert!(world.park(imported.clone()).await.unwrap().repeated, "a source key is remembered for ever");
    let restarted = world.another_handler();
    assert!(restarted.parking(world.facility, imported).await.unwrap().repeated);
}

#[tokio::test]
async fn a_known_id_is_answered_whatever_the_clock_says_since() {
    let world = World::new().await;
    let accepted = world.submit(enter("gate", "B-1"));
    let refused = world.submit(enter("gate", "B-1"));
    let first = world.park(accepted.clone()).await.unwrap();
    let turned_away = world.park(refused.clone()).await.unwrap();
    let events = world.events().await.len();
    // An hour back: the ids are from the future now. Then past the retention, before anything was forgotten.
    for step_seconds in [-3600, 3600 + 8 * 86_400] {
        world.clock.pass_seconds(step_seconds);
        for handler in [world.handler.clone(), world.another_handler()] {
            let again = handler.parking(world.facility, accepted.clone()).await.unwrap();
            assert!(again.repeated);
            assert_eq!((&again.outcome, again.position), (&first.outcome, first.position));
            let again = handler.parking(world.facility, refused.clone()).await.unwrap();
            assert_eq!((again.outcome, again.position), (turned_away.outcome.clone(), turned_away.position));
            let other = Submission { command: enter("gate", "B-2"), ..accepted.clone() };
            let reused = handler.parking(world.facility, other).await.unwrap_err();
            assert_eq!(reused, CommandError::IdReused);
        }
    }
    assert_eq!(world.events().await.len(), events);
}

#[tokio::test]
async fn ids_below_the_window_in_memory_are_looked_up() {
    let options = HandlerOptions { ledger_window: 4, ..HandlerOptions::default() };
    let world = World::with_options(options, None).await;
    let mut sent = Vec::new();
    for number in 0..20 {
        let at = MORNING.plus_seconds(number);
        let id = CommandId::from_source(at, "aps", &number.to_string());
        let submission = Submission::new(id, Actor::new("import"), passage(None, Direction::Entry, MORNING));
        sent.push((submission.clone(), world.park(submission).await.unwrap()));
    }
    let events = world.events().await.len();
    for (submission, first) in sent {
        let again = world.park(submission).await.unwrap();
        assert!(again.repeated);
        assert_eq!((again.outcome, again.position), (first.outcome, first.position));
    }
    let late = CommandId::from_source(MORNING.minus_seconds(99), "aps", "late");
    let late = Submission::new(late, Actor::new("import"), passage(None, Direction::Entry, MORNING));
    assert!(!world.park(late.clone()).await.unwrap().repeated);
    assert!(world.park(late).await.unwrap().repeated);
    assert_eq!(world.events().await.len(), events + 1);
}

#[tokio::test]
async fn one_id_many_times_at_once_has_one_effect_and_one_reply() {
    let world = World::new().await;
    let submission = world.submit(enter("gate", "B-1"));
    let sends = (0..50).map(|_| {
        let (handler, submission, facility) = (world.handler.clone(), submission.clone(), world.facility);
        tokio::spawn(async move { handler.parking(facility, submission).await.unwrap() })
    });
    let sends: Vec<_> = sends.collect();
    let mut replies = Vec::new();
    for send in sends {
        replies.push(send.await.unwrap());
    }
    assert_eq!(replies.iter().filter(|reply| !reply.repeated).count(), 1);
    assert!(replies.windows(2).all(|pair| pair[0].outcome == pair[1].outcome));
    assert_eq!(world.count("VehicleEntered").await, 1);
}

#[tokio::test]
async fn a_lost_reply_is_found_again_under_the_same_id() {
    let world = World::new().await;
    let submission = world.submit(enter("gate", "B-1"));
    world.log.inject([Some(Fault::ReplyLost)]);
    assert!(matches!(world.park(submission.clone()).await, Err(CommandError::Log(_))));
    let again = world.park(submission).await.unwrap();
    assert!(again.repeated);
    assert_eq!(world.count("VehicleEntered").await, 1);
}

#[tokio::test]
async fn an_append_that_arrives_twice_counts_once() {
    let world = World::new().await;
    world.log.inject([Some(Fault::Duplicated)]);
    world.enter("B-1").await;
    assert_eq!(world.count("VehicleEntered").await, 1);
}

#[tokio::test]
async fn a_failed_append_leaves_no_trace_in_the_state() {
    let world = World::new().await;
    let one = ParkingCommand::SetPoolCapacity { pool: pool(), places: Some(2) };
    accepted(world.park(world.submit(one)).await);
    world.log.inject([Some(Fault::NotStored)]);
    let failed = world.park(world.submit(enter("gate", "B-1"))).await;
    assert!(matches!(failed, Err(CommandError::Log(_))));
    let inside = world.handler.look_at_parking(world.facility, |state| state.pool(pool()).inside());
    assert_eq!(inside.await.unwrap(), 0);
    world.enter("B-2").await;
    let entry = world.events().await.pop().unwrap();
    let stream = StreamId::new(octocity_domain::Category::Parking, world.facility.uuid());
    assert_eq!(entry.stream, stream);
    assert_eq!(world.log.read_stream(stream, entry.revision + 1, 9).await.unwrap(), []);
}
