//! What a facility earned, hour by hour.

use octocity_domain::{Currency, FacilityId};

use crate::row::row;

row! {
    /// Captured and refunded in one hour, by when it happened.
    pub struct RevenueHourRow in "revenue_hours", indexes &[];
    key {
        facility: FacilityId,
        /// Hours since 1970-01-01T00:00Z.
        hour: i64,
        currency: Currency,
    }
    captured_minor: i64,
    refunded_minor: i64,
    captures: u64,
    refunds: u64,
}
