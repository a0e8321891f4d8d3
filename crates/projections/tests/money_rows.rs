//! What the streams of sessions, payments, reservations and facilities make of their rows.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;

use octocity_domain::facilities::{FacilityEvent, Policies};
use octocity_domain::parking::{AdmissionMode, Basis, HoldRelease, ModeScope, ParkingEvent};
use octocity_domain::payments::{
    Allocation, GatewayCall, GatewayVerb, Payable, PaymentEvent, PaymentStatus, Token,
};
use octocity_domain::reservations::{LocalInterval, ReservationEnd, ReservationsEvent};
use octocity_domain::sessions::SessionEvent;
use octocity_domain::tariffs::Tariff;
use octocity_domain::{
    Category, Code, Currency, GrantId, Interval, Money, PaymentId, ReservationId, Timestamp, time::Zone,
};
use octocity_log::StreamId;
use octocity_projections::facilities::FacilityRow;
use octocity_projections::parking::OccupancyRow;
use octocity_projections::payments::{PaymentRow, queries};
use octocity_projections::query::find;
use octocity_projections::reservations::{HoldStatus, ReservationRow, ReservationStatus};
use octocity_projections::sessions::{SessionRow, SessionStatus};
use octocity_projections::testing::*;
use octocity_projections::{MemoryRows, ReadModels, Row};
use serde::Serialize;
use uuid::Uuid;

/// One stream's events after the registration of the facility, each with its second.
async fn given<E: Serialize>(category: Category, id: Uuid, scene: &[(i64, E)]) -> ReadModels {
    let mut history = History::default();
    history.register(facility(1)).await;
    for (second, event) in scene {
        history.add(StreamId::new(category, id), facility(1), event, at(*second)).await;
    }
    read(&history).await
}

async fn read(history: &History) -> ReadModels {
    let models = history.read(Arc::new(MemoryRows::new()), 2).await;
    assert_eq!(models.store.parked(&[]).await.unwrap(), []);
    models
}

async fn row<R: Row>(models: &ReadModels, key: R::Key) -> R {
    find::<R>(&*models.store, &key).await.unwrap().0.expect("the row is there")
}

fn crowns(amount_minor: i64) -> Money {
    Money::new(amount_minor, Currency::try_new("CZK").unwrap())
}

/// 40.00 per started hour, 15 minutes' grace.
fn tariff() -> Tariff {
    Tariff {
        id: Code::try_new("day-1").unwrap(),
        currency: crowns(0).currency,
        free_seconds: 0,
        increment_seconds: 3_600,
        price_per_increment_minor: 4_000,
        cap: None,
        grace_seconds: 900,
    }
}

fn opened() -> SessionEvent {
    SessionEvent::SessionOpened {
        visit: visit(1),
        facility: facility(1),
        pool: pool("short"),
        entered_at: at(0),
        tariff: tariff(),
        zone: Zone::try_new("Europe/Prague").unwrap(),
    }
}

fn payment(number: u128) -> PaymentId {
    PaymentId(Uuid::from_u128(number))
}

fn credited(amount_minor: i64, priced_at: Timestamp) -> SessionEvent {
    let amount = crowns(amount_minor);
    SessionEvent::CreditApplied { payment: payment(5), amount, priced_at, leave_by: None, tariff: None }
}

async fn session(scene: &[(i64, SessionEvent)]) -> SessionRow {
    let models = given(Category::Session, visit(1).uuid(), scene).await;
    row::<SessionRow>(&models, (facility(1), visit(1))).await
}

#[tokio::test]
async fn an_ended_stay_owes_its_price_less_its_credits() {
    let ended = (5_000, SessionEvent::StayEnded { ended_at: at(5_000) });
    let open = session(&[(0, opened())]).await;
    assert_eq!((open.status, open.owed_minor, open.leave_by), (SessionStatus::Open, None, None));
    let unpaid = session(&[(0, opened()), ended.clone()]).await;
    assert_eq!(
        (unpaid.status, unpaid.price_minor, unpaid.owed_minor),
        (SessionStatus::Ended, Some(8_000), Some(8_000))
    );
    let rebate = SessionEvent::ChargeAdjusted { amount: crowns(-1_000), reason: "lift broken".to_owned() };
    let paid = [(0, opened()), (4_000, credited(5_000, at(4_000))), ended.clone(), (9_000, rebate)];
    let part = session(&paid).await;
    assert_eq!((part.price_minor, part.credits_minor, part.owed_minor), (Some(7_000), 5_000, Some(2_000)));
}

#[tokio::test]
async fn who_leaves_within_the_grace_owes_nothing_more() {
    let paid = [
        (0, opened()),
        (3_500, credited(4_000, at(3_500))),
        (4_000, SessionEvent::StayEnded { ended_at: at(4_000) }),
    ];
    let row = session(&paid).await;
    assert_eq!((row.owed_minor, row.surplus_minor, row.leave_by), (Some(0), Some(0), Some(at(4_400))));
}

#[tokio::test]
async fn a_credit_before_the_opening_counts_once_it_is_open() {
    let early = session(&[(0, credited(4_000, at(0)))]).await;
    assert_eq!((early.status, early.pool, early.credits_minor), (SessionStatus::Unopened, None, 4_000));
    let reversed = SessionEvent::CreditReversed { payment: payment(5), amount: crowns(1_000), refund: 2 };
    let row = session(&[(0, credited(4_000, at(0))), (1, opened()), (2, reversed)]).await;
    assert_eq!((row.status, row.pool, row.credits_minor), (SessionStatus::Open, Some(pool("short")), 3_000));
}

#[tokio::test]
async fn a_retimed_stay_is_priced_anew() {
    let scene = [
        (0, opened()),
        (9_000, SessionEvent::StayEnded { ended_at: at(9_000) }),
        (9_500, SessionEvent::StayRetimed { entered_at: at(0), ended_at: Some(at(3_000)) }),
    ];
    assert_eq!(session(&scene[..2]).await.price_minor, Some(12_000));
    assert_eq!(session(&scene).await.price_minor, Some(4_000));
}

fn call(number: u32, verb: GatewayVerb, amount_minor: i64) -> PaymentEvent {
    PaymentEvent::GatewayCallPlanned {
        call: GatewayCall { number, verb, amount: crowns(amount_minor) },
        reason: None,
    }
}

fn requested() -> PaymentEvent {
    PaymentEvent::PaymentRequested {
        facility: facility(1),
        amount: crowns(8_000),
        allocations: vec![Allocation { payable: Payable::Session { visit: visit(1) }, amount_minor: 8_000 }],
        token: Token::new("tok_1"),
        priced_at: at(0),
    }
}

#[tokio::test]
async fn a_payment_is_authorised_captured_and_refunded() {
    let reference = || "gateway-1".to_owned();
    let refunded =
        |call, amount| PaymentEvent::PaymentRefunded { call, amount: crowns(amount), reference: reference() };
    let scene = [
        (0, requested()),
        (0, call(1, GatewayVerb::Authorize, 8_000)),
        (5, PaymentEvent::GatewayCallUnresolved { call: 1, reason: "timeout".to_owned() }),
        (7, PaymentEvent::GatewayCallUnresolved { call: 1, reason: "timeout".to_owned() }),
        (9, PaymentEvent::PaymentAuthorized { call: 1, reference: reference() }),
        (20, call(2, GatewayVerb::Capture, 8_000)),
        (21, PaymentEvent::PaymentCaptured { call: 2, amount: crowns(8_000), reference: reference() }),
        (7_300, refunded(3, 3_000)),
        (7_400, refunded(4, 5_000)),
    ];
    let after = async |events: usize| {
        let models = given(Category::Payment, payment(5).uuid(), &scene[..events]).await;
        row::<PaymentRow>(&models, (facility(1), payment(5))).await
    };
    let unresolved = after(4).await;
    assert_eq!((unresolved.status, unresolved.unresolved_since), (PaymentStatus::Requested, Some(at(5))));
    assert_eq!(unresolved.open_call.map(|call| call.number), Some(1));
    let authorized = after(5).await;
    assert_eq!(authorized.unresolved_since, None);
    assert_eq!(
        (authorized.status, authorized.authorized_minor, authorized.open_call),
        (PaymentStatus::Authorized, 8_000, None)
    );
    let captured = after(7).await;
    assert_eq!(
        (captured.status, captured.captured_minor, captured.captured_at),
        (PaymentStatus::Captured, 8_000, Some(at(21)))
    );
    assert_eq!(
        (after(8).await.status, after(8).await.refunded_minor),
        (PaymentStatus::PartlyRefunded, 3_000)
    );
    assert_eq!((after(9).await.status, after(9).await.refunded_minor), (PaymentStatus::Refunded, 8_000));

    let models = given(Category::Payment, payment(5).uuid(), &scene).await;
    let revenue = async |from, until| {
        let interval = Interval { start: at(from), end: at(until) };
        let sums = queries::revenue(&*models.store, facility(1), interval).await.unwrap();
        sums.get(&crowns(0).currency).map(|sum| (sum.captured_minor, sum.refunded_minor))
    };
    // Whole hours: the capture in the first, the refunds in the third.
    assert_eq!(revenue(0, 3_600).await, Some((8_000, 0)));
    assert_eq!(revenue(3_600, 7_200).await, None);
    assert_eq!(revenue(0, 7_201).await, Some((8_000, 8_000)));
}

#[tokio::test]
async fn a_declined_payment_says_why() {
    let refused = PaymentEvent::GatewayCallRefused { call: 1, reason: "insufficient funds".to_owned() };
    let scene = [(0, requested()), (0, call(1, GatewayVerb::Authorize, 8_000)), (5, refused)];
    let models = given(Category::Payment, payment(5).uuid(), &scene).await;
    let row = row::<PaymentRow>(&models, (facility(1), payment(5))).await;
    assert_eq!(
        (row.status, row.last_refusal.as_deref()),
        (PaymentStatus::Declined, Some("insufficient funds"))
    );
}

#[tokio::test]
async fn a_reservation_is_held_used_and_completed() {
    let reservation = ReservationId(Uuid::from_u128(77));
    let made = ReservationsEvent::ReservationMade {
        reservation,
        pool: pool("short"),
        interval: Interval { start: at(3_600), end: at(7_200) },
        local: LocalInterval {
            start: "2023-11-15T00:00:00".to_owned(),
            end: "2023-11-15T01:00:00".to_owned(),
            zone: Zone::try_new("Europe/Prague").unwrap(),
        },
        spot: None,
        credentials: vec![plate("AB12")],
        hold_at: at(1_800),
        plan_version: 1,
    };
    let book = StreamId::new(Category::Reservations, facility(1).uuid());
    let key = (facility(1), reservation);
    let mut history = History::default();
    history.register(facility(1)).await;
    history.add(book, facility(1), &made, at(0)).await;
    let promised = row::<ReservationRow>(&read(&history).await, key).await;
    assert_eq!((promised.status, promised.hold), (ReservationStatus::Promised, HoldStatus::NotPlaced));

    let hold =
        ParkingEvent::HoldPlaced { reservation, pool: pool("short"), until: at(7_200), shortfall: true };
    history.parking(facility(1), &hold, at(1_800)).await;
    let models = read(&history).await;
    assert_eq!(row::<ReservationRow>(&models, key).await.hold, HoldStatus::PlacedShort);
    assert_eq!(row::<OccupancyRow>(&models, (facility(1), pool("short"))).await.free(), Some(4));

    let release = HoldRelease::CheckedIn;
    history
        .parking(
            facility(1),
            &ParkingEvent::HoldReleased { reservation, pool: pool("short"), release },
            at(3_600),
        )
        .await;
    let granted = ParkingEvent::EntryGranted {
        grant: GrantId(Uuid::from_u128(3)),
        visit: visit(1),
        lane: lane("in"),
        pool: pool("short"),
        basis: Basis::Reservation { reservation },
        credentials: vec![plate("AB12")],
        expires_at: at(3_720),
        plan_version: 1,
    };
    history.parking(facility(1), &granted, at(3_600)).await;
    assert_eq!(row::<ReservationRow>(&read(&history).await, key).await.visit, Some(visit(1)));
    let lapsed = ParkingEvent::GrantLapsed {
        grant: GrantId(Uuid::from_u128(3)),
        visit: Some(visit(1)),
        pool: Some(pool("short")),
        on_reservation: true,
        reservation: Some(reservation),
    };
    history.parking(facility(1), &lapsed, at(3_720)).await;
    assert_eq!(row::<ReservationRow>(&read(&history).await, key).await.visit, None);
    let entered = ParkingEvent::VehicleEntered {
        visit: Some(visit(1)),
        grant: None,
        lane: lane("in"),
        pool: pool("short"),
        area: None,
        credentials: Vec::new(),
        irregularities: Vec::new(),
        joined_exit: None,
        used_reservation: Some(reservation),
        clock: octocity_domain::parking::DeviceClock::default(),
    };
    history.parking(facility(1), &entered, at(3_600)).await;
    history.add(book, facility(1), &ReservationsEvent::ReservationCheckedIn { reservation }, at(3_601)).await;
    let used = row::<ReservationRow>(&read(&history).await, key).await;
    assert_eq!(
        (used.status, used.hold, used.visit),
        (ReservationStatus::CheckedIn, HoldStatus::Released, Some(visit(1)))
    );

    let end = ReservationEnd::Completed;
    history
        .add(book, facility(1), &ReservationsEvent::ReservationEnded { reservation, end }, at(7_200))
        .await;
    let ended = row::<ReservationRow>(&read(&history).await, key).await;
    assert_eq!((ended.status, ended.end), (ReservationStatus::Ended, Some(end)));
}

#[tokio::test]
async fn a_facility_is_its_plan_with_its_modes() {
    let mut history = History::default();
    history.register(facility(1)).await;
    let stream = StreamId::new(Category::Facility, facility(1).uuid());
    let policies = Policies { stale_after_seconds: Some(600), ..Policies::default() };
    history.add(stream, facility(1), &FacilityEvent::PolicySet { policies: policies.clone() }, at(0)).await;
    let activated = FacilityEvent::TariffActivated { tariff: tariff(), from: at(10) };
    history.add(stream, facility(1), &activated, at(1)).await;
    let mut layout = plan(facility(1)).layout;
    layout.pools[0].places = Some(9);
    layout.pools[1].places = Some(9);
    let capacity = ParkingEvent::CapacitySet { pool: pool("long"), places: Some(2) };
    history.parking(facility(1), &capacity, at(2)).await;
    history.add(stream, facility(1), &FacilityEvent::LayoutChanged { layout: layout.clone() }, at(3)).await;
    for (scope, mode) in [
        (ModeScope::Facility, AdmissionMode::Shut),
        (ModeScope::Lane { lane: lane("in") }, AdmissionMode::HeldOpen),
        (ModeScope::Lane { lane: lane("out") }, AdmissionMode::Shut),
        (ModeScope::Lane { lane: lane("out") }, AdmissionMode::Normal),
    ] {
        let set = ParkingEvent::AdmissionModeSet { scope, mode, reason: "fire drill".to_owned() };
        history.parking(facility(1), &set, at(4)).await;
    }
    let models = read(&history).await;
    let known = row::<FacilityRow>(&models, (facility(1),)).await;
    let plan = known.plan();
    assert_eq!((plan.version, plan.policies, plan.layout), (4, policies, layout));
    assert_eq!(plan.tariffs, [(at(10), tariff())]);
    assert_eq!((known.mode, known.mode_reason.as_deref()), (AdmissionMode::Shut, Some("fire drill")));
    assert_eq!(known.lane_modes.0.into_iter().collect::<Vec<_>>(), [(lane("in"), AdmissionMode::HeldOpen)]);
    // The plan's figure counts until an event sets another.
    let places = async |id| row::<OccupancyRow>(&models, (facility(1), pool(id))).await.places;
    assert_eq!((places("short").await, places("long").await), (Some(9), Some(2)));
}
