//! What attendants say of visits: lost tickets, corrected credentials, reviews.

use super::command::{ParkingRefusal, Review};
use super::credentials::{Credential, check_credentials};
use super::event::{CredentialChange, Entry, EstimateBasis, ParkingEvent, Presumption, Reconciliation};
use super::gates::{Gate, Outcome};
use super::passages::CLOCK_SKEW_SECONDS;
use super::state::{UnmatchedExit, Visit, VisitStatus};
use crate::decider::Fact;
use crate::ids::{PoolId, VisitId};
use crate::time::Timestamp;

/// What a driver without a ticket says.
pub(super) struct Claim<'a> {
    pub pool: Option<PoolId>,
    pub credentials: &'a [Credential],
    pub replacement: &'a Option<Credential>,
    pub entered_at: Option<Timestamp>,
    pub basis: EstimateBasis,
}

pub(super) fn report_lost_ticket(gate: &Gate<'_>, claim: Claim<'_>) -> Outcome {
    check_credentials(claim.credentials)?;
    check_credentials(claim.replacement.as_slice())?;
    if claim.credentials.is_empty() && claim.replacement.is_none() {
        return Err(ParkingRefusal::CredentialsMissing);
    }
    if claim.entered_at.is_some_and(|at| at > gate.now()) {
        return Err(ParkingRefusal::TimeInFuture);
    }
    if let Some(visit) =
        claim.replacement.as_ref().and_then(|new| gate.state.find_visit(std::slice::from_ref(new)))
    {
        return Err(ParkingRefusal::CredentialTaken { visit });
    }
    match gate.state.find_visit(claim.credentials) {
        Some(visit) => Ok(replace_ticket(gate, visit, claim.replacement.as_ref())),
        None => declare(gate, &claim),
    }
}

/// The ticket that was lost opens nothing any more, should somebody find it.
fn replace_ticket(gate: &Gate<'_>, id: VisitId, replacement: Option<&Credential>) -> super::gates::Events {
    let keys = gate.state.visit(id).map(|visit| visit.keys.as_slice()).unwrap_or_default();
    let lost = keys.iter().rev().find(|key| key.0.starts_with("ticket:")).cloned();
    if lost.is_none() && replacement.is_none() {
        return Vec::new();
    }
    let change = CredentialChange::Replaced;
    let new = replacement.cloned();
    vec![gate.event_now(ParkingEvent::CredentialsChanged { visit: id, change, old: lost, new })]
}

fn declare(gate: &Gate<'_>, claim: &Claim<'_>) -> Outcome {
    let pool = match claim.pool {
        Some(pool) => gate.known_pool(pool)?.id,
        None => gate.plan.layout.pools.first().map(|pool| pool.id).ok_or(ParkingRefusal::FacilityUnknown)?,
    };
    let entry = claim.entered_at.map_or(Entry::Unknown, |at| Entry::Estimated { at, basis: claim.basis });
    Ok(vec![gate.event_now(ParkingEvent::VisitDeclared {
        visit: gate.new_visit(),
        pool,
        entry,
        credentials: claim.credentials.iter().chain(claim.replacement).cloned().collect(),
        takes_unidentified: gate.state.pool(pool).unidentified > 0,
    })])
}

pub(super) fn correct_credentials(
    gate: &Gate<'_>,
    id: VisitId,
    change: CredentialChange,
    old: Option<&Credential>,
    new: Option<&Credential>,
) -> Outcome {
    let visit = gate.state.visit(id).ok_or(ParkingRefusal::VisitUnknown)?;
    if let Some(new) = new {
        check_credentials(std::slice::from_ref(new))?;
        if let Some(other) = gate.state.find_visit(std::slice::from_ref(new)).filter(|other| *other != id) {
            return Err(ParkingRefusal::CredentialTaken { visit: other });
        }
    }
    let old = old.map(Credential::match_key);
    if old.as_ref().is_some_and(|key| !visit.keys.contains(key)) {
        return Err(ParkingRefusal::CredentialUnknown);
    }
    if old.is_none() && new.is_none() {
        return Err(ParkingRefusal::CredentialsMissing);
    }
    Ok(vec![gate.event_now(ParkingEvent::CredentialsChanged { visit: id, change, old, new: new.cloned() })])
}

pub(super) fn review_visit(gate: &Gate<'_>, id: VisitId, review: Review) -> Outcome {
    let visit = gate.state.visit(id).ok_or(ParkingRefusal::VisitUnknown)?;
    let inside = visit.is_inside();
    let (outcome, visits_change, unidentified_change) = match review {
        Review::Confirm if visit.status == VisitStatus::Open => return Err(ParkingRefusal::NotInReview),
        Review::Confirm => (Reconciliation::Confirmed, -i8::from(inside), 0),
        Review::PresumeLeft { presumption } => return presume_left(gate, id, visit, presumption),
        Review::StillInside => (Reconciliation::StillInside, still_inside(gate, id, visit)?, 0),
        Review::ReassignExit { lane, left_at } => {
            // Of the visit's own pool: that is where an unidentified vehicle is given back.
            let entered_at = visit.entry.at();
            let fits = |exit: &&UnmatchedExit| {
                (exit.lane, exit.left_at) == (lane, left_at)
                    && exit.pool == visit.pool
                    && entered_at.is_none_or(|at| at <= left_at.plus_seconds(CLOCK_SKEW_SECONDS))
            };
            let exit = gate.state.unmatched_exits.iter().find(fits);
            let took = exit.ok_or(ParkingRefusal::ExitNotFound)?.took_unidentified;
            (Reconciliation::Reassigned { lane, left_at }, -i8::from(inside), i8::from(took))
        }
        Review::MergeInto { into } => {
            let kept = gate.state.visit(into).filter(|kept| kept.is_inside() && into != id);
            kept.ok_or(ParkingRefusal::VisitUnknown)?;
            not_of_another(gate, visit, &[id, into])?;
            (Reconciliation::Merged { into }, -i8::from(inside), 0)
        }
    };
    let pool = visit.pool;
    let event = ParkingEvent::VisitReconciled {
        visit: id,
        pool,
        outcome,
        visits_change,
        unidentified_change,
        on_reservation: visit.on_reservation,
    };
    // What was presumed is confirmed or taken back as of then.
    let happened_at = match (review, visit.status) {
        (_, VisitStatus::PresumedLeft { left_at, .. }) => left_at,
        (Review::Confirm, _) => gone_at(gate, visit),
        // One vehicle was counted twice from the later entry on.
        (Review::MergeInto { into }, _) => {
            let kept = gate.state.visit(into).and_then(|kept| kept.entry.at());
            kept.max(visit.entry.at()).unwrap_or(gate.now())
        }
        _ => gate.now(),
    };
    Ok(vec![Fact::new(event, happened_at)])
}

/// Whom a count did not find was gone by that count: nobody is billed until the day of the review.
fn gone_at(gate: &Gate<'_>, visit: &Visit) -> Timestamp {
    match visit.status {
        VisitStatus::Missing { counted_at } => counted_at,
        VisitStatus::Open | VisitStatus::PresumedLeft { .. } => gate.now(),
    }
}

/// What is presumed already stays as it was presumed first.
fn presume_left(gate: &Gate<'_>, id: VisitId, visit: &Visit, presumption: Presumption) -> Outcome {
    if !visit.is_inside() {
        return Ok(Vec::new());
    }
    let (pool, on_reservation) = (visit.pool, visit.on_reservation);
    let event = ParkingEvent::VisitPresumedLeft { visit: id, pool, presumption, on_reservation };
    Ok(vec![Fact::new(event, gone_at(gate, visit))])
}

/// No visit inside but these has one of the visit's credentials.
fn not_of_another(gate: &Gate<'_>, visit: &Visit, but: &[VisitId]) -> Result<(), ParkingRefusal> {
    let mut owners = visit.keys.iter().filter_map(|key| gate.state.inside_by_key.get(key));
    match owners.find(|owner| !but.contains(owner)) {
        Some(other) => Err(ParkingRefusal::CredentialTaken { visit: *other }),
        None => Ok(()),
    }
}

/// Coming back, it must not bring a credential that another visit inside has.
fn still_inside(gate: &Gate<'_>, id: VisitId, visit: &Visit) -> Result<i8, ParkingRefusal> {
    match visit.status {
        VisitStatus::Open => Err(ParkingRefusal::NotInReview),
        VisitStatus::Missing { .. } => Ok(0),
        VisitStatus::PresumedLeft { .. } => {
            not_of_another(gate, visit, &[id])?;
            Ok(1)
        }
    }
}
