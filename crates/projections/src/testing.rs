//! A log to append facts to, and a garage that makes long histories of them by its own rules.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::HashMap;
use std::sync::Arc;

use octocity_domain::facilities::{Area, FacilityEvent, Lane, Layout, Plan, Policies, Pool};
use octocity_domain::parking::{
    Credential, DeviceClock, Direction, EstimateBasis, MatchKey, Parking, ParkingCommand, ParkingEvent,
    ParkingFacts, ParkingState, PlateRead, Review,
};
use octocity_domain::{
    AreaId, Category, CommandId, Context, Currency, Decider, FacilityId, LaneId, OperatorId, PoolId,
    Timestamp, VisitId, decider::fold, time::Zone,
};
use octocity_log::{
    Actor, Append, EventLog, EventMeta, LedgerEntry, MemoryLog, NewEvent, Origin, Position, StreamId, encode,
};
use serde::Serialize;
use uuid::Uuid;

use crate::{Engine, EngineOptions, ReadModels, RowStore, TableHash, hash_all};

mod behind;

pub use behind::{Behind, Way};

pub fn facility(number: u128) -> FacilityId {
    FacilityId(Uuid::from_u128(number))
}
pub fn visit(number: u128) -> VisitId {
    VisitId(Uuid::from_u128(number))
}
pub fn pool(id: &str) -> PoolId {
    PoolId::try_new(id).unwrap()
}
pub fn area(id: &str) -> AreaId {
    AreaId::try_new(id).unwrap()
}
pub fn lane(id: &str) -> LaneId {
    LaneId::try_new(id).unwrap()
}
/// 2023-11-14T22:00Z and so many seconds.
pub fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(1_699_999_200 + seconds)
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

/// A log with what is needed to append facts one by one.
#[derive(Default)]
pub struct History {
    pub log: MemoryLog,
    revisions: HashMap<StreamId, u64>,
    commands: u128,
}

impl History {
    /// Appends one event to its stream and gives its position.
    pub async fn add<E: Serialize>(
        &mut self,
        stream: StreamId,
        facility: FacilityId,
        event: &E,
        happened_at: Timestamp,
    ) -> Position {
        let (event_type, data) = encode(event).unwrap();
        self.add_raw(stream, facility, &event_type, data, happened_at).await
    }

    pub async fn add_raw(
        &mut self,
        stream: StreamId,
        facility: FacilityId,
        event_type: &str,
        data: Vec<u8>,
        happened_at: Timestamp,
    ) -> Position {
        self.commands += 1;
        let command_id = CommandId(Uuid::from_u128(self.commands));
        let expected = self.revisions.entry(stream).or_default();
        let meta = EventMeta {
            actor: Actor::new("test"),
            command_id,
            causation_id: command_id.uuid(),
            correlation_id: command_id.uuid(),
            key: facility,
            decided_at: happened_at,
            happened_at,
            origin: Origin::Live,
        };
        let event = NewEvent { event_type: event_type.to_owned().into(), version: 1, data, meta };
        let entry = LedgerEntry {
            command_id,
            body_hash: [0; 16],
            first_revision: *expected,
            events: 1,
            refusal: None,
            decided_at: happened_at,
            position: Position(0),
        };
        let append = Append { stream, expected: *expected, events: vec![event], entries: vec![entry] };
        let appended = self.log.append(append).await.unwrap();
        *expected += 1;
        appended.positions[0]
    }

    pub async fn parking(&mut self, facility: FacilityId, event: &ParkingEvent, at: Timestamp) -> Position {
        self.add(StreamId::new(Category::Parking, facility.uuid()), facility, event, at).await
    }

    pub async fn register(&mut self, facility: FacilityId) -> Position {
        let plan = plan(facility);
        let registered = FacilityEvent::FacilityRegistered {
            facility,
            operator: plan.operator,
            name: plan.name,
            zone: plan.zone,
            currency: plan.currency,
            layout: plan.layout,
            policies: plan.policies,
        };
        let stream = StreamId::new(Category::Facility, facility.uuid());
        self.add(stream, facility, &registered, at(-86_400)).await
    }

    pub async fn engine(&self, store: Arc<dyn RowStore>, batch_events: usize) -> Engine {
        let options = EngineOptions { batch_events, ..EngineOptions::default() };
        Engine::open(Arc::new(self.log.clone()), store, options).await.unwrap()
    }

    /// The read models of the whole history.
    pub async fn read(&self, store: Arc<dyn RowStore>, batch_events: usize) -> ReadModels {
        let mut engine = self.engine(store, batch_events).await;
        engine.catch_up(|_| {}).await.unwrap();
        engine.models()
    }
}

pub async fn hashes(models: &ReadModels) -> Vec<TableHash> {
    hash_all(&*models.store).await.unwrap()
}

pub fn plan(facility: FacilityId) -> Plan {
    let a_lane = |id: &str, from: Option<&str>, to: Option<&str>| Lane {
        id: lane(id),
        name: id.to_owned(),
        from: from.map(area),
        to: to.map(area),
        pool: pool("short"),
        detector: true,
    };
    Plan {
        facility,
        version: 1,
        operator: OperatorId::try_new("city").unwrap(),
        name: "Old Market".to_owned(),
        zone: Zone::try_new("Europe/Prague").unwrap(),
        currency: Currency::try_new("CZK").unwrap(),
        layout: Layout {
            areas: ["deck", "roof"]
                .map(|id| Area { id: area(id), name: id.to_owned(), level: None })
                .to_vec(),
            pools: ["short", "long"]
                .map(|id| Pool {
                    id: pool(id),
                    name: id.to_owned(),
                    places: Some(5),
                    reservable_places: 0,
                    chargeable: true,
                })
                .to_vec(),
            spots: Vec::new(),
            lanes: vec![
                a_lane("in", None, Some("deck")),
                a_lane("out", Some("deck"), None),
                a_lane("ramp", Some("deck"), Some("roof")),
            ],
        },
        policies: Policies::default(),
        tariffs: Vec::new(),
    }
}

/// What somebody does at a garage: (what, who, how late in seconds, pool).
pub type Move = (u8, u8, u16, bool);

/// A garage whose own rules make the events.
pub struct Garage {
    pub facility: FacilityId,
    pub state: ParkingState,
    facts: ParkingFacts,
    second: i64,
    commands: u128,
}

impl Garage {
    pub fn new(number: u128) -> Self {
        let facts =
            ParkingFacts { plan: Some(Arc::new(plan(facility(number)))), cover: None, reservation: None };
        let commands = number << 64;
        Self { facility: facility(number), state: ParkingState::default(), facts, second: 0, commands }
    }

    /// Appends what the garage decides of a move.
    pub async fn act(&mut self, history: &mut History, (what, who, late, long): Move) {
        self.second += 137;
        self.commands += 1;
        let now = at(self.second);
        let context = Context { command_id: CommandId(Uuid::from_u128(self.commands)), now };
        let command = self.command(what, who, late, long);
        let decision = Parking::decide(&self.state, &command, &self.facts, context);
        fold::<Parking>(&mut self.state, decision.events(), now);
        for fact in decision.events() {
            history.parking(self.facility, &fact.event, fact.happened_at).await;
        }
    }

    fn command(&self, what: u8, who: u8, late: u16, long: bool) -> ParkingCommand {
        let some_pool = Some(pool(if long { "long" } else { "short" }));
        let car = plate(&format!("CAR{}", who % 6));
        let happened_at = at(self.second - i64::from(late));
        let passage = |name: &str, direction, credentials: Vec<Credential>| ParkingCommand::RecordPassage {
            lane: lane(name),
            direction,
            credentials,
            unreadable: false,
            pool: some_pool,
            happened_at,
            clock: DeviceClock::default(),
        };
        let known = || self.state.visits_inside().map(|(visit, _)| visit).min();
        match what % 14 {
            0 | 1 => passage("in", Direction::Entry, Vec::new()),
            2 | 3 => passage("out", Direction::Exit, Vec::new()),
            4 | 5 => passage("in", Direction::Entry, vec![car]),
            6 | 7 => passage("out", Direction::Exit, vec![car]),
            8 => ParkingCommand::EnterGate {
                lane: lane("in"),
                credentials: vec![car],
                pool: some_pool,
                requested_at: None,
            },
            9 => passage("ramp", Direction::Entry, vec![car]),
            10 => ParkingCommand::CorrectOccupancy {
                pool: pool(if long { "long" } else { "short" }),
                counted: u32::from(who % 8),
                counted_at: happened_at,
                reason: "counted".to_owned(),
            },
            11 => ParkingCommand::ReportLostTicket {
                pool: some_pool,
                credentials: vec![car],
                replacement: None,
                entered_at: None,
                basis: EstimateBasis::Attendant,
            },
            12 => match self.state.grants().next() {
                Some((grant, open)) => ParkingCommand::LapseGrant { grant, due: open.expires_at() },
                None => passage("in", Direction::Entry, Vec::new()),
            },
            _ => match known() {
                Some(visit) => ParkingCommand::ReviewVisit { visit, review: Review::Confirm },
                None => passage("out", Direction::Exit, Vec::new()),
            },
        }
    }
}

/// Registers the garages and appends the moves in turn.
pub async fn play(garages: &mut [Garage], moves: &[Move]) -> History {
    let mut history = History::default();
    for garage in garages.iter() {
        history.register(garage.facility).await;
    }
    for (number, step) in moves.iter().enumerate() {
        let which = number % garages.len();
        garages[which].act(&mut history, *step).await;
    }
    history
}
