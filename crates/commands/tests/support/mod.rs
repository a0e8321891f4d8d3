//! A world on the log in memory: one facility with a short-term pool, driven by hand.
#![allow(dead_code)]

pub mod gateway;
pub mod held_log;
pub mod log_lines;
pub mod till;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use octocity_commands::{Clock, CommandError, Handler, HandlerOptions, Outcome, Reply, Submission};
use octocity_domain::facilities::{FacilityCommand, Lane, Layout, Policies, Pool};
use octocity_domain::parking::{
    Credential, DeviceClock, Direction, MatchKey, ParkingCommand, ParkingEvent, ParkingRefusal, PlateRead,
};
use octocity_domain::tariffs::Tariff;
use octocity_domain::time::Zone;
use octocity_domain::{
    AreaId, Code, CommandId, Currency, FacilityId, LaneId, OperatorId, PoolId, Timestamp, VisitId,
};
use octocity_log::{Actor, EventLog, MemoryLog, RecordedEvent, SnapshotStore};
use uuid::Uuid;

/// 2026-03-02T08:00:00Z.
pub const MORNING: Timestamp = Timestamp::from_seconds(1_772_438_400);

/// A clock that stands still until it is moved.
pub struct HandClock(AtomicI64);

impl HandClock {
    pub fn new() -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(MORNING.millis())))
    }
    pub fn pass_seconds(&self, seconds: i64) {
        self.0.fetch_add(seconds * 1000, Ordering::SeqCst);
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

pub struct World {
    pub log: MemoryLog,
    pub clock: Arc<HandClock>,
    pub handler: Arc<Handler>,
    pub facility: FacilityId,
}

static IDS: AtomicU64 = AtomicU64::new(0);

/// A UUIDv7 of this instant, as a client makes it.
pub fn id_at(at: Timestamp) -> CommandId {
    let count = u128::from(IDS.fetch_add(1, Ordering::SeqCst));
    let time = (at.millis() as u128) << 80;
    CommandId::new(Uuid::from_u128(time | (7 << 76) | (2 << 62) | count))
}

pub fn pool() -> PoolId {
    PoolId::try_new("short").unwrap()
}

pub fn lane(name: &str) -> LaneId {
    LaneId::try_new(name).unwrap()
}

pub fn plate(text: &str) -> Vec<Credential> {
    vec![Credential::Plate(PlateRead {
        raw: text.to_owned(),
        match_key: MatchKey(text.to_owned()),
        normaliser: 1,
        region: None,
        confidence_permille: None,
        candidates: Vec::new(),
        image: None,
    })]
}

pub fn layout(pools: &[(&str, u32)]) -> Layout {
    let inside = AreaId::try_new("inside").unwrap();
    let area = octocity_domain::facilities::Area { id: inside, name: "Inside".into(), level: None };
    let pool = |(id, places): &(&str, u32)| Pool {
        id: PoolId::try_new(id).unwrap(),
        name: (*id).into(),
        places: Some(*places),
        reservable_places: 1,
        chargeable: true,
    };
    let lane = |id: &str, detector: bool| Lane {
        id: LaneId::try_new(id).unwrap(),
        name: id.into(),
        from: None,
        to: Some(inside),
        pool: PoolId::try_new(pools[0].0).unwrap(),
        detector,
    };
    Layout {
        areas: vec![area],
        pools: pools.iter().map(pool).collect(),
        spots: Vec::new(),
        lanes: vec![lane("gate", false), lane("seen", true)],
    }
}

impl World {
    pub async fn new() -> Self {
        Self::with_options(HandlerOptions::default(), None).await
    }

    pub async fn with_options(options: HandlerOptions, snapshots: Option<Arc<dyn SnapshotStore>>) -> Self {
        Self::made(MemoryLog::default(), options, snapshots).await
    }

    pub async fn on(log: MemoryLog) -> Self {
        Self::made(log, HandlerOptions::default(), None).await
    }

    async fn made(
        log: MemoryLog,
        options: HandlerOptions,
        snapshots: Option<Arc<dyn SnapshotStore>>,
    ) -> Self {
        let clock = HandClock::new();
        let handler = Handler::new(Arc::new(log.clone()), snapshots, clock.clone(), options);
        let world = Self { log, clock, handler, facility: FacilityId::new(Uuid::from_u128(7)) };
        world.register().await;
        world
    }

    /// As after a restart, or as a second node: the same log, nothing in memory.
    pub fn another_handler(&self) -> Arc<Handler> {
        Handler::new(Arc::new(self.log.clone()), None, self.clock.clone(), HandlerOptions::default())
    }

    pub async fn register(&self) {
        let register = FacilityCommand::RegisterFacility {
            facility: self.facility,
            operator: OperatorId::try_new("city").unwrap(),
            name: "Market".into(),
            zone: Zone::try_new("Europe/Berlin").unwrap(),
            currency: Currency::try_new("EUR").unwrap(),
            layout: layout(&[("short", 10)]),
            policies: Policies::default(),
        };
        accepted(self.handler.facility(self.facility, self.submit(register)).await);
        let tariff = FacilityCommand::ActivateTariff { tariff: tariff(), from: None };
        accepted(self.handler.facility(self.facility, self.submit(tariff)).await);
    }

    pub fn clock_now(&self) -> Timestamp {
        self.clock.now()
    }

    pub fn submit<C>(&self, command: C) -> Submission<C> {
        Submission::new(id_at(self.clock.now()), Actor::new("test"), command)
    }

    pub async fn park(
        &self,
        submission: Submission<ParkingCommand>,
    ) -> Result<Reply<ParkingEvent, ParkingRefusal>, CommandError> {
        self.handler.parking(self.facility, submission).await
    }

    pub async fn enter(&self, text: &str) -> VisitId {
        let reply = self.park(self.submit(enter("gate", text))).await;
        let events = accepted(reply);
        let entered = events.iter().find_map(|event| match event {
            ParkingEvent::VehicleEntered { visit, .. } => *visit,
            _ => None,
        });
        entered.expect("the lane has no detector: the grant is the passage")
    }

    pub async fn events(&self) -> Vec<RecordedEvent> {
        let page = self.log.read_all(octocity_log::Position(0), usize::MAX, &[], &[]).await;
        page.unwrap().events
    }

    pub async fn count(&self, event_type: &str) -> usize {
        self.events().await.iter().filter(|event| &*event.event_type == event_type).count()
    }
}

pub fn tariff() -> Tariff {
    Tariff {
        id: Code::try_new("day").unwrap(),
        currency: Currency::try_new("EUR").unwrap(),
        free_seconds: 0,
        increment_seconds: 3600,
        price_per_increment_minor: 200,
        cap: None,
        grace_seconds: 900,
    }
}

pub fn enter(at: &str, text: &str) -> ParkingCommand {
    ParkingCommand::EnterGate { lane: lane(at), credentials: plate(text), pool: None, requested_at: None }
}

pub fn exit(at: &str, text: &str) -> ParkingCommand {
    ParkingCommand::ExitGate { lane: lane(at), credentials: plate(text), requested_at: None }
}

pub fn passage(text: Option<&str>, direction: Direction, at: Timestamp) -> ParkingCommand {
    ParkingCommand::RecordPassage {
        lane: lane("seen"),
        direction,
        credentials: text.map(plate).unwrap_or_default(),
        unreadable: false,
        pool: None,
        happened_at: at,
        clock: DeviceClock::default(),
    }
}

#[track_caller]
pub fn accepted<E, R: std::fmt::Debug>(reply: Result<Reply<E, R>, CommandError>) -> Vec<E> {
    match reply.expect("a reply").outcome {
        Outcome::Accepted(facts) => facts.into_iter().map(|fact| fact.event).collect(),
        Outcome::Refused(refusal) => panic!("refused: {refusal:?}"),
    }
}

#[track_caller]
pub fn refused<E: std::fmt::Debug, R>(reply: Result<Reply<E, R>, CommandError>) -> R {
    match reply.expect("a reply").outcome {
        Outcome::Refused(refusal) => refusal,
        Outcome::Accepted(facts) => panic!("accepted: {facts:?}"),
    }
}
