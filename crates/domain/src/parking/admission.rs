//! Requests at a lane: may this vehicle enter; what covers an exit stands in `exits`.

use super::command::{ParkingRefusal, ReservationFact};
use super::credentials::{Credential, check_credentials};
use super::event::{
    AdmissionMode, Basis, Cover, DeviceClock, Direction, HoldRelease, Irregularity, ParkingEvent,
};
use super::gates::{Events, Gate, Outcome, check_reason};
use super::state::{OpenGrant, PoolLedger, Right, match_keys, shares};
use crate::decider::{Decision, Fact, Refusal};
use crate::facilities::{AntiPassback, EarlyArrival, EntryLimit, Lane};
use crate::ids::{GrantId, LaneId, PoolId, ReservationId, VisitId};
use crate::time::Timestamp;

/// How far ahead of our clock a source's may be, and how old its request: older news is a passage, not a request.
const FUTURE_SECONDS: i64 = 60;
const REQUEST_AGE_SECONDS: i64 = 15 * 60;

pub(super) type Decided = Decision<ParkingEvent, ParkingRefusal>;

pub(super) fn enter_gate(
    gate: &Gate<'_>,
    lane: LaneId,
    credentials: &[Credential],
    pool: Option<PoolId>,
    requested_at: Option<Timestamp>,
) -> Decided {
    let lane = match well_formed(gate, lane, credentials, requested_at) {
        Ok(lane) => lane,
        Err(refusal) => return Decision::refused(refusal),
    };
    let pool = pool.unwrap_or(lane.pool);
    let mut request = Request { lane, credentials, pool, lapsing: lapsing(gate, credentials) };
    let shown = gate.facts.reservation.as_ref().filter(|_| request.reservation().is_some());
    if let Some(promise) = shown.or_else(|| request.promised(gate)) {
        request.pool = promise.pool;
    }
    let mut events = lapses(gate, &request);
    match admit(gate, &request) {
        Ok(admission) => {
            events.extend(admission);
            Decision::Accepted(events)
        }
        Err(refusal) => {
            events.push(turned_away(gate, &request, Direction::Entry, &refusal));
            Decision::Refused { refusal, events }
        }
    }
}

pub(super) struct Request<'a> {
    pub lane: &'a Lane,
    pub credentials: &'a [Credential],
    pub pool: PoolId,
    /// Grants that end with this request: their places and rights are free for it.
    pub lapsing: Vec<(GrantId, &'a OpenGrant)>,
}

impl Request<'_> {
    /// The pool's counts, once the lapsing grants have given their places back.
    fn ledger(&self, gate: &Gate<'_>) -> PoolLedger {
        let mut ledger = gate.state.pool(self.pool);
        for (_, open) in &self.lapsing {
            if let OpenGrant::Entry { pool, on_reservation, .. } = open
                && *pool == self.pool
            {
                ledger.granted = ledger.granted.saturating_sub(1);
                ledger.on_reservation = ledger.on_reservation.saturating_sub(u32::from(*on_reservation));
            }
        }
        ledger
    }

    /// Whether the right to enter is free, also because the grant that claimed it ends with this request.
    fn may_claim(&self, gate: &Gate<'_>, reservation: ReservationId) -> bool {
        match gate.state.right(reservation) {
            None | Some(Right::CheckingIn) => true,
            Some(Right::Claimed { by }) => self.lapsing.iter().any(|(lapsing, _)| *lapsing == by),
            Some(Right::Used) => false,
        }
    }

    fn reservation(&self) -> Option<ReservationId> {
        self.credentials.iter().find_map(Credential::reservation)
    }

    /// The promise that a plate or another credential was named for, once its place is held: before, and when it
    /// was used already, its driver is a walk-in like any other.
    fn promised<'g>(&self, gate: &'g Gate<'_>) -> Option<&'g ReservationFact> {
        let promise = gate.facts.reservation.as_ref().filter(|_| self.reservation().is_none())?;
        let open = !promise.cancelled && gate.now() < promise.interval.end && is_held(gate, promise);
        (open && self.may_claim(gate, promise.reservation)).then_some(promise)
    }
}

/// Whether the promise's place is held by now, or is to be.
fn is_held(gate: &Gate<'_>, promise: &ReservationFact) -> bool {
    gate.now() >= held_from(gate, promise) || gate.state.holds.contains_key(&promise.reservation)
}

fn held_from(gate: &Gate<'_>, promise: &ReservationFact) -> Timestamp {
    promise.interval.start.minus_seconds(i64::from(gate.plan.policies.hold_lead_seconds))
}

pub(super) fn well_formed<'a>(
    gate: &'a Gate<'_>,
    lane: LaneId,
    credentials: &[Credential],
    requested_at: Option<Timestamp>,
) -> Result<&'a Lane, ParkingRefusal> {
    let lane = gate.lane(lane)?;
    check_credentials(credentials)?;
    match requested_at.map(|at| gate.now().seconds_since(at)) {
        Some(age) if age < -FUTURE_SECONDS => Err(ParkingRefusal::TimeInFuture),
        Some(age) if age > REQUEST_AGE_SECONDS => Err(ParkingRefusal::TimeTooOld),
        _ if !lane.is_outer() => Err(ParkingRefusal::LaneDirectionWrong { lane: lane.id }),
        _ => Ok(lane),
    }
}

/// Grants whose time is over, and older ones for the same credentials (the driver backed out and tries again),
/// give their places back before this request is decided.
fn lapsing<'a>(gate: &Gate<'a>, credentials: &[Credential]) -> Vec<(GrantId, &'a OpenGrant)> {
    let keys = match_keys(credentials);
    let over = |open: &OpenGrant| match open {
        OpenGrant::Entry { keys: granted, expires_at, .. } => {
            *expires_at <= gate.now() || shares(granted, &keys)
        }
        OpenGrant::Exit { expires_at, .. } => *expires_at <= gate.now(),
    };
    gate.state.grants.iter().filter(|(_, open)| over(open)).map(|(grant, open)| (*grant, open)).collect()
}

fn lapses(gate: &Gate<'_>, request: &Request<'_>) -> Events {
    request.lapsing.iter().map(|(grant, open)| gate.event_now(gate.state.lapse_of(*grant, open))).collect()
}

fn admit(gate: &Gate<'_>, request: &Request<'_>) -> Outcome {
    gate.known_pool(request.pool)?;
    let lane_mode = gate.state.lane_mode(request.lane.id);
    if lane_mode == AdmissionMode::Shut {
        return Err(ParkingRefusal::LaneShut { lane: request.lane.id });
    }
    if gate.state.facility_mode == AdmissionMode::Shut {
        return Err(ParkingRefusal::FacilityShut);
    }
    if lane_mode == AdmissionMode::HeldOpen || gate.state.facility_mode == AdmissionMode::HeldOpen {
        return Ok(granted(gate, request, Basis::FreeFlow));
    }
    if request.credentials.is_empty() {
        return Err(ParkingRefusal::CredentialsMissing);
    }
    if let Some(visit) = gate.state.find_visit(request.credentials)
        && gate.plan.policies.anti_passback == AntiPassback::Hard
    {
        return Err(ParkingRefusal::AlreadyInside { visit });
    }
    match (request.reservation(), request.promised(gate)) {
        (Some(reservation), _) => admit_reservation(gate, request, reservation),
        (None, Some(promise)) => Ok(on_hold(gate, request, promise)),
        (None, None) => walk_in(gate, request, Basis::ShortTerm),
    }
}

fn walk_in(gate: &Gate<'_>, request: &Request<'_>, basis: Basis) -> Outcome {
    let unlimited = gate.plan.policies.entry_limit == EntryLimit::Unlimited;
    match gate.free_for_walk_ins(request.pool, &request.ledger(gate)) {
        Some(free) if free <= 0 && !unlimited => Err(ParkingRefusal::PoolFull { pool: request.pool }),
        _ => Ok(granted(gate, request, basis)),
    }
}

fn admit_reservation(gate: &Gate<'_>, request: &Request<'_>, reservation: ReservationId) -> Outcome {
    let known = gate.facts.reservation.as_ref().filter(|fact| fact.reservation == reservation);
    let Some(promise) = known else { return Err(ParkingRefusal::ReservationUnknown { reservation }) };
    if promise.cancelled {
        return Err(ParkingRefusal::ReservationCancelled { reservation });
    }
    if !request.may_claim(gate, reservation) {
        return Err(ParkingRefusal::ReservationUsed { reservation });
    }
    if gate.now() >= promise.interval.end {
        return Err(ParkingRefusal::ReservationOver { reservation });
    }
    if is_held(gate, promise) {
        return Ok(on_hold(gate, request, promise));
    }
    match gate.plan.policies.early_arrival {
        EarlyArrival::Refused => {
            Err(ParkingRefusal::ReservationTooEarly { reservation, from: held_from(gate, promise) })
        }
        EarlyArrival::AsWalkIn => walk_in(gate, request, Basis::ShortTerm),
        EarlyArrival::FromArrival => walk_in(gate, request, Basis::EarlyReservation { reservation }),
    }
}

/// The promise's place becomes the grant's. A hold that its process has not placed yet is placed here first, so
/// that what it lacks is recorded all the same.
fn on_hold(gate: &Gate<'_>, request: &Request<'_>, promise: &ReservationFact) -> Events {
    let reservation = promise.reservation;
    let mut events = Events::new();
    if !gate.state.holds.contains_key(&reservation) {
        let shortfall = gate.free(promise.pool, &request.ledger(gate)).is_some_and(|free| free <= 0);
        let until = promise.interval.end;
        events.push(gate.event_now(ParkingEvent::HoldPlaced {
            reservation,
            pool: promise.pool,
            until,
            shortfall,
        }));
    }
    let release = HoldRelease::CheckedIn;
    events.push(gate.event_now(ParkingEvent::HoldReleased { reservation, pool: promise.pool, release }));
    events.extend(granted(gate, request, Basis::Reservation { reservation }));
    events
}

fn granted(gate: &Gate<'_>, request: &Request<'_>, basis: Basis) -> Events {
    let (grant, visit) = (gate.new_grant(), gate.new_visit());
    let claimed = match &basis {
        Basis::Reservation { reservation } | Basis::EarlyReservation { reservation } => Some(*reservation),
        Basis::ShortTerm | Basis::FreeFlow | Basis::Override { .. } => request.reservation(),
    };
    let mut events = Events::new();
    // Who is let in by an open lane or an attendant needs the place that was held no more.
    if !matches!(basis, Basis::Reservation { .. })
        && let Some(reservation) = request.reservation()
    {
        events.extend(super::passages::released_hold(gate, reservation));
    }
    events.push(gate.event_now(ParkingEvent::EntryGranted {
        grant,
        visit,
        lane: request.lane.id,
        pool: request.pool,
        basis,
        credentials: request.credentials.to_vec(),
        expires_at: expiry(gate),
        plan_version: gate.plan.version,
    }));
    if !request.lane.detector {
        let older = gate.state.find_visits(request.credentials);
        let of_pool = |id: &VisitId| gate.state.visit(*id).is_some_and(|known| known.pool == request.pool);
        let leaves = older.iter().filter(|id| of_pool(id)).count();
        let mut irregularities =
            super::passages::irregularities_of_entry(gate, request.lane, request.pool, true, Some(leaves));
        if !older.is_empty() {
            irregularities.push(Irregularity::AlreadyInside);
        }
        for older in older {
            events.extend(super::passages::presumed_left(gate, older, gate.now()));
        }
        events.push(gate.event_now(ParkingEvent::VehicleEntered {
            visit: (!request.credentials.is_empty()).then_some(visit),
            grant: Some(grant),
            lane: request.lane.id,
            pool: request.pool,
            area: request.lane.inner_area(),
            credentials: Vec::new(),
            irregularities,
            joined_exit: None,
            used_reservation: claimed.filter(|claimed| request.may_claim(gate, *claimed)),
            clock: DeviceClock::default(),
        }));
    }
    events
}

pub(super) fn expiry(gate: &Gate<'_>) -> Timestamp {
    gate.now().plus_seconds(i64::from(gate.plan.policies.grant_limit_seconds))
}

pub(super) fn turned_away(
    gate: &Gate<'_>,
    request: &Request<'_>,
    direction: Direction,
    refusal: &ParkingRefusal,
) -> Fact<ParkingEvent> {
    gate.event_now(ParkingEvent::PassageRefused {
        lane: request.lane.id,
        direction,
        // One that is not there, or no longer, counts nobody.
        pool: gate.known_pool(request.pool).map_or(request.lane.pool, |known| known.id),
        refusal: refusal.code().to_owned(),
        credentials: request.credentials.to_vec(),
    })
}

/// An attendant opens the gate: no rule is asked, but somebody must say why.
pub(super) fn override_gate(
    gate: &Gate<'_>,
    lane: LaneId,
    direction: Direction,
    credentials: &[Credential],
    reason: &str,
) -> Outcome {
    let lane = gate.lane(lane)?;
    if !lane.is_outer() {
        return Err(ParkingRefusal::LaneDirectionWrong { lane: lane.id });
    }
    check_credentials(credentials)?;
    check_reason(reason)?;
    let reason = reason.trim().to_owned();
    let visit = gate.state.find_visit(credentials);
    match direction {
        Direction::Entry => {
            let request = Request { lane, credentials, pool: lane.pool, lapsing: lapsing(gate, credentials) };
            let mut events = lapses(gate, &request);
            events.extend(granted(gate, &request, Basis::Override { reason }));
            Ok(events)
        }
        Direction::Exit => {
            let pool = visit.and_then(|id| gate.state.visit(id)).map_or(lane.pool, |known| known.pool);
            let request = Request { lane, credentials, pool, lapsing: Vec::new() };
            Ok(super::exits::let_out(gate, &request, visit, Cover::Override { reason }))
        }
    }
}
