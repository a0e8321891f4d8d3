//! The oracle must not agree with everything.

use octocity_domain::facilities::{EntryLimit, FacilityEvent, Policies};
use octocity_domain::parking::{Basis, Credential, Departure, DeviceClock, ParkingEvent};
use octocity_domain::payments::{GatewayCall, GatewayVerb, PaymentEvent};
use octocity_domain::{
    Category, CommandId, Currency, FacilityId, GrantId, LaneId, Money, PoolId, Timestamp, VisitId,
};
use octocity_log::{Actor, EventMeta, Origin, Position, RecordedEvent, StreamId, encode};
use serde::Serialize;
use uuid::Uuid;

use super::Oracle;
use crate::simulation::city;
use crate::simulation::clock::VirtualClock;
use crate::simulation::order::Order;
use crate::simulation::random::Random;

/// Reads events one after the other into an oracle.
#[derive(Default)]
struct Told {
    oracle: Oracle,
    count: u64,
}

impl Told {
    fn tell<E: Serialize>(&mut self, category: Category, revision: u64, event: &E) -> Result<(), String> {
        self.count += 1;
        let (event_type, data) = encode(event).unwrap();
        let command_id = CommandId::new(Uuid::from_u128(u128::from(self.count)));
        let at = Timestamp::from_seconds(0);
        let recorded = RecordedEvent {
            position: Position(self.count),
            stream: StreamId::new(category, Uuid::from_u128(1)),
            revision,
            event_type: std::sync::Arc::from(&*event_type),
            version: 1,
            data,
            meta: EventMeta {
                actor: Actor::new("test"),
                command_id,
                causation_id: command_id.uuid(),
                correlation_id: command_id.uuid(),
                key: FacilityId::new(Uuid::from_u128(1)),
                decided_at: at,
                happened_at: at,
                origin: Origin::Live,
            },
        };
        self.oracle.read(&[recorded])
    }

    /// One car park of five places, of which none is taken.
    fn founded() -> Self {
        let mut told = Self::default();
        let (_, orders) = city::found(&Random::new(1), &VirtualClock::default());
        let registered = orders.into_iter().find_map(|order| match order {
            Order::Facility(_, command) => registered(command),
            _ => None,
        });
        told.tell(Category::Facility, 0, &registered.unwrap()).unwrap();
        told
    }
}

fn registered(command: octocity_domain::facilities::FacilityCommand) -> Option<FacilityEvent> {
    use octocity_domain::facilities::FacilityCommand::RegisterFacility;
    let RegisterFacility { facility, operator, name, zone, currency, layout, policies } = command else {
        return None;
    };
    Some(FacilityEvent::FacilityRegistered { facility, operator, name, zone, currency, layout, policies })
}

fn granted(number: u128, ticket: &str) -> ParkingEvent {
    ParkingEvent::EntryGranted {
        grant: GrantId::new(Uuid::from_u128(number)),
        visit: VisitId::new(Uuid::from_u128(number)),
        lane: LaneId::try_new("seen").unwrap(),
        pool: PoolId::try_new("day").unwrap(),
        basis: Basis::ShortTerm,
        credentials: vec![Credential::Ticket { number: ticket.to_owned() }],
        expires_at: Timestamp::from_seconds(60),
        plan_version: 1,
    }
}

fn entered(number: u128) -> ParkingEvent {
    ParkingEvent::VehicleEntered {
        visit: Some(VisitId::new(Uuid::from_u128(number))),
        grant: Some(GrantId::new(Uuid::from_u128(number))),
        lane: LaneId::try_new("seen").unwrap(),
        pool: PoolId::try_new("day").unwrap(),
        area: None,
        credentials: Vec::new(),
        irregularities: Vec::new(),
        joined_exit: None,
        used_reservation: None,
        clock: DeviceClock::default(),
    }
}

#[test]
fn a_grant_too_many_is_found() {
    let mut told = Told::founded();
    for number in 0..5 {
        let event = granted(u128::from(number), &number.to_string());
        told.tell(Category::Parking, number, &event).unwrap();
    }
    let sentence = told.tell(Category::Parking, 5, &granted(5, "5")).unwrap_err();
    assert!(sentence.starts_with("9: a place is granted"), "{sentence}");
}

#[test]
fn a_grant_is_judged_by_its_own_plan_which_may_be_overtaken_but_not_old() {
    let mut told = Told::founded();
    let policies = Policies { entry_limit: EntryLimit::Unlimited, ..Policies::default() };
    told.tell(Category::Facility, 1, &FacilityEvent::PolicySet { policies }).unwrap();
    for number in 0..5 {
        let event = granted(u128::from(number), &number.to_string());
        told.tell(Category::Parking, number, &event).unwrap();
    }
    let mut sixth = granted(5, "5");
    let ParkingEvent::EntryGranted { plan_version, .. } = &mut sixth else { unreachable!() };
    *plan_version = 2;
    told.tell(Category::Parking, 5, &sixth).unwrap();
    let sentence = told.tell(Category::Parking, 6, &granted(6, "6")).unwrap_err();
    assert!(sentence.starts_with("9: a place is granted"), "{sentence}");

    let next = CommandId::new(Uuid::from_u128(u128::from(told.count + 1)));
    told.oracle.asked(FacilityId::new(Uuid::from_u128(1)), next);
    let sentence = told.tell(Category::Parking, 7, &granted(7, "7")).unwrap_err();
    assert!(sentence.starts_with("9: a grant is decided on plan 1, asked for on plan 2"), "{sentence}");
}

#[test]
fn two_open_visits_of_one_credential_are_found() {
    let mut told = Told::founded();
    let events = [granted(1, "7"), granted(2, "7"), entered(1)];
    for (revision, event) in events.iter().enumerate() {
        told.tell(Category::Parking, revision as u64, event).unwrap();
    }
    let sentence = told.tell(Category::Parking, 3, &entered(2)).unwrap_err();
    assert!(sentence.starts_with("9: one credential has two open visits"), "{sentence}");
}

#[test]
fn an_exit_of_nobody_and_a_gap_in_a_stream_are_found() {
    let mut told = Told::founded();
    let left = ParkingEvent::VehicleLeft {
        departure: Departure::Unidentified,
        on_reservation: false,
        grant: None,
        lane: LaneId::try_new("seen").unwrap(),
        pool: PoolId::try_new("day").unwrap(),
        area: None,
        requested_at: None,
        credentials: Vec::new(),
        irregularities: Vec::new(),
        clock: DeviceClock::default(),
    };
    assert!(told.tell(Category::Parking, 0, &left).unwrap_err().starts_with("9: fewer than no"));
    assert!(told.tell(Category::Parking, 2, &granted(1, "1")).unwrap_err().starts_with("11:"));
}

#[test]
fn a_capture_without_an_intent_or_twice_is_found() {
    let amount = Money::new(100, Currency::try_new("EUR").unwrap());
    let captured = || PaymentEvent::PaymentCaptured { call: 1, amount, reference: "r".to_owned() };
    let mut told = Told::founded();
    let sentence = told.tell(Category::Payment, 0, &captured()).unwrap_err();
    assert!(sentence.starts_with("10: a gateway call has two outcomes, or no intent"), "{sentence}");

    let mut told = Told::founded();
    let call = GatewayCall { number: 1, verb: GatewayVerb::Capture, amount };
    told.tell(Category::Payment, 0, &PaymentEvent::GatewayCallPlanned { call, reason: None }).unwrap();
    // Nothing was authorised.
    assert!(
        told.tell(Category::Payment, 1, &captured()).unwrap_err().starts_with("10: refunded 0, captured")
    );
}
