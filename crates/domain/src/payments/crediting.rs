//! The crediting process: what was captured is credited to the sessions it pays for, what was refunded is taken back.
//!
//! The handler applies the same effects under the same ids as soon as a capture is durable, so that it counts at
//! the gate before this process has run; the process heals a crash in between.

use super::payment::PaymentEvent;
use crate::event::Event;
use crate::ids::PaymentId;
use crate::process::{About, Effect, Process, Reaction};

pub const CREDITING: Process =
    Process { name: "crediting", events: &["PaymentCaptured", "PaymentRefunded"], of_imported: false, react };

fn react(event: &Event, about: &About<'_>) -> Vec<Reaction> {
    let payment = PaymentId::new(about.id);
    match event {
        Event::Payment(PaymentEvent::PaymentCaptured { amount, .. }) => {
            let apply = Effect::ApplyCredits { payment, amount: *amount };
            vec![about.now(CREDITING.name, about.id, apply)]
        }
        Event::Payment(PaymentEvent::PaymentRefunded { call, amount, .. }) => {
            let reverse = Effect::ReverseCredits { payment, amount: *amount, refund: *call };
            vec![about.now(CREDITING.name, about.id, reverse)]
        }
        _ => Vec::new(),
    }
}
