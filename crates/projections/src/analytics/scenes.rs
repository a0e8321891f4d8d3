//! Events that analysts' figures are told from, for tests.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use octocity_domain::parking::{
    Basis, Departure, DeviceClock, Entry, EstimateBasis, JoinedExit, ParkingEvent, Presumption,
    Reconciliation,
};
use octocity_domain::payments::{Allocation, Payable, PaymentEvent, Token};
use octocity_domain::sessions::SessionEvent;
use octocity_domain::tariffs::{Cap, CapPeriod, Tariff};
use octocity_domain::time::Zone;
use octocity_domain::{Category, Code, Currency, FacilityId, GrantId, Money, PaymentId, Timestamp, VisitId};
use octocity_log::StreamId;
use uuid::Uuid;

use crate::testing::*;

pub fn prague() -> Zone {
    Zone::try_new("Europe/Prague").unwrap()
}

pub fn crowns(amount_minor: i64) -> Money {
    Money::new(amount_minor, Currency::try_new("CZK").unwrap())
}

pub fn entered(number: u128) -> ParkingEvent {
    entered_into("short", number, None)
}

pub fn entered_into(name: &str, number: u128, joined_exit: Option<JoinedExit>) -> ParkingEvent {
    ParkingEvent::VehicleEntered {
        visit: Some(visit(number)),
        grant: None,
        lane: lane("in"),
        pool: pool(name),
        area: None,
        credentials: vec![plate(&format!("CAR{number}"))],
        irregularities: Vec::new(),
        joined_exit,
        used_reservation: None,
        clock: DeviceClock::default(),
    }
}

pub fn left(departure: Departure) -> ParkingEvent {
    ParkingEvent::VehicleLeft {
        on_reservation: false,
        departure,
        grant: None,
        lane: lane("out"),
        pool: pool("short"),
        area: None,
        requested_at: None,
        credentials: Vec::new(),
        irregularities: Vec::new(),
        clock: DeviceClock::default(),
    }
}

pub fn visit_left(number: u128) -> ParkingEvent {
    left(Departure::Visit { visit: visit(number) })
}

pub fn granted(number: u128) -> ParkingEvent {
    ParkingEvent::EntryGranted {
        grant: GrantId(Uuid::from_u128(number)),
        visit: visit(number),
        lane: lane("in"),
        pool: pool("short"),
        basis: Basis::ShortTerm,
        credentials: vec![plate(&format!("CAR{number}"))],
        expires_at: at(86_400),
        plan_version: 1,
    }
}

pub fn refused() -> ParkingEvent {
    ParkingEvent::PassageRefused {
        lane: lane("in"),
        direction: octocity_domain::parking::Direction::Entry,
        pool: pool("short"),
        refusal: "POOL_FULL".to_owned(),
        credentials: vec![plate("TURNED")],
    }
}

pub fn declared(number: u128, entered_at: Option<Timestamp>) -> ParkingEvent {
    let basis = EstimateBasis::Attendant;
    ParkingEvent::VisitDeclared {
        visit: visit(number),
        pool: pool("short"),
        entry: entered_at.map_or(Entry::Unknown, |at| Entry::Estimated { at, basis }),
        credentials: Vec::new(),
        takes_unidentified: false,
    }
}

pub fn presumed_left(number: u128) -> ParkingEvent {
    ParkingEvent::VisitPresumedLeft {
        on_reservation: false,
        visit: visit(number),
        pool: pool("short"),
        presumption: Presumption::Age,
    }
}

pub fn reconciled(number: u128, outcome: Reconciliation, visits_change: i8) -> ParkingEvent {
    ParkingEvent::VisitReconciled {
        on_reservation: false,
        visit: visit(number),
        pool: pool("short"),
        outcome,
        visits_change,
        unidentified_change: 0,
    }
}

/// What attendants judge: merged, presumed and mistaken, reassigned; and late or contradicting news.
pub fn judged_stays() -> Vec<(Timestamp, ParkingEvent)> {
    let joined = JoinedExit { lane: lane("out"), left_at: at(1_500), gives_back_unidentified: false };
    vec![
        // Two claims of a lost ticket turn out to be the car that was seen: 4000 s.
        (at(0), entered(1)),
        (at(600), declared(2, None)),
        (at(700), declared(3, Some(at(300)))),
        (at(800), reconciled(1, Reconciliation::Merged { into: visit(2) }, -1)),
        (at(900), reconciled(2, Reconciliation::Merged { into: visit(3) }, -1)),
        (at(4_000), visit_left(3)),
        // Presumed left, and still inside: 4000 s.
        (at(1_000), entered(4)),
        (at(2_000), presumed_left(4)),
        (at(2_500), reconciled(4, Reconciliation::StillInside, 1)),
        (at(5_000), visit_left(4)),
        // An unmatched exit was its own: 800 s.
        (at(1_100), entered(5)),
        (at(1_900), left(Departure::MissedEntry)),
        (at(2_100), presumed_left(5)),
        (at(2_600), reconciled(5, Reconciliation::Reassigned { lane: lane("out"), left_at: at(1_900) }, 0)),
        // Nobody saw these whole: they count for nothing.
        (at(1_200), entered(6)),
        (at(2_200), presumed_left(6)),
        (at(2_200), reconciled(6, Reconciliation::Confirmed, 0)),
        (at(1_200), declared(8, Some(at(100)))),
        (at(2_300), visit_left(8)),
        // Its exit came first: 200 s.
        (at(1_300), entered_into("short", 7, Some(joined))),
        // It counts for the pool that admitted it: 100 s.
        (at(1_450), granted(9)),
        (at(1_500), entered_into("long", 9, None)),
        (at(1_600), visit_left(9)),
        // The lanes' clocks contradict each other: 0 s.
        (at(2_000), entered(10)),
        (at(1_900), visit_left(10)),
    ]
}

pub fn by_the_hour(version: &str) -> Tariff {
    Tariff {
        id: Code::try_new(version).unwrap(),
        currency: Currency::try_new("CZK").unwrap(),
        free_seconds: 0,
        increment_seconds: 3_600,
        price_per_increment_minor: 4_000,
        cap: None,
        grace_seconds: 900,
    }
}

/// Appends what happened to the session of a visit.
pub async fn session(
    history: &mut History,
    facility: FacilityId,
    visit: VisitId,
    events: Vec<(Timestamp, SessionEvent)>,
) {
    let stream = StreamId::new(Category::Session, visit.uuid());
    for (at, event) in events {
        history.add(stream, facility, &event, at).await;
    }
}

pub fn opened(facility: FacilityId, number: u128, tariff: Tariff, entered_at: Timestamp) -> SessionEvent {
    let (visit, pool) = (visit(number), pool("short"));
    SessionEvent::SessionOpened { visit, facility, pool, entered_at, tariff, zone: prague() }
}

pub fn credited(payment: u128, amount: Money, priced_at: Timestamp) -> SessionEvent {
    let payment = PaymentId(Uuid::from_u128(payment));
    SessionEvent::CreditApplied { payment, amount, priced_at, leave_by: None, tariff: None }
}

pub async fn captured(history: &mut History, facility: FacilityId, payment: u128, amount: Money) {
    let stream = StreamId::new(Category::Payment, Uuid::from_u128(payment));
    let payable = Payable::Session { visit: visit(1) };
    let requested = PaymentEvent::PaymentRequested {
        facility,
        amount,
        allocations: vec![Allocation { payable, amount_minor: amount.amount_minor }],
        token: Token::new("tok_1"),
        priced_at: at(50),
    };
    history.add(stream, facility, &requested, at(50)).await;
    let captured = PaymentEvent::PaymentCaptured { call: 1, amount, reference: "r".to_owned() };
    history.add(stream, facility, &captured, at(60)).await;
}

/// Numbers that look random, the same ones each time.
pub struct Chance(pub u64);

impl Chance {
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
    pub fn second(&mut self, limit: u64) -> i64 {
        i64::try_from(self.below(limit)).unwrap()
    }
}

/// A day of three garages by their own rules, and the money side of a hundred stays.
pub async fn long_history() -> History {
    let mut chance = Chance(7);
    let mut moves = Vec::new();
    for _ in 0..600 {
        let late = u16::try_from(chance.below(20_000)).unwrap();
        let mut byte = || u8::try_from(chance.below(256)).unwrap();
        moves.push((byte(), byte(), late, byte() % 2 == 0));
    }
    let mut history = play(&mut [1, 2, 3].map(Garage::new), &moves).await;
    for number in 0..100 {
        let facility = facility(1 + number % 3);
        let events = session_by_chance(&mut chance, facility, number);
        session(&mut history, facility, visit(1_000 + number), events).await;
    }
    history
}

fn session_by_chance(
    chance: &mut Chance,
    facility: FacilityId,
    number: u128,
) -> Vec<(Timestamp, SessionEvent)> {
    let mut tariff = by_the_hour(["summer", "winter"][usize::try_from(number % 2).unwrap()]);
    tariff.cap = number.is_multiple_of(5).then_some(Cap { amount_minor: 9_000, period: CapPeriod::LocalDay });
    let entered = chance.second(80_000);
    let mut events = vec![(at(entered), opened(facility, 1_000 + number, tariff, at(entered)))];
    let first_credit = (at(entered + 30), credited(number, crowns(3_000), at(entered + 20)));
    // Some payments come before the process that opens the session.
    events.insert(usize::from(!number.is_multiple_of(7)), first_credit);
    for _ in 0..chance.below(5) {
        let now = at(entered + chance.second(30_000));
        let euros = Money::new(500, Currency::try_new("EUR").unwrap());
        let event = match chance.below(7) {
            0..=2 => SessionEvent::StayEnded { ended_at: now },
            3 => SessionEvent::StayRetimed {
                entered_at: at(entered - 600),
                ended_at: number.is_multiple_of(2).then_some(now),
            },
            4 => SessionEvent::ChargeAdjusted { amount: crowns(-700), reason: "goodwill".to_owned() },
            5 => credited(500 + number, if number.is_multiple_of(2) { euros } else { crowns(1_500) }, now),
            _ => SessionEvent::CreditReversed {
                payment: PaymentId(Uuid::from_u128(number)),
                amount: crowns(1_000),
                refund: 1,
            },
        };
        events.push((now, event));
    }
    events
}
