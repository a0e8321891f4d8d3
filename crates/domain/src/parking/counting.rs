//! Capacities, modes, spots, counts and holds: what changes how many may come in.

use super::command::ParkingRefusal;
use super::event::{AdmissionMode, HoldRelease, ModeScope, ParkingEvent};
use super::gates::{Gate, Outcome, check_reason};
use super::state::Visit;
use crate::decider::Fact;
use crate::facilities::PLACES_AT_MOST;
use crate::ids::{GrantId, PoolId, ReservationId, SpotId, VisitId};
use crate::time::Timestamp;

pub(super) fn set_pool_capacity(gate: &Gate<'_>, pool: PoolId, places: Option<u32>) -> Outcome {
    gate.known_pool(pool)?;
    if places.is_some_and(|places| places > PLACES_AT_MOST) {
        return Err(ParkingRefusal::CountTooLarge);
    }
    if gate.state.pool(pool).places == Some(places) {
        return Ok(Vec::new());
    }
    Ok(vec![gate.event_now(ParkingEvent::CapacitySet { pool, places })])
}

/// Follows the book: what an older event of it said is no news.
pub(super) fn set_reserved_part(gate: &Gate<'_>, pool: PoolId, places: u32, book_revision: u64) -> Outcome {
    gate.known_pool(pool)?;
    let known = gate.state.pool(pool).reserved_part;
    if known.is_some_and(|known| known.book_revision >= book_revision) {
        return Ok(Vec::new());
    }
    Ok(vec![gate.event_now(ParkingEvent::ReservedPartSet { pool, places, book_revision })])
}

pub(super) fn set_admission_mode(
    gate: &Gate<'_>,
    scope: ModeScope,
    mode: AdmissionMode,
    reason: &str,
) -> Outcome {
    check_reason(reason)?;
    let present = match scope {
        ModeScope::Facility => gate.state.facility_mode,
        ModeScope::Lane { lane } => gate.state.lane_mode(gate.lane(lane)?.id),
    };
    if present == mode {
        return Ok(Vec::new());
    }
    let reason = reason.trim().to_owned();
    Ok(vec![gate.event_now(ParkingEvent::AdmissionModeSet { scope, mode, reason })])
}

pub(super) fn take_spot_out(gate: &Gate<'_>, spot: SpotId, reason: &str) -> Outcome {
    check_reason(reason)?;
    let known = gate.plan.layout.spot(spot).ok_or(ParkingRefusal::SpotUnknown { spot })?;
    if gate.state.spots_out_of_service.contains_key(&spot) {
        return Ok(Vec::new());
    }
    let reason = reason.trim().to_owned();
    Ok(vec![gate.event_now(ParkingEvent::SpotTakenOutOfService { spot, pool: known.pool, reason })])
}

/// A spot that has left the layout since can still be returned: its pool gets the place back.
pub(super) fn return_spot(gate: &Gate<'_>, spot: SpotId) -> Outcome {
    match (gate.state.spots_out_of_service.get(&spot), gate.plan.layout.spot(spot)) {
        (Some(pool), _) => {
            Ok(vec![gate.event_now(ParkingEvent::SpotReturnedToService { spot, pool: *pool })])
        }
        (None, Some(_)) => Ok(Vec::new()),
        (None, None) => Err(ParkingRefusal::SpotUnknown { spot }),
    }
}

/// Somebody counted. Only the unidentified change; visits that the count leaves no room for go to review.
pub(super) fn correct_occupancy(
    gate: &Gate<'_>,
    pool: PoolId,
    counted: u32,
    counted_at: Timestamp,
    reason: &str,
) -> Outcome {
    gate.known_pool(pool)?;
    check_reason(reason)?;
    if counted > PLACES_AT_MOST {
        return Err(ParkingRefusal::CountTooLarge);
    }
    if counted_at > gate.now() {
        return Err(ParkingRefusal::TimeInFuture);
    }
    if !gate.state.remembers(counted_at) {
        return Err(ParkingRefusal::TimeTooOld);
    }
    let ledger = gate.state.inside_at(pool, counted_at);
    let difference = i64::from(counted) - i64::from(ledger);
    let unidentified = i64::from(gate.state.pool(pool).unidentified);
    let unidentified_change = difference.max(-unidentified);
    let not_found = usize::try_from(unidentified_change - difference).unwrap_or(0);
    let event = ParkingEvent::OccupancyCorrected {
        pool,
        counted,
        ledger,
        unidentified_change,
        reason: reason.trim().to_owned(),
        to_review: oldest_visits(gate, pool, counted_at, not_found),
    };
    Ok(vec![Fact::new(event, counted_at)])
}

/// Those that have been inside the longest are the likeliest to have left unseen.
fn oldest_visits(gate: &Gate<'_>, pool: PoolId, before: Timestamp, at_most: usize) -> Vec<VisitId> {
    let was_inside = |visit: &Visit| visit.pool == pool && visit.entry.at().is_none_or(|at| at <= before);
    let mut inside: Vec<_> = gate.state.visits_inside().filter(|(_, visit)| was_inside(visit)).collect();
    inside.sort_unstable_by_key(|(id, visit)| (visit.entry.at(), *id));
    inside.into_iter().take(at_most).map(|(id, _)| id).collect()
}

/// Cannot be refused for want of a place: what it lacks is recorded, and walk-ins stop until there is one.
pub(super) fn place_hold(
    gate: &Gate<'_>,
    reservation: ReservationId,
    pool: PoolId,
    until: Timestamp,
) -> Outcome {
    gate.known_pool(pool)?;
    let known = gate.state.holds.contains_key(&reservation) || gate.state.right(reservation).is_some();
    if known || until <= gate.now() {
        return Ok(Vec::new());
    }
    let shortfall = gate.free(pool, &gate.state.pool(pool)).is_some_and(|free| free <= 0);
    Ok(vec![gate.event_now(ParkingEvent::HoldPlaced { reservation, pool, until, shortfall })])
}

pub(super) fn release_hold(gate: &Gate<'_>, reservation: ReservationId, release: HoldRelease) -> Outcome {
    let Some(hold) = gate.state.holds.get(&reservation) else { return Ok(Vec::new()) };
    Ok(vec![gate.event_now(ParkingEvent::HoldReleased { reservation, pool: hold.pool, release })])
}

/// Fires once: a grant that was used, lapsed or is not due yet stays as it is.
pub(super) fn lapse_grant(gate: &Gate<'_>, grant: GrantId, due: Timestamp) -> Outcome {
    match gate.state.grants.get(&grant) {
        Some(open) if open.expires_at() <= due && due <= gate.now() => {
            Ok(vec![gate.event_now(gate.state.lapse_of(grant, open))])
        }
        _ => Ok(Vec::new()),
    }
}
