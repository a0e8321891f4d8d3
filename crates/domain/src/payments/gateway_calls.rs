//! The gateway process: an intended call is made; one whose outcome is unknown is asked about again, ever later.

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
const WAIT_SECONDS_AT_MOST: i64 = 300;

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
    let doublings = revision.saturating_sub(2).min(9);
    (1_i64 << doublings).min(WAIT_SECONDS_AT_MOST)
}
