//! The openings process: a pool that a layout brings gets its capacity in parking and in the book of reservations.
//!
//! Imported registrations count too: without capacities their facility could admit nobody.

use super::facility::FacilityEvent;
use crate::event::Event;
use crate::process::{About, Effect, Process, Reaction};

pub const OPENINGS: Process =
    Process { name: "openings", events: &["FacilityRegistered", "LayoutChanged"], of_imported: true, react };

fn react(event: &Event, about: &About<'_>) -> Vec<Reaction> {
    let (Event::Facility(FacilityEvent::FacilityRegistered { layout, .. })
    | Event::Facility(FacilityEvent::LayoutChanged { layout })) = event
    else {
        return Vec::new();
    };
    let open = |pool: &super::plan::Pool| Effect::OpenPool {
        pool: pool.id,
        places: pool.places,
        reservable_places: pool.reservable_places,
    };
    layout.pools.iter().map(|pool| about.now(OPENINGS.name, about.id, open(pool))).collect()
}
