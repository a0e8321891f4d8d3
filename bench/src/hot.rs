//! What every passage goes through, each function ready to be called again and again.

use std::hint::black_box;
use std::sync::Arc;

use octocity_domain::decider::fold;
use octocity_domain::facilities::{Area, Lane, Layout, Plan, Policies, Pool};
use octocity_domain::parking::{
    Credential, DeviceClock, Direction, Parking, ParkingCommand, ParkingEvent, ParkingFacts, ParkingState,
};
use octocity_domain::time::Zone;
use octocity_domain::{
    AreaId, Category, CommandId, Context, Currency, Decider, Event, FacilityId, LaneId, OperatorId, PoolId,
    Timestamp,
};
use octocity_log::{Actor, EventMeta, Origin, StreamId, current_version, decode, encode, partition_of};
use octocity_projections::parking::{Occupancy, Visits};
use octocity_projections::view::{EventRecord, View};
use uuid::Uuid;

use crate::Fault;

/// As in the binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Of the car park whose passages are decided: vehicles that stand there throughout.
const INSIDE: usize = 300;
const BEGIN: Timestamp = Timestamp::from_seconds(1_772_438_400);

pub struct Hot {
    pub name: &'static str,
    /// False: it did not do what it is called for.
    pub call: Box<dyn FnMut() -> bool>,
}

impl Hot {
    fn new(name: &'static str, call: impl FnMut() -> bool + 'static) -> Self {
        Self { name, call: Box::new(call) }
    }
}

/// # Errors
/// A fixture that the domain no longer takes.
pub fn all() -> Result<Vec<Hot>, Fault> {
    let mut garage = Garage::try_new()?;
    for number in 0..INSIDE {
        garage.pass(Direction::Entry, &format!("stays-{number}"));
    }
    let entered = garage.pass(Direction::Entry, "seen").ok_or("an entry was not recorded")?;
    garage.pass(Direction::Exit, "seen").ok_or("an exit was not recorded")?;
    let (event_type, data) = encode(&entered)?;
    let facility = garage.facility;
    let stored = entered.clone();
    let mut inside = false;
    Ok(vec![
        Hot::new("decide_and_evolve_record_passage", move || {
            inside = !inside;
            garage.pass(if inside { Direction::Entry } else { Direction::Exit }, "passes").is_some()
        }),
        Hot::new("encode_vehicle_entered", move || encode(black_box(&stored)).is_ok()),
        Hot::new("decode_vehicle_entered", move || {
            let version = current_version(Category::Parking, &event_type);
            decode(Category::Parking, &event_type, version, black_box(&data)).is_ok()
        }),
        projecting::<Occupancy>("project_occupancy", facility, &entered),
        projecting::<Visits>("project_visit", facility, &entered),
        Hot::new("partition", move || partition_of(black_box(facility), 64) < 64),
    ])
}

/// Folds the event into the rows of its keys, none of which was there before.
fn projecting<V: View>(name: &'static str, facility: FacilityId, event: &ParkingEvent) -> Hot {
    let event = Event::Parking(event.clone());
    let command = Uuid::from_u128(1);
    let meta = EventMeta {
        actor: Actor::new("bench"),
        command_id: CommandId(command),
        causation_id: command,
        correlation_id: command,
        key: facility,
        decided_at: BEGIN,
        happened_at: BEGIN,
        origin: Origin::Live,
    };
    let stream = StreamId::new(Category::Parking, facility.uuid());
    let mut keys = Vec::new();
    Hot::new(name, move || {
        let record = EventRecord { event: black_box(&event), stream, revision: 1, meta: &meta };
        keys.clear();
        V::keys(&record, &mut keys);
        let folded = |key| {
            let mut row = None;
            V::apply(&mut row, key, &record).is_ok() && black_box(row).is_some()
        };
        !keys.is_empty() && keys.iter().all(folded)
    })
}

/// A car park that decides and folds what passes.
struct Garage {
    facility: FacilityId,
    gate: LaneId,
    state: ParkingState,
    facts: ParkingFacts,
    now: Timestamp,
    commands: u128,
}

impl Garage {
    fn try_new() -> Result<Self, Fault> {
        let (facility, gate) = (FacilityId(Uuid::from_u128(7)), LaneId::try_new("gate")?);
        let (area, pool) = (AreaId::try_new("hall")?, PoolId::try_new("places")?);
        let places = Pool {
            id: pool,
            name: "Places".to_owned(),
            places: Some(500),
            reservable_places: 0,
            chargeable: true,
        };
        let lane =
            Lane { id: gate, name: "Gate".to_owned(), from: None, to: Some(area), pool, detector: true };
        let plan = Plan {
            facility,
            version: 1,
            operator: OperatorId::try_new("bench")?,
            name: "Measured".to_owned(),
            zone: Zone::try_new("Europe/Vienna").ok_or("the time zone is unknown")?,
            currency: Currency::try_new("EUR").ok_or("the currency is unknown")?,
            layout: Layout {
                areas: vec![Area { id: area, name: "Hall".to_owned(), level: None }],
                pools: vec![places],
                spots: Vec::new(),
                lanes: vec![lane],
            },
            policies: Policies::default(),
            tariffs: Vec::new(),
        };
        let facts = ParkingFacts { plan: Some(Arc::new(plan)), cover: None, reservation: None };
        Ok(Self { facility, gate, state: ParkingState::default(), facts, now: BEGIN, commands: 0 })
    }

    /// A minute later somebody passes with a ticket; the passage, unless it was refused.
    fn pass(&mut self, direction: Direction, ticket: &str) -> Option<ParkingEvent> {
        self.now = self.now.plus_seconds(60);
        self.commands += 1;
        let command = ParkingCommand::RecordPassage {
            lane: self.gate,
            direction,
            credentials: vec![Credential::Ticket { number: ticket.to_owned() }],
            unreadable: false,
            pool: None,
            happened_at: self.now,
            clock: DeviceClock::default(),
        };
        let context = Context { command_id: CommandId(Uuid::from_u128(self.commands)), now: self.now };
        let decision = Parking::decide(&self.state, &command, &self.facts, context);
        fold::<Parking>(&mut self.state, decision.events(), self.now);
        let passed = decision.events().first().map(|fact| fact.event.clone());
        passed.filter(|event| {
            matches!(event, ParkingEvent::VehicleEntered { .. } | ParkingEvent::VehicleLeft { .. })
        })
    }
}
