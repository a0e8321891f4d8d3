//! The stays process: a visit that enters opens its session, and its exit ends the stay that is charged.
//!
//! The stay ends when the exit was requested, or passed where none was requested. A visit that is presumed left
//! is not billed until somebody has reviewed it; a correction of the count ends nobody's stay.

use crate::event::Event;
use crate::ids::VisitId;
use crate::parking::{ParkingEvent, Reconciliation};
use crate::process::{About, Effect, Process, Reaction};
use crate::time::Timestamp;

pub const STAYS: Process = Process {
    name: "stays",
    events: &["VehicleEntered", "VisitDeclared", "VehicleLeft", "VisitReconciled"],
    of_imported: false,
    react,
};

fn react(event: &Event, about: &About<'_>) -> Vec<Reaction> {
    let Event::Parking(event) = event else { return Vec::new() };
    match event {
        ParkingEvent::VehicleEntered { visit: Some(visit), pool, joined_exit, .. } => {
            let open = Effect::OpenSession { visit: *visit, pool: *pool, entered_at: about.happened_at };
            let mut effects = vec![about.now(STAYS.name, visit.uuid(), open)];
            effects.extend(joined_exit.map(|exit| end(about, *visit, exit.left_at)));
            effects
        }
        ParkingEvent::VisitDeclared { visit, pool, entry, .. } => {
            // Nobody knows when it entered: it is charged from now on.
            let entered_at = entry.at().unwrap_or(about.happened_at);
            let open = Effect::OpenSession { visit: *visit, pool: *pool, entered_at };
            vec![about.now(STAYS.name, visit.uuid(), open)]
        }
        // Also of a visit that had been presumed left: now its exit was seen.
        ParkingEvent::VehicleLeft { departure, requested_at, .. } => {
            let ended_at = requested_at.unwrap_or(about.happened_at);
            departure.visit().map(|visit| end(about, visit, ended_at)).into_iter().collect()
        }
        ParkingEvent::VisitReconciled { visit, outcome, .. } => match outcome {
            Reconciliation::Confirmed => vec![end(about, *visit, about.happened_at)],
            Reconciliation::Reassigned { left_at, .. } => vec![end(about, *visit, *left_at)],
            Reconciliation::Merged { into } => {
                let merge = Effect::MergeStays { visit: *visit, into: *into };
                vec![about.now(STAYS.name, visit.uuid(), merge)]
            }
            Reconciliation::StillInside => Vec::new(),
        },
        _ => Vec::new(),
    }
}

fn end(about: &About<'_>, visit: VisitId, ended_at: Timestamp) -> Reaction {
    about.now(STAYS.name, visit.uuid(), Effect::EndStay { visit, ended_at })
}
