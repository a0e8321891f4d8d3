//! # Parking
//!
//! What happens at the gates: requests and passages, visits, who is inside, what is to review.
//!
//! - **request**: `enterGate`, `exitGate`, `overrideGate`; decided, and (but for the override) refusable.
//! - **passage**: `recordPassage`; a fact, refused only if malformed or from an unknown lane.
//! - **occupancy**: inside = open visits + unidentified, per pool; full, closed, out of service and stale are four
//!   different things.
//! - **lane activity**, **visit history**: read from the log, event by event.

mod attendant;
mod details;
mod gates;
mod history;
mod inputs;
mod lanes;
mod occupancy;
mod query;
mod subscription;
mod visit;

use async_graphql::{Context, Result};
use octocity_domain::parking::{ParkingCommand, ParkingEvent};
use octocity_domain::{CommandId, FacilityId};

pub use attendant::AttendantMutation;
pub use details::Details;
pub use gates::GatesMutation;
pub use history::{HistoryEntry, decoded, history};
pub use occupancy::{OccupancyObject, PastPools, Reads, past_moment};
pub use query::ParkingQuery;
pub use subscription::{EventsSubscription, ParkingSubscription};
pub use visit::{VisitFilter, VisitObject, visits_page};

use super::Api;
use super::submit::{Done, submission};

/// Sends a command to a facility's gates.
pub async fn parking_command(
    context: &Context<'_>,
    id: CommandId,
    facility: FacilityId,
    command: ParkingCommand,
) -> Result<Done<ParkingEvent>> {
    let submission = submission(context, id, command);
    Done::of(context, Api::of(context).handler.parking(facility, submission).await)
}
