//! What holds whatever drivers, cameras and attendants do.

use std::collections::{HashMap, HashSet};

use proptest::prelude::*;

use super::garage::*;
use crate::decider::{Decider, Moment};
use crate::facilities::Policies;
use crate::parking::command::{MoneySide, Review};
use crate::parking::event::{Basis, Departure, Direction, ParkingEvent};
use crate::parking::{Parking, ParkingCommand, ParkingState};

#[derive(Clone, Debug)]
enum Step {
    Enter(u8),
    Exit(u8),
    Pass(bool, Option<u8>, i64),
    Count(u32),
    Capacity(u32),
    Lost(u8),
    Reserve(u8),
    Review(u8, u8),
    Wait(i64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..6_u8).prop_map(Step::Enter),
        3 => (0..6_u8).prop_map(Step::Exit),
        6 => (any::<bool>(), proptest::option::of(0..6_u8), 0..40_i64).prop_map(|(i, p, l)| Step::Pass(i, p, l)),
        1 => (0..8_u32).prop_map(Step::Count),
        1 => (0..6_u32).prop_map(Step::Capacity),
        1 => (0..6_u8).prop_map(Step::Lost),
        2 => (0..4_u8).prop_map(Step::Reserve),
        1 => (0..6_u8, 0..3_u8).prop_map(|(v, r)| Step::Review(v, r)),
        2 => (1..5_i64).prop_map(Step::Wait),
    ]
}

fn car(number: u8) -> crate::parking::Credential {
    plate(&format!("CAR{number}"))
}

struct Scene {
    garage: Garage,
    minute: i64,
    seen: Vec<crate::VisitId>,
}

impl Scene {
    fn command(&mut self, step: &Step) -> Option<ParkingCommand> {
        Some(match step {
            Step::Enter(number) => enter("in", &[car(*number)]),
            Step::Exit(number) => {
                self.garage.facts.cover = None;
                if self.garage.state.find_visit(&[car(*number)]).is_some() {
                    self.garage.owes(&car(*number), MoneySide::Known { quote: None, leave_by: None });
                }
                exit(&[car(*number)])
            }
            Step::Pass(entry, number, late) => {
                let direction = if *entry { Direction::Entry } else { Direction::Exit };
                let credentials: Vec<_> = number.iter().map(|number| car(*number)).collect();
                passage(direction, &credentials, self.minute - late)
            }
            Step::Count(count) => counted(*count, self.minute),
            Step::Capacity(places) => ParkingCommand::SetPoolCapacity { pool: pool(), places: Some(*places) },
            Step::Lost(number) => ParkingCommand::ReportLostTicket {
                pool: None,
                credentials: vec![car(*number)],
                replacement: None,
                entered_at: None,
                basis: crate::parking::EstimateBasis::Attendant,
            },
            Step::Reserve(number) => {
                self.garage.knows(u128::from(*number) + 100, 0, 100_000);
                enter("in", &[with_reservation(u128::from(*number) + 100), car(number + 10)])
            }
            Step::Review(which, how) => {
                let visit = *self.seen.get(usize::from(*which))?;
                let review = match how {
                    0 => Review::Confirm,
                    1 => Review::StillInside,
                    _ => Review::MergeInto { into: *self.seen.last()? },
                };
                ParkingCommand::ReviewVisit { visit, review }
            }
            Step::Wait(minutes) => {
                self.minute += minutes;
                self.garage.at(self.minute);
                return None;
            }
        })
    }

    fn play(&mut self, step: &Step) {
        let Some(command) = self.command(step) else { return };
        let before = self.garage.state.clone();
        let recorded = self.garage.history.len();
        let _ = self.garage.decide(&command);
        let events: Vec<_> =
            self.garage.history[recorded..].iter().map(|(fact, _)| fact.event.clone()).collect();
        for event in &events {
            if let ParkingEvent::VehicleEntered { visit: Some(visit), .. }
            | ParkingEvent::VisitDeclared { visit, .. } = event
            {
                self.seen.push(*visit);
            }
        }
        self.check(&before, &events);
    }

    fn check(&self, before: &ParkingState, events: &[ParkingEvent]) {
        let state = &self.garage.state;
        let ledger = state.pool(pool());
        let inside: Vec<_> = state.visits_inside().collect();
        assert_eq!(ledger.visits as usize, inside.len(), "visits are counted as they are");
        let entries =
            state.grants().filter(|(_, open)| matches!(open, crate::parking::OpenGrant::Entry { .. }));
        assert_eq!(ledger.granted as usize, entries.count(), "grants are counted as they are");
        let mut owner: HashMap<_, _> = HashMap::new();
        for (id, visit) in &inside {
            for key in &visit.keys {
                if state.inside_by_key.get(key) == Some(id) {
                    assert_eq!(owner.insert(key.clone(), *id), None, "one open visit per credential");
                }
            }
        }
        for event in events {
            if let ParkingEvent::EntryGranted { basis: Basis::ShortTerm, .. } = event {
                let places =
                    state.places_in_service(pool(), self.garage.facts.plan.as_ref().unwrap()).unwrap();
                let taken = ledger.inside() + ledger.granted + ledger.held;
                assert!(taken <= places, "no place is granted twice: {taken} of {places}, before {before:?}");
            }
        }
    }
}

/// An oracle of its own: it counts inside by what the events say of cars, and knows nothing of `evolve`.
fn recount(history: &[(crate::Fact<ParkingEvent>, crate::Timestamp)]) -> i64 {
    let change = |event: &ParkingEvent| match event {
        ParkingEvent::VehicleEntered { joined_exit: None, .. } => 1,
        ParkingEvent::VehicleEntered { joined_exit: Some(joined), .. } => {
            i64::from(joined.gives_back_unidentified)
        }
        ParkingEvent::VehicleLeft {
            departure: Departure::Visit { .. } | Departure::Unidentified, ..
        } => -1,
        ParkingEvent::VisitPresumedLeft { .. } => -1,
        ParkingEvent::VisitDeclared { takes_unidentified, .. } => 1 - i64::from(*takes_unidentified),
        ParkingEvent::VisitReconciled { visits_change, unidentified_change, .. } => {
            i64::from(visits_change + unidentified_change)
        }
        ParkingEvent::OccupancyCorrected { unidentified_change, .. } => *unidentified_change,
        _ => 0,
    };
    history.iter().map(|(fact, _)| change(&fact.event)).sum()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_invariants_hold_after_every_step(steps in proptest::collection::vec(step(), 1..80), reservable in 0..3_u32) {
        let garage = Garage::of(plan(Some(4), reservable, Policies::default()));
        let mut scene = Scene { garage, minute: 0, seen: Vec::new() };
        for step in &steps {
            scene.play(step);
        }
        let ledger = scene.garage.state.pool(pool());
        prop_assert_eq!(i64::from(ledger.inside()), recount(&scene.garage.history));
        let used: Vec<_> = scene.garage.history.iter().filter_map(|(fact, _)| match &fact.event {
            ParkingEvent::VehicleEntered { grant: Some(grant), .. } => Some(*grant),
            _ => None,
        }).collect();
        prop_assert_eq!(used.iter().collect::<HashSet<_>>().len(), used.len(), "a grant is passed once");
    }

    #[test]
    fn a_snapshot_and_its_tail_fold_to_what_all_events_fold_to(
        steps in proptest::collection::vec(step(), 1..60), cut in 0..60_usize
    ) {
        let garage = Garage::of(plan(Some(4), 1, Policies::default()));
        let mut scene = Scene { garage, minute: 0, seen: Vec::new() };
        for step in &steps {
            scene.play(step);
        }
        let mut folded = ParkingState::default();
        for (index, (fact, decided_at)) in scene.garage.history.iter().enumerate() {
            if index == cut {
                let snapshot = serde_json::to_vec(&folded).unwrap();
                folded = serde_json::from_slice(&snapshot).unwrap();
            }
            // What is stored is what is folded.
            let stored = serde_json::to_vec(&fact.event).unwrap();
            let event: ParkingEvent = serde_json::from_slice(&stored).unwrap();
            prop_assert_eq!(&event, &fact.event);
            Parking::evolve(&mut folded, &event, Moment { happened_at: fact.happened_at, decided_at: *decided_at });
        }
        let as_json = |state: &ParkingState| serde_json::to_value(state).unwrap();
        prop_assert_eq!(as_json(&folded), as_json(&scene.garage.state));
    }
}
