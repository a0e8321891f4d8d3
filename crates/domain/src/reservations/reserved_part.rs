//! The reserved-part process: what the book may promise, parking keeps from walk-ins.
//!
//! One side is lowered before the other is raised: the handler raises parking's part before the book's, and this
//! process follows the book in every other case, and where the handler died in between.

use super::book::ReservationsEvent;
use crate::event::Event;
use crate::process::{About, Effect, Process, Reaction};

pub const RESERVED_PART: Process =
    Process { name: "reserved-part", events: &["ReservableCapacitySet"], of_imported: true, react };

fn react(event: &Event, about: &About<'_>) -> Vec<Reaction> {
    let Event::Reservations(ReservationsEvent::ReservableCapacitySet { pool, places }) = event else {
        return Vec::new();
    };
    let effect = Effect::SetReservedPart { pool: *pool, places: *places };
    vec![about.now(RESERVED_PART.name, about.id, effect)]
}
