//! The grants process: a granted passage that does not happen in time lapses.

use super::event::ParkingEvent;
use crate::event::Event;
use crate::ids::GrantId;
use crate::process::{About, Effect, Process, Reaction};
use crate::time::Timestamp;

pub const GRANTS: Process = Process {
    name: "grants",
    events: &["EntryGranted", "ExitGranted", "VehicleEntered", "VehicleLeft", "GrantLapsed"],
    of_imported: false,
    react,
};

fn react(event: &Event, about: &About<'_>) -> Vec<Reaction> {
    let Event::Parking(event) = event else { return Vec::new() };
    match event {
        ParkingEvent::EntryGranted { grant, expires_at, .. }
        | ParkingEvent::ExitGranted { grant, expires_at, .. } => vec![lapse(about, *grant, *expires_at)],
        ParkingEvent::VehicleEntered { grant: Some(grant), .. }
        | ParkingEvent::VehicleLeft { grant: Some(grant), .. }
        | ParkingEvent::GrantLapsed { grant, .. } => {
            vec![Reaction::Cancel { process: GRANTS.name, subject: grant.uuid() }]
        }
        _ => Vec::new(),
    }
}

fn lapse(about: &About<'_>, grant: GrantId, due: Timestamp) -> Reaction {
    about.at(GRANTS.name, grant.uuid(), due, Effect::LapseGrant { grant, due })
}
