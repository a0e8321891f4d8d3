//! The spots that are out of service.

use octocity_domain::{FacilityId, PoolId, SpotId, Timestamp};

use crate::row::row;

row! {
    /// A spot out of service; the row goes when it is back.
    pub struct SpotOutOfServiceRow in "spots_out_of_service", indexes &[];
    key {
        facility: FacilityId,
        spot: SpotId,
    }
    pool: PoolId,
    reason: String,
    since: Timestamp,
}
