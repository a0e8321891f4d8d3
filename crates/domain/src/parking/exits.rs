//! Requests to leave: what covers an exit.

use super::admission::{Decided, Request, expiry, turned_away, well_formed};
use super::command::{CoverFact, MoneySide, ParkingRefusal};
use super::credentials::Credential;
use super::event::{AdmissionMode, Cover, DeviceClock, Direction, ParkingEvent};
use super::gates::{Events, Gate};
use super::passages::{GrantedExit, Seen, departed};
use crate::decider::Decision;
use crate::facilities::MoneySideDown;
use crate::ids::{LaneId, VisitId};
use crate::time::Timestamp;

pub(super) fn exit_gate(
    gate: &Gate<'_>,
    lane: LaneId,
    credentials: &[Credential],
    requested_at: Option<Timestamp>,
) -> Decided {
    let lane = match well_formed(gate, lane, credentials, requested_at) {
        Ok(lane) => lane,
        Err(refusal) => return Decision::refused(refusal),
    };
    let visit = gate.state.find_visit(credentials);
    let pool = visit.and_then(|id| gate.state.visit(id)).map_or(lane.pool, |known| known.pool);
    let request = Request { lane, credentials, pool, lapsing: Vec::new() };
    match cover(gate, &request, visit) {
        Ok(cover) => Decision::Accepted(let_out(gate, &request, visit, cover)),
        Err(refusal) => {
            let events = vec![turned_away(gate, &request, Direction::Exit, &refusal)];
            Decision::Refused { refusal, events }
        }
    }
}

fn cover(gate: &Gate<'_>, request: &Request<'_>, visit: Option<VisitId>) -> Result<Cover, ParkingRefusal> {
    let lane_mode = gate.state.lane_mode(request.lane.id);
    if lane_mode == AdmissionMode::Shut {
        return Err(ParkingRefusal::LaneShut { lane: request.lane.id });
    }
    if lane_mode == AdmissionMode::HeldOpen || gate.state.facility_mode == AdmissionMode::HeldOpen {
        return Ok(Cover::FreeFlow { owed: gate.facts.cover.as_ref().and_then(|fact| fact.money.owed()) });
    }
    if request.credentials.is_empty() {
        return Err(ParkingRefusal::CredentialsMissing);
    }
    let Some(visit) = visit else { return Err(ParkingRefusal::CredentialUnknown) };
    match &gate.facts.cover {
        Some(CoverFact { money: MoneySide::Known { quote, leave_by }, .. }) => match (quote, leave_by) {
            (Some(quote), _) if quote.owed.amount_minor > 0 => {
                Err(ParkingRefusal::PaymentRequired { visit, quote: Box::new(quote.clone()) })
            }
            // What was paid may cover more than the grace: the increment that is paid to its end.
            (Some(quote), Some(leave_by)) => Ok(Cover::Paid { leave_by: (*leave_by).max(quote.holds_until) }),
            _ => Ok(Cover::NothingOwed),
        },
        Some(CoverFact { money: MoneySide::Unreachable, .. }) | None => {
            match gate.plan.policies.money_side_down {
                MoneySideDown::LetOut => Ok(Cover::MoneySideDown),
                MoneySideDown::KeepIn => Err(ParkingRefusal::MoneySideDown),
            }
        }
    }
}

pub(super) fn let_out(
    gate: &Gate<'_>,
    request: &Request<'_>,
    visit: Option<VisitId>,
    cover: Cover,
) -> Events {
    let (grant, lane) = (gate.new_grant(), request.lane);
    // Asking again moves the grant: the older one must not wait for the next vehicle.
    let older = gate.state.grants.iter().filter(|(_, open)| visit.is_some() && open.visit() == visit);
    let mut events: Events =
        older.map(|(grant, open)| gate.event_now(gate.state.lapse_of(*grant, open))).collect();
    events.push(gate.event_now(ParkingEvent::ExitGranted {
        grant,
        visit,
        lane: lane.id,
        cover,
        expires_at: expiry(gate),
        plan_version: gate.plan.version,
    }));
    if !lane.detector {
        let known = visit.and_then(|id| gate.state.visit(id));
        let keys = known.map(|known| known.keys.as_slice()).unwrap_or_default();
        let granted = GrantedExit { grant: Some(grant), visit, keys, granted_at: gate.now() };
        let seen = Seen {
            direction: Direction::Exit,
            credentials: request.credentials,
            pool: Some(request.pool),
            at: gate.now(),
            unreadable: false,
            clock: DeviceClock::default(),
        };
        events.push(departed(gate, lane, &seen, Some(granted)));
    }
    events
}
