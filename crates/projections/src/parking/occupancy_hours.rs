//! What was inside a pool at any past moment: one row per hour in which something happened.

use octocity_domain::{FacilityId, PoolId};

use crate::row::{Json, row};

row! {
    /// One pool's hour, by when things happened. The hours between two rows had no change.
    pub struct OccupancyHourRow in "occupancy_hours", indexes &[];
    key {
        facility: FacilityId,
        pool: PoolId,
        /// Hours since 1970-01-01T00:00Z.
        hour: i64,
    }
    /// Inside when the hour began.
    start_count: i64,
    /// (second of the hour, change of the inside), by second, one for each second.
    changes: Json<Vec<(u16, i32)>>,
    /// The sum of the changes.
    net: i64,
    entries: u64,
    exits: u64,
    refused: u64,
    /// The most that were inside at the start or after any second of the hour.
    peak: i64,
}

impl OccupancyHourRow {
    /// Inside after this second of the hour.
    pub fn inside_after(&self, second: u16) -> i64 {
        let until = self.changes.iter().take_while(|(at, _)| *at <= second);
        self.start_count + until.map(|(_, change)| i64::from(*change)).sum::<i64>()
    }
}
