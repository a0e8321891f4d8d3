//! One visit's history: what its facility's gates, its session and its payments recorded of it.

use std::collections::BTreeSet;

use async_graphql::{Context, ID, Json, Result, SimpleObject};
use octocity_domain::parking::{ParkingEvent, Reconciliation};
use octocity_domain::payments::{Payable, PaymentEvent};
use octocity_domain::{Category, Event, GrantId, VisitId};
use octocity_log::{RecordedEvent, StreamId, decode};
use octocity_projections::StoreError;
use octocity_projections::parking::VisitRow;
use octocity_projections::payments::queries::payments_of;

use super::super::Api;
use super::super::scalars::{DateTime, id};
use crate::faults::failed;

/// One event as the log has it.
// Personal data: it has no `Debug`.
#[derive(Clone, SimpleObject)]
pub struct HistoryEntry {
    /// Where it stands in the log.
    position: String,
    /// What happened, such as `VehicleEntered`. Later versions may add others.
    event: String,
    /// When it happened, as judged.
    happened_at: DateTime,
    /// When it was decided.
    decided_at: DateTime,
    /// Who sent the command.
    actor: String,
    /// The command.
    command_id: ID,
    /// What caused the command: the event's effect, or the command itself.
    causation_id: ID,
    /// What it all belongs to: the first command of the chain.
    correlation_id: ID,
    /// The stream that has it, such as `parking-<facility>`.
    stream: String,
    /// Its place in the stream: 0 is the first.
    revision: u64,
    /// What it says, as stored, without means of payment: ids, times as milliseconds since 1970 (UTC), amounts in minor units.
    data: Json<serde_json::Value>,
}

impl HistoryEntry {
    pub fn new(api: &Api, event: &RecordedEvent) -> Self {
        Self {
            position: api.token(event.position),
            event: event.event_type.to_string(),
            happened_at: event.meta.happened_at.into(),
            decided_at: event.meta.decided_at.into(),
            actor: event.meta.actor.0.to_string(),
            command_id: id(event.meta.command_id),
            causation_id: id(event.meta.causation_id),
            correlation_id: id(event.meta.correlation_id),
            stream: event.stream.to_string(),
            revision: event.revision,
            data: Json(shown(&event.data)),
        }
    }
}

/// The event's fields without the means of payment, which belongs in no answer.
fn shown(data: &[u8]) -> serde_json::Value {
    let mut fields: serde_json::Value = serde_json::from_slice(data).unwrap_or_default();
    if let Some(fields) = fields.as_object_mut() {
        fields.remove("token");
    }
    fields
}

/// The most events of one stream that a history shows.
const MOST: usize = 1_000;

/// What the log has of a visit, in the log's order.
pub async fn history(context: &Context<'_>, row: &VisitRow) -> Result<Vec<HistoryEntry>> {
    let api = Api::of(context);
    let events = events(api, row).await.map_err(|fault| failed("reading a visit's history", &fault))?;
    Ok(events.iter().map(|event| HistoryEntry::new(api, event)).collect())
}

async fn events(api: &Api, row: &VisitRow) -> Result<Vec<RecordedEvent>, StoreError> {
    let parking = StreamId::new(Category::Parking, row.facility.uuid());
    let mut events = Vec::new();
    for run in runs(&row.revisions) {
        events.extend(api.log.read_stream(parking, run.0, run.1).await?);
    }
    let session = StreamId::new(Category::Session, row.visit.uuid());
    events.extend(api.log.read_stream(session, 0, MOST).await?);
    for payment in payments_of(&*api.models.store, row.facility, row.visit, MOST).await? {
        let stream = StreamId::new(Category::Payment, payment.uuid());
        events.extend(api.log.read_stream(stream, 0, MOST).await?);
    }
    events.sort_by_key(|event| event.position);
    Ok(events)
}

/// Neighbouring revisions as (first, how many): events of one command are read at once.
fn runs(revisions: &[u64]) -> Vec<(u64, usize)> {
    let mut runs: Vec<(u64, usize)> = Vec::new();
    for revision in revisions.iter().copied().take(MOST) {
        match runs.last_mut() {
            Some((first, length)) if *first + *length as u64 == revision => *length += 1,
            _ => runs.push((revision, 1)),
        }
    }
    runs
}

pub fn decoded(event: &RecordedEvent) -> Option<Event> {
    decode(event.stream.category, &event.event_type, event.version, &event.data).ok()
}

/// Whether an event of the gates speaks of the visit; `grants` are those known to be its own.
pub fn speaks_of(event: &ParkingEvent, visit: VisitId, grants: &mut BTreeSet<GrantId>) -> bool {
    match event {
        ParkingEvent::EntryGranted { grant, visit: granted, .. } => own(*granted == visit, *grant, grants),
        ParkingEvent::ExitGranted { grant, visit: granted, .. } => {
            own(*granted == Some(visit), *grant, grants)
        }
        ParkingEvent::GrantLapsed { grant, .. } => grants.contains(grant),
        ParkingEvent::VehicleEntered { visit: seen, .. } | ParkingEvent::VehicleMoved { visit: seen, .. } => {
            *seen == Some(visit)
        }
        ParkingEvent::VehicleLeft { departure, .. } => departure.visit() == Some(visit),
        ParkingEvent::VisitDeclared { visit: named, .. }
        | ParkingEvent::VisitPresumedLeft { visit: named, .. }
        | ParkingEvent::CredentialsChanged { visit: named, .. } => *named == visit,
        ParkingEvent::VisitReconciled { visit: named, outcome, .. } => {
            *named == visit || matches!(outcome, Reconciliation::Merged { into } if *into == visit)
        }
        ParkingEvent::OccupancyCorrected { to_review, .. } => to_review.contains(&visit),
        ParkingEvent::CapacitySet { .. }
        | ParkingEvent::ReservedPartSet { .. }
        | ParkingEvent::AdmissionModeSet { .. }
        | ParkingEvent::SpotTakenOutOfService { .. }
        | ParkingEvent::SpotReturnedToService { .. }
        | ParkingEvent::PassageRefused { .. }
        | ParkingEvent::HoldPlaced { .. }
        | ParkingEvent::HoldReleased { .. } => false,
    }
}

fn own(is_own: bool, grant: GrantId, grants: &mut BTreeSet<GrantId>) -> bool {
    if is_own {
        grants.insert(grant);
    }
    is_own
}

/// Whether a payment's request pays for the visit; None: the event is another one.
pub fn pays_for(event: &PaymentEvent, visit: VisitId) -> Option<bool> {
    let PaymentEvent::PaymentRequested { allocations, .. } = event else { return None };
    let of_visit = |payable: &Payable| matches!(payable, Payable::Session { visit: paid } if *paid == visit);
    Some(allocations.iter().any(|allocation| of_visit(&allocation.payable)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbouring_revisions_are_read_at_once() {
        assert_eq!(runs(&[3, 4, 5, 9, 11, 12]), [(3, 3), (9, 1), (11, 2)]);
        assert!(runs(&[]).is_empty());
    }
}
