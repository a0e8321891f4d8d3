//! The decisions at a facility's gates.
use std::sync::Arc;

use super::command::{CoverFact, ParkingCommand, ParkingRefusal, ReservationFact};
use super::event::ParkingEvent;
use super::state::ParkingState;
use crate::decider::{Context, Decider, Decision, Moment};
use crate::event::Category;
use crate::facilities::Plan;

/// One facility's gates: the stream `parking-<facility>`.
pub struct Parking;

/// What a gate's decision needs besides its own stream.
#[derive(Clone, Debug, Default)]
pub struct ParkingFacts {
    /// The facility's plan; None where the facility is unknown.
    pub plan: Option<Arc<Plan>>,
    pub cover: Option<CoverFact>,
    pub reservation: Option<ReservationFact>,
}

impl Decider for Parking {
    const CATEGORY: Category = Category::Parking;
    const SNAPSHOT_VERSION: u32 = 1;
    type State = ParkingState;
    type Event = ParkingEvent;
    type Command = ParkingCommand;
    type Facts = ParkingFacts;
    type Refusal = ParkingRefusal;

    fn evolve(_state: &mut ParkingState, _event: &ParkingEvent, _moment: Moment) {}
    fn decide(
        _state: &ParkingState,
        _command: &ParkingCommand,
        _facts: &ParkingFacts,
        _context: Context,
    ) -> Decision<ParkingEvent, ParkingRefusal> {
        Decision::refused(ParkingRefusal::FacilityUnknown)
    }
}
