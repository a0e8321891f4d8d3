//! What attendants change of a session.

use async_graphql::{Context, ID, InputObject, Object, Result};
use octocity_domain::VisitId;
use octocity_domain::sessions::{SessionCommand, SessionEvent};

use crate::graphql::Api;
use crate::graphql::scalars::{DateTime, MAX_TEXT, MoneyInput, UuidText, text, uuid_id};
use crate::graphql::submit::{Done, command_id, payload, submission};

/// A change of what is owed.
#[derive(InputObject)]
pub struct AdjustChargeInput {
    /// A UUIDv7, made for this command.
    pub command_id: UuidText,
    /// The visit.
    pub visit_id: ID,
    /// By how much: a negative amount is a rebate.
    pub amount: MoneyInput,
    /// Why: 1 to 500 characters.
    pub reason: String,
}

/// The times of a stay, judged anew.
#[derive(InputObject)]
pub struct RetimeStayInput {
    /// A UUIDv7, made for this command.
    pub command_id: UuidText,
    /// The visit.
    pub visit_id: ID,
    /// From when it is charged; left out: as it is.
    pub entered_at: Option<DateTime>,
    /// Until when it is charged; left out: as it is.
    pub ended_at: Option<DateTime>,
}

payload! {
    /// What became of a change of a session.
    SessionPayload {
        /// The visit.
        visit_id: ID,
    }
}

#[derive(Default)]
pub struct SessionsMutation;

#[Object]
impl SessionsMutation {
    /// Adds to, or takes from, what a visit owes.
    async fn adjust_charge(&self, context: &Context<'_>, input: AdjustChargeInput) -> Result<SessionPayload> {
        let reason = text("reason", input.reason, MAX_TEXT)?;
        let command = SessionCommand::AdjustCharge { amount: input.amount.into(), reason };
        change(context, input.command_id, input.visit_id, command).await
    }

    /// Corrects from when, or until when, a visit is charged.
    async fn retime_stay(&self, context: &Context<'_>, input: RetimeStayInput) -> Result<SessionPayload> {
        let (entered_at, ended_at) = (input.entered_at.map(|at| at.0), input.ended_at.map(|at| at.0));
        let command = SessionCommand::RetimeStay { entered_at, ended_at };
        change(context, input.command_id, input.visit_id, command).await
    }
}

async fn change(
    context: &Context<'_>,
    id: UuidText,
    visit_id: ID,
    command: SessionCommand,
) -> Result<SessionPayload> {
    let visit: VisitId = uuid_id("visitId", &visit_id)?;
    let submission = submission(context, command_id(id)?, command);
    let done = Done::<SessionEvent>::of(context, Api::of(context).handler.charge(visit, submission).await)?;
    let Done { position, repeated, refusal, .. } = done;
    Ok(SessionPayload { visit_id, position, repeated, refusal })
}
