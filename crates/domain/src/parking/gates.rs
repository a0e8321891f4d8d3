//! The decisions at a facility's gates: which command goes to which rule.

use std::sync::Arc;

use super::command::{CoverFact, ParkingCommand, ParkingRefusal, ReservationFact};
use super::event::ParkingEvent;
use super::state::{ParkingState, PoolLedger};
use super::{admission, counting, evolve, exits, passages, visits};
use crate::decider::{Context, Decider, Decision, Fact, Moment};
use crate::event::Category;
use crate::facilities::{Lane, Plan, Pool};
use crate::ids::{GrantId, LaneId, PoolId, VisitId};
use crate::time::Timestamp;

/// One facility's gates: the stream `parking-<facility>`.
pub struct Parking;

/// What a gate's decision needs besides its own stream.
#[derive(Clone, Debug, Default)]
pub struct ParkingFacts {
    /// The facility's plan; None where the facility is unknown.
    pub plan: Option<Arc<Plan>>,
    /// For `ExitGate`; None where its credentials name no visit inside.
    pub cover: Option<CoverFact>,
    /// For `EnterGate` with a reservation; None where the book has none of that id.
    pub reservation: Option<ReservationFact>,
}

pub(super) type Events = Vec<Fact<ParkingEvent>>;
pub(super) type Outcome = Result<Events, ParkingRefusal>;

impl Decider for Parking {
    const CATEGORY: Category = Category::Parking;
    const SNAPSHOT_VERSION: u32 = 5;
    type State = ParkingState;
    type Event = ParkingEvent;
    type Command = ParkingCommand;
    type Facts = ParkingFacts;
    type Refusal = ParkingRefusal;

    fn evolve(state: &mut ParkingState, event: &ParkingEvent, moment: Moment) {
        evolve::evolve(state, event, moment);
    }

    fn facts_fit(state: &ParkingState, command: &ParkingCommand, facts: &ParkingFacts) -> bool {
        match command {
            ParkingCommand::ExitGate { credentials, .. } => {
                state.find_visit(credentials) == facts.cover.as_ref().map(|cover| cover.visit)
            }
            _ => true,
        }
    }

    fn decide(
        state: &ParkingState,
        command: &ParkingCommand,
        facts: &ParkingFacts,
        context: Context,
    ) -> Decision<ParkingEvent, ParkingRefusal> {
        let Some(plan) = facts.plan.as_deref() else {
            return Decision::refused(ParkingRefusal::FacilityUnknown);
        };
        let gate = Gate { state, plan, facts, context };
        match command {
            ParkingCommand::EnterGate { lane, credentials, pool, requested_at } => {
                admission::enter_gate(&gate, *lane, credentials, *pool, *requested_at)
            }
            ParkingCommand::ExitGate { lane, credentials, requested_at } => {
                exits::exit_gate(&gate, *lane, credentials, *requested_at)
            }
            ParkingCommand::OverrideGate { lane, direction, credentials, reason } => {
                admission::override_gate(&gate, *lane, *direction, credentials, reason).into()
            }
            ParkingCommand::RecordPassage {
                lane,
                direction,
                credentials,
                unreadable,
                pool,
                happened_at,
                clock,
            } => {
                let (direction, unreadable, pool) = (*direction, *unreadable, *pool);
                let (at, clock) = (*happened_at, *clock);
                let seen = passages::Seen { direction, credentials, unreadable, pool, at, clock };
                passages::record_passage(&gate, *lane, seen).into()
            }
            ParkingCommand::SetPoolCapacity { pool, places } => {
                counting::set_pool_capacity(&gate, *pool, *places).into()
            }
            ParkingCommand::SetReservedPart { pool, places, book_revision } => {
                counting::set_reserved_part(&gate, *pool, *places, *book_revision).into()
            }
            ParkingCommand::SetAdmissionMode { scope, mode, reason } => {
                counting::set_admission_mode(&gate, *scope, *mode, reason).into()
            }
            ParkingCommand::TakeSpotOutOfService { spot, reason } => {
                counting::take_spot_out(&gate, *spot, reason).into()
            }
            ParkingCommand::ReturnSpotToService { spot } => counting::return_spot(&gate, *spot).into(),
            ParkingCommand::CorrectOccupancy { pool, counted, counted_at, reason } => {
                counting::correct_occupancy(&gate, *pool, *counted, *counted_at, reason).into()
            }
            ParkingCommand::PlaceHold { reservation, pool, until } => {
                counting::place_hold(&gate, *reservation, *pool, *until).into()
            }
            ParkingCommand::ReleaseHold { reservation, release } => {
                counting::release_hold(&gate, *reservation, *release).into()
            }
            ParkingCommand::LapseGrant { grant, due } => counting::lapse_grant(&gate, *grant, *due).into(),
            ParkingCommand::ReportLostTicket { pool, credentials, replacement, entered_at, basis } => {
                let (pool, entered_at, basis) = (*pool, *entered_at, *basis);
                let claim = visits::Claim { pool, credentials, replacement, entered_at, basis };
                visits::report_lost_ticket(&gate, claim).into()
            }
            ParkingCommand::CorrectCredentials { visit, change, old, new } => {
                visits::correct_credentials(&gate, *visit, *change, old.as_ref(), new.as_ref()).into()
            }
            ParkingCommand::ReviewVisit { visit, review } => {
                visits::review_visit(&gate, *visit, *review).into()
            }
        }
    }
}

/// What every rule at a gate looks at.
pub(super) struct Gate<'a> {
    pub state: &'a ParkingState,
    pub plan: &'a Plan,
    pub facts: &'a ParkingFacts,
    pub context: Context,
}

impl Gate<'_> {
    pub fn now(&self) -> Timestamp {
        self.context.now
    }
    pub fn new_visit(&self) -> VisitId {
        self.context.command_id.visit(self.plan.facility)
    }
    pub fn new_grant(&self) -> GrantId {
        self.context.command_id.grant(self.plan.facility)
    }
    pub fn event_now(&self, event: ParkingEvent) -> Fact<ParkingEvent> {
        Fact::new(event, self.context.now)
    }
    pub fn lane(&self, lane: LaneId) -> Result<&Lane, ParkingRefusal> {
        self.plan.layout.lane(lane).ok_or(ParkingRefusal::LaneUnknown { lane })
    }
    pub fn known_pool(&self, pool: PoolId) -> Result<&Pool, ParkingRefusal> {
        self.plan.layout.pool(pool).ok_or(ParkingRefusal::PoolUnknown { pool })
    }

    /// Places that nobody is in, is granted or is kept for; below 0 where facts went over. None: nobody knows.
    pub fn free(&self, pool: PoolId, ledger: &PoolLedger) -> Option<i64> {
        let places = i64::from(self.state.places_in_service(pool, self.plan)?);
        Some(places - i64::from(ledger.inside()) - i64::from(ledger.granted) - i64::from(ledger.held))
    }

    /// Places for those without a reservation: the reserved part is never theirs, used or not.
    pub fn free_for_walk_ins(&self, pool: PoolId, ledger: &PoolLedger) -> Option<i64> {
        let places = i64::from(self.state.places_in_service(pool, self.plan)?);
        let walk_ins = i64::from(ledger.inside() + ledger.granted) - i64::from(ledger.on_reservation);
        let used_by_reservations = i64::from(ledger.held + ledger.on_reservation);
        let reserved = used_by_reservations.max(i64::from(self.state.reserved_part(pool, self.plan)));
        Some(places - walk_ins - reserved)
    }
}

const TEXT_CHARS_AT_MOST: usize = 500;

pub(super) fn check_reason(reason: &str) -> Result<(), ParkingRefusal> {
    match reason.chars().count() {
        _ if reason.trim().is_empty() => Err(ParkingRefusal::ReasonMissing),
        0..=TEXT_CHARS_AT_MOST => Ok(()),
        _ => Err(ParkingRefusal::TextTooLong),
    }
}
