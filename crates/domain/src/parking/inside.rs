//! How an event changes what is inside its pool: the one place that says it, for every count there is.

use super::event::{Departure, ParkingEvent};

/// What an event adds to the vehicles inside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InsideChange {
    /// Open visits.
    pub visits: i64,
    pub unidentified: i64,
}

impl InsideChange {
    pub const fn total(self) -> i64 {
        self.visits + self.unidentified
    }
}

impl ParkingEvent {
    pub fn inside_change(&self) -> InsideChange {
        let (visits, unidentified) = match self {
            // It came and went: only what that exit took from the unidentified comes back.
            Self::VehicleEntered { joined_exit: Some(joined), .. } => {
                (0, i64::from(joined.gives_back_unidentified))
            }
            Self::VehicleEntered { visit: Some(_), .. } => (1, 0),
            Self::VehicleEntered { visit: None, .. } => (0, 1),
            Self::VehicleLeft { departure, .. } => match departure {
                Departure::Visit { .. } => (-1, 0),
                Departure::Unidentified => (0, -1),
                Departure::PresumedVisit { .. } | Departure::MissedEntry => (0, 0),
            },
            Self::VisitDeclared { takes_unidentified, .. } => (1, -i64::from(*takes_unidentified)),
            Self::VisitPresumedLeft { .. } => (-1, 0),
            Self::VisitReconciled { visits_change, unidentified_change, .. } => {
                (i64::from(*visits_change), i64::from(*unidentified_change))
            }
            Self::OccupancyCorrected { unidentified_change, .. } => (0, *unidentified_change),
            Self::CapacitySet { .. }
            | Self::ReservedPartSet { .. }
            | Self::AdmissionModeSet { .. }
            | Self::SpotTakenOutOfService { .. }
            | Self::SpotReturnedToService { .. }
            | Self::EntryGranted { .. }
            | Self::ExitGranted { .. }
            | Self::PassageRefused { .. }
            | Self::GrantLapsed { .. }
            | Self::VehicleMoved { .. }
            | Self::CredentialsChanged { .. }
            | Self::HoldPlaced { .. }
            | Self::HoldReleased { .. } => (0, 0),
        };
        InsideChange { visits, unidentified }
    }
}
