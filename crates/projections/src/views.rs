//! The list of all read models.

use crate::facilities::Facilities;
use crate::fresh::{Folding, Folds};
use crate::parking::hours_fold::OccupancyHours;
use crate::parking::{AreaMoves, Occupancy, SpotsOutOfService, UnmatchedExits, Visits};
use crate::payments::{Payments, RevenueHours, VisitPayments};
use crate::projector::{Fold, Projector};
use crate::reservations::Reservations;
use crate::row::Table;
use crate::sessions::Sessions;

/// Every view, ready to fold.
pub(crate) fn all() -> Vec<Box<dyn Projector>> {
    vec![
        Box::new(Fold::<Facilities>::new()),
        Box::new(Fold::<Occupancy>::new()),
        Box::new(Fold::<AreaMoves>::new()),
        Box::new(OccupancyHours::new()),
        Box::new(Fold::<Visits>::new()),
        Box::new(Fold::<UnmatchedExits>::new()),
        Box::new(Fold::<SpotsOutOfService>::new()),
        Box::new(Fold::<Sessions>::new()),
        Box::new(Fold::<Reservations>::new()),
        Box::new(Fold::<Payments>::new()),
        Box::new(Fold::<VisitPayments>::new()),
        Box::new(Fold::<RevenueHours>::new()),
    ]
}

/// Those whose rows are folded on for whoever follows a facility.
pub(crate) fn followed() -> Vec<Box<dyn Folds>> {
    vec![
        Box::new(Folding::<Facilities>::default()),
        Box::new(Folding::<Occupancy>::default()),
        Box::new(Folding::<AreaMoves>::default()),
        Box::new(Folding::<SpotsOutOfService>::default()),
    ]
}

/// Every read model table.
pub fn tables() -> Vec<&'static Table> {
    all().iter().map(|projector| projector.table()).collect()
}

/// The table of this name.
pub fn table(name: &str) -> Option<&'static Table> {
    tables().into_iter().find(|table| table.name == name)
}
