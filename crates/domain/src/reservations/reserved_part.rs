//! The reserved-part process: what the book may promise, parking keeps from walk-ins.
//!
//! Parking follows the book, and the book promises no more than parking keeps by then (a fact that it reads): so
//! whichever way the part moves, one side is lowered before the other is raised.

use super::book::ReservationsEvent;
use crate::event::Event;
use crate::process::{About, Effect, Process, Reaction};

pub const RESERVED_PART: Process =
    Process { name: "reserved-part", events: &["ReservableCapacitySet"], of_imported: true, react };

fn react(event: &Event, about: &About<'_>) -> Vec<Reaction> {
    let Event::Reservations(ReservationsEvent::ReservableCapacitySet { pool, places }) = event else {
        return Vec::new();
    };
    let effect = Effect::SetReservedPart { pool: *pool, places: *places, book_revision: about.revision };
    vec![about.now(RESERVED_PART.name, about.id, effect)]
}
