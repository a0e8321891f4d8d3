//! A garage to write scenes with: it decides commands and folds what they gave.

use std::sync::Arc;

use uuid::Uuid;

use crate::decider::{Context, Decider, Decision, Fact, Refusal, fold};
use crate::facilities::{Area, Lane, Layout, Plan, Policies, Pool, Spot};
use crate::parking::command::{CoverFact, MoneySide, ReservationFact};
use crate::parking::credentials::{Credential, MatchKey, PlateRead};
use crate::parking::event::{DeviceClock, Direction, ParkingEvent};
use crate::parking::{Parking, ParkingCommand, ParkingFacts, ParkingRefusal, ParkingState};
use crate::{
    AreaId, CommandId, Currency, FacilityId, LaneId, OperatorId, PoolId, ReservationId, SpotId, SpotKind,
    Timestamp, VisitId, time::Zone,
};

pub fn at(minute: i64) -> Timestamp {
    Timestamp::from_seconds(1_700_000_000 + minute * 60)
}
pub fn plate(text: &str) -> Credential {
    Credential::Plate(PlateRead {
        raw: text.to_owned(),
        match_key: MatchKey(text.to_owned()),
        normaliser: 1,
        region: None,
        confidence_permille: None,
        candidates: Vec::new(),
        image: None,
    })
}
pub fn ticket(number: &str) -> Credential {
    Credential::Ticket { number: number.to_owned() }
}
pub fn lane(id: &str) -> LaneId {
    LaneId::try_new(id).unwrap()
}
pub fn pool() -> PoolId {
    PoolId::try_new("short").unwrap()
}
pub fn reservation(number: u128) -> ReservationId {
    ReservationId(Uuid::from_u128(number))
}

fn area(id: &str) -> AreaId {
    AreaId::try_new(id).unwrap()
}

/// Lanes: `in` and `out` with detectors, `column` without one, `ramp` between two decks.
pub fn plan(places: Option<u32>, reservable_places: u32, policies: Policies) -> Plan {
    let a_lane = |id: &str, from: Option<AreaId>, to: Option<AreaId>, detector| Lane {
        id: lane(id),
        name: id.to_owned(),
        from,
        to,
        pool: pool(),
        detector,
    };
    Plan {
        facility: FacilityId(Uuid::from_u128(1)),
        version: 1,
        operator: OperatorId::try_new("city").unwrap(),
        name: "Old Market".to_owned(),
        zone: Zone::try_new("Europe/Prague").unwrap(),
        currency: Currency::try_new("CZK").unwrap(),
        layout: Layout {
            areas: ["deck", "roof"]
                .map(|id| Area { id: area(id), name: id.to_owned(), level: None })
                .to_vec(),
            pools: vec![Pool {
                id: pool(),
                name: "Short-term".to_owned(),
                places,
                reservable_places,
                chargeable: true,
            }],
            spots: vec![Spot {
                id: SpotId::try_new("P1").unwrap(),
                area: area("deck"),
                pool: pool(),
                kind: SpotKind::try_new("ev").unwrap(),
            }],
            lanes: vec![
                a_lane("in", None, Some(area("deck")), true),
                a_lane("out", Some(area("deck")), None, true),
                a_lane("column", None, Some(area("deck")), false),
                a_lane("ramp", Some(area("deck")), Some(area("roof")), true),
            ],
        },
        policies,
        tariffs: Vec::new(),
    }
}

/// One garage whose clock stands where the scene puts it.
pub struct Garage {
    pub state: ParkingState,
    pub facts: ParkingFacts,
    pub now: Timestamp,
    pub history: Vec<(Fact<ParkingEvent>, Timestamp)>,
    commands: u128,
}

impl Garage {
    pub fn with_places(places: u32) -> Self {
        Self::of(plan(Some(places), 0, Policies::default()))
    }

    pub fn of(plan: Plan) -> Self {
        let facts = ParkingFacts { plan: Some(Arc::new(plan)), cover: None, reservation: None };
        Self { state: ParkingState::default(), facts, now: at(0), history: Vec::new(), commands: 0 }
    }

    pub fn at(&mut self, minute: i64) -> &mut Self {
        self.now = at(minute);
        self
    }

    pub fn decide(&mut self, command: &ParkingCommand) -> Decision<ParkingEvent, ParkingRefusal> {
        self.commands += 1;
        let context = Context { command_id: CommandId(Uuid::from_u128(self.commands)), now: self.now };
        let decision = Parking::decide(&self.state, command, &self.facts, context);
        fold::<Parking>(&mut self.state, decision.events(), self.now);
        self.history.extend(decision.events().iter().cloned().map(|fact| (fact, self.now)));
        decision
    }

    #[track_caller]
    pub fn accepts(&mut self, command: &ParkingCommand) -> Vec<ParkingEvent> {
        match self.decide(command) {
            Decision::Accepted(facts) => facts.into_iter().map(|fact| fact.event).collect(),
            Decision::Refused { refusal, .. } => panic!("refused: {}", refusal.code()),
        }
    }

    #[track_caller]
    pub fn refuses(&mut self, command: &ParkingCommand, code: &str) -> Vec<ParkingEvent> {
        match self.decide(command) {
            Decision::Refused { refusal, events } => {
                assert_eq!(refusal.code(), code);
                assert!(refusal.message().ends_with('.'), "a sentence: {}", refusal.message());
                events.into_iter().map(|fact| fact.event).collect()
            }
            Decision::Accepted(events) => panic!("accepted: {events:?}"),
        }
    }

    #[track_caller]
    pub fn enters(&mut self, credentials: &[Credential]) -> Vec<ParkingEvent> {
        self.accepts(&enter("in", credentials))
    }

    #[track_caller]
    pub fn passes(
        &mut self,
        direction: Direction,
        credentials: &[Credential],
        minute: i64,
    ) -> Vec<ParkingEvent> {
        self.accepts(&passage(direction, credentials, minute))
    }

    pub fn visit_of(&self, credential: &Credential) -> VisitId {
        self.state.find_visit(std::slice::from_ref(credential)).expect("a visit inside")
    }

    #[track_caller]
    pub fn shows(&self, visits: u32, unidentified: u32, granted: u32) {
        let ledger = self.state.pool(pool());
        assert_eq!((ledger.visits, ledger.unidentified, ledger.granted), (visits, unidentified, granted));
        assert_eq!(self.state.visits_inside().count(), visits as usize, "the count is the open visits");
    }

    pub fn owes(&mut self, credential: &Credential, money: MoneySide) {
        let visit = self.visit_of(credential);
        self.facts.cover = Some(CoverFact { visit, money });
    }

    pub fn knows(&mut self, number: u128, from: i64, until: i64) {
        let interval = crate::Interval { start: at(from), end: at(until) };
        self.facts.reservation = Some(ReservationFact {
            reservation: reservation(number),
            pool: pool(),
            interval,
            cancelled: false,
        });
    }
}

pub fn enter(id: &str, credentials: &[Credential]) -> ParkingCommand {
    ParkingCommand::EnterGate {
        lane: lane(id),
        credentials: credentials.to_vec(),
        pool: None,
        requested_at: None,
    }
}
pub fn exit(credentials: &[Credential]) -> ParkingCommand {
    ParkingCommand::ExitGate { lane: lane("out"), credentials: credentials.to_vec(), requested_at: None }
}
pub fn passage(direction: Direction, credentials: &[Credential], minute: i64) -> ParkingCommand {
    ParkingCommand::RecordPassage {
        lane: lane(if direction == Direction::Entry { "in" } else { "out" }),
        direction,
        credentials: credentials.to_vec(),
        unreadable: false,
        pool: None,
        happened_at: at(minute),
        clock: DeviceClock::default(),
    }
}
pub fn with_reservation(number: u128) -> Credential {
    Credential::Reservation { reservation: reservation(number) }
}
pub fn counted(counted: u32, minute: i64) -> ParkingCommand {
    let reason = "round of the attendant".to_owned();
    ParkingCommand::CorrectOccupancy { pool: pool(), counted, counted_at: at(minute), reason }
}
