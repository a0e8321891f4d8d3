//! What attendants put right.

use async_graphql::{Context, ID, Object, Result};
use octocity_domain::parking::{ParkingCommand, ParkingEvent, Review};
use octocity_domain::{CommandId, VisitId};

use super::super::credentials::{credential, credentials};
use super::super::scalars::{MAX_TEXT, code_id, id, text, uuid_id};
use super::super::submit::{Done, command_id, payload};
use super::inputs::{
    CorrectCredentialsInput, CorrectOccupancyInput, ReportLostTicketInput, ReviewInput, ReviewVisitInput,
};
use super::parking_command;
use crate::faults::bad_input;

payload! {
    /// The visit that an attendant put right.
    VisitPayload {
        /// The visit; null when it was refused.
        visit_id: Option<ID>,
    }
}

payload! {
    /// What a count came to.
    CorrectOccupancyPayload {
        /// What the ledger said was inside at that instant; null when it was refused.
        ledger: Option<u32>,
        /// What was added to the unidentified vehicles.
        unidentified_change: Option<i64>,
        /// Visits that are open although fewer vehicles were counted: to review.
        to_review: Vec<ID>,
    }
}

fn concerned(event: &ParkingEvent) -> Option<VisitId> {
    match event {
        ParkingEvent::CredentialsChanged { visit, .. }
        | ParkingEvent::VisitDeclared { visit, .. }
        | ParkingEvent::VisitPresumedLeft { visit, .. }
        | ParkingEvent::VisitReconciled { visit, .. } => Some(*visit),
        _ => None,
    }
}

async fn of_visit(
    context: &Context<'_>,
    command_id: CommandId,
    facility: &ID,
    command: ParkingCommand,
) -> Result<VisitPayload> {
    let facility = uuid_id("facilityId", facility)?;
    let done = parking_command(context, command_id, facility, command).await?;
    let visit_id = done.find(concerned).map(id);
    let Done { position, repeated, refusal, .. } = done;
    Ok(VisitPayload { visit_id, position, repeated, refusal })
}

fn review(input: ReviewInput) -> Result<Review> {
    let ReviewInput { confirm, still_inside, presume_left, reassign_exit, merge_into } = input;
    match (confirm, still_inside, presume_left, reassign_exit, merge_into) {
        (Some(true), None, None, None, None) => Ok(Review::Confirm),
        (None, Some(true), None, None, None) => Ok(Review::StillInside),
        (None, None, Some(why), None, None) => Ok(Review::PresumeLeft { presumption: why.into() }),
        (None, None, None, Some(exit), None) => Ok(Review::ReassignExit {
            lane: code_id("reassignExit.lane", &exit.lane)?,
            left_at: exit.left_at.0,
        }),
        (None, None, None, None, Some(into)) => Ok(Review::MergeInto { into: uuid_id("mergeInto", &into)? }),
        _ => Err(bad_input(
            "A review is exactly one of confirm: true, stillInside: true, presumeLeft, reassignExit and mergeInto.",
        )),
    }
}

#[derive(Default)]
pub struct AttendantMutation;

#[Object]
impl AttendantMutation {
    /// For a driver without a ticket: finds the visit by the other credentials, or declares one.
    async fn report_lost_ticket(
        &self,
        context: &Context<'_>,
        input: ReportLostTicketInput,
    ) -> Result<VisitPayload> {
        let command = ParkingCommand::ReportLostTicket {
            pool: input.pool.map(|pool| code_id("pool", &pool)).transpose()?,
            credentials: credentials("credentials", input.credentials)?,
            replacement: input.replacement.map(credential).transpose()?,
            entered_at: input.entered_at.map(|at| at.0),
            basis: input.basis.into(),
        };
        of_visit(context, command_id(input.command_id)?, &input.facility_id, command).await
    }

    /// Adds, corrects or replaces a credential of a visit.
    async fn correct_credentials(
        &self,
        context: &Context<'_>,
        input: CorrectCredentialsInput,
    ) -> Result<VisitPayload> {
        let command = ParkingCommand::CorrectCredentials {
            visit: uuid_id("visitId", &input.visit_id)?,
            change: input.change.into(),
            old: input.old.map(credential).transpose()?,
            new: input.new.map(credential).transpose()?,
        };
        of_visit(context, command_id(input.command_id)?, &input.facility_id, command).await
    }

    /// Sets the count of a pool right as of an instant; later movements stay. It changes only the unidentified
    /// vehicles, and ends nobody's stay.
    async fn correct_occupancy(
        &self,
        context: &Context<'_>,
        input: CorrectOccupancyInput,
    ) -> Result<CorrectOccupancyPayload> {
        let facility = uuid_id("facilityId", &input.facility_id)?;
        let command = ParkingCommand::CorrectOccupancy {
            pool: code_id("pool", &input.pool)?,
            counted: input.counted,
            counted_at: input.counted_at.0,
            reason: text("reason", input.reason, MAX_TEXT)?,
        };
        let done = parking_command(context, command_id(input.command_id)?, facility, command).await?;
        let corrected = done.find(|event| match event {
            ParkingEvent::OccupancyCorrected { ledger, unidentified_change, to_review, .. } => {
                Some((*ledger, *unidentified_change, to_review.iter().map(id).collect()))
            }
            _ => None,
        });
        let (ledger, unidentified_change, to_review) = match corrected {
            Some((ledger, change, to_review)) => (Some(ledger), Some(change), to_review),
            None => (None, None, Vec::new()),
        };
        let Done { position, repeated, refusal, .. } = done;
        Ok(CorrectOccupancyPayload { ledger, unidentified_change, to_review, position, repeated, refusal })
    }

    /// Says what became of a visit of which something is presumed.
    async fn review_visit(&self, context: &Context<'_>, input: ReviewVisitInput) -> Result<VisitPayload> {
        let visit = uuid_id("visitId", &input.visit_id)?;
        let command = ParkingCommand::ReviewVisit { visit, review: review(input.review)? };
        of_visit(context, command_id(input.command_id)?, &input.facility_id, command).await
    }
}
