//! Lost tickets, corrections, counts and reviews.

use super::garage::*;
use crate::VisitId;
use crate::parking::command::Review;
use crate::parking::event::{CredentialChange, Direction, Entry, EstimateBasis, ParkingEvent, Presumption};
use crate::parking::{Credential, ParkingCommand};

fn lost(credentials: &[Credential], replacement: Option<Credential>) -> ParkingCommand {
    ParkingCommand::ReportLostTicket {
        pool: None,
        credentials: credentials.to_vec(),
        replacement,
        entered_at: Some(at(-60)),
        basis: EstimateBasis::DriverStatement,
    }
}

fn review(visit: VisitId, review: Review) -> ParkingCommand {
    ParkingCommand::ReviewVisit { visit, review }
}

fn change(visit: VisitId, old: Option<Credential>, new: Option<Credential>) -> ParkingCommand {
    ParkingCommand::CorrectCredentials { visit, change: CredentialChange::Corrected, old, new }
}

#[test]
fn a_lost_ticket_is_replaced_on_the_visit_that_the_plate_finds() {
    let mut garage = Garage::with_places(5);
    garage.passes(Direction::Entry, &[ticket("1"), plate("A")], 0);
    let visit = garage.visit_of(&plate("A"));
    garage.accepts(&lost(&[plate("A")], Some(ticket("2"))));
    assert_eq!(garage.visit_of(&ticket("2")), visit);
    assert_eq!(
        garage.state.find_visit(&[ticket("1")]),
        None,
        "whoever finds the old one cannot leave with it"
    );
}

#[test]
fn a_lost_ticket_without_a_visit_declares_one_that_takes_over_an_unidentified_vehicle() {
    let mut garage = Garage::with_places(5);
    garage.passes(Direction::Entry, &[], 0);
    let events = garage.accepts(&lost(&[plate("A")], Some(ticket("2"))));
    assert!(matches!(&events[..], [ParkingEvent::VisitDeclared { entry: Entry::Estimated { .. }, .. }]));
    garage.shows(1, 0, 0);
    garage.accepts(&lost(&[plate("B")], Some(ticket("3"))));
    garage.shows(2, 0, 0);
    garage.refuses(&lost(&[], None), "CREDENTIALS_MISSING");
}

#[test]
fn a_misread_plate_gives_way_to_the_right_one() {
    let mut garage = Garage::with_places(5);
    garage.passes(Direction::Entry, &[plate("8")], 0);
    garage.passes(Direction::Entry, &[plate("C")], 0);
    let visit = garage.visit_of(&plate("8"));
    garage.refuses(&change(visit, Some(plate("8")), Some(plate("C"))), "CREDENTIAL_TAKEN");
    garage.accepts(&change(visit, Some(plate("8")), Some(plate("B"))));
    assert_eq!(garage.visit_of(&plate("B")), visit);
    garage.refuses(&change(visit, Some(plate("8")), None), "CREDENTIAL_UNKNOWN");
}

#[test]
fn a_count_changes_only_the_unidentified() {
    let mut garage = Garage::with_places(50);
    garage.passes(Direction::Entry, &[plate("A")], 0);
    garage.accepts(&counted(5, 0));
    garage.shows(1, 4, 0);
    garage.accepts(&counted(3, 0));
    garage.shows(1, 2, 0);
}

#[test]
fn movements_after_the_count_stay() {
    let mut garage = Garage::with_places(50);
    garage.passes(Direction::Entry, &[], -20);
    garage.passes(Direction::Entry, &[], -5);
    let events = garage.accepts(&counted(10, -10));
    assert!(matches!(
        events[..],
        [ParkingEvent::OccupancyCorrected { ledger: 1, unidentified_change: 9, .. }]
    ));
    garage.shows(0, 11, 0);
}

#[test]
fn visits_that_a_count_did_not_find_are_reviewed_and_nobodys_stay_ends_by_it() {
    let mut garage = Garage::with_places(50);
    garage.passes(Direction::Entry, &[plate("A")], -30);
    garage.passes(Direction::Entry, &[plate("B")], -20);
    garage.passes(Direction::Entry, &[], -10);
    let longest = garage.visit_of(&plate("A"));
    let events = garage.accepts(&counted(1, 0));
    assert!(
        matches!(&events[..], [ParkingEvent::OccupancyCorrected { to_review, .. }] if *to_review == [longest])
    );
    garage.shows(2, 0, 0);
    garage.accepts(&review(longest, Review::Confirm));
    garage.shows(1, 0, 0);
}

#[test]
fn a_count_from_the_future_or_beyond_reason_is_refused() {
    let mut garage = Garage::with_places(50);
    garage.refuses(&counted(1, 5), "TIME_IN_FUTURE");
    garage.refuses(&counted(2_000_000, 0), "COUNT_TOO_LARGE");
}

#[test]
fn what_was_presumed_is_confirmed_or_taken_back() {
    let mut garage = Garage::with_places(50);
    garage.passes(Direction::Entry, &[plate("A")], -30);
    let first = garage.visit_of(&plate("A"));
    garage.passes(Direction::Entry, &[plate("A")], -10);
    garage.refuses(&review(first, Review::StillInside), "CREDENTIAL_TAKEN");
    let second = garage.visit_of(&plate("A"));
    garage.accepts(&change(second, Some(plate("A")), Some(plate("B"))));
    garage.accepts(&review(first, Review::StillInside));
    garage.shows(2, 0, 0);
    garage.refuses(&review(first, Review::Confirm), "NOT_IN_REVIEW");
}

#[test]
fn who_was_not_found_or_stays_too_long_is_presumed_left_unbilled_until_it_is_confirmed() {
    for presumption in [Presumption::Inventory, Presumption::Age] {
        let mut garage = Garage::with_places(50);
        garage.passes(Direction::Entry, &[plate("A")], -30);
        let visit = garage.visit_of(&plate("A"));
        let presume = review(visit, Review::PresumeLeft { presumption });
        let events = garage.accepts(&presume);
        let presumed =
            ParkingEvent::VisitPresumedLeft { visit, pool: pool(), presumption, on_reservation: false };
        assert_eq!(events, [presumed]);
        garage.shows(0, 0, 0);
        assert!(garage.accepts(&presume).is_empty(), "it is presumed already");
        garage.accepts(&review(visit, Review::StillInside));
        garage.shows(1, 0, 0);
        garage.accepts(&presume);
        garage.accepts(&review(visit, Review::Confirm));
        garage.shows(0, 0, 0);
    }
}

#[test]
fn an_unmatched_exit_can_be_reassigned_to_the_visit_whose_plate_was_misread() {
    let mut garage = Garage::with_places(50);
    garage.passes(Direction::Entry, &[], -40);
    garage.passes(Direction::Entry, &[plate("8")], -30);
    garage.passes(Direction::Exit, &[plate("B")], -10);
    garage.shows(1, 0, 0);
    let visit = garage.visit_of(&plate("8"));
    let exit = |name, left_at| review(visit, Review::ReassignExit { lane: lane(name), left_at });
    garage.refuses(&exit("out", at(-11)), "EXIT_NOT_FOUND");
    garage.refuses(&exit("in", at(-10)), "EXIT_NOT_FOUND");
    garage.accepts(&exit("out", at(-10)));
    garage.shows(0, 1, 0);
}

#[test]
fn a_review_changes_the_past_that_it_is_about() {
    let mut garage = Garage::with_places(50);
    garage.passes(Direction::Entry, &[plate("8")], -30);
    garage.passes(Direction::Exit, &[plate("B")], -20);
    let visit = garage.visit_of(&plate("8"));
    garage.accepts(&review(visit, Review::ReassignExit { lane: lane("out"), left_at: at(-20) }));
    let events = garage.accepts(&counted(0, -10));
    assert!(
        matches!(events[..], [ParkingEvent::OccupancyCorrected { ledger: 0, .. }]),
        "the visit had left ten minutes before the count: {events:?}"
    );
}

#[test]
fn whom_a_count_did_not_find_is_presumed_left_as_of_that_count() {
    let mut garage = Garage::with_places(50);
    garage.passes(Direction::Entry, &[plate("A")], -30);
    let visit = garage.visit_of(&plate("A"));
    garage.accepts(&counted(0, -5));
    let presumption = Presumption::Inventory;
    garage.accepts(&review(visit, Review::PresumeLeft { presumption }));
    assert_eq!(garage.history.last().map(|(fact, _)| fact.happened_at), Some(at(-5)));
    garage.accepts(&review(visit, Review::StillInside));
    assert_eq!(garage.history.last().map(|(fact, _)| fact.happened_at), Some(at(-5)));
}

#[test]
fn a_merge_brings_no_credential_that_a_third_visit_has() {
    let mut garage = Garage::with_places(50);
    garage.passes(Direction::Entry, &[plate("A")], -30);
    let left = garage.visit_of(&plate("A"));
    garage.passes(Direction::Entry, &[plate("A")], -20);
    garage.passes(Direction::Entry, &[plate("B")], -10);
    let third = garage.visit_of(&plate("B"));
    garage.refuses(&review(left, Review::MergeInto { into: third }), "CREDENTIAL_TAKEN");
    let same = garage.visit_of(&plate("A"));
    garage.accepts(&review(left, Review::MergeInto { into: same }));
}

#[test]
fn two_visits_of_one_stay_are_merged_and_keep_both_credentials() {
    let mut garage = Garage::with_places(50);
    garage.passes(Direction::Entry, &[plate("8")], -30);
    garage.passes(Direction::Entry, &[plate("B")], -10);
    let (misread, right) = (garage.visit_of(&plate("8")), garage.visit_of(&plate("B")));
    garage.refuses(&review(misread, Review::MergeInto { into: misread }), "VISIT_UNKNOWN");
    garage.accepts(&review(misread, Review::MergeInto { into: right }));
    garage.shows(1, 0, 0);
    assert_eq!(garage.visit_of(&plate("8")), right);
    assert_eq!(garage.state.visit_entry(right).unwrap().1, Entry::Seen { at: at(-30) });
}

#[test]
fn a_confirmed_departure_was_when_it_was_presumed_and_not_when_it_was_reviewed() {
    let mut garage = Garage::with_places(50);
    garage.passes(Direction::Entry, &[plate("A")], -30);
    let first = garage.visit_of(&plate("A"));
    garage.passes(Direction::Entry, &[plate("A")], -10);
    garage.at(5_000).accepts(&review(first, Review::Confirm));
    assert_eq!(garage.history.last().unwrap().0.happened_at, at(-10));
}

#[test]
fn a_count_from_before_what_is_remembered_is_refused() {
    let mut garage = Garage::with_places(50);
    garage.accepts(&counted(10, -6_000));
    for minute in -5_000..0 {
        let direction = if minute % 2 == 0 { Direction::Entry } else { Direction::Exit };
        garage.passes(direction, &[], minute);
    }
    garage.refuses(&counted(5, -4_900), "TIME_TOO_OLD");
    garage.accepts(&counted(5, -100));
}

#[test]
fn a_count_of_an_instant_whose_later_movements_are_forgotten_is_refused() {
    let mut garage = Garage::with_places(9_000);
    for _ in 0..4_200 {
        garage.passes(Direction::Entry, &[], -60);
    }
    garage.passes(Direction::Entry, &[], -180);
    garage.refuses(&counted(1, -120), "TIME_TOO_OLD");
    garage.accepts(&counted(4_201, -60));
    garage.shows(0, 4_201, 0);
}
