//! How an event changes what is inside its pool: the one place that says it, for every count there is.

use super::event::{Departure, ParkingEvent, Reconciliation};
use crate::ids::PoolId;
use crate::time::Timestamp;

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
    /// The pool whose counts it changes.
    pub const fn pool(&self) -> Option<PoolId> {
        match self {
            Self::CapacitySet { pool, .. }
            | Self::ReservedPartSet { pool, .. }
            | Self::SpotTakenOutOfService { pool, .. }
            | Self::SpotReturnedToService { pool, .. }
            | Self::EntryGranted { pool, .. }
            | Self::PassageRefused { pool, .. }
            | Self::VehicleEntered { pool, .. }
            | Self::VehicleLeft { pool, .. }
            | Self::VisitDeclared { pool, .. }
            | Self::VisitPresumedLeft { pool, .. }
            | Self::VisitReconciled { pool, .. }
            | Self::OccupancyCorrected { pool, .. }
            | Self::HoldPlaced { pool, .. }
            | Self::HoldReleased { pool, .. } => Some(*pool),
            Self::GrantLapsed { pool, .. } => *pool,
            Self::AdmissionModeSet { .. }
            | Self::ExitGranted { .. }
            | Self::VehicleMoved { .. }
            | Self::CredentialsChanged { .. } => None,
        }
    }

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

    /// The same in time: by how much the count of which instant changes (by 0: not at all).
    pub fn movements(&self, happened_at: Timestamp) -> [(Timestamp, i64); 2] {
        let total = self.inside_change().total();
        match self {
            // Its exit was seen before, and moved nothing then.
            Self::VehicleEntered { joined_exit: Some(joined), .. } if !joined.gives_back_unidentified => {
                [(happened_at, 1), (joined.left_at, -1)]
            }
            Self::VisitReconciled { outcome: Reconciliation::Reassigned { left_at, .. }, .. }
                if total < 0 =>
            {
                [(*left_at, total), (happened_at, 0)]
            }
            _ => [(happened_at, total), (happened_at, 0)],
        }
    }
}
