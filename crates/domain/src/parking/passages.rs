//! Facts at a lane: a vehicle passed. Nothing here is refused but what is malformed or of an unknown lane.

use super::credentials::{Credential, MatchKey, usable};
use super::event::{
    AdmissionMode, Departure, DeviceClock, Direction, HoldRelease, Irregularity, JoinedExit, ParkingEvent,
    Presumption,
};
use super::gates::{Events, Gate, Outcome};
use super::state::{OpenGrant, Right, UnmatchedExit, Visit, VisitStatus, match_keys, shares};
use crate::decider::Fact;
use crate::facilities::Lane;
use crate::ids::{GrantId, LaneId, PoolId, ReservationId, VisitId};
use crate::time::Timestamp;

/// How far the clocks of two lanes may be apart (in the real garage: minutes): an exit so little before its
/// entry still matches it.
pub(super) const CLOCK_SKEW_SECONDS: i64 = 15 * 60;

/// What was seen at a lane.
pub(super) struct Seen<'a> {
    pub direction: Direction,
    pub credentials: &'a [Credential],
    pub unreadable: bool,
    pub pool: Option<PoolId>,
    pub at: Timestamp,
    pub clock: DeviceClock,
}

pub(super) fn record_passage(gate: &Gate<'_>, lane: LaneId, seen: Seen<'_>) -> Outcome {
    let lane = gate.lane(lane)?;
    if let Some(pool) = seen.pool {
        gate.known_pool(pool)?;
    }
    let credentials = usable(seen.credentials);
    let unreadable = seen.unreadable || credentials.len() < seen.credentials.len();
    let seen = judged(gate, Seen { credentials: &credentials, unreadable, ..seen });
    let Some((from, to)) = lane.from.zip(lane.to) else {
        return Ok(match seen.direction {
            Direction::Entry => entered(gate, lane, &seen),
            Direction::Exit => vec![left(gate, lane, &seen)],
        });
    };
    let (from, to) = match seen.direction {
        Direction::Entry => (from, to),
        Direction::Exit => (to, from),
    };
    let visit = gate.state.find_visit(seen.credentials);
    let moved = ParkingEvent::VehicleMoved { visit, lane: lane.id, from, to, clock: seen.clock };
    Ok(vec![Fact::new(moved, seen.at)])
}

/// Nothing has happened that is still to come: a time ahead of ours is judged to be now, and kept as the device's own.
fn judged<'a>(gate: &Gate<'_>, mut seen: Seen<'a>) -> Seen<'a> {
    if seen.at > gate.now() {
        seen.clock.device_time = seen.clock.device_time.or(Some(seen.at));
        seen.at = gate.now();
    }
    seen
}

fn entered(gate: &Gate<'_>, lane: &Lane, seen: &Seen<'_>) -> Events {
    let seen_keys = match_keys(seen.credentials);
    let lapsed = matching_lapsed(gate, lane.id, seen.direction, &seen_keys, seen.at);
    let named = |open: &OpenGrant| shares(open.keys(), &seen_keys);
    let grant = matching_grant(gate, lane.id, seen.direction, &seen_keys, seen.at)
        .filter(|(_, open)| lapsed.is_none() || named(open));
    let (granted_visit, granted_pool, granted_keys, claimed) = match (grant, lapsed) {
        (Some((_, OpenGrant::Entry { visit, pool, keys, reservation, .. })), _)
        | (_, Some(OpenGrant::Entry { visit, pool, keys, reservation, .. })) => {
            (Some(*visit), Some(*pool), keys.as_slice(), *reservation)
        }
        _ => (None, None, [].as_slice(), None),
    };
    let on_reservation = matches!(grant, Some((_, OpenGrant::Entry { on_reservation: true, .. })));
    let pool = granted_pool.or(seen.pool).unwrap_or(lane.pool);
    let keys: Vec<MatchKey> = seen_keys.iter().chain(granted_keys).cloned().collect();
    let visit = (!keys.is_empty()).then(|| granted_visit.unwrap_or_else(|| gate.new_visit()));

    let inside = Inside::of(gate, &keys, seen.at);
    // Who was granted an entry comes now, and not before an exit that was seen earlier.
    let joined = match grant {
        Some(_) => None,
        None => join(gate, pool, &keys, seen.at, inside.next_entry_at),
    };
    let gone = if joined.is_some() { &[] } else { inside.entered_before.as_slice() };
    // Who has left already, and who is presumed to have, takes no place.
    let takes_place = joined.is_none() && inside.next_entry_at.is_none();
    let leaves =
        gone.iter().filter(|id| gate.state.visit(**id).is_some_and(|known| known.pool == pool)).count();
    let coming = takes_place.then_some(leaves);
    let mut irregularities = irregularities_of_entry(gate, lane, pool, granted_visit.is_some(), coming);
    if inside.anyone() {
        irregularities.push(Irregularity::AlreadyInside);
    }
    if seen.unreadable {
        irregularities.push(Irregularity::CredentialUnreadable);
    }
    let mut events: Events = gone.iter().filter_map(|older| presumed_left(gate, *older, seen.at)).collect();
    let used_reservation = used_reservation(gate, claimed, seen.credentials);
    events.extend(used_reservation.and_then(|used| released_hold(gate, used)));
    let introduced = |credential: &&Credential| !granted_keys.contains(&credential.match_key());
    events.push(Fact::new(
        ParkingEvent::VehicleEntered {
            visit,
            grant: grant.map(|(id, _)| id),
            lane: lane.id,
            pool,
            area: lane.inner_area(),
            credentials: seen.credentials.iter().filter(introduced).cloned().collect(),
            irregularities,
            joined_exit: joined,
            used_reservation,
            clock: seen.clock,
        },
        seen.at,
    ));
    // Late news: the vehicle has entered again since, so it had left in between, unseen.
    if let (Some(visit), Some(next), None) = (visit, inside.next_entry_at, joined) {
        let presumption = Presumption::ReEntry;
        events.push(Fact::new(
            ParkingEvent::VisitPresumedLeft { visit, pool, presumption, on_reservation },
            next,
        ));
    }
    events
}

/// A vehicle that is inside has used its right to enter, requested or not, and needs a held place no more.
fn used_reservation(
    gate: &Gate<'_>,
    claimed: Option<ReservationId>,
    seen: &[Credential],
) -> Option<ReservationId> {
    let shown = || seen.iter().find_map(Credential::reservation);
    claimed.or_else(shown).filter(|used| gate.state.right(*used) != Some(Right::Used))
}

pub(super) fn released_hold(gate: &Gate<'_>, reservation: ReservationId) -> Option<Fact<ParkingEvent>> {
    let pool = gate.state.holds.get(&reservation)?.pool;
    let release = HoldRelease::CheckedIn;
    Some(gate.event_now(ParkingEvent::HoldReleased { reservation, pool, release }))
}

/// The visits inside that have one of the credentials of an entry.
struct Inside {
    entered_before: Vec<VisitId>,
    /// When the earliest of those entered that came after it.
    next_entry_at: Option<Timestamp>,
}

impl Inside {
    fn of(gate: &Gate<'_>, keys: &[MatchKey], at: Timestamp) -> Self {
        let mut found = Self { entered_before: Vec::new(), next_entry_at: None };
        for id in keys.iter().filter_map(|key| gate.state.inside_by_key.get(key)) {
            match gate.state.visit(*id).and_then(|known| known.entry.at()) {
                Some(entered_at) if entered_at > at => {
                    found.next_entry_at =
                        Some(found.next_entry_at.map_or(entered_at, |next| next.min(entered_at)));
                }
                _ if found.entered_before.contains(id) => {}
                _ => found.entered_before.push(*id),
            }
        }
        found
    }

    const fn anyone(&self) -> bool {
        !self.entered_before.is_empty() || self.next_entry_at.is_some()
    }
}

/// `leaves`: how many of the pool leave by this entry; None where the vehicle itself takes no place.
pub(super) fn irregularities_of_entry(
    gate: &Gate<'_>,
    lane: &Lane,
    pool: PoolId,
    granted: bool,
    leaves: Option<usize>,
) -> Vec<Irregularity> {
    let mut found = Vec::new();
    let places = gate.state.places_in_service(pool, gate.plan);
    let stay_inside = |leaves: usize| gate.state.pool(pool).inside() as usize - leaves;
    if places.zip(leaves).is_some_and(|(places, leaves)| stay_inside(leaves) >= places as usize) {
        found.push(Irregularity::OverCapacity);
    }
    let free_flow = AdmissionMode::HeldOpen;
    let open = gate.state.facility_mode == free_flow || gate.state.lane_mode(lane.id) == free_flow;
    if !granted && lane.detector && !open {
        found.push(Irregularity::Unrequested);
    }
    if gate.state.lane_mode(lane.id) == AdmissionMode::Shut {
        found.push(Irregularity::LaneShut);
    }
    found
}

/// The exit that came before its entry's news: the first one not before the entry (who leaves unmatched and comes back
/// soon after is inside, however clocks differ), and not after `before`.
fn join(
    gate: &Gate<'_>,
    pool: PoolId,
    keys: &[MatchKey],
    at: Timestamp,
    before: Option<Timestamp>,
) -> Option<JoinedExit> {
    let fits = |exit: &&UnmatchedExit| {
        exit.pool == pool
            && exit.left_at >= at
            && before.is_none_or(|limit| exit.left_at <= limit)
            && shares(&exit.keys, keys)
    };
    let exit = gate.state.unmatched_exits.iter().filter(fits).min_by_key(|exit| exit.left_at)?;
    Some(JoinedExit {
        lane: exit.lane,
        left_at: exit.left_at,
        gives_back_unidentified: exit.took_unidentified,
    })
}

/// The older visit of a credential that is seen entering again.
pub(super) fn presumed_left(gate: &Gate<'_>, visit: VisitId, at: Timestamp) -> Option<Fact<ParkingEvent>> {
    let known = gate.state.visit(visit)?;
    let (pool, on_reservation, presumption) = (known.pool, known.on_reservation, Presumption::ReEntry);
    Some(Fact::new(ParkingEvent::VisitPresumedLeft { visit, pool, presumption, on_reservation }, at))
}

/// The open grant that a passage is of: the one of these credentials, else the oldest one of the lane that the
/// credentials do not speak against. News of another time than the grant's is of another vehicle.
fn matching_grant<'a>(
    gate: &'a Gate<'_>,
    lane: LaneId,
    direction: Direction,
    keys: &[MatchKey],
    at: Timestamp,
) -> Option<(GrantId, &'a OpenGrant)> {
    let of_direction = |open: &OpenGrant| match open {
        OpenGrant::Entry { .. } => direction == Direction::Entry,
        OpenGrant::Exit { .. } => direction == Direction::Exit,
    };
    let of_its_time = |open: &OpenGrant| in_time(open.granted_at(), open.expires_at(), at);
    let fits = |open: &OpenGrant| open.lane() == lane && of_direction(open) && of_its_time(open);
    let here = || gate.state.grants.iter().filter(|(_, open)| fits(open));
    let named = here().find(|(_, open)| shares(open.keys(), keys));
    let seen_inside = keys.iter().find_map(|key| gate.state.inside_by_key.get(key));
    let of_another = |open: &OpenGrant| match open {
        OpenGrant::Exit { visit: Some(visit), .. } => seen_inside.is_some_and(|seen| seen != visit),
        _ => false,
    };
    let may_be = |open: &OpenGrant| !contradicts(open.keys(), keys) && !of_another(open);
    let oldest = || here().filter(|(_, open)| may_be(open)).min_by_key(|(_, open)| open.granted_at());
    named.or_else(oldest).map(|(id, open)| (*id, open))
}

/// The lapsed grant that a late passage is of: one of these credentials; of an exit without any also the oldest of its
/// time. (An entry without credentials is an unidentified vehicle's, and takes no visit's place.)
fn matching_lapsed<'a>(
    gate: &'a Gate<'_>,
    lane: LaneId,
    direction: Direction,
    keys: &[MatchKey],
    at: Timestamp,
) -> Option<&'a OpenGrant> {
    let fits = |lapsed: &&OpenGrant| {
        lapsed.lane() == lane
            && lapsed.is_exit() == (direction == Direction::Exit)
            && in_time(lapsed.granted_at(), lapsed.expires_at(), at)
    };
    let mut here = gate.state.lapsed_grants.iter().filter(fits);
    let named = here.clone().find(|lapsed| shares(lapsed.keys(), keys));
    named.or_else(|| here.find(|lapsed| lapsed.is_exit() && keys.is_empty()))
}

fn in_time(granted_at: Timestamp, expires_at: Timestamp, at: Timestamp) -> bool {
    granted_at <= at.plus_seconds(CLOCK_SKEW_SECONDS) && at <= expires_at.plus_seconds(CLOCK_SKEW_SECONDS)
}

/// Whether both name a credential of one kind (a plate, a ticket), but not the same.
fn contradicts(granted: &[MatchKey], seen: &[MatchKey]) -> bool {
    let kind = |key: &MatchKey| key.0.split(':').next().unwrap_or_default().to_owned();
    seen.iter().any(|one| granted.iter().any(|other| kind(one) == kind(other) && one != other))
}

fn left(gate: &Gate<'_>, lane: &Lane, seen: &Seen<'_>) -> Fact<ParkingEvent> {
    let keys = match_keys(seen.credentials);
    let open = matching_grant(gate, lane.id, seen.direction, &keys, seen.at);
    let lapsed = || matching_lapsed(gate, lane.id, seen.direction, &keys, seen.at);
    let granted = match open {
        Some((id, open)) if shares(open.keys(), &keys) => Some((Some(id), open)),
        Some((id, open)) => {
            let named = lapsed().filter(|lapsed| shares(lapsed.keys(), &keys));
            named.map(|lapsed| (None, lapsed)).or(Some((Some(id), open)))
        }
        None => lapsed().map(|lapsed| (None, lapsed)),
    };
    let granted = granted.map(|(grant, open)| GrantedExit {
        grant,
        visit: open.visit(),
        keys: open.keys(),
        granted_at: open.granted_at(),
    });
    departed(gate, lane, seen, granted)
}

/// The grant that a vehicle leaves on.
pub(super) struct GrantedExit<'a> {
    /// None where it had lapsed.
    pub grant: Option<GrantId>,
    pub visit: Option<VisitId>,
    pub keys: &'a [MatchKey],
    pub granted_at: Timestamp,
}

pub(super) fn departed(
    gate: &Gate<'_>,
    lane: &Lane,
    seen: &Seen<'_>,
    grant: Option<GrantedExit<'_>>,
) -> Fact<ParkingEvent> {
    let mut keys = match_keys(seen.credentials);
    keys.extend(grant.iter().flat_map(|grant| grant.keys).cloned());
    let granted_visit = grant.as_ref().and_then(|grant| grant.visit);
    let named = gate.state.find_visit(seen.credentials).filter(|id| !entered_after(gate, *id, seen.at));
    let visit =
        granted_visit.filter(|id| gate.state.visit(*id).is_some_and(super::Visit::is_inside)).or(named);
    let pool = visit.and_then(|id| gate.state.visit(id)).map(|known| known.pool);
    let pool = pool.or(seen.pool).unwrap_or(lane.pool);
    let departure = match (visit, presumed(gate, &keys, seen.at)) {
        (Some(visit), _) => Departure::Visit { visit },
        (None, Some(visit)) => Departure::PresumedVisit { visit },
        (None, None) if gate.state.pool(pool).unidentified > 0 => Departure::Unidentified,
        (None, None) => Departure::MissedEntry,
    };
    let unmatched = matches!(departure, Departure::Unidentified | Departure::MissedEntry);
    let mut irregularities = Vec::new();
    if seen.unreadable {
        irregularities.push(Irregularity::CredentialUnreadable);
    }
    if unmatched && !seen.credentials.is_empty() {
        irregularities.push(Irregularity::Unmatched);
    }
    if visit.and_then(|id| gate.state.visit(id)?.entry.at()).is_some_and(|entered_at| entered_at > seen.at) {
        irregularities.push(Irregularity::BeforeEntry);
    }
    if gate.state.lane_mode(lane.id) == AdmissionMode::Shut {
        irregularities.push(Irregularity::LaneShut);
    }
    let on_reservation = visit.and_then(|id| gate.state.visit(id)).is_some_and(|known| known.on_reservation);
    let event = ParkingEvent::VehicleLeft {
        on_reservation,
        departure,
        grant: grant.as_ref().and_then(|grant| grant.grant),
        lane: lane.id,
        pool,
        area: lane.inner_area(),
        // Only who asked ends the stay by asking; a tailgater's ends by driving out.
        requested_at: grant.filter(|grant| grant.visit == departure.visit()).map(|grant| grant.granted_at),
        credentials: if unmatched { seen.credentials.to_vec() } else { Vec::new() },
        irregularities,
        clock: seen.clock,
    };
    Fact::new(event, seen.at)
}

fn entered_after(gate: &Gate<'_>, visit: VisitId, at: Timestamp) -> bool {
    let entered_at = gate.state.visit(visit).and_then(|known| known.entry.at());
    entered_at.is_some_and(|entered_at| entered_at > at.plus_seconds(CLOCK_SKEW_SECONDS))
}

/// A visit presumed left whose real exit this is: the latest one that entered before it.
fn presumed(gate: &Gate<'_>, keys: &[MatchKey], at: Timestamp) -> Option<VisitId> {
    if keys.is_empty() {
        return None;
    }
    // Who was seen entering again had left before.
    let may_leave_now = |visit: &Visit| match visit.status {
        VisitStatus::PresumedLeft { presumption: Presumption::ReEntry, left_at, .. } => {
            at <= left_at.plus_seconds(CLOCK_SKEW_SECONDS)
        }
        VisitStatus::PresumedLeft { .. } => true,
        VisitStatus::Open | VisitStatus::Missing { .. } => false,
    };
    let candidates = gate.state.visits.iter().filter(|(_, visit)| {
        may_leave_now(visit)
            && shares(&visit.keys, keys)
            && visit.entry.at().is_none_or(|entered_at| entered_at <= at)
    });
    candidates.max_by_key(|(id, visit)| (visit.entry.at(), **id)).map(|(id, _)| *id)
}
