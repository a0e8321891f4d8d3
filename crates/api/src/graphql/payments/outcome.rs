//! What came of a payment's command, read from its stream once its gateway answered, or said to be pending.

use async_graphql::{Context, Enum, Result};
use octocity_domain::payments::PaymentEvent;
use octocity_domain::{Category, Event, PaymentId};
use octocity_log::{Position, StreamId};

use super::super::Api;
use super::super::parking::decoded;
use super::query::StatusName;
use crate::faults::{command_error, internal};

/// What came of a payment's command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum PaymentOutcome {
    /// The gateway did it.
    Done,
    /// The gateway declined it: see `declineReason`.
    Declined,
    /// The gateway has not answered yet; ask `payment` later.
    Pending,
}

/// What the gateway made of the newest call.
pub struct Settled {
    pub outcome: PaymentOutcome,
    pub status: Option<StatusName>,
    pub decline_reason: Option<String>,
    /// Behind all that came of it, its credits too.
    pub position: Position,
}

/// More than any payment's stream holds.
const MOST: usize = 1_000;

/// Waits, as long as the limits say, for the gateway's answer to a payment's newest call.
pub async fn settled(context: &Context<'_>, payment: PaymentId, replied_at: Position) -> Result<Settled> {
    let api = Api::of(context);
    let state = api.handler.settled(payment, api.limits.settle_seconds).await;
    let status = state.map_err(|error| command_error(&error))?.status().map(Into::into);
    let stream = StreamId::new(Category::Payment, payment.uuid());
    let events = api.log.read_stream(stream, 0, MOST).await;
    let events = events.map_err(|fault| internal("reading a payment's stream", &fault))?;
    let said = events.iter().rev().find_map(|event| match decoded(event) {
        Some(Event::Payment(said)) => outcome(&said),
        _ => None,
    });
    let (outcome, decline_reason) = said.unwrap_or((PaymentOutcome::Pending, None));
    let position = replied_at.max(*api.log.head().borrow());
    Ok(Settled { outcome, status, decline_reason, position })
}

/// What an event makes of the newest call; None where it says nothing of it.
fn outcome(event: &PaymentEvent) -> Option<(PaymentOutcome, Option<String>)> {
    match event {
        PaymentEvent::PaymentRequested { .. } => None,
        PaymentEvent::GatewayCallPlanned { .. } | PaymentEvent::GatewayCallUnresolved { .. } => {
            Some((PaymentOutcome::Pending, None))
        }
        PaymentEvent::GatewayCallRefused { reason, .. } => {
            Some((PaymentOutcome::Declined, Some(reason.clone())))
        }
        PaymentEvent::PaymentAuthorized { .. }
        | PaymentEvent::PaymentCaptured { .. }
        | PaymentEvent::PaymentRefunded { .. }
        | PaymentEvent::PaymentVoided { .. } => Some((PaymentOutcome::Done, None)),
    }
}
