//! Promises, scene by scene.

use std::sync::Arc;

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::decider::{Context, Decider, Decision, Moment};
use crate::facilities::{Layout, Plan, Policies, Pool, Spot};
use crate::ids::{AreaId, CommandId, FacilityId, OperatorId, PoolId, ReservationId, SpotId, SpotKind};
use crate::money::Currency;
use crate::parking::Credential;
use crate::testing::{SPEC_TIME, Spec, given_with};
use crate::time::{Interval, Timestamp, Zone};

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

fn after(seconds: i64) -> Timestamp {
    SPEC_TIME.plus_seconds(seconds)
}
fn hours(from: i64, to: i64) -> Interval {
    Interval { start: after(from * HOUR), end: after(to * HOUR) }
}
fn pool(id: &str) -> PoolId {
    PoolId::try_new(id).unwrap()
}
fn spot(id: &str) -> SpotId {
    SpotId::try_new(id).unwrap()
}

/// Ten places, two of which may be promised; spot e1 belongs to it, spot c1 to the contract pool.
fn facts() -> ReservationsFacts {
    let listed = |id: &str, reservable_places| {
        let id = pool(id);
        Pool { id, name: id.to_string(), places: Some(10), reservable_places, chargeable: true }
    };
    let marked = |id: &str, of: &str| Spot {
        id: spot(id),
        area: AreaId::try_new("deck").unwrap(),
        pool: pool(of),
        kind: SpotKind::try_new("standard").unwrap(),
    };
    let layout = Layout {
        pools: vec![listed("short", 2), listed("contract", 0)],
        spots: vec![marked("e1", "short"), marked("c1", "contract")],
        ..Layout::default()
    };
    let plan = Plan {
        facility: FacilityId(Uuid::from_u128(1)),
        version: 4,
        operator: OperatorId::try_new("city").unwrap(),
        name: "Brindleyplace".to_owned(),
        zone: Zone::try_new("Europe/Berlin").unwrap(),
        currency: Currency::try_new("EUR").unwrap(),
        layout,
        policies: Policies::default(),
        tariffs: Vec::new(),
    };
    ReservationsFacts { plan: Some(Arc::new(plan)), kept_places: None }
}

fn reserve(interval: Interval) -> ReservationsCommand {
    ReservationsCommand::ReserveSpot { pool: pool("short"), interval, spot: None, credentials: Vec::new() }
}
fn reserve_at(spot: SpotId, interval: Interval) -> ReservationsCommand {
    let spot = Some(spot);
    ReservationsCommand::ReserveSpot { pool: pool("short"), interval, spot, credentials: Vec::new() }
}
fn set(places: u32) -> ReservationsCommand {
    ReservationsCommand::SetReservableCapacity { pool: pool("short"), places }
}
fn cancel(reservation: ReservationId) -> ReservationsCommand {
    ReservationsCommand::CancelReservation { reservation }
}
fn check_in(reservation: ReservationId) -> ReservationsCommand {
    ReservationsCommand::CheckInReservation { reservation }
}
fn end(reservation: ReservationId, due: Timestamp) -> ReservationsCommand {
    ReservationsCommand::EndReservation { reservation, due }
}
fn book() -> Spec<Reservations> {
    given_with::<Reservations>(facts(), [])
}
/// A promise from 9:00 to 11:00 UTC, and its id.
fn promised() -> (Spec<Reservations>, ReservationId) {
    let spec = book();
    let reservation = spec.next_id().reservation(FacilityId(Uuid::from_u128(1)));
    (spec.when(reserve(hours(1, 3))).then_events_that(|events| events.len() == 1), reservation)
}
fn checked_in(reservation: ReservationId) -> ReservationsEvent {
    ReservationsEvent::ReservationCheckedIn { reservation }
}
fn over(reservation: ReservationId, end: ReservationEnd) -> ReservationsEvent {
    ReservationsEvent::ReservationEnded { reservation, end }
}

#[test]
fn a_promise_names_its_wall_time_its_hold_and_the_plan() {
    let spec = book();
    let reservation = spec.next_id().reservation(FacilityId(Uuid::from_u128(1)));
    let spec = spec.when(reserve_at(spot("e1"), hours(1, 3))).then([ReservationsEvent::ReservationMade {
        reservation,
        pool: pool("short"),
        interval: hours(1, 3),
        local: LocalInterval {
            start: "2026-03-02T10:00:00".to_owned(),
            end: "2026-03-02T12:00:00".to_owned(),
            zone: Zone::try_new("Europe/Berlin").unwrap(),
        },
        spot: Some(spot("e1")),
        credentials: Vec::new(),
        hold_at: after(HOUR - 1800),
        plan_version: 4,
    }]);
    let promise = spec.state().find(reservation).unwrap();
    assert_eq!((promise.pool, promise.interval, promise.is_cancelled()), (pool("short"), hours(1, 3), false));
}

#[test]
fn the_hour_that_clocks_repeat_is_told_apart_by_its_instant() {
    // 2026-10-25: 02:30 comes twice in Berlin.
    let night = |seconds: i64| Timestamp::from_seconds(1_792_879_200 + seconds);
    let twice = Interval { start: night(2 * HOUR + 1800), end: night(3 * HOUR + 1800) };
    book().at(night(0)).when(reserve(twice)).then_events_that(|events| {
        let [ReservationsEvent::ReservationMade { local, interval, .. }] = events else { return false };
        local.start == "2026-10-25T02:30:00" && local.end == local.start && *interval == twice
    });
}

#[test]
fn no_instant_is_promised_beyond_the_reservable_places() {
    let made = |spec: Spec<Reservations>, interval| {
        spec.when(reserve(interval)).then_events_that(|events| events.len() == 1)
    };
    let spec = made(made(book(), hours(1, 3)), hours(2, 5));
    let spec = spec.when(reserve(hours(0, 10))).then_refused("FULLY_RESERVED");
    let spec = spec.when(reserve(hours(2, 3))).then_refused("FULLY_RESERVED");
    // Before, between and after them there is room: an end is no longer part of its promise.
    let spec = made(made(spec, hours(3, 4)), hours(4, 6));
    made(spec, hours(0, 2)).when(reserve(hours(1, 2))).then_refused("FULLY_RESERVED");
}

#[test]
fn the_long_promise_that_began_weeks_ago_counts_too() {
    let long = Interval { start: after(0), end: after(30 * DAY) };
    let spec = book().when(set(1)).then_events_that(|events| events.len() == 1);
    let spec = spec.when(reserve(long)).then_events_that(|events| events.len() == 1);
    spec.when(reserve(hours(29 * 24, 29 * 24 + 1))).then_refused("FULLY_RESERVED");
}

#[test]
fn a_pool_without_reservable_places_promises_nothing() {
    let contract = ReservationsCommand::ReserveSpot {
        pool: pool("contract"),
        interval: hours(1, 2),
        spot: None,
        credentials: Vec::new(),
    };
    book().when(contract).then_refused("FULLY_RESERVED");
}

#[test]
fn the_reservable_places_are_set_once_and_below_what_is_promised_too() {
    let (spec, _) = promised();
    spec.when(set(0))
        .then([ReservationsEvent::ReservableCapacitySet { pool: pool("short"), places: 0 }])
        .when(set(0))
        .then_nothing()
        .when(reserve(hours(10, 11)))
        .then_refused("FULLY_RESERVED")
        .when(set(11))
        .then_refused("RESERVABLE_PLACES_TOO_MANY")
        .when(set(1_000_001))
        .then_refused("COUNT_TOO_LARGE");
}

#[test]
fn a_promise_needs_a_known_facility_pool_and_spot() {
    let elsewhere = ReservationsCommand::ReserveSpot {
        pool: pool("roof"),
        interval: hours(1, 2),
        spot: None,
        credentials: Vec::new(),
    };
    book()
        .when(elsewhere)
        .then_refused("POOL_UNKNOWN")
        .when(reserve_at(spot("z9"), hours(1, 2)))
        .then_refused("SPOT_UNKNOWN")
        .when(reserve_at(spot("c1"), hours(1, 2)))
        .then_refused("SPOT_IN_OTHER_POOL")
        .with_facts(ReservationsFacts::default())
        .when(reserve(hours(1, 2)))
        .then_refused("FACILITY_UNKNOWN");
}

#[test]
fn a_named_spot_is_a_preference() {
    let spec = book().when(reserve_at(spot("e1"), hours(1, 2))).then_events_that(|events| events.len() == 1);
    spec.when(reserve_at(spot("e1"), hours(1, 2))).then_events_that(|events| events.len() == 1);
}

#[test]
fn an_interval_is_sane() {
    let from = |start: i64, end: i64| reserve(Interval { start: after(start), end: after(end) });
    book()
        .when(from(HOUR, HOUR))
        .then_refused("INTERVAL_INVALID")
        .when(from(HOUR, HOUR + 30 * DAY + 1))
        .then_refused("INTERVAL_TOO_LONG")
        .when(from(-61, HOUR))
        .then_refused("INTERVAL_PAST")
        .when(from(400 * DAY + 1, 400 * DAY + HOUR))
        .then_refused("INTERVAL_TOO_FAR_AHEAD")
        .when(reserve(Interval {
            start: Timestamp::from_millis(i64::MIN),
            end: Timestamp::from_millis(i64::MAX),
        }))
        .then_refused("INTERVAL_TOO_LONG")
        .when(from(-60, 30 * DAY - 60))
        .then_events_that(|events| events.len() == 1);
}

#[test]
fn a_credential_is_of_a_size() {
    let (pool, interval, spot) = (pool("short"), hours(1, 2), None);
    let credentials = vec![Credential::Ticket { number: String::new() }];
    book()
        .when(ReservationsCommand::ReserveSpot { pool, interval, spot, credentials })
        .then_refused("CREDENTIAL_INVALID");
}

#[test]
fn a_cancellation_gives_the_place_back_once() {
    let (spec, reservation) = promised();
    let spec = spec.when(set(1)).then_events_that(|events| events.len() == 1);
    let spec = spec.when(reserve(hours(1, 3))).then_refused("FULLY_RESERVED");
    let spec = spec
        .when(cancel(reservation))
        .then([ReservationsEvent::ReservationCancelled { reservation }])
        .when(cancel(reservation))
        .then_nothing();
    assert!(spec.state().find(reservation).unwrap().is_cancelled());
    spec.when(reserve(hours(1, 3))).then_events_that(|events| events.len() == 1);
}

#[test]
fn what_was_never_promised_is_unknown() {
    let nobody = ReservationId(Uuid::from_u128(9));
    book()
        .when(cancel(nobody))
        .then_refused("RESERVATION_UNKNOWN")
        .when(check_in(nobody))
        .then_refused("RESERVATION_UNKNOWN")
        .when(end(nobody, SPEC_TIME))
        .then_nothing();
}

#[test]
fn a_check_in_beats_a_cancellation_seen_later_or_earlier() {
    let (spec, reservation) = promised();
    spec.when(check_in(reservation))
        .then([checked_in(reservation)])
        .when(check_in(reservation))
        .then_nothing()
        .when(cancel(reservation))
        .then_refused("RESERVATION_USED");
    let (spec, reservation) = promised();
    let spec = spec.when(cancel(reservation)).then_events_that(|events| events.len() == 1);
    let spec = spec.when(check_in(reservation)).then([checked_in(reservation)]);
    assert_eq!(spec.state().find(reservation).unwrap().standing, Standing::CheckedIn);
}

#[test]
fn at_its_end_a_promise_is_a_no_show_or_completed() {
    let (spec, reservation) = promised();
    let due = after(3 * HOUR);
    let spec = spec.at(after(2 * HOUR)).when(end(reservation, due)).then_nothing();
    let spec = spec.at(due).when(end(reservation, after(2 * HOUR))).then_nothing();
    spec.when(end(reservation, due))
        .then([over(reservation, ReservationEnd::NoShow)])
        .when(end(reservation, due))
        .then_nothing()
        .when(cancel(reservation))
        .then_refused("RESERVATION_OVER");
    let (spec, reservation) = promised();
    spec.when(check_in(reservation))
        .then([checked_in(reservation)])
        .at(due)
        .when(end(reservation, due))
        .then([over(reservation, ReservationEnd::Completed)])
        .when(cancel(reservation))
        .then_refused("RESERVATION_USED");
}

#[test]
fn a_check_in_heard_of_after_the_end_was_no_no_show() {
    let (spec, reservation) = promised();
    let due = after(3 * HOUR);
    spec.at(due)
        .when(end(reservation, due))
        .then([over(reservation, ReservationEnd::NoShow)])
        .when(check_in(reservation))
        .then([checked_in(reservation), over(reservation, ReservationEnd::Completed)])
        .when(check_in(reservation))
        .then_nothing();
}

#[test]
fn a_check_in_that_beats_a_cancellation_after_the_end_ends_it_too() {
    let (spec, reservation) = promised();
    let due = after(3 * HOUR);
    let spec = spec.when(cancel(reservation)).then_events_that(|events| events.len() == 1);
    spec.at(due)
        .when(end(reservation, due))
        .then_nothing()
        .when(check_in(reservation))
        .then([checked_in(reservation), over(reservation, ReservationEnd::Completed)]);
}

#[test]
fn what_is_over_is_forgotten_after_seven_days() {
    let (spec, reservation) = promised();
    let due = after(3 * HOUR);
    let spec = spec.at(due).when(end(reservation, due)).then_events_that(|events| events.len() == 1);
    let spec = spec.at(due.plus_seconds(7 * DAY)).when(set(1)).then_events_that(|events| events.len() == 1);
    assert!(spec.state().find(reservation).is_some());
    let spec =
        spec.at(due.plus_seconds(7 * DAY + 1)).when(set(2)).then_events_that(|events| events.len() == 1);
    assert_eq!((spec.state().find(reservation), spec.state().remembered()), (None, 0));
}

#[derive(Clone, Debug)]
enum Step {
    Reserve(i64, i64),
    Set(u32),
    Cancel(usize),
    CheckIn(usize),
    End(usize),
    Wait(i64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..100_i64, 1..60_i64).prop_map(|(start, long)| Step::Reserve(start, long)),
        1 => (0..6_u32).prop_map(Step::Set),
        2 => (0..20_usize).prop_map(Step::Cancel),
        2 => (0..20_usize).prop_map(Step::CheckIn),
        2 => (0..20_usize).prop_map(Step::End),
        2 => (0..40_i64).prop_map(Step::Wait),
    ]
}

proptest! {
    /// Counted by brute force at every hour, beside the book's own sweep.
    #[test]
    fn promises_never_exceed_the_reservable_places_and_snapshots_tell_the_same(
        steps in proptest::collection::vec(step(), 0..60), cut in 0..60_usize,
    ) {
        let (mut state, mut restored) = (ReservationsState::default(), ReservationsState::default());
        let (mut now, mut reservable, mut made) = (0, 2, Vec::<(ReservationId, Interval)>::new());
        for (number, step) in steps.iter().enumerate() {
            let which = |index: usize| made.get(index).copied();
            let command = match step {
                Step::Reserve(start, long) => Some(reserve(hours(now + start, now + start + long))),
                Step::Set(places) => Some(set(*places)),
                Step::Cancel(index) => which(*index).map(|(id, _)| cancel(id)),
                Step::CheckIn(index) => which(*index).map(|(id, _)| check_in(id)),
                Step::End(index) => which(*index).map(|(id, interval)| end(id, interval.end)),
                Step::Wait(hours) => {
                    now += hours;
                    None
                }
            };
            let Some(command) = command else { continue };
            let command_id = CommandId::from_source(after(now * HOUR), "spec", &number.to_string());
            let decision =
                Reservations::decide(&state, &command, &facts(), Context { command_id, now: after(now * HOUR) });
            let before = state.clone();
            for fact in decision.events() {
                let stored = serde_json::to_string(&fact.event).unwrap();
                let event: ReservationsEvent = serde_json::from_str(&stored).unwrap();
                prop_assert_eq!(&event, &fact.event);
                let moment = Moment { happened_at: fact.happened_at, decided_at: after(now * HOUR) };
                Reservations::evolve(&mut state, &event, moment);
                Reservations::evolve(&mut restored, &event, moment);
                match event {
                    ReservationsEvent::ReservationMade { reservation, interval, .. } => {
                        made.push((reservation, interval));
                    }
                    ReservationsEvent::ReservableCapacitySet { places, .. } => reservable = places,
                    _ => {}
                }
            }
            if number == cut {
                restored = serde_json::from_str(&serde_json::to_string(&state).unwrap()).unwrap();
            }
            if let (Step::Reserve(start, long), Decision::Accepted(_)) = (step, &decision) {
                for hour in now + start..now + start + long {
                    let binds = |(id, interval): &&(ReservationId, Interval)| {
                        interval.contains(after(hour * HOUR)) && state.find(*id).is_some_and(Promise::binds)
                    };
                    prop_assert!(made.iter().filter(binds).count() <= reservable as usize);
                }
            } else if let Step::Reserve(start, long) = step {
                // Refused only where some hour was full indeed.
                let full = (now + start..now + start + long).any(|hour| {
                    let binds = |(id, interval): &&(ReservationId, Interval)| {
                        interval.contains(after(hour * HOUR)) && before.find(*id).is_some_and(Promise::binds)
                    };
                    made.iter().filter(binds).count() >= reservable as usize
                });
                prop_assert!(full);
            }
        }
        prop_assert_eq!(&state, &restored);
    }
}

#[test]
fn no_more_is_promised_than_parking_keeps_from_walk_ins_by_now() {
    let kept = |kept_places| ReservationsFacts { kept_places: Some(kept_places), ..facts() };
    given_with::<Reservations>(kept(0), []).when(reserve(hours(1, 3))).then_refused("FULLY_RESERVED");
    given_with::<Reservations>(kept(1), [])
        .when(reserve(hours(1, 3)))
        .then_events_that(|events| events.len() == 1)
        .when(reserve(hours(1, 3)))
        .then_refused("FULLY_RESERVED");
}
