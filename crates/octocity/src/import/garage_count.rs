//! How what happened at a garage changes the number of vehicles inside: open visits and unidentified.

use octocity_domain::parking::{Departure, ParkingEvent};

/// What one event adds to what is inside.
pub fn inside_change(event: &ParkingEvent) -> i64 {
    match event {
        // It came and went: only what that exit took from the unidentified comes back.
        ParkingEvent::VehicleEntered { joined_exit: Some(joined), .. } => {
            i64::from(joined.gives_back_unidentified)
        }
        ParkingEvent::VehicleEntered { joined_exit: None, .. } => 1,
        ParkingEvent::VehicleLeft { departure, .. } => match departure {
            Departure::Visit { .. } | Departure::Unidentified => -1,
            Departure::PresumedVisit { .. } | Departure::MissedEntry => 0,
        },
        ParkingEvent::VisitDeclared { takes_unidentified, .. } => i64::from(!takes_unidentified),
        ParkingEvent::VisitPresumedLeft { .. } => -1,
        ParkingEvent::VisitReconciled { visits_change, unidentified_change, .. } => {
            i64::from(*visits_change) + i64::from(*unidentified_change)
        }
        ParkingEvent::OccupancyCorrected { unidentified_change, .. } => *unidentified_change,
        ParkingEvent::CapacitySet { .. }
        | ParkingEvent::ReservedPartSet { .. }
        | ParkingEvent::AdmissionModeSet { .. }
        | ParkingEvent::SpotTakenOutOfService { .. }
        | ParkingEvent::SpotReturnedToService { .. }
        | ParkingEvent::EntryGranted { .. }
        | ParkingEvent::ExitGranted { .. }
        | ParkingEvent::PassageRefused { .. }
        | ParkingEvent::GrantLapsed { .. }
        | ParkingEvent::VehicleMoved { .. }
        | ParkingEvent::CredentialsChanged { .. }
        | ParkingEvent::HoldPlaced { .. }
        | ParkingEvent::HoldReleased { .. } => 0,
    }
}
