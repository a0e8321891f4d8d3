//! What inner lanes moved between the areas of a facility.

use octocity_domain::{AreaId, FacilityId};

use crate::row::row;

row! {
    /// The vehicles that inner lanes brought into an area, less those they took out of it. What outer lanes did
    /// stands with the pools, so that a passage writes no third row; `parking::queries::areas` adds them up.
    pub struct AreaMovesRow in "area_moves", indexes &[];
    key {
        facility: FacilityId,
        area: AreaId,
    }
    net: i64,
}
