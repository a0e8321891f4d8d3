//! Capacities, modes and spots: what an operator sets from day to day. They are folded in the gates' stream, because
//! admission depends on them.

use async_graphql::{Context, ID, InputObject, Result};
use octocity_domain::parking::{ModeScope, ParkingCommand};
use octocity_domain::reservations::ReservationsCommand;

use super::super::Api;
use super::super::parking::parking_command;
use super::super::scalars::{MAX_TEXT, UuidText, code_id, id, text, uuid_id};
use super::super::submit::{Done, command_id, payload, submission};
use super::types::Mode;

/// What sets a pool's capacity.
#[derive(InputObject)]
pub struct SetPoolCapacityInput {
    /// A UUIDv7, made for this command.
    command_id: UuidText,
    /// The facility.
    facility_id: ID,
    /// The pool.
    pool: ID,
    /// How many places it has: at most 1000000; null where nobody knows.
    places: Option<u32>,
}

/// What sets a pool's reservable part.
#[derive(InputObject)]
pub struct SetReservableCapacityInput {
    /// A UUIDv7, made for this command.
    command_id: UuidText,
    /// The facility.
    facility_id: ID,
    /// The pool.
    pool: ID,
    /// How many of its places may be promised: at most 1000000.
    places: u32,
}

/// What sets a mode.
#[derive(InputObject)]
pub struct SetAdmissionModeInput {
    /// A UUIDv7, made for this command.
    command_id: UuidText,
    /// The facility.
    facility_id: ID,
    /// One of its lanes; left out: the whole facility.
    lane: Option<ID>,
    /// The mode.
    mode: Mode,
    /// Why: at most 500 characters.
    reason: String,
}

/// What takes a spot out of service.
#[derive(InputObject)]
pub struct SpotServiceInput {
    /// A UUIDv7, made for this command.
    command_id: UuidText,
    /// The facility.
    facility_id: ID,
    /// The spot.
    spot: ID,
    /// Why: at most 500 characters.
    reason: String,
}

/// What returns a spot to service.
#[derive(InputObject)]
pub struct ReturnSpotInput {
    /// A UUIDv7, made for this command.
    command_id: UuidText,
    /// The facility.
    facility_id: ID,
    /// The spot.
    spot: ID,
}

payload! {
    /// The capacity that was set.
    SetPoolCapacityPayload {
        /// The facility.
        facility_id: ID,
        /// The pool.
        pool: ID,
    }
}
payload! {
    /// The reservable part that was set.
    SetReservableCapacityPayload {
        /// The facility.
        facility_id: ID,
        /// The pool.
        pool: ID,
    }
}
payload! {
    /// The mode that was set.
    SetAdmissionModePayload {
        /// The facility.
        facility_id: ID,
        /// The lane; null: the whole facility.
        lane: Option<ID>,
    }
}
payload! {
    /// The spot that was taken out of service, or returned.
    SpotServicePayload {
        /// The facility.
        facility_id: ID,
        /// The spot.
        spot: ID,
    }
}

pub async fn set_pool_capacity(
    context: &Context<'_>,
    input: SetPoolCapacityInput,
) -> Result<SetPoolCapacityPayload> {
    let facility = uuid_id("facilityId", &input.facility_id)?;
    let pool = code_id("pool", &input.pool)?;
    let command = ParkingCommand::SetPoolCapacity { pool, places: input.places };
    let Done { position, repeated, refusal, .. } =
        parking_command(context, command_id(input.command_id)?, facility, command).await?;
    Ok(SetPoolCapacityPayload { facility_id: id(facility), pool: id(pool), position, repeated, refusal })
}

pub async fn set_reservable_capacity(
    context: &Context<'_>,
    input: SetReservableCapacityInput,
) -> Result<SetReservableCapacityPayload> {
    let facility = uuid_id("facilityId", &input.facility_id)?;
    let pool = code_id("pool", &input.pool)?;
    let command = ReservationsCommand::SetReservableCapacity { pool, places: input.places };
    let submission = submission(context, command_id(input.command_id)?, command);
    let reply = Api::of(context).handler.reservations(facility, submission).await;
    let Done { position, repeated, refusal, .. } = Done::of(context, reply)?;
    Ok(SetReservableCapacityPayload {
        facility_id: id(facility),
        pool: id(pool),
        position,
        repeated,
        refusal,
    })
}

pub async fn set_admission_mode(
    context: &Context<'_>,
    input: SetAdmissionModeInput,
) -> Result<SetAdmissionModePayload> {
    let facility = uuid_id("facilityId", &input.facility_id)?;
    let scope = match &input.lane {
        Some(lane) => ModeScope::Lane { lane: code_id("lane", lane)? },
        None => ModeScope::Facility,
    };
    let reason = text("reason", input.reason, MAX_TEXT)?;
    let command = ParkingCommand::SetAdmissionMode { scope, mode: input.mode.into(), reason };
    let Done { position, repeated, refusal, .. } =
        parking_command(context, command_id(input.command_id)?, facility, command).await?;
    Ok(SetAdmissionModePayload { facility_id: id(facility), lane: input.lane, position, repeated, refusal })
}

pub async fn take_spot_out_of_service(
    context: &Context<'_>,
    input: SpotServiceInput,
) -> Result<SpotServicePayload> {
    let reason = text("reason", input.reason, MAX_TEXT)?;
    let command = ParkingCommand::TakeSpotOutOfService { spot: code_id("spot", &input.spot)?, reason };
    spot_service(context, input.command_id, input.facility_id, input.spot, command).await
}

pub async fn return_spot_to_service(
    context: &Context<'_>,
    input: ReturnSpotInput,
) -> Result<SpotServicePayload> {
    let command = ParkingCommand::ReturnSpotToService { spot: code_id("spot", &input.spot)? };
    spot_service(context, input.command_id, input.facility_id, input.spot, command).await
}

async fn spot_service(
    context: &Context<'_>,
    command: UuidText,
    facility_id: ID,
    spot: ID,
    body: ParkingCommand,
) -> Result<SpotServicePayload> {
    let facility = uuid_id("facilityId", &facility_id)?;
    let Done { position, repeated, refusal, .. } =
        parking_command(context, command_id(command)?, facility, body).await?;
    Ok(SpotServicePayload { facility_id, spot, position, repeated, refusal })
}
