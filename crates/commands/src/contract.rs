//! What every adapter of the process store must do: one suite, run on each by
//! [`process_store_contract!`](crate::process_store_contract).

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;

use octocity_domain::process::{Effect, Planned};
use octocity_domain::{Category, CommandId, FacilityId, Timestamp, VisitId};
use octocity_log::{LogId, Position, StreamId};
use uuid::Uuid;

use crate::process_store::{Checkpoint, OutboxChange, ParkedStream, ProcessStore, Step};

/// One test's storage; it can be opened again, as after a restart.
pub trait ProcessStorage: Send + Sync {
    fn open(&self) -> Arc<dyn ProcessStore>;
}

/// Runs the whole suite, each case as a test of its own, on what the expression makes: a fresh storage.
#[macro_export]
macro_rules! process_store_contract {
    ($storage:expr) => {
        $crate::process_store_contract!($storage;
            begins_empty,
            keeps_checkpoints_and_outbox_together,
            writes_nothing_where_it_is_not_as_it_was_left,
            gives_what_is_due_in_the_order_it_was_planned,
            leaves_out_the_subjects_that_wait,
            tells_when_the_next_deadline_is,
            plans_an_id_once,
            cancels_one_process_of_one_subject,
            applies_changes_in_order,
            forgets_what_is_done,
            keeps_every_effect_whole,
            keeps_parked_streams_until_they_are_taken_up,
        );
    };
    ($storage:expr; $($case:ident),+ $(,)?) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $case() {
            $crate::contract::$case(&$storage).await;
        }
    )+};
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(1_772_438_400 + seconds)
}

fn effect(number: u128, due_seconds: i64) -> Planned {
    let visit = VisitId::new(Uuid::from_u128(number));
    planned(number, due_seconds, Effect::EndStay { visit, ended_at: at(due_seconds) })
}

fn planned(number: u128, due_seconds: i64, effect: Effect) -> Planned {
    let key = number.to_string();
    Planned {
        id: CommandId::from_effect(at(0), "stays", "parking-1", 1, effect.name(), &key),
        process: "stays".into(),
        subject: Uuid::from_u128(number),
        facility: FacilityId::new(Uuid::from_u128(77)),
        due: at(due_seconds),
        correlation: Uuid::from_u128(99),
        effect,
    }
}

async fn plan(store: &dyn ProcessStore, effects: &[Planned]) {
    let changes = effects.iter().cloned().map(OutboxChange::Plan).collect();
    store.commit(Step { changes, ..Step::default() }).await.unwrap();
}

pub async fn begins_empty(storage: &dyn ProcessStorage) {
    let store = storage.open();
    assert_eq!(store.checkpoints().await.unwrap(), []);
    assert_eq!(store.due(at(1_000_000), 9, &[]).await.unwrap(), []);
    assert_eq!(store.next_due(at(0)).await.unwrap(), None);
}

fn checkpoint(position: u64) -> Checkpoint {
    let log = LogId(Uuid::from_u128(u128::MAX - 1));
    Checkpoint { process: "stays".into(), log, epoch: 3, position: Position(position) }
}

pub async fn keeps_checkpoints_and_outbox_together(storage: &dyn ProcessStorage) {
    let store = storage.open();
    let changes = vec![OutboxChange::Plan(effect(1, 0))];
    store.commit(Step { checkpoints: vec![checkpoint(5)], changes, ..Step::default() }).await.unwrap();
    store.commit(Step { checkpoints: vec![checkpoint(9)], ..Step::default() }).await.unwrap();
    drop(store);
    let store = storage.open();
    assert_eq!(store.checkpoints().await.unwrap(), [checkpoint(9)]);
    assert_eq!(store.due(at(0), 9, &[]).await.unwrap(), [effect(1, 0)]);
}

pub async fn writes_nothing_where_it_is_not_as_it_was_left(storage: &dyn ProcessStorage) {
    let store = storage.open();
    let step = |from, to, number| Step {
        from: vec![checkpoint(from)],
        checkpoints: vec![checkpoint(to)],
        changes: vec![OutboxChange::Plan(effect(number, 0))],
        ..Step::default()
    };
    store.commit(step(5, 9, 1)).await.unwrap_err();
    assert_eq!(store.checkpoints().await.unwrap(), []);
    store.commit(Step { checkpoints: vec![checkpoint(5)], ..Step::default() }).await.unwrap();
    store.commit(step(5, 9, 2)).await.unwrap();
    // One that slept meanwhile.
    store.commit(step(5, 7, 3)).await.unwrap_err();
    assert_eq!(store.checkpoints().await.unwrap(), [checkpoint(9)]);
    assert_eq!(store.due(at(0), 9, &[]).await.unwrap(), [effect(2, 0)]);
}

pub async fn gives_what_is_due_in_the_order_it_was_planned(storage: &dyn ProcessStorage) {
    let store = storage.open();
    plan(&*store, &[effect(3, 5), effect(1, 9), effect(2, 0)]).await;
    assert_eq!(store.due(at(-1), 9, &[]).await.unwrap(), []);
    assert_eq!(store.due(at(0), 9, &[]).await.unwrap(), [effect(2, 0)]);
    assert_eq!(store.due(at(9), 9, &[]).await.unwrap(), [effect(3, 5), effect(1, 9), effect(2, 0)]);
    assert_eq!(store.due(at(9), 2, &[]).await.unwrap(), [effect(3, 5), effect(1, 9)]);
}

pub async fn leaves_out_the_subjects_that_wait(storage: &dyn ProcessStorage) {
    let store = storage.open();
    plan(&*store, &[effect(1, 0), effect(2, 0), effect(3, 0), effect(4, 0)]).await;
    let waiting = [1, 3].map(Uuid::from_u128);
    // They take no room either.
    assert_eq!(store.due(at(0), 2, &waiting).await.unwrap(), [effect(2, 0), effect(4, 0)]);
    assert_eq!(store.due(at(0), 2, &[]).await.unwrap(), [effect(1, 0), effect(2, 0)]);
}

pub async fn tells_when_the_next_deadline_is(storage: &dyn ProcessStorage) {
    let store = storage.open();
    plan(&*store, &[effect(3, 50), effect(1, 9)]).await;
    assert_eq!(store.next_due(at(0)).await.unwrap(), Some(at(9)));
    assert_eq!(store.next_due(at(9)).await.unwrap(), Some(at(50)));
    assert_eq!(store.next_due(at(50)).await.unwrap(), None);
}

pub async fn plans_an_id_once(storage: &dyn ProcessStorage) {
    let store = storage.open();
    plan(&*store, &[effect(1, 0), effect(1, 0)]).await;
    plan(&*store, &[Planned { due: at(7), ..effect(1, 0) }]).await;
    assert_eq!(store.due(at(9), 9, &[]).await.unwrap(), [effect(1, 0)]);
}

pub async fn cancels_one_process_of_one_subject(storage: &dyn ProcessStorage) {
    let store = storage.open();
    let second = Planned { id: effect(8, 0).id, ..effect(1, 3) };
    let other = Planned { process: "grants".into(), id: effect(9, 0).id, ..effect(1, 0) };
    plan(&*store, &[effect(1, 0), second, effect(2, 0), other.clone()]).await;
    let cancel = OutboxChange::Cancel { process: "stays".into(), subject: Uuid::from_u128(1) };
    store.commit(Step { changes: vec![cancel], ..Step::default() }).await.unwrap();
    assert_eq!(store.due(at(9), 9, &[]).await.unwrap(), [effect(2, 0), other]);
}

pub async fn applies_changes_in_order(storage: &dyn ProcessStorage) {
    let store = storage.open();
    let cancel = OutboxChange::Cancel { process: "stays".into(), subject: Uuid::from_u128(1) };
    let (first, second) = (effect(1, 0), Planned { id: effect(8, 0).id, ..effect(1, 0) });
    let changes = vec![OutboxChange::Plan(first), cancel, OutboxChange::Plan(second.clone())];
    store.commit(Step { changes, ..Step::default() }).await.unwrap();
    assert_eq!(store.due(at(0), 9, &[]).await.unwrap(), [second]);
}

pub async fn forgets_what_is_done(storage: &dyn ProcessStorage) {
    let store = storage.open();
    plan(&*store, &[effect(1, 0), effect(2, 0), effect(3, 0)]).await;
    store.done(&[effect(1, 0).id, effect(3, 0).id, effect(4, 0).id]).await.unwrap();
    drop(store);
    let store = storage.open();
    assert_eq!(store.due(at(0), 9, &[]).await.unwrap(), [effect(2, 0)]);
    // A crash between "done" and the checkpoint plans it again: it comes back, and is run again.
    plan(&*store, &[effect(1, 0)]).await;
    assert_eq!(store.due(at(0), 9, &[]).await.unwrap(), [effect(2, 0), effect(1, 0)]);
}

pub async fn keeps_every_effect_whole(storage: &dyn ProcessStorage) {
    let store = storage.open();
    let command = CommandId::new(Uuid::from_u128(5));
    let facility = command.facility();
    let (visit, grant) = (command.visit(facility), command.grant(facility));
    let (reservation, payment) = (command.reservation(facility), command.payment());
    let pool = octocity_domain::PoolId::try_new("short").unwrap();
    let amount = octocity_domain::Money::new(-5, octocity_domain::Currency::try_new("EUR").unwrap());
    let effects = [
        Effect::OpenPool { pool, places: None, reservable_places: 3 },
        Effect::SetReservedPart { pool, places: 3, book_revision: 2 },
        Effect::OpenSession { visit, pool, entered_at: at(-1) },
        Effect::EndStay { visit, ended_at: at(1) },
        Effect::MergeStays { visit, into: visit },
        Effect::LapseGrant { grant, due: at(2) },
        Effect::PlaceHold { reservation, pool, until: at(3) },
        Effect::ReleaseHold { reservation, release: octocity_domain::parking::HoldRelease::Expired },
        Effect::RestoreHold { reservation },
        Effect::CheckInReservation { reservation },
        Effect::EndReservation { reservation, due: at(4) },
        Effect::ApplyCredits { payment, amount },
        Effect::ReverseCredits { payment, amount, refund: 2 },
        Effect::CallGateway { payment, call: 1, again: true },
    ];
    let all: Vec<Planned> =
        effects.into_iter().enumerate().map(|(number, effect)| planned(number as u128, 0, effect)).collect();
    plan(&*store, &all).await;
    drop(store);
    assert_eq!(storage.open().due(at(0), 99, &[]).await.unwrap(), all);
}

pub async fn keeps_parked_streams_until_they_are_taken_up(storage: &dyn ProcessStorage) {
    let parked = |process: &str, number: u128, revision| ParkedStream {
        process: process.into(),
        stream: StreamId::new(Category::Session, Uuid::from_u128(number)),
        revision,
        event_type: "StayEnded".into(),
        error: "it is no JSON".into(),
    };
    let store = storage.open();
    assert_eq!(store.parked().await.unwrap(), []);
    let all = [parked("grants", 2, 7), parked("stays", 1, 3), parked("stays", 2, 7)];
    store.commit(Step { parked: all.to_vec(), ..Step::default() }).await.unwrap();
    drop(store);
    let store = storage.open();
    assert_eq!(store.parked().await.unwrap(), all);
    // One goes on; another one goes on, and stops at a later event.
    let taken_up = vec![parked("stays", 1, 3), parked("stays", 2, 7)];
    store.commit(Step { taken_up, parked: vec![parked("stays", 2, 9)], ..Step::default() }).await.unwrap();
    assert_eq!(store.parked().await.unwrap(), [parked("grants", 2, 7), parked("stays", 2, 9)]);
}
