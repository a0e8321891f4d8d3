//! Requests and passages at the lanes.

use async_graphql::{Context, ID, Object, Result};
use octocity_domain::parking::{DeviceClock, ParkingCommand, ParkingEvent};
use octocity_domain::{CommandId, GrantId, PoolId, VisitId};

use super::super::credentials::{credentials, credentials_seen};
use super::super::scalars::{DateTime, MAX_TEXT, code_id, id, text, uuid_id};
use super::super::submit::{Done, command_id, payload};
use super::inputs::{EnterGateInput, ExitGateInput, OverrideGateInput, RecordPassageInput};
use super::parking_command;
use super::visit::{Ground, Irregularity};
use crate::faults::bad_input;

payload! {
    /// The answer to a request at a lane. Open the gate exactly when there is a grant.
    GatePayload {
        /// The opening; null when it was refused.
        grant_id: Option<ID>,
        /// The visit; null when it was refused, or nobody was identified.
        visit_id: Option<ID>,
        /// The pool that is entered.
        pool: Option<ID>,
        /// Why it was granted.
        ground: Option<Ground>,
        /// Until when the opening waits for its passage.
        expires_at: Option<DateTime>,
    }
}

payload! {
    /// What a passage came to.
    RecordPassagePayload {
        /// The visit that entered, moved or left; null where nobody was identified or matched.
        visit_id: Option<ID>,
        /// The pool that it counts in.
        pool: Option<ID>,
        /// What it broke; it counts all the same.
        irregularities: Vec<Irregularity>,
    }
}

/// What an answer's grant says.
#[derive(Default)]
struct Granted {
    grant: Option<GrantId>,
    visit: Option<VisitId>,
    pool: Option<PoolId>,
    ground: Option<Ground>,
    expires_at: Option<DateTime>,
}

fn granted(event: &ParkingEvent) -> Option<Granted> {
    match event {
        ParkingEvent::EntryGranted { grant, visit, pool, basis, expires_at, .. } => Some(Granted {
            grant: Some(*grant),
            visit: Some(*visit),
            pool: Some(*pool),
            ground: Some(Ground::of_basis(basis)),
            expires_at: Some(DateTime(*expires_at)),
        }),
        ParkingEvent::ExitGranted { grant, visit, cover, expires_at, .. } => Some(Granted {
            grant: Some(*grant),
            visit: *visit,
            pool: None,
            ground: Some(Ground::of_cover(cover)),
            expires_at: Some(DateTime(*expires_at)),
        }),
        _ => None,
    }
}

impl From<Done<ParkingEvent>> for GatePayload {
    fn from(done: Done<ParkingEvent>) -> Self {
        let Granted { grant, visit, pool, ground, expires_at } = done.find(granted).unwrap_or_default();
        let Done { position, repeated, refusal, .. } = done;
        Self {
            grant_id: grant.map(id),
            visit_id: visit.map(id),
            pool: pool.map(id),
            ground,
            expires_at,
            position,
            repeated,
            refusal,
        }
    }
}

type Passed = (Option<VisitId>, Option<PoolId>, Vec<Irregularity>);

fn passed(event: &ParkingEvent) -> Option<Passed> {
    let shown = |broken: &[octocity_domain::parking::Irregularity]| {
        broken.iter().copied().map(Irregularity::from).collect()
    };
    match event {
        ParkingEvent::VehicleEntered { visit, pool, irregularities, .. } => {
            Some((*visit, Some(*pool), shown(irregularities)))
        }
        ParkingEvent::VehicleLeft { departure, pool, irregularities, .. } => {
            Some((departure.visit(), Some(*pool), shown(irregularities)))
        }
        ParkingEvent::VehicleMoved { visit, .. } => Some((*visit, None, Vec::new())),
        _ => None,
    }
}

/// A client's id, or the one that the source's key gives for ever.
fn passage_id(input: &RecordPassageInput) -> Result<CommandId> {
    match (input.command_id, &input.source) {
        (Some(given), None) => command_id(given),
        (None, Some(source)) => {
            let name = text("source.name", source.name.clone(), 100)?;
            if name.trim().is_empty() {
                return Err(bad_input("'source.name' is empty; give the device's or controller's name."));
            }
            let at = input.device_time.unwrap_or(input.happened_at);
            Ok(CommandId::from_source(at.0, &name, &source.sequence.to_string()))
        }
        _ => Err(bad_input("Give 'commandId' or 'source', and not both.")),
    }
}

#[derive(Default)]
pub struct GatesMutation;

#[Object]
impl GatesMutation {
    /// Asks whether a vehicle may enter. A grant takes a place at once; it becomes a visit when the passage is recorded,
    /// and lapses at the lane's time limit.
    async fn enter_gate(&self, context: &Context<'_>, input: EnterGateInput) -> Result<GatePayload> {
        let facility = uuid_id("facilityId", &input.facility_id)?;
        let command = ParkingCommand::EnterGate {
            lane: code_id("lane", &input.lane)?,
            credentials: credentials("credentials", input.credentials)?,
            pool: input.pool.map(|pool| code_id("pool", &pool)).transpose()?,
            requested_at: input.requested_at.map(|at| at.0),
        };
        let id = command_id(input.command_id)?;
        Ok(parking_command(context, id, facility, command).await?.into())
    }

    /// Asks whether a vehicle may leave: what it owes must be covered, or the refusal has the quote.
    async fn exit_gate(&self, context: &Context<'_>, input: ExitGateInput) -> Result<GatePayload> {
        let facility = uuid_id("facilityId", &input.facility_id)?;
        let command = ParkingCommand::ExitGate {
            lane: code_id("lane", &input.lane)?,
            credentials: credentials("credentials", input.credentials)?,
            requested_at: input.requested_at.map(|at| at.0),
        };
        let id = command_id(input.command_id)?;
        Ok(parking_command(context, id, facility, command).await?.into())
    }

    /// Records that a vehicle passed a lane. A fact: it is refused only if malformed or from an unknown lane; what it
    /// breaks is recorded with it, and a credential that cannot be kept is left out.
    async fn record_passage(
        &self,
        context: &Context<'_>,
        input: RecordPassageInput,
    ) -> Result<RecordPassagePayload> {
        let facility = uuid_id("facilityId", &input.facility_id)?;
        let command_id = passage_id(&input)?;
        let clock = DeviceClock {
            device_time: input.device_time.map(|at| at.0),
            received_at: input.received_at.map(|at| at.0),
            sequence: input.source.as_ref().map(|source| source.sequence),
        };
        let (credentials, unreadable) = credentials_seen(input.credentials)?;
        let command = ParkingCommand::RecordPassage {
            lane: code_id("lane", &input.lane)?,
            direction: input.direction.into(),
            credentials,
            unreadable,
            pool: input.pool.map(|pool| code_id("pool", &pool)).transpose()?,
            happened_at: input.happened_at.0,
            clock,
        };
        let done = parking_command(context, command_id, facility, command).await?;
        let (visit, pool, irregularities) = done.find(passed).unwrap_or_default();
        let Done { position, repeated, refusal, .. } = done;
        let (visit_id, pool) = (visit.map(id), pool.map(id));
        Ok(RecordPassagePayload { visit_id, pool, irregularities, position, repeated, refusal })
    }

    /// Opens a gate without asking the rules. Whether a vehicle passed is another fact.
    async fn override_gate(&self, context: &Context<'_>, input: OverrideGateInput) -> Result<GatePayload> {
        let facility = uuid_id("facilityId", &input.facility_id)?;
        let command = ParkingCommand::OverrideGate {
            lane: code_id("lane", &input.lane)?,
            direction: input.direction.into(),
            credentials: credentials("credentials", input.credentials)?,
            reason: text("reason", input.reason, MAX_TEXT)?,
        };
        let id = command_id(input.command_id)?;
        Ok(parking_command(context, id, facility, command).await?.into())
    }
}
