//! # Parking, as read
//!
//! - **occupancy**: the counts of one pool now; inside = visits + unidentified.
//! - **area**: where vehicles are inside, as far as lanes tell; the rest is *not placed*.
//! - **occupancy hour**: one pool's count at an hour's start and every change within it, by when it happened.
//! - **visit row**: one stay, with what was presumed of it (*review*) and which events of the stream concern it.
//! - **unmatched exit**: an exit that a late entry or a review may still join.

pub mod areas;
pub(crate) mod hours_fold;
pub mod movements;
pub mod occupancy;
pub mod occupancy_hours;
pub mod queries;
pub mod spots;
pub mod unmatched_exits;
pub mod visit_fold;
pub mod visits;

pub use areas::{AreaMoves, AreaMovesRow};
pub use movements::{Movement, Passing};
pub use occupancy::{Occupancy, OccupancyRow};
pub use occupancy_hours::OccupancyHourRow;
pub use spots::{SpotOutOfServiceRow, SpotsOutOfService};
pub use unmatched_exits::{UnmatchedExit, UnmatchedExitRow, UnmatchedExits};
pub use visit_fold::Visits;
pub use visits::{EndKind, EntryKind, VisitRow, VisitStatus};
