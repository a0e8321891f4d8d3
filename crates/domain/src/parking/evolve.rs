//! How each event changes what a facility's gates know.

use super::credentials::{Credential, MatchKey};
use super::event::{
    AdmissionMode, Basis, Departure, Entry, HoldRelease, ModeScope, ParkingEvent, Reconciliation,
};
use super::state::{
    Hold, OpenGrant, ParkingState, ReservedPart, Right, UnmatchedExit, Visit, VisitStatus, add_keys,
    match_keys, shares,
};
use crate::decider::Moment;
use crate::ids::{GrantId, ReservationId, VisitId};
use crate::time::Timestamp;

/// Folds one event. Cannot fail: what it says has happened.
pub(super) fn evolve(state: &mut ParkingState, event: &ParkingEvent, moment: Moment) {
    let at = moment.happened_at;
    state.count(event, at);
    match event {
        ParkingEvent::CapacitySet { pool, places } => state.ledger(*pool).places = Some(*places),
        ParkingEvent::ReservedPartSet { pool, places, book_revision } => {
            let part = ReservedPart { places: *places, book_revision: *book_revision };
            state.ledger(*pool).reserved_part = Some(part);
        }
        ParkingEvent::AdmissionModeSet { scope, mode, .. } => mode_set(state, *scope, *mode),
        ParkingEvent::SpotTakenOutOfService { spot, pool, .. } => {
            if state.spots_out_of_service.insert(*spot, *pool).is_none() {
                state.ledger(*pool).out_of_service += 1;
            }
        }
        ParkingEvent::SpotReturnedToService { spot, .. } => {
            if let Some(pool) = state.spots_out_of_service.remove(spot) {
                let ledger = state.ledger(pool);
                ledger.out_of_service = ledger.out_of_service.saturating_sub(1);
            }
        }
        ParkingEvent::EntryGranted { .. } => entry_granted(state, event, moment),
        ParkingEvent::ExitGranted { grant, visit, lane, expires_at, .. } => {
            let keys = visit
                .and_then(|id| state.visits.get(&id))
                .map(|known| known.keys.clone())
                .unwrap_or_default();
            let open =
                OpenGrant::Exit { visit: *visit, lane: *lane, keys, granted_at: at, expires_at: *expires_at };
            state.grants.insert(*grant, open);
        }
        ParkingEvent::PassageRefused { .. } => {}
        ParkingEvent::GrantLapsed { grant, .. } => grant_lapsed(state, *grant, moment.decided_at),
        ParkingEvent::VehicleEntered { .. } => vehicle_entered(state, event, moment),
        ParkingEvent::VehicleLeft { .. } => vehicle_left(state, event, moment),
        ParkingEvent::VehicleMoved { visit, to, .. } => {
            if let Some(known) = visit.and_then(|id| state.visits.get_mut(&id)) {
                known.area = Some(*to);
            }
        }
        ParkingEvent::VisitDeclared { visit, pool, entry, credentials, .. } => {
            let keys = match_keys(credentials);
            let declared = Visit {
                pool: *pool,
                area: None,
                entry: *entry,
                keys,
                status: VisitStatus::Open,
                on_reservation: false,
            };
            state.open_visit(*visit, declared);
        }
        ParkingEvent::VisitPresumedLeft { visit, presumption, .. } => {
            if let Some(mut gone) = state.take_out(*visit) {
                gone.status = VisitStatus::PresumedLeft {
                    presumption: *presumption,
                    left_at: at,
                    since: moment.decided_at,
                };
                state.visits.insert(*visit, gone);
                state.presumed_left.push_back(*visit);
            }
            state.forget_reviewed_long_ago(moment.decided_at);
        }
        ParkingEvent::VisitReconciled { visit, outcome, .. } => {
            visit_reconciled(state, *visit, *outcome);
        }
        ParkingEvent::CredentialsChanged { visit, old, new, .. } => {
            credentials_changed(state, *visit, old.as_ref(), new.as_ref());
        }
        ParkingEvent::OccupancyCorrected { to_review, .. } => {
            for id in to_review {
                if let Some(visit) = state.visits.get_mut(id) {
                    visit.status = VisitStatus::Missing { counted_at: at };
                }
            }
        }
        ParkingEvent::HoldPlaced { reservation, pool, until, .. } => {
            if state.holds.insert(*reservation, Hold { pool: *pool, until: *until }).is_none() {
                state.ledger(*pool).held += 1;
            }
        }
        ParkingEvent::HoldReleased { reservation, release, .. } => {
            hold_released(state, *reservation, *release, moment.decided_at);
        }
    }
}

fn hold_released(state: &mut ParkingState, reservation: ReservationId, release: HoldRelease, now: Timestamp) {
    let Some(hold) = state.holds.remove(&reservation) else { return };
    let ledger = state.ledger(hold.pool);
    ledger.held = ledger.held.saturating_sub(1);
    let right = match release {
        HoldRelease::CheckedIn => Right::CheckingIn,
        HoldRelease::Cancelled | HoldRelease::Expired => Right::Used,
    };
    state.set_right(reservation, right, Some(hold.until), now);
}

fn mode_set(state: &mut ParkingState, scope: ModeScope, mode: AdmissionMode) {
    match scope {
        ModeScope::Facility => state.facility_mode = mode,
        ModeScope::Lane { lane } if mode == AdmissionMode::Normal => {
            state.lane_modes.remove(&lane);
        }
        ModeScope::Lane { lane } => {
            state.lane_modes.insert(lane, mode);
        }
    }
}

fn entry_granted(state: &mut ParkingState, event: &ParkingEvent, moment: Moment) {
    let ParkingEvent::EntryGranted { grant, visit, lane, pool, basis, credentials, expires_at, .. } = event
    else {
        return;
    };
    // Used up already, it stays so, whatever becomes of a grant that was given all the same (an override).
    let is_free = |claimed: &_| matches!(state.right(*claimed), None | Some(Right::CheckingIn));
    let reservation = event.claimed_reservation().filter(is_free);
    if let Some(reservation) = reservation {
        state.set_right(reservation, Right::Claimed { by: *grant }, None, moment.decided_at);
    }
    let on_reservation = matches!(basis, Basis::Reservation { .. });
    let ledger = state.ledger(*pool);
    ledger.granted += 1;
    ledger.on_reservation += u32::from(on_reservation);
    let keys = match_keys(credentials);
    // Who asks again did not come in on the older grant.
    state.lapsed_grants.retain(|lapsed| lapsed.is_exit() || !shares(lapsed.keys(), &keys));
    let open = OpenGrant::Entry {
        visit: *visit,
        lane: *lane,
        pool: *pool,
        keys,
        on_reservation,
        reservation,
        granted_at: moment.happened_at,
        expires_at: *expires_at,
    };
    state.grants.insert(*grant, open);
}

/// Gives the place back, and with it the right to enter that this grant had used up.
fn grant_lapsed(state: &mut ParkingState, grant: GrantId, now: Timestamp) {
    let Some(lapsed) = state.grants.remove(&grant) else { return };
    if let OpenGrant::Entry { pool, on_reservation, reservation, .. } = &lapsed {
        let ledger = state.ledger(*pool);
        ledger.granted = ledger.granted.saturating_sub(1);
        ledger.on_reservation = ledger.on_reservation.saturating_sub(u32::from(*on_reservation));
        if let Some(reservation) = reservation {
            state.give_back(*reservation, grant);
        }
    }
    if !lapsed.keys().is_empty() {
        state.keep_lapsed(lapsed, now);
    }
}

fn vehicle_entered(state: &mut ParkingState, event: &ParkingEvent, moment: Moment) {
    let ParkingEvent::VehicleEntered {
        visit,
        grant,
        pool,
        area,
        credentials,
        joined_exit,
        used_reservation,
        ..
    } = event
    else {
        return;
    };
    let at = moment.happened_at;
    state.latest_passage_at = state.latest_passage_at.max(at);
    if let Some(used) = used_reservation {
        state.set_right(*used, Right::Used, None, moment.decided_at);
    }
    let mut keys = match_keys(credentials);
    let mut on_reservation = false;
    if let Some(OpenGrant::Entry { keys: granted_keys, on_reservation: granted_on, pool, .. }) =
        grant.and_then(|id| state.grants.remove(&id))
    {
        let ledger = state.ledger(pool);
        ledger.granted = ledger.granted.saturating_sub(1);
        // The visit takes it over below.
        ledger.on_reservation = ledger.on_reservation.saturating_sub(u32::from(granted_on));
        on_reservation = granted_on;
        add_keys(&mut keys, granted_keys);
    } else if let Some(lapsed) = visit.and_then(|id| state.take_lapsed(id)) {
        add_keys(&mut keys, lapsed.keys().iter().cloned());
    }
    if let Some(joined) = joined_exit {
        if let Some(index) = state.unmatched_exits.iter().position(|exit| {
            (exit.lane, exit.left_at) == (joined.lane, joined.left_at) && shares(&exit.keys, &keys)
        }) {
            state.unmatched_exits.remove(index);
        }
        return;
    }
    let Some(visit) = visit else { return };
    let entered = Visit {
        pool: *pool,
        area: *area,
        entry: Entry::Seen { at },
        keys,
        status: VisitStatus::Open,
        on_reservation,
    };
    state.open_visit(*visit, entered);
}

fn vehicle_left(state: &mut ParkingState, event: &ParkingEvent, moment: Moment) {
    let ParkingEvent::VehicleLeft { departure, grant, lane, pool, credentials, .. } = event else { return };
    let at = moment.happened_at;
    state.latest_passage_at = state.latest_passage_at.max(at);
    if let Some(grant) = grant {
        state.grants.remove(grant);
    }
    if let Some(visit) = departure.visit() {
        state.take_lapsed(visit);
    }
    match departure {
        Departure::Visit { visit } => {
            state.take_out(*visit);
        }
        Departure::PresumedVisit { visit } => {
            state.visits.remove(visit);
        }
        Departure::Unidentified | Departure::MissedEntry => {
            let took_unidentified = *departure == Departure::Unidentified;
            if !credentials.is_empty() {
                let keys = match_keys(credentials);
                let (lane, pool) = (*lane, *pool);
                state.keep_unmatched(UnmatchedExit { lane, keys, left_at: at, pool, took_unidentified });
            }
        }
    }
}

fn visit_reconciled(state: &mut ParkingState, id: VisitId, outcome: Reconciliation) {
    match outcome {
        Reconciliation::StillInside => {
            if let Some(mut visit) = state.take_out(id) {
                visit.status = VisitStatus::Open;
                state.open_visit(id, visit);
            }
        }
        Reconciliation::Confirmed => {
            state.take_out(id);
        }
        Reconciliation::Reassigned { lane, left_at } => {
            let visit = state.take_out(id);
            let was_of = |exit: &UnmatchedExit| {
                (exit.lane, exit.left_at) == (lane, left_at)
                    && visit.as_ref().is_none_or(|visit| visit.pool == exit.pool)
            };
            if let Some(index) = state.unmatched_exits.iter().position(was_of) {
                state.unmatched_exits.remove(index);
            }
        }
        Reconciliation::Merged { into } => {
            let Some(merged) = state.take_out(id) else { return };
            for key in &merged.keys {
                state.inside_by_key.entry(key.clone()).or_insert(into);
            }
            if let Some(kept) = state.visits.get_mut(&into) {
                kept.entry = earlier(kept.entry, merged.entry);
                add_keys(&mut kept.keys, merged.keys);
            }
        }
    }
}

fn earlier(one: Entry, other: Entry) -> Entry {
    match (one.at(), other.at()) {
        (Some(first), Some(second)) if second < first => other,
        (None, Some(_)) => other,
        _ => one,
    }
}

fn credentials_changed(
    state: &mut ParkingState,
    id: VisitId,
    old: Option<&MatchKey>,
    new: Option<&Credential>,
) {
    let Some(visit) = state.visits.get_mut(&id) else { return };
    let inside = visit.is_inside();
    if let Some(old) = old {
        visit.keys.retain(|key| key != old);
    }
    let added = new.map(Credential::match_key);
    add_keys(&mut visit.keys, added.clone());
    if !inside {
        return;
    }
    if let Some(old) = old {
        state.forget_keys(id, std::slice::from_ref(old));
    }
    if let Some(key) = added {
        state.inside_by_key.insert(key, id);
    }
}
