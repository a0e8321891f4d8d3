//! Exits that no visit matched and that showed a credential: a late entry or a review may join one.

use octocity_domain::parking::{Credential, Departure, Irregularity};
use octocity_domain::{AreaId, FacilityId, LaneId, PoolId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::row::{Json, row};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnmatchedExit {
    pub lane: LaneId,
    pub pool: PoolId,
    pub area: Option<AreaId>,
    /// Whether it took an unidentified vehicle, or implied a missed entry.
    pub departure: Departure,
    pub credentials: Vec<Credential>,
    pub irregularities: Vec<Irregularity>,
}

row! {
    /// The unmatched exits of one instant (nearly always one); the row goes with the last of them. Parking itself
    /// keeps them for three days only: ask for those `left_at` within them.
    pub struct UnmatchedExitRow in "unmatched_exits", indexes &[];
    key {
        facility: FacilityId,
        left_at: Timestamp,
    }
    exits: Json<Vec<UnmatchedExit>>,
}
