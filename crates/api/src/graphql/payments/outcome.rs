//! What came of a payment's command, read from its stream once its gateway answered, or said to be pending.

use async_graphql::{Context, Enum, Result};
use octocity_domain::payments::PaymentEvent;
use octocity_domain::{Category, Event, PaymentId};
use octocity_log::{Position, StreamId, decode};

use super::super::Api;
use crate::faults::internal;

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
    pub decline_reason: Option<String>,
    /// Of the event that says so.
    pub position: Position,
}

/// More than any payment's stream holds.
const MOST: usize = 1_000;

/// Waits, as long as the limits say, for the gateway's answer to a payment's newest call.
pub async fn settled(context: &Context<'_>, payment: PaymentId, replied_at: Position) -> Result<Settled> {
    let api = Api::of(context);
    // A payment that is not settled in time is pending, which the stream says too; a fault of the log shows below.
    let _ = api.handler.settled(payment, api.limits.settle_seconds).await;
    let stream = StreamId::new(Category::Payment, payment.uuid());
    let events = api.log.read_stream(stream, 0, MOST).await;
    let events = events.map_err(|fault| internal("reading a payment's stream", &fault))?;
    let mut settled =
        Settled { outcome: PaymentOutcome::Pending, decline_reason: None, position: replied_at };
    for event in &events {
        let decoded = decode(event.stream.category, &event.event_type, event.version, &event.data);
        if let Ok(Event::Payment(said)) = decoded
            && let Some((outcome, decline_reason)) = outcome(&said)
        {
            settled = Settled { outcome, decline_reason, position: replied_at.max(event.position) };
        }
    }
    Ok(settled)
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
