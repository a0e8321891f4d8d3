//! Registering a facility and changing its plan.

use async_graphql::{Context, ID, Object, Result};
use octocity_domain::FacilityId;
use octocity_domain::facilities::{FacilityCommand, FacilityEvent};

use super::super::Api;
use super::super::scalars::{DateTime, code_id, id, text, uuid_id};
use super::super::submit::{Done, command_id, payload, submission};
use super::inputs::{
    ActivateTariffInput, ChangeLayoutInput, RegisterFacilityInput, SetPoliciesInput, layout, policies,
    tariff, zone,
};
use super::modes;
use super::modes::{
    SetAdmissionModeInput, SetAdmissionModePayload, SetPoolCapacityInput, SetPoolCapacityPayload,
    SetReservableCapacityInput, SetReservableCapacityPayload, SpotServiceInput, SpotServicePayload,
};

payload! {
    /// The facility that was registered.
    RegisterFacilityPayload {
        /// Its id; null when it was refused.
        facility_id: Option<ID>,
    }
}

payload! {
    /// A change of a facility's plan.
    FacilityPayload {
        /// The facility.
        facility_id: ID,
    }
}

payload! {
    /// The tariff that was activated.
    ActivateTariffPayload {
        /// The facility.
        facility_id: ID,
        /// Visits that enter from then on are priced by it; null when it was refused.
        from: Option<DateTime>,
    }
}

#[derive(Default)]
pub struct FacilitiesMutation;

async fn facility_command(
    context: &Context<'_>,
    command: super::super::scalars::UuidText,
    facility: FacilityId,
    body: FacilityCommand,
) -> Result<Done<FacilityEvent>> {
    let submission = submission(context, command_id(command)?, body);
    Done::of(context, Api::of(context).handler.facility(facility, submission).await)
}

fn changed(facility: FacilityId, done: Done<FacilityEvent>) -> FacilityPayload {
    let Done { position, repeated, refusal, .. } = done;
    FacilityPayload { facility_id: id(facility), position, repeated, refusal }
}

#[Object]
impl FacilitiesMutation {
    /// Registers a facility with its layout; its pools have their capacities when this replies.
    async fn register_facility(
        &self,
        context: &Context<'_>,
        input: RegisterFacilityInput,
    ) -> Result<RegisterFacilityPayload> {
        let made = command_id(input.command_id)?.facility();
        let facility =
            input.facility_id.map_or(Ok(made), |given| uuid_id::<FacilityId>("facilityId", &given))?;
        let command = FacilityCommand::RegisterFacility {
            facility,
            operator: code_id("operator", &input.operator)?,
            name: text("name", input.name, 500)?,
            zone: zone(&input.zone)?,
            currency: input.currency.0,
            layout: layout(input.layout)?,
            policies: policies(input.policies.unwrap_or_default()),
        };
        let done = facility_command(context, input.command_id, facility, command).await?;
        let facility_id = done.refusal.is_none().then(|| id(facility));
        let Done { position, repeated, refusal, .. } = done;
        Ok(RegisterFacilityPayload { facility_id, position, repeated, refusal })
    }

    /// Replaces a facility's layout. Capacities of pools that it had already stay as they are set.
    async fn change_layout(
        &self,
        context: &Context<'_>,
        input: ChangeLayoutInput,
    ) -> Result<FacilityPayload> {
        let facility = uuid_id("facilityId", &input.facility_id)?;
        let command = FacilityCommand::ChangeLayout { layout: layout(input.layout)? };
        Ok(changed(facility, facility_command(context, input.command_id, facility, command).await?))
    }

    /// Sets all policies of a facility.
    async fn set_policies(&self, context: &Context<'_>, input: SetPoliciesInput) -> Result<FacilityPayload> {
        let facility = uuid_id("facilityId", &input.facility_id)?;
        let command = FacilityCommand::SetPolicies { policies: policies(input.policies) };
        Ok(changed(facility, facility_command(context, input.command_id, facility, command).await?))
    }

    /// Activates a tariff for visits that enter from an instant on; earlier visits keep theirs.
    async fn activate_tariff(
        &self,
        context: &Context<'_>,
        input: ActivateTariffInput,
    ) -> Result<ActivateTariffPayload> {
        let facility = uuid_id("facilityId", &input.facility_id)?;
        let from = input.from.map(|from| from.0);
        let command = FacilityCommand::ActivateTariff { tariff: tariff(input.tariff)?, from };
        let done = facility_command(context, input.command_id, facility, command).await?;
        let from = done.find(|event| match event {
            FacilityEvent::TariffActivated { from, .. } => Some(DateTime(*from)),
            _ => None,
        });
        let Done { position, repeated, refusal, .. } = done;
        Ok(ActivateTariffPayload { facility_id: id(facility), from, position, repeated, refusal })
    }

    /// Sets how many places a pool has, also below what is inside.
    async fn set_pool_capacity(
        &self,
        context: &Context<'_>,
        input: SetPoolCapacityInput,
    ) -> Result<SetPoolCapacityPayload> {
        modes::set_pool_capacity(context, input).await
    }

    /// Sets how many places of a pool may be promised by reservations.
    async fn set_reservable_capacity(
        &self,
        context: &Context<'_>,
        input: SetReservableCapacityInput,
    ) -> Result<SetReservableCapacityPayload> {
        modes::set_reservable_capacity(context, input).await
    }

    /// Sets whom a facility or one of its lanes lets through. Shutting a facility stops entries only.
    async fn set_admission_mode(
        &self,
        context: &Context<'_>,
        input: SetAdmissionModeInput,
    ) -> Result<SetAdmissionModePayload> {
        modes::set_admission_mode(context, input).await
    }

    /// Takes a spot out of service: its pool has a place less.
    async fn take_spot_out_of_service(
        &self,
        context: &Context<'_>,
        input: SpotServiceInput,
    ) -> Result<SpotServicePayload> {
        modes::take_spot_out_of_service(context, input).await
    }

    /// Returns a spot to service.
    async fn return_spot_to_service(
        &self,
        context: &Context<'_>,
        input: modes::ReturnSpotInput,
    ) -> Result<SpotServicePayload> {
        modes::return_spot_to_service(context, input).await
    }
}
