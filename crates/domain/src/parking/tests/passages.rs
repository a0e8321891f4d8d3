//! Facts: what passes a lane is never refused, and every one finds its place.

use super::garage::*;
use crate::parking::event::{Departure, Direction, Irregularity, ParkingEvent};
use crate::parking::{Credential, MoneySide, ParkingCommand, Presumption, Review};

fn irregularities(event: &ParkingEvent) -> Vec<Irregularity> {
    match event {
        ParkingEvent::VehicleEntered { irregularities, .. }
        | ParkingEvent::VehicleLeft { irregularities, .. } => irregularities.clone(),
        other => panic!("no passage: {other:?}"),
    }
}

fn departure(events: &[ParkingEvent]) -> Departure {
    match events {
        [ParkingEvent::VehicleLeft { departure, .. }] => *departure,
        other => panic!("no departure: {other:?}"),
    }
}

#[test]
fn an_entry_without_credentials_is_one_unidentified_vehicle_more() {
    let mut garage = Garage::with_places(5);
    garage.passes(Direction::Entry, &[], 0);
    garage.shows(0, 1, 0);
}

#[test]
fn an_exit_that_matches_nobody_takes_one_unidentified_and_else_implies_a_missed_entry() {
    let mut garage = Garage::with_places(5);
    garage.passes(Direction::Entry, &[], 0);
    assert_eq!(departure(&garage.at(1).passes(Direction::Exit, &[plate("A")], 1)), Departure::Unidentified);
    assert_eq!(departure(&garage.at(2).passes(Direction::Exit, &[plate("B")], 2)), Departure::MissedEntry);
    garage.shows(0, 0, 0);
}

#[test]
fn a_fact_over_capacity_is_recorded_and_says_so() {
    let mut garage = Garage::with_places(1);
    garage.passes(Direction::Entry, &[plate("A")], 0);
    let events = garage.passes(Direction::Entry, &[plate("B")], 0);
    assert_eq!(irregularities(&events[0]), [Irregularity::OverCapacity, Irregularity::Unrequested]);
    garage.shows(2, 0, 0);
}

#[test]
fn a_credential_that_cannot_be_used_is_left_out_of_a_fact_and_refuses_a_request() {
    let mut garage = Garage::with_places(5);
    let strange = Credential::Qr { token: "x".repeat(257) };
    garage.refuses(&enter("in", std::slice::from_ref(&strange)), "CREDENTIAL_INVALID");
    let entered = garage.passes(Direction::Entry, &[strange.clone(), plate("A")], 0);
    assert!(irregularities(&entered[0]).contains(&Irregularity::CredentialUnreadable));
    let left = garage.passes(Direction::Exit, &[plate("A"), strange], 1);
    assert!(irregularities(&left[0]).contains(&Irregularity::CredentialUnreadable));
    garage.shows(0, 0, 0);
    let many: Vec<_> = (0..11).map(|number| plate(&format!("B{number}"))).collect();
    let entered = garage.at(2).passes(Direction::Entry, &many, 2);
    assert!(irregularities(&entered[0]).contains(&Irregularity::CredentialUnreadable));
    garage.shows(1, 0, 0);
}

#[test]
fn two_cars_on_one_opening_are_one_grant_and_one_unrequested_passage() {
    let mut garage = Garage::with_places(5);
    garage.enters(&[ticket("1")]);
    garage.passes(Direction::Entry, &[plate("A")], 0);
    let second = garage.passes(Direction::Entry, &[plate("B")], 0);
    assert_eq!(irregularities(&second[0]), [Irregularity::Unrequested]);
    garage.shows(2, 0, 0);
    assert_eq!(
        garage.visit_of(&ticket("1")),
        garage.visit_of(&plate("A")),
        "the ticket's visit gets the plate"
    );
}

#[test]
fn several_grants_on_one_lane_are_passed_by_the_plates_that_asked() {
    let mut garage = Garage::with_places(5);
    garage.enters(&[plate("A")]);
    garage.at(1).enters(&[plate("B")]);
    garage.passes(Direction::Entry, &[plate("B")], 1);
    garage.shows(1, 0, 1);
    garage.passes(Direction::Entry, &[plate("A")], 1);
    garage.shows(2, 0, 0);
}

#[test]
fn a_credential_seen_entering_again_presumes_that_the_old_visit_left() {
    let mut garage = Garage::with_places(5);
    garage.passes(Direction::Entry, &[plate("A")], 0);
    let first = garage.visit_of(&plate("A"));
    let events = garage.at(60).passes(Direction::Entry, &[plate("A")], 60);
    assert!(matches!(events[0], ParkingEvent::VisitPresumedLeft { visit, .. } if visit == first));
    garage.shows(1, 0, 0);
    assert_ne!(garage.visit_of(&plate("A")), first);
}

#[test]
fn the_exit_of_a_visit_presumed_left_moves_no_count() {
    let mut garage = Garage::with_places(5);
    garage.passes(Direction::Entry, &[plate("A")], 0);
    let first = garage.visit_of(&plate("A"));
    garage.at(60).passes(Direction::Entry, &[plate("A")], 60);
    let late = garage.at(61).passes(Direction::Exit, &[plate("A")], 30);
    assert_eq!(departure(&late), Departure::PresumedVisit { visit: first });
    garage.shows(1, 0, 0);
}

#[test]
fn a_late_entry_joins_the_exit_that_came_before_it_and_gives_the_unidentified_back() {
    for unidentified in [1, 0] {
        let mut garage = Garage::with_places(5);
        for _ in 0..unidentified {
            garage.passes(Direction::Entry, &[], -10);
        }
        garage.at(60).passes(Direction::Exit, &[plate("A")], 60);
        let events = garage.at(61).passes(Direction::Entry, &[plate("A")], 0);
        assert!(
            matches!(&events[..], [ParkingEvent::VehicleEntered { joined_exit: Some(_), .. }]),
            "{events:?}"
        );
        garage.shows(0, unidentified, 0);
    }
}

#[test]
fn an_entry_older_than_the_visit_inside_is_a_stay_that_ended_unseen() {
    let mut garage = Garage::with_places(5);
    garage.at(100).passes(Direction::Entry, &[plate("A")], 100);
    let inside = garage.visit_of(&plate("A"));
    let events = garage.passes(Direction::Entry, &[plate("A")], 10);
    assert!(matches!(
        events[..],
        [ParkingEvent::VehicleEntered { .. }, ParkingEvent::VisitPresumedLeft { .. }]
    ));
    garage.shows(1, 0, 0);
    assert_eq!(garage.visit_of(&plate("A")), inside);
}

#[test]
fn clocks_minutes_apart_do_not_part_an_exit_from_its_entry() {
    let mut garage = Garage::with_places(5);
    garage.at(20).passes(Direction::Entry, &[plate("A")], 20);
    let events = garage.passes(Direction::Exit, &[plate("A")], 12);
    assert_eq!(irregularities(&events[0]), [Irregularity::BeforeEntry]);
    garage.shows(0, 0, 0);
}

#[test]
fn a_time_ahead_of_ours_is_judged_to_be_now_and_kept_as_the_devices() {
    let mut garage = Garage::with_places(5);
    garage.passes(Direction::Entry, &[plate("A")], 8);
    let (fact, _) = garage.history.last().unwrap().clone();
    assert_eq!(fact.happened_at, at(0));
    assert!(
        matches!(fact.event, ParkingEvent::VehicleEntered { clock, .. } if clock.device_time == Some(at(8)))
    );
}

#[test]
fn an_inner_lane_moves_a_vehicle_in_either_direction() {
    let mut garage = Garage::with_places(5);
    garage.passes(Direction::Entry, &[plate("A")], 0);
    let through = |direction| ParkingCommand::RecordPassage {
        lane: lane("ramp"),
        direction,
        credentials: vec![plate("A")],
        unreadable: false,
        pool: None,
        happened_at: at(0),
        clock: crate::parking::DeviceClock::default(),
    };
    let up = garage.accepts(&through(Direction::Entry));
    assert!(
        matches!(&up[..], [ParkingEvent::VehicleMoved { visit: Some(_), to, .. }] if to.as_str() == "roof")
    );
    let down = garage.accepts(&through(Direction::Exit));
    assert!(matches!(&down[..], [ParkingEvent::VehicleMoved { to, .. }] if to.as_str() == "deck"));
    garage.shows(1, 0, 0);
}

#[test]
fn personal_data_stands_only_where_a_credential_is_introduced() {
    let mut garage = Garage::with_places(5);
    garage.enters(&[plate("A")]);
    let entered = garage.passes(Direction::Entry, &[plate("A")], 0);
    assert!(
        matches!(&entered[..], [ParkingEvent::VehicleEntered { credentials, .. }] if credentials.is_empty())
    );
    let left = garage.passes(Direction::Exit, &[plate("A")], 0);
    assert!(matches!(&left[..], [ParkingEvent::VehicleLeft { credentials, .. }] if credentials.is_empty()));
}

#[test]
fn a_ticket_and_a_card_of_one_number_are_two_credentials() {
    let mut garage = Garage::with_places(5);
    garage.passes(Direction::Entry, &[ticket("7")], 0);
    let card = Credential::Card { number: "7".to_owned() };
    assert_eq!(departure(&garage.passes(Direction::Exit, &[card], 0)), Departure::MissedEntry);
    garage.shows(1, 0, 0);
}

#[test]
fn who_leaves_unmatched_and_comes_back_soon_after_is_inside() {
    let mut garage = Garage::with_places(5);
    garage.passes(Direction::Exit, &[plate("A")], -5);
    garage.enters(&[plate("A")]);
    garage.passes(Direction::Entry, &[plate("A")], 0);
    garage.shows(1, 0, 0);
    garage.passes(Direction::Exit, &[plate("B")], -5);
    garage.passes(Direction::Entry, &[plate("B")], 0);
    garage.shows(2, 0, 0);
}

#[test]
fn news_of_another_time_is_not_the_passage_of_a_fresh_grant() {
    let mut garage = Garage::with_places(5);
    garage.at(60).enters(&[plate("A")]);
    garage.passes(Direction::Entry, &[], 0);
    garage.shows(0, 1, 1);
    garage.passes(Direction::Entry, &[plate("A")], 60);
    garage.shows(1, 1, 0);
}

#[test]
fn a_tailgaters_exit_is_its_own_and_not_the_granted_visits() {
    let mut garage = Garage::with_places(5);
    garage.passes(Direction::Entry, &[ticket("1")], 0);
    garage.passes(Direction::Entry, &[plate("B")], 0);
    let tailgater = garage.visit_of(&plate("B"));
    garage.owes(&ticket("1"), crate::parking::MoneySide::Known { quote: None, leave_by: None });
    garage.at(10).accepts(&exit(&[ticket("1")]));
    let events = garage.passes(Direction::Exit, &[plate("B")], 10);
    assert_eq!(departure(&events), Departure::Visit { visit: tailgater });
    assert!(matches!(events[..], [ParkingEvent::VehicleLeft { requested_at: None, grant: None, .. }]));
    garage.passes(Direction::Exit, &[], 10);
    garage.shows(0, 0, 0);
}

#[test]
fn who_re_enters_a_full_garage_is_not_over_capacity() {
    let mut garage = Garage::with_places(1);
    garage.passes(Direction::Entry, &[plate("A")], 0);
    let events = garage.at(60).passes(Direction::Entry, &[plate("A")], 60);
    assert_eq!(irregularities(&events[1]), [Irregularity::Unrequested, Irregularity::AlreadyInside]);
}

#[test]
fn late_news_of_a_passage_whose_grant_lapsed_opens_the_visit_that_was_granted() {
    let mut garage = Garage::with_places(1);
    let granted = garage.enters(&[plate("A"), ticket("1")]);
    let [ParkingEvent::EntryGranted { grant, visit, expires_at, .. }] = granted[..] else {
        panic!("{granted:?}")
    };
    garage.at(600).accepts(&ParkingCommand::LapseGrant { grant, due: expires_at });
    garage.shows(0, 0, 0);
    let events = garage.passes(Direction::Entry, &[plate("A")], 1);
    let taken_up = matches!(
        &events[..],
        [ParkingEvent::VehicleEntered { visit: Some(of), grant: None, credentials, irregularities, .. }]
            if *of == visit && credentials.is_empty() && irregularities.is_empty()
    );
    assert!(taken_up, "{events:?}");
    garage.shows(1, 0, 0);
    assert_eq!(garage.visit_of(&ticket("1")), visit, "the ticket that was handed out lets it out");
    let again = garage.passes(Direction::Entry, &[plate("A")], 2);
    assert_ne!(garage.visit_of(&plate("A")), visit, "a visit is opened once: {again:?}");
}

#[test]
fn a_lapsed_grant_is_nobodys_of_another_time_or_credential_nor_of_who_asked_again() {
    for (minute, asks_again, seen) in
        [(300, false, plate("A")), (1, false, plate("B")), (1, true, plate("A"))]
    {
        let mut garage = Garage::with_places(5);
        let granted = garage.enters(&[plate("A")]);
        let [ParkingEvent::EntryGranted { visit, .. }] = granted[..] else { panic!("{granted:?}") };
        garage.at(599).enters(&[plate("C")]);
        if asks_again {
            garage.enters(&[plate("A")]);
        }
        garage.at(600).passes(Direction::Entry, std::slice::from_ref(&seen), minute);
        assert_ne!(garage.visit_of(&seen), visit);
    }
}

#[test]
fn who_was_presumed_left_and_leaves_after_all_is_not_counted_out_again() {
    for lane_of_exit in ["column", "out"] {
        let mut garage = Garage::with_places(50);
        garage.passes(Direction::Entry, &[], -40);
        garage.passes(Direction::Entry, &[plate("A")], -30);
        let visit = garage.visit_of(&plate("A"));
        let lane_of_exit = lane(lane_of_exit);
        let open = |credentials: &[Credential]| ParkingCommand::OverrideGate {
            lane: lane_of_exit,
            direction: Direction::Exit,
            credentials: credentials.to_vec(),
            reason: "the barrier is stuck".to_owned(),
        };
        let presume = Review::PresumeLeft { presumption: Presumption::Age };
        let seen_left = |events: &[ParkingEvent]| {
            events.iter().any(|event| {
                matches!(event, ParkingEvent::VehicleLeft { departure: Departure::PresumedVisit { visit: left }, .. } if *left == visit)
            })
        };
        let left = if lane_of_exit == lane("column") {
            garage.accepts(&ParkingCommand::ReviewVisit { visit, review: presume });
            garage.accepts(&open(&[plate("A")]))
        } else {
            // The grant knows who it is; the loop in the lane does not.
            garage.accepts(&open(&[plate("A")]));
            garage.accepts(&ParkingCommand::ReviewVisit { visit, review: presume });
            garage.passes(Direction::Exit, &[], 0)
        };
        assert!(seen_left(&left), "{left:?}");
        garage.shows(0, 1, 0);
    }
}

#[test]
fn an_exit_after_a_re_entry_that_was_seen_is_not_the_older_visits() {
    let mut garage = Garage::with_places(5);
    garage.passes(Direction::Entry, &[], -50);
    garage.passes(Direction::Entry, &[plate("A")], 0);
    garage.at(60).passes(Direction::Entry, &[plate("A")], 60);
    garage.at(120).passes(Direction::Exit, &[plate("A")], 120);
    let unmatched = garage.at(9_000).passes(Direction::Exit, &[plate("A")], 9_000);
    assert_eq!(departure(&unmatched), Departure::Unidentified);
    garage.shows(0, 0, 0);
}

#[test]
fn late_news_of_an_exit_is_of_the_grant_that_lapsed_meanwhile() {
    for seen in [vec![plate("A")], vec![]] {
        let mut garage = Garage::with_places(5);
        garage.passes(Direction::Entry, &[plate("A")], -30);
        garage.owes(&plate("A"), MoneySide::Known { quote: None, leave_by: None });
        let granted = garage.accepts(&exit(&[plate("A")]));
        let Some(ParkingEvent::ExitGranted { grant, .. }) = granted.first() else { panic!("{granted:?}") };
        garage.at(5).accepts(&ParkingCommand::LapseGrant { grant: *grant, due: at(5) });
        let left = garage.at(200).passes(Direction::Exit, &seen, 1);
        assert!(
            matches!(left[..], [ParkingEvent::VehicleLeft { requested_at: Some(asked), .. }] if asked == at(0)),
            "{left:?}"
        );
        garage.shows(0, 0, 0);
    }
}
