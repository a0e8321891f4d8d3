//! Requests: who is admitted, who is let out, and what is granted.

use super::garage::*;
use crate::facilities::{AntiPassback, EarlyArrival, EntryLimit, MoneySideDown, Policies};
use crate::parking::command::MoneySide;
use crate::parking::event::{AdmissionMode, Basis, Cover, Direction, HoldRelease, ModeScope, ParkingEvent};
use crate::parking::{Parking, ParkingCommand};
use crate::tariffs::Quote;
use crate::{Code, Currency, Decider, Money};

fn set_mode(scope: ModeScope, mode: AdmissionMode) -> ParkingCommand {
    ParkingCommand::SetAdmissionMode { scope, mode, reason: "maintenance".to_owned() }
}

fn quote(owed_minor: i64) -> Quote {
    let currency = Currency::try_new("CZK").unwrap();
    Quote {
        tariff: Code::try_new("t1").unwrap(),
        lines: Vec::new(),
        price: Money::new(owed_minor, currency),
        credits_minor: 0,
        owed: Money::new(owed_minor, currency),
        surplus_minor: 0,
        priced_at: at(0),
        holds_until: at(15),
    }
}

#[test]
fn a_grant_takes_a_place_at_once_and_becomes_a_visit_with_the_passage() {
    let mut garage = Garage::with_places(2);
    garage.enters(&[plate("A")]);
    garage.shows(0, 0, 1);
    garage.at(1).passes(Direction::Entry, &[plate("A")], 1);
    garage.shows(1, 0, 0);
}

#[test]
fn the_last_place_is_granted_once_and_the_car_turned_away_is_an_event() {
    let mut garage = Garage::with_places(1);
    garage.enters(&[plate("A")]);
    let events = garage.refuses(&enter("in", &[plate("B")]), "POOL_FULL");
    assert!(matches!(&events[..], [ParkingEvent::PassageRefused { refusal, .. }] if refusal == "POOL_FULL"));
}

#[test]
fn who_asks_for_a_pool_that_is_gone_is_turned_away_at_the_lane() {
    let mut garage = Garage::with_places(2);
    garage.knows(9, 0, 100);
    garage.facts.reservation.as_mut().unwrap().pool = crate::PoolId::try_new("gone").unwrap();
    let events = garage.refuses(&enter("in", &[with_reservation(9)]), "POOL_UNKNOWN");
    assert!(matches!(events[..], [ParkingEvent::PassageRefused { pool: counted, .. }] if counted == pool()));
}

#[test]
fn a_pool_of_unknown_capacity_and_one_without_limit_are_never_full() {
    let mut unknown = Garage::of(plan(None, 0, Policies::default()));
    unknown.enters(&[plate("A")]);
    let unlimited = Policies { entry_limit: EntryLimit::Unlimited, ..Policies::default() };
    let mut garage = Garage::of(plan(Some(0), 0, unlimited));
    garage.enters(&[plate("A")]);
}

#[test]
fn a_driver_who_backs_out_gives_the_place_back_at_the_time_limit() {
    let mut garage = Garage::with_places(1);
    garage.enters(&[plate("A")]);
    garage.at(3);
    let events = garage.enters(&[plate("B")]);
    assert!(matches!(events[0], ParkingEvent::GrantLapsed { .. }));
    garage.shows(0, 0, 1);
}

#[test]
fn asking_again_at_another_lane_moves_the_grant_instead_of_taking_a_second_place() {
    let mut garage = Garage::with_places(1);
    garage.enters(&[plate("A")]);
    garage.enters(&[plate("A")]);
    garage.shows(0, 0, 1);
}

#[test]
fn a_grant_lapses_once_and_only_when_it_is_due() {
    let mut garage = Garage::with_places(1);
    let events = garage.enters(&[plate("A")]);
    let ParkingEvent::EntryGranted { grant, expires_at, .. } = events[0] else { panic!("{events:?}") };
    let lapse = ParkingCommand::LapseGrant { grant, due: expires_at };
    assert!(garage.accepts(&lapse).is_empty());
    assert_eq!(garage.at(2).accepts(&lapse).len(), 1);
    assert!(garage.accepts(&lapse).is_empty());
    garage.shows(0, 0, 0);
}

#[test]
fn one_vehicle_with_the_credentials_of_two_visits_leaves_one_open_visit() {
    let mut garage = Garage::with_places(9);
    garage.accepts(&enter("column", &[plate("A")]));
    garage.accepts(&enter("column", &[ticket("7")]));
    garage.shows(2, 0, 0);
    garage.accepts(&enter("column", &[plate("A"), ticket("7")]));
    garage.shows(1, 0, 0);
    assert_eq!(garage.visit_of(&plate("A")), garage.visit_of(&ticket("7")));
}

#[test]
fn without_a_detector_the_grant_is_the_passage() {
    let mut garage = Garage::with_places(1);
    let events = garage.accepts(&enter("column", &[ticket("7")]));
    assert!(matches!(events[..], [ParkingEvent::EntryGranted { .. }, ParkingEvent::VehicleEntered { .. }]));
    garage.shows(1, 0, 0);
}

#[test]
fn hard_anti_passback_refuses_who_is_inside_and_soft_presumes_that_the_old_visit_left() {
    let hard = Policies { anti_passback: AntiPassback::Hard, ..Policies::default() };
    let mut garage = Garage::of(plan(Some(5), 0, hard));
    garage.passes(Direction::Entry, &[plate("A")], 0);
    garage.refuses(&enter("in", &[plate("A")]), "ALREADY_INSIDE");

    let mut soft = Garage::with_places(5);
    soft.passes(Direction::Entry, &[plate("A")], 0);
    soft.enters(&[plate("A")]);
    let events = soft.at(1).passes(Direction::Entry, &[plate("A")], 1);
    assert!(matches!(events[0], ParkingEvent::VisitPresumedLeft { .. }));
    soft.shows(1, 0, 0);
}

#[test]
fn a_shut_facility_takes_nobody_in_but_lets_everybody_out() {
    let mut garage = Garage::with_places(5);
    garage.passes(Direction::Entry, &[plate("A")], 0);
    garage.accepts(&set_mode(ModeScope::Facility, AdmissionMode::Shut));
    garage.refuses(&enter("in", &[plate("B")]), "FACILITY_SHUT");
    garage.owes(&plate("A"), MoneySide::Known { quote: None, leave_by: None });
    garage.accepts(&exit(&[plate("A")]));
}

#[test]
fn a_shut_lane_lets_nobody_through_and_a_held_open_one_everybody() {
    let mut garage = Garage::with_places(0);
    garage.accepts(&set_mode(ModeScope::Lane { lane: lane("in") }, AdmissionMode::Shut));
    garage.refuses(&enter("in", &[plate("A")]), "LANE_SHUT");
    garage.accepts(&set_mode(ModeScope::Lane { lane: lane("in") }, AdmissionMode::HeldOpen));
    let events = garage.enters(&[]);
    assert!(matches!(events[0], ParkingEvent::EntryGranted { basis: Basis::FreeFlow, .. }));
}

#[test]
fn an_override_needs_a_reason_and_asks_no_rule() {
    let mut garage = Garage::with_places(0);
    let open = |reason: &str| ParkingCommand::OverrideGate {
        lane: lane("in"),
        direction: Direction::Entry,
        credentials: Vec::new(),
        reason: reason.to_owned(),
    };
    garage.refuses(&open("  "), "REASON_MISSING");
    let events = garage.accepts(&open("ambulance"));
    assert!(matches!(&events[0], ParkingEvent::EntryGranted { basis: Basis::Override { .. }, .. }));
    garage.passes(Direction::Entry, &[], 0);
    garage.shows(0, 1, 0);
}

#[test]
fn an_exit_is_granted_on_a_cover_and_refused_with_the_quote() {
    let mut garage = Garage::with_places(5);
    garage.passes(Direction::Entry, &[plate("A")], 0);
    garage.owes(&plate("A"), MoneySide::Known { quote: Some(quote(4000)), leave_by: None });
    garage.refuses(&exit(&[plate("A")]), "PAYMENT_REQUIRED");
    garage.owes(&plate("A"), MoneySide::Known { quote: Some(quote(0)), leave_by: Some(at(15)) });
    let events = garage.accepts(&exit(&[plate("A")]));
    assert!(
        matches!(events[0], ParkingEvent::ExitGranted { cover: Cover::Paid { leave_by }, .. } if leave_by == at(15))
    );
    garage.passes(Direction::Exit, &[], 0);
    garage.shows(0, 0, 0);
}

#[test]
fn when_the_money_side_is_down_the_policy_decides() {
    for (money_side_down, granted) in [(MoneySideDown::LetOut, true), (MoneySideDown::KeepIn, false)] {
        let mut garage = Garage::of(plan(Some(5), 0, Policies { money_side_down, ..Policies::default() }));
        garage.passes(Direction::Entry, &[plate("A")], 0);
        garage.owes(&plate("A"), MoneySide::Unreachable);
        match granted {
            true => drop(garage.accepts(&exit(&[plate("A")]))),
            false => drop(garage.refuses(&exit(&[plate("A")]), "MONEY_SIDE_DOWN")),
        }
    }
}

#[test]
fn a_cover_of_another_visit_is_no_cover() {
    let mut garage = Garage::with_places(5);
    garage.passes(Direction::Entry, &[plate("A")], 0);
    garage.passes(Direction::Entry, &[plate("B")], 0);
    garage.owes(&plate("A"), MoneySide::Known { quote: None, leave_by: None });
    assert!(!Parking::facts_fit(&garage.state, &exit(&[plate("B")]), &garage.facts));
    assert!(Parking::facts_fit(&garage.state, &exit(&[plate("A")]), &garage.facts));
}

#[test]
fn limits_on_time_are_for_requests() {
    let mut garage = Garage::with_places(5);
    let asked = |minute| ParkingCommand::EnterGate {
        lane: lane("in"),
        credentials: vec![plate("A")],
        pool: None,
        requested_at: Some(at(minute)),
    };
    garage.at(100).refuses(&asked(102), "TIME_IN_FUTURE");
    garage.refuses(&asked(10), "TIME_TOO_OLD");
    garage.accepts(&asked(99));
    garage.passes(Direction::Entry, &[plate("B")], -1_000_000);
}

#[test]
fn walk_ins_are_admitted_against_the_rest_of_the_reserved_part() {
    let mut garage = Garage::of(plan(Some(3), 2, Policies::default()));
    garage.enters(&[plate("A")]);
    garage.refuses(&enter("in", &[plate("B")]), "POOL_FULL");
    garage.accepts(&ParkingCommand::SetReservedPart { pool: pool(), places: 1, book_revision: 0 });
    garage.enters(&[plate("B")]);
}

#[test]
fn a_hold_is_placed_even_without_a_place_and_then_stops_walk_ins() {
    let mut garage = Garage::with_places(1);
    garage.passes(Direction::Entry, &[plate("A")], 0);
    let hold = ParkingCommand::PlaceHold { reservation: reservation(9), pool: pool(), until: at(90) };
    assert!(matches!(garage.accepts(&hold)[..], [ParkingEvent::HoldPlaced { shortfall: true, .. }]));
    assert!(garage.accepts(&hold).is_empty());
    garage.passes(Direction::Exit, &[plate("A")], 0);
    garage.refuses(&enter("in", &[plate("B")]), "POOL_FULL");
    garage.accepts(&ParkingCommand::ReleaseHold {
        reservation: reservation(9),
        release: HoldRelease::Cancelled,
    });
    garage.enters(&[plate("B")]);
}

#[test]
fn a_reservation_admits_once_even_before_its_hold_exists() {
    let mut garage = Garage::with_places(1);
    garage.knows(9, 10, 100);
    let events = garage.enters(&[with_reservation(9)]);
    let placed_then_granted = matches!(
        events[..],
        [
            ParkingEvent::HoldPlaced { .. },
            ParkingEvent::HoldReleased { .. },
            ParkingEvent::EntryGranted { .. }
        ]
    );
    assert!(placed_then_granted, "{events:?}");
    garage.passes(Direction::Entry, &[], 0);
    garage.refuses(&enter("in", &[with_reservation(9), plate("A")]), "RESERVATION_USED");
    garage.shows(1, 0, 0);
}

#[test]
fn backing_out_gives_the_right_to_enter_back() {
    let mut garage = Garage::with_places(1);
    garage.knows(9, 10, 100);
    garage.enters(&[with_reservation(9)]);
    garage.at(5).enters(&[with_reservation(9)]);
    garage.shows(0, 0, 1);
}

#[test]
fn a_passage_uses_the_right_to_enter_up_whether_it_was_requested_or_not() {
    let used = |events: &[ParkingEvent]| match events.last() {
        Some(ParkingEvent::VehicleEntered { used_reservation, .. }) => *used_reservation,
        other => panic!("no entry: {other:?}"),
    };
    let mut garage = Garage::with_places(5);
    garage.knows(9, 0, 100);
    garage.enters(&[with_reservation(9)]);
    assert_eq!(used(&garage.passes(Direction::Entry, &[], 0)), Some(reservation(9)));

    let mut garage = Garage::with_places(5);
    garage.knows(9, 0, 100);
    garage.accepts(&ParkingCommand::PlaceHold { reservation: reservation(9), pool: pool(), until: at(100) });
    let unrequested = garage.passes(Direction::Entry, &[with_reservation(9), plate("A")], 0);
    assert!(matches!(unrequested[0], ParkingEvent::HoldReleased { release: HoldRelease::CheckedIn, .. }));
    assert_eq!(used(&unrequested), Some(reservation(9)));
    assert_eq!(used(&garage.at(60).passes(Direction::Entry, &[with_reservation(9)], 60)), None);
}

#[test]
fn a_lapse_gives_no_right_back_that_another_passage_has_used_up() {
    let mut garage = Garage::with_places(5);
    garage.knows(9, 0, 100);
    let granted = garage.enters(&[with_reservation(9), plate("A")]);
    let Some(ParkingEvent::EntryGranted { grant, expires_at, .. }) = granted.last() else {
        panic!("{granted:?}")
    };
    let lapse = ParkingCommand::LapseGrant { grant: *grant, due: *expires_at };
    let elsewhere = ParkingCommand::RecordPassage {
        lane: lane("column"),
        direction: Direction::Entry,
        credentials: vec![with_reservation(9), plate("A")],
        unreadable: false,
        pool: None,
        happened_at: at(0),
        clock: crate::parking::DeviceClock::default(),
    };
    garage.accepts(&elsewhere);
    let lapsed = garage.at(10).accepts(&lapse);
    assert!(matches!(lapsed[..], [ParkingEvent::GrantLapsed { reservation: None, .. }]));
}

#[test]
fn a_right_is_remembered_as_used_until_its_reservation_is_over() {
    const DAY: i64 = 24 * 60;
    let mut garage = Garage::with_places(5);
    garage.knows(9, 300 * DAY, 301 * DAY);
    garage.enters(&[with_reservation(9), plate("A")]);
    garage.passes(Direction::Entry, &[plate("A")], 0);
    // Something is claimed meanwhile, which is when others are forgotten.
    garage.at(299 * DAY).knows(8, 299 * DAY, 300 * DAY);
    garage.enters(&[with_reservation(8), plate("B")]);
    garage.at(300 * DAY).knows(9, 300 * DAY, 301 * DAY);
    garage.refuses(&enter("in", &[with_reservation(9), plate("C")]), "RESERVATION_USED");
}

#[test]
fn early_arrival_is_a_policy() {
    let with = |early_arrival| Policies { early_arrival, ..Policies::default() };
    let early = |policies| {
        let mut garage = Garage::of(plan(Some(1), 0, policies));
        garage.knows(9, 600, 700);
        garage
    };
    early(with(EarlyArrival::Refused)).refuses(&enter("in", &[with_reservation(9)]), "RESERVATION_TOO_EARLY");
    let walk_in = early(with(EarlyArrival::AsWalkIn)).enters(&[with_reservation(9)]);
    assert!(matches!(walk_in[..], [ParkingEvent::EntryGranted { basis: Basis::ShortTerm, .. }]));
    let mut from_arrival = early(with(EarlyArrival::FromArrival));
    let reserved = from_arrival.enters(&[with_reservation(9)]);
    assert!(matches!(
        reserved[..],
        [ParkingEvent::EntryGranted { basis: Basis::EarlyReservation { .. }, .. }]
    ));
}

#[test]
fn who_comes_early_takes_a_walk_ins_place_and_leaves_the_reserved_part_to_others() {
    let policies = Policies { early_arrival: EarlyArrival::FromArrival, ..Policies::default() };
    let mut garage = Garage::of(plan(Some(2), 1, policies));
    garage.knows(9, 600, 700);
    garage.enters(&[with_reservation(9)]);
    garage.facts.reservation = None;
    garage.refuses(&enter("in", &[plate("C")]), "POOL_FULL");
}

#[test]
fn a_credential_that_a_reservation_was_made_for_opens_the_gate_for_it_while_its_place_is_held() {
    let mut garage = Garage::of(plan(Some(1), 1, Policies::default()));
    garage.knows(9, 600, 700);
    garage.refuses(&enter("in", &[plate("A")]), "POOL_FULL");
    let events = garage.at(600).enters(&[plate("A")]);
    assert!(
        matches!(events.last(), Some(ParkingEvent::EntryGranted { basis: Basis::Reservation { .. }, .. })),
        "{events:?}"
    );
    garage.passes(Direction::Entry, &[plate("A")], 600);
    garage.refuses(&enter("in", &[plate("B")]), "POOL_FULL");
}

#[test]
fn an_override_that_lapses_gives_no_used_reservation_back() {
    let mut garage = Garage::with_places(5);
    garage.knows(9, 0, 100);
    garage.passes(Direction::Entry, &[plate("B")], 0);
    garage.enters(&[with_reservation(9)]);
    garage.passes(Direction::Entry, &[with_reservation(9)], 0);
    garage.accepts(&ParkingCommand::OverrideGate {
        lane: lane("in"),
        direction: Direction::Entry,
        credentials: vec![with_reservation(9)],
        reason: "shown a second time".to_owned(),
    });
    garage.at(10).refuses(&enter("in", &[with_reservation(9)]), "RESERVATION_USED");
}

#[test]
fn a_cancelled_an_unknown_and_an_ended_reservation_admit_nobody() {
    let mut garage = Garage::with_places(5);
    garage.refuses(&enter("in", &[with_reservation(9)]), "RESERVATION_UNKNOWN");
    garage.knows(9, 0, 10);
    garage.at(10).refuses(&enter("in", &[with_reservation(9)]), "RESERVATION_OVER");
    garage.facts.reservation.as_mut().unwrap().cancelled = true;
    garage.refuses(&enter("in", &[with_reservation(9)]), "RESERVATION_CANCELLED");
}

#[test]
fn a_spot_out_of_service_is_a_place_fewer() {
    let mut garage = Garage::with_places(1);
    let spot = crate::SpotId::try_new("P1").unwrap();
    garage.accepts(&ParkingCommand::TakeSpotOutOfService { spot, reason: "broken charger".to_owned() });
    garage.refuses(&enter("in", &[plate("A")]), "POOL_FULL");
    garage.accepts(&ParkingCommand::ReturnSpotToService { spot });
    garage.enters(&[plate("A")]);
}

#[test]
fn what_is_unknown_or_malformed_is_refused_by_name() {
    let mut garage = Garage::with_places(5);
    garage.refuses(&enter("nowhere", &[plate("A")]), "LANE_UNKNOWN");
    garage.refuses(&enter("ramp", &[plate("A")]), "LANE_DIRECTION_WRONG");
    garage.refuses(&enter("in", &[]), "CREDENTIALS_MISSING");
    garage.refuses(&enter("in", &[plate(&"Ж".repeat(300))]), "CREDENTIAL_INVALID");
    garage.refuses(&exit(&[plate("A")]), "CREDENTIAL_UNKNOWN");
    garage.facts.plan = None;
    garage.refuses(&enter("in", &[plate("A")]), "FACILITY_UNKNOWN");
}

#[test]
fn an_open_lane_or_an_override_needs_the_held_place_no_more() {
    let mut garage = Garage::with_places(5);
    let until = at(90);
    garage.accepts(&ParkingCommand::PlaceHold { reservation: reservation(9), pool: pool(), until });
    garage.accepts(&set_mode(ModeScope::Lane { lane: lane("in") }, AdmissionMode::HeldOpen));
    garage.enters(&[with_reservation(9)]);
    assert_eq!(garage.state.pool(pool()).held, 0);
}

#[test]
fn asking_twice_to_leave_opens_for_one_vehicle() {
    let mut garage = Garage::with_places(5);
    garage.passes(Direction::Entry, &[plate("A")], 0);
    garage.owes(&plate("A"), MoneySide::Known { quote: None, leave_by: None });
    garage.accepts(&exit(&[plate("A")]));
    let events = garage.accepts(&exit(&[plate("A")]));
    assert!(matches!(events[..], [ParkingEvent::GrantLapsed { .. }, ParkingEvent::ExitGranted { .. }]));
    assert_eq!(garage.state.grants().count(), 1);
}

#[test]
fn without_a_detector_an_exit_that_nobody_matches_waits_for_its_entry() {
    let mut garage = Garage::with_places(5);
    garage.accepts(&set_mode(ModeScope::Facility, AdmissionMode::HeldOpen));
    let leave =
        ParkingCommand::ExitGate { lane: lane("column"), credentials: vec![plate("P")], requested_at: None };
    garage.at(60).accepts(&leave);
    garage.passes(Direction::Entry, &[plate("P")], 0);
    garage.shows(0, 0, 0);
}

#[test]
fn the_reserved_part_follows_the_book_and_never_goes_back_to_what_it_said_before() {
    let mut garage = Garage::with_places(3);
    let part =
        |places, book_revision| ParkingCommand::SetReservedPart { pool: pool(), places, book_revision };
    garage.accepts(&part(2, 7));
    assert!(garage.accepts(&part(0, 6)).is_empty(), "news of an older event of the book");
    garage.enters(&[plate("A")]);
    garage.refuses(&enter("in", &[plate("B")]), "POOL_FULL");
    garage.accepts(&part(0, 8));
    garage.enters(&[plate("B")]);
}
