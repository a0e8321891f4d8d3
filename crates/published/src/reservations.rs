//! Promises of places, without who they were given to.

use octocity_domain::reservations::{self as stored, ReservationsEvent};
use octocity_domain::{FacilityId, PoolId, ReservationId, SpotId};
use serde::Serialize;

use crate::{Published, Subject, Time};

/// How many of a pool's places may be promised from now on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ReservableCapacityChanged {
    pub facility: FacilityId,
    pub pool: PoolId,
    pub places: u32,
}

/// A place of a pool is promised from `start` (included) to `end` (excluded).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ReservationMade {
    pub facility: FacilityId,
    pub reservation: ReservationId,
    pub pool: PoolId,
    pub start: Time,
    pub end: Time,
    /// A preference that the operator may change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spot: Option<SpotId>,
}

/// The promise was taken back before it was used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ReservationCancelled {
    pub facility: FacilityId,
    pub reservation: ReservationId,
}

/// The right to enter was used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ReservationCheckedIn {
    pub facility: FacilityId,
    pub reservation: ReservationId,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ReservationEnd {
    /// Nobody came.
    NoShow,
    /// Its time ran out after a check-in.
    Completed,
}

/// The promise is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ReservationEnded {
    pub facility: FacilityId,
    pub reservation: ReservationId,
    pub end: ReservationEnd,
}

pub(crate) fn publish(event: &ReservationsEvent, facility: FacilityId) -> Published {
    match event {
        ReservationsEvent::ReservableCapacitySet { pool, places } => {
            let (pool, places) = (*pool, *places);
            Published::of(Subject::Pool(pool), ReservableCapacityChanged { facility, pool, places })
        }
        ReservationsEvent::ReservationMade { reservation, pool, interval, spot, .. } => {
            let (reservation, pool, spot) = (*reservation, *pool, *spot);
            let (start, end) = (interval.start.into(), interval.end.into());
            let made = ReservationMade { facility, reservation, pool, start, end, spot };
            Published::of(Subject::Reservation(reservation), made)
        }
        ReservationsEvent::ReservationCancelled { reservation } => {
            let cancelled = ReservationCancelled { facility, reservation: *reservation };
            Published::of(Subject::Reservation(*reservation), cancelled)
        }
        ReservationsEvent::ReservationCheckedIn { reservation } => {
            let checked_in = ReservationCheckedIn { facility, reservation: *reservation };
            Published::of(Subject::Reservation(*reservation), checked_in)
        }
        ReservationsEvent::ReservationEnded { reservation, end } => {
            let end = match end {
                stored::ReservationEnd::NoShow => ReservationEnd::NoShow,
                stored::ReservationEnd::Completed => ReservationEnd::Completed,
            };
            let ended = ReservationEnded { facility, reservation: *reservation, end };
            Published::of(Subject::Reservation(*reservation), ended)
        }
    }
}
