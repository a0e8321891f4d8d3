//! What came of a payment's command: what its gateway made of the very call that the command planned, read from the
//! payment's stream. Once told other than pending it is told for ever, whatever happens to the payment later.

use async_graphql::{Context, Enum, Result};
use octocity_domain::payments::{GatewayVerb, PaymentEvent};
use octocity_domain::{Category, Event, PaymentId};
use octocity_log::{Position, StreamId};

use super::super::Api;
use super::super::parking::decoded;
use super::query::StatusName;
use crate::faults::{command_error, failed};

/// What the gateway made of the call that a command planned; once it is not PENDING it never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum PaymentOutcome {
    /// The gateway did it.
    Done,
    /// The gateway declined it: see `declineReason`.
    Declined,
    /// The gateway has not answered yet; ask `payment` later.
    Pending,
}

/// What the gateway made of one call, and where the payment stands.
pub struct Settled {
    pub outcome: PaymentOutcome,
    /// The present state, of later commands too.
    pub status: Option<StatusName>,
    pub decline_reason: Option<String>,
    /// Behind all that came of it, its credits too.
    pub position: Position,
}

/// More than any payment's stream holds.
const MOST: usize = 1_000;

/// The number of the call that these events plan; None where they plan none.
pub fn planned<'a>(events: impl IntoIterator<Item = &'a PaymentEvent>) -> Option<u32> {
    events.into_iter().find_map(|event| match event {
        PaymentEvent::GatewayCallPlanned { call, .. } => Some(call.number),
        _ => None,
    })
}

/// Waits, as long as the limits say, for the gateway's answer to this call. `call`: None where the command planned
/// none, because the payment was voided already; that void is told then.
pub async fn settled(
    context: &Context<'_>,
    payment: PaymentId,
    call: Option<u32>,
    replied_at: Position,
) -> Result<Settled> {
    let api = Api::of(context);
    let mut answer = outcome(&events_of(api, payment).await?, call);
    let mut state = api.handler.payment_state(payment).await.map_err(|error| command_error(&error))?;
    // An answer that is known waits for no call of another command.
    if answer.0 == PaymentOutcome::Pending || state.open_call().is_none() {
        let settled = api.handler.settled(payment, api.limits.settle_seconds).await;
        state = settled.map_err(|error| command_error(&error))?;
        answer = outcome(&events_of(api, payment).await?, call);
    }
    let (outcome, decline_reason) = answer;
    let position = replied_at.max(*api.log.head().borrow());
    Ok(Settled { outcome, status: state.status().map(Into::into), decline_reason, position })
}

async fn events_of(api: &Api, payment: PaymentId) -> Result<Vec<PaymentEvent>> {
    let stream = StreamId::new(Category::Payment, payment.uuid());
    let recorded = api.log.read_stream(stream, 0, MOST).await;
    let recorded = recorded.map_err(|fault| failed("reading a payment's stream", &fault))?;
    let said = recorded.iter().filter_map(|event| match decoded(event) {
        Some(Event::Payment(said)) => Some(said),
        _ => None,
    });
    Ok(said.collect())
}

/// What a payment's events say of one call; of the latest void where none is named.
fn outcome(events: &[PaymentEvent], call: Option<u32>) -> (PaymentOutcome, Option<String>) {
    let answered = call.or_else(|| latest_void(events));
    let answered = answered.and_then(|number| events.iter().rev().find_map(|event| answer(event, number)));
    answered.unwrap_or((PaymentOutcome::Pending, None))
}

fn latest_void(events: &[PaymentEvent]) -> Option<u32> {
    events.iter().rev().find_map(|event| match event {
        PaymentEvent::GatewayCallPlanned { call, .. } if call.verb == GatewayVerb::Void => Some(call.number),
        _ => None,
    })
}

/// What an event says of the call of this number; None where it settles nothing of it.
fn answer(event: &PaymentEvent, number: u32) -> Option<(PaymentOutcome, Option<String>)> {
    match event {
        PaymentEvent::GatewayCallRefused { call, reason } if *call == number => {
            Some((PaymentOutcome::Declined, Some(reason.clone())))
        }
        PaymentEvent::PaymentAuthorized { call, .. }
        | PaymentEvent::PaymentCaptured { call, .. }
        | PaymentEvent::PaymentRefunded { call, .. }
        | PaymentEvent::PaymentVoided { call, .. } => {
            (*call == number).then_some((PaymentOutcome::Done, None))
        }
        // An unresolved call is asked again under the same number.
        PaymentEvent::PaymentRequested { .. }
        | PaymentEvent::GatewayCallPlanned { .. }
        | PaymentEvent::GatewayCallRefused { .. }
        | PaymentEvent::GatewayCallUnresolved { .. } => None,
    }
}
