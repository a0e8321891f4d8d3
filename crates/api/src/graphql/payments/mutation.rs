//! Authorising, capturing, refunding and voiding.

use async_graphql::{Context, ID, InputObject, Object, Result};
use octocity_domain::PaymentId;
use octocity_domain::payments::{ALLOCATIONS_MAX, Allocation, Payable, PaymentCommand, Token};

use super::super::Api;
use super::super::inputs::{at_most, each};
use super::super::scalars::{DateTime, MAX_TEXT, MoneyInput, UuidText, id, text, uuid_id};
use super::super::submit::{Done, command_id, payload, submission};
use super::outcome::{PaymentOutcome, planned, settled};
use super::query::StatusName;
use crate::faults::{bad_input, command_error};

/// What a payment pays for. Exactly one of `visitId` and `reservationId` is given.
#[derive(InputObject)]
pub struct AllocationInput {
    /// The visit whose session it pays.
    visit_id: Option<ID>,
    /// The reservation it pays.
    reservation_id: Option<ID>,
    /// How much, in minor units.
    amount_minor: i64,
}

fn allocation(input: AllocationInput) -> Result<Allocation> {
    let payable = match (&input.visit_id, &input.reservation_id) {
        (Some(visit), None) => Payable::Session { visit: uuid_id("allocations.visitId", visit)? },
        (None, Some(reservation)) => {
            Payable::Reservation { reservation: uuid_id("allocations.reservationId", reservation)? }
        }
        _ => return Err(bad_input("An allocation is for exactly one of visitId and reservationId.")),
    };
    Ok(Allocation { payable, amount_minor: input.amount_minor })
}

/// What authorises a payment.
#[derive(InputObject)]
pub struct AuthorizePaymentInput {
    /// A UUIDv7, made for this command.
    command_id: UuidText,
    /// The facility.
    facility_id: ID,
    /// How much; the sum of the allocations.
    amount: MoneyInput,
    /// What it pays for: 1 to 50.
    allocations: Vec<AllocationInput>,
    /// The gateway's own token for the means of payment: at most 200 characters, never a card's number.
    token: String,
    /// The quote's `pricedAt`: its price is honoured until its `holdsUntil`. Left out: now.
    priced_at: Option<DateTime>,
}

/// What captures a payment.
#[derive(InputObject)]
pub struct CapturePaymentInput {
    /// A UUIDv7, made for this command: twice with one id captures once.
    command_id: UuidText,
    /// The payment.
    payment_id: ID,
    /// How much; left out: all that is authorised.
    amount: Option<MoneyInput>,
}

/// What refunds a payment.
#[derive(InputObject)]
pub struct RefundPaymentInput {
    /// A UUIDv7, made for this command.
    command_id: UuidText,
    /// The payment.
    payment_id: ID,
    /// How much; left out: all that is captured and not refunded.
    amount: Option<MoneyInput>,
    /// Why: 1 to 500 characters.
    reason: String,
}

/// What voids a payment.
#[derive(InputObject)]
pub struct VoidPaymentInput {
    /// A UUIDv7, made for this command.
    command_id: UuidText,
    /// The payment.
    payment_id: ID,
}

payload! {
    /// What came of a payment's command, after a short wait for the gateway.
    PaymentPayload {
        /// The payment; null when it was refused.
        payment_id: Option<ID>,
        /// What the gateway made of this command's own call: the same for ever once it is not PENDING; null when it was
        /// refused.
        outcome: Option<PaymentOutcome>,
        /// The payment's present state, of later commands too: a repeat may tell another one than the first reply; null
        /// when it was refused.
        status: Option<StatusName>,
        /// Why the gateway declined this command's call.
        decline_reason: Option<String>,
    }
}

async fn payment_command(
    context: &Context<'_>,
    command: UuidText,
    payment: PaymentId,
    body: PaymentCommand,
) -> Result<PaymentPayload> {
    let api = Api::of(context);
    let submission = submission(context, command_id(command)?, body);
    let reply = api.handler.payment(payment, submission).await.map_err(|error| command_error(&error))?;
    let replied_at = reply.position;
    let Done { position, repeated, refusal, events } = Done::of(context, Ok(reply))?;
    if refusal.is_some() {
        return Ok(PaymentPayload {
            payment_id: None,
            outcome: None,
            status: None,
            decline_reason: None,
            position,
            repeated,
            refusal,
        });
    }
    let call = planned(events.iter().map(|fact| &fact.event));
    let settled = settled(context, payment, call, replied_at).await?;
    Ok(PaymentPayload {
        payment_id: Some(id(payment)),
        outcome: Some(settled.outcome),
        status: settled.status,
        decline_reason: settled.decline_reason,
        position: api.token(settled.position),
        repeated,
        refusal,
    })
}

#[derive(Default)]
pub struct PaymentsMutation;

#[Object]
impl PaymentsMutation {
    /// Asks the gateway to reserve an amount. The payment's id is made from the command id.
    async fn authorize_payment(
        &self,
        context: &Context<'_>,
        input: AuthorizePaymentInput,
    ) -> Result<PaymentPayload> {
        let payment = command_id(input.command_id)?.payment();
        let command = PaymentCommand::AuthorizePayment {
            facility: uuid_id("facilityId", &input.facility_id)?,
            amount: input.amount.into(),
            allocations: each(at_most("allocations", input.allocations, ALLOCATIONS_MAX)?, allocation)?,
            token: Token::new(input.token),
            priced_at: input.priced_at.map(|at| at.0),
        };
        payment_command(context, input.command_id, payment, command).await
    }

    /// Takes what was reserved, and credits it to what it pays for.
    async fn capture_payment(
        &self,
        context: &Context<'_>,
        input: CapturePaymentInput,
    ) -> Result<PaymentPayload> {
        let payment = uuid_id("paymentId", &input.payment_id)?;
        let command = PaymentCommand::CapturePayment { amount: input.amount.map(Into::into) };
        payment_command(context, input.command_id, payment, command).await
    }

    /// Gives back what was taken, and takes its credits back.
    async fn refund_payment(
        &self,
        context: &Context<'_>,
        input: RefundPaymentInput,
    ) -> Result<PaymentPayload> {
        let payment = uuid_id("paymentId", &input.payment_id)?;
        let reason = text("reason", input.reason, MAX_TEXT)?;
        let command = PaymentCommand::RefundPayment { amount: input.amount.map(Into::into), reason };
        payment_command(context, input.command_id, payment, command).await
    }

    /// Lets go what was reserved and not taken.
    async fn void_payment(&self, context: &Context<'_>, input: VoidPaymentInput) -> Result<PaymentPayload> {
        let payment = uuid_id("paymentId", &input.payment_id)?;
        payment_command(context, input.command_id, payment, PaymentCommand::VoidPayment).await
    }
}
