//! What happens at the gates. Who adds up every `insideChange` of a pool has what is inside, as we count it.
//!
//! Requests, grants and refusals, holds and credentials are not told: the first are no facts, the last are personal.

use octocity_domain::parking::{self as stored, ModeScope, ParkingEvent};
use octocity_domain::{AreaId, FacilityId, LaneId, PoolId, SpotId, VisitId};
use serde::Serialize;

use crate::{Published, Subject};

/// How many places a pool has from now on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct CapacityChanged {
    pub facility: FacilityId,
    pub pool: PoolId,
    /// Absent where nobody knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub places: Option<u32>,
}

/// How many of a pool's places are kept for reservations from now on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ReservedPartChanged {
    pub facility: FacilityId,
    pub pool: PoolId,
    pub places: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AdmissionMode {
    Normal,
    /// A shut facility takes nobody in; a shut lane lets nobody through.
    Shut,
    /// Open to all, as in a fire.
    HeldOpen,
}

/// A facility, or one lane of it, was shut, held open or set back to normal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct AdmissionModeChanged {
    pub facility: FacilityId,
    /// Absent: the whole facility.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lane: Option<LaneId>,
    pub mode: AdmissionMode,
}

/// A marked place cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct SpotTakenOutOfService {
    pub facility: FacilityId,
    pub spot: SpotId,
    pub pool: PoolId,
}

/// A marked place can be used again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct SpotReturnedToService {
    pub facility: FacilityId,
    pub spot: SpotId,
    pub pool: PoolId,
}

/// A vehicle passed inwards.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct VehicleEntered {
    pub facility: FacilityId,
    /// Absent where nobody was identified.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub visit: Option<VisitId>,
    pub lane: LaneId,
    pub pool: PoolId,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub area: Option<AreaId>,
    /// 1; 0 where this is late news of a vehicle that has left since.
    pub inside_change: i64,
}

/// A vehicle passed outwards.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct VehicleLeft {
    pub facility: FacilityId,
    /// Absent where nobody was identified.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub visit: Option<VisitId>,
    pub lane: LaneId,
    pub pool: PoolId,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub area: Option<AreaId>,
    /// -1; 0 where the vehicle did not count as inside any more, or its entry was missed.
    pub inside_change: i64,
}

/// A vehicle passed an inner lane.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct VehicleMoved {
    pub facility: FacilityId,
    /// Absent where nobody was identified.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub visit: Option<VisitId>,
    pub lane: LaneId,
    pub from: AreaId,
    pub to: AreaId,
}

/// Somebody counted what stands in a pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct OccupancyCorrected {
    pub facility: FacilityId,
    pub pool: PoolId,
    pub counted: u32,
    /// What the count adds to what was taken to be inside.
    pub inside_change: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Review {
    /// A visit whose entry nobody saw was declared.
    Declared,
    /// A visit was presumed to have left unseen.
    PresumedLeft,
    /// What had been presumed was judged anew.
    Reconciled,
}

/// What was known of one visit was judged anew, without a passage, and what is inside changed by it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct OccupancyReviewed {
    pub facility: FacilityId,
    pub pool: PoolId,
    pub visit: VisitId,
    pub review: Review,
    pub inside_change: i64,
}

pub(crate) fn publish(event: &ParkingEvent, facility: FacilityId) -> Option<Published> {
    match event {
        ParkingEvent::VehicleEntered { .. }
        | ParkingEvent::VehicleLeft { .. }
        | ParkingEvent::VehicleMoved { .. } => passage(event, facility),
        ParkingEvent::OccupancyCorrected { pool, counted, .. } => {
            let (pool, counted, inside_change) = (*pool, *counted, event.inside_change().total());
            let corrected = OccupancyCorrected { facility, pool, counted, inside_change };
            Some(Published::of(Subject::Pool(pool), corrected))
        }
        ParkingEvent::VisitDeclared { .. }
        | ParkingEvent::VisitPresumedLeft { .. }
        | ParkingEvent::VisitReconciled { .. } => reviewed(event, facility),
        ParkingEvent::CapacitySet { .. }
        | ParkingEvent::ReservedPartSet { .. }
        | ParkingEvent::AdmissionModeSet { .. }
        | ParkingEvent::SpotTakenOutOfService { .. }
        | ParkingEvent::SpotReturnedToService { .. } => setting(event, facility),
        ParkingEvent::EntryGranted { .. }
        | ParkingEvent::ExitGranted { .. }
        | ParkingEvent::PassageRefused { .. }
        | ParkingEvent::GrantLapsed { .. }
        | ParkingEvent::CredentialsChanged { .. }
        | ParkingEvent::HoldPlaced { .. }
        | ParkingEvent::HoldReleased { .. } => None,
    }
}

fn passage(event: &ParkingEvent, facility: FacilityId) -> Option<Published> {
    let about = |visit: Option<VisitId>, lane| visit.map_or(Subject::Lane(lane), Subject::Visit);
    let inside_change = event.inside_change().total();
    match *event {
        ParkingEvent::VehicleEntered { visit, lane, pool, area, .. } => {
            let entered = VehicleEntered { facility, visit, lane, pool, area, inside_change };
            Some(Published::of(about(visit, lane), entered))
        }
        ParkingEvent::VehicleLeft { departure, lane, pool, area, .. } => {
            let visit = departure.visit();
            let left = VehicleLeft { facility, visit, lane, pool, area, inside_change };
            Some(Published::of(about(visit, lane), left))
        }
        ParkingEvent::VehicleMoved { visit, lane, from, to, .. } => {
            Some(Published::of(about(visit, lane), VehicleMoved { facility, visit, lane, from, to }))
        }
        _ => None,
    }
}

fn reviewed(event: &ParkingEvent, facility: FacilityId) -> Option<Published> {
    let inside_change = event.inside_change().total();
    let (pool, visit, review) = match *event {
        ParkingEvent::VisitDeclared { visit, pool, .. } => (pool, visit, Review::Declared),
        ParkingEvent::VisitPresumedLeft { visit, pool, .. } => (pool, visit, Review::PresumedLeft),
        ParkingEvent::VisitReconciled { visit, pool, .. } => (pool, visit, Review::Reconciled),
        _ => return None,
    };
    let reviewed = OccupancyReviewed { facility, pool, visit, review, inside_change };
    (inside_change != 0).then(|| Published::of(Subject::Visit(visit), reviewed))
}

fn setting(event: &ParkingEvent, facility: FacilityId) -> Option<Published> {
    match *event {
        ParkingEvent::CapacitySet { pool, places } => {
            Some(Published::of(Subject::Pool(pool), CapacityChanged { facility, pool, places }))
        }
        ParkingEvent::ReservedPartSet { pool, places, .. } => {
            Some(Published::of(Subject::Pool(pool), ReservedPartChanged { facility, pool, places }))
        }
        ParkingEvent::AdmissionModeSet { scope, mode, .. } => {
            let (subject, lane) = match scope {
                ModeScope::Facility => (Subject::Facility(facility), None),
                ModeScope::Lane { lane } => (Subject::Lane(lane), Some(lane)),
            };
            let mode = match mode {
                stored::AdmissionMode::Normal => AdmissionMode::Normal,
                stored::AdmissionMode::Shut => AdmissionMode::Shut,
                stored::AdmissionMode::HeldOpen => AdmissionMode::HeldOpen,
            };
            Some(Published::of(subject, AdmissionModeChanged { facility, lane, mode }))
        }
        ParkingEvent::SpotTakenOutOfService { spot, pool, .. } => {
            Some(Published::of(Subject::Spot(spot), SpotTakenOutOfService { facility, spot, pool }))
        }
        ParkingEvent::SpotReturnedToService { spot, pool } => {
            Some(Published::of(Subject::Spot(spot), SpotReturnedToService { facility, spot, pool }))
        }
        _ => None,
    }
}
