//! The gateway process: an intended call is made; one whose outcome is unknown is asked about again, ever later.
//!
//! It is never given up: only the gateway knows whether money moved. What bounds it is the wait, an hour in the end,
//! so that a gateway that never answers costs the log two dozen events a day; people see it in `paymentsToReview`
//! and in the metric `octocity_gateway_calls_unresolved`.

use super::payment::PaymentEvent;
use crate::event::Event;
use crate::ids::PaymentId;
use crate::process::{About, Effect, Process, Reaction};

pub const GATEWAY_CALLS: Process = Process {
    name: "gateway",
    events: &["GatewayCallPlanned", "GatewayCallUnresolved"],
    of_imported: false,
    react,
};

/// The longest wait between two questions about one call.
const WAIT_SECONDS_AT_MOST: i64 = 3600;

fn react(event: &Event, about: &About<'_>) -> Vec<Reaction> {
    let payment = PaymentId::new(about.id);
    match event {
        Event::Payment(PaymentEvent::GatewayCallPlanned { call, .. }) => {
            let effect = Effect::CallGateway { payment, call: call.number, again: false };
            vec![about.now(GATEWAY_CALLS.name, about.id, effect)]
        }
        Event::Payment(PaymentEvent::GatewayCallUnresolved { call, .. }) => {
            let due = about.happened_at.plus_seconds(wait_seconds(about.revision));
            let effect = Effect::CallGateway { payment, call: *call, again: true };
            vec![about.at(GATEWAY_CALLS.name, about.id, due, effect)]
        }
        _ => Vec::new(),
    }
}

/// Doubles with each event of the payment: every unknown outcome is one. The first one has revision 2.
fn wait_seconds(revision: u64) -> i64 {
    let doublings = revision.saturating_sub(2).min(12);
    (1_i64 << doublings).min(WAIT_SECONDS_AT_MOST)
}
