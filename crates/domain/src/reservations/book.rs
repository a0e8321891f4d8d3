//! A facility's book of reservations.
use serde::{Deserialize, Serialize};

use crate::decider::{Context, Decider, Decision, Moment};
use crate::event::Category;
use crate::facilities::Plan;
use crate::ids::{PoolId, ReservationId, SpotId};
use crate::parking::Credential;
use crate::time::{Interval, Timestamp, Zone};
use std::sync::Arc;

/// What the driver was told, in the facility's wall time, with the zone that resolved it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LocalInterval {
    /// `2026-03-29T02:30:00`, without offset.
    pub start: String,
    pub end: String,
    pub zone: Zone,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ReservationEnd {
    /// Nobody came.
    NoShow,
    /// Its time ran out after a check-in, or the vehicle left.
    Completed,
}

/// Storage format: names and fields stay as they are for ever.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum ReservationsEvent {
    ReservableCapacitySet {
        pool: PoolId,
        places: u32,
    },
    ReservationMade {
        reservation: ReservationId,
        pool: PoolId,
        interval: Interval,
        local: LocalInterval,
        spot: Option<SpotId>,
        credentials: Vec<Credential>,
        /// When its hold is due.
        hold_at: Timestamp,
        plan_version: u64,
    },
    ReservationCancelled {
        reservation: ReservationId,
    },
    ReservationCheckedIn {
        reservation: ReservationId,
    },
    ReservationEnded {
        reservation: ReservationId,
        end: ReservationEnd,
    },
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ReservationsState {}

#[derive(Clone, Debug, Serialize)]
pub enum ReservationsCommand {
    SetReservableCapacity {
        pool: PoolId,
        places: u32,
    },
    ReserveSpot {
        pool: PoolId,
        interval: Interval,
        spot: Option<SpotId>,
        credentials: Vec<Credential>,
    },
    CancelReservation {
        reservation: ReservationId,
    },
    /// Sent by the holds process after parking admitted on it.
    CheckInReservation {
        reservation: ReservationId,
    },
    /// Sent at its end; names the due time, so that it fires once.
    EndReservation {
        reservation: ReservationId,
        due: Timestamp,
    },
}

/// The facility's plan and, for its pool's total, nothing else.
#[derive(Clone, Debug, Default)]
pub struct ReservationsFacts {
    pub plan: Option<Arc<Plan>>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "code")]
pub enum ReservationsRefusal {
    FacilityUnknown,
}
impl crate::decider::Refusal for ReservationsRefusal {
    fn code(&self) -> &'static str {
        "FACILITY_UNKNOWN"
    }
    fn message(&self) -> String {
        String::new()
    }
}
pub struct Reservations;
impl Decider for Reservations {
    const CATEGORY: Category = Category::Reservations;
    const SNAPSHOT_VERSION: u32 = 1;
    type State = ReservationsState;
    type Event = ReservationsEvent;
    type Command = ReservationsCommand;
    type Facts = ReservationsFacts;
    type Refusal = ReservationsRefusal;
    fn evolve(_state: &mut ReservationsState, _event: &ReservationsEvent, _moment: Moment) {}
    fn decide(
        _: &ReservationsState,
        _: &ReservationsCommand,
        _: &ReservationsFacts,
        _: Context,
    ) -> Decision<ReservationsEvent, ReservationsRefusal> {
        Decision::nothing()
    }
}
