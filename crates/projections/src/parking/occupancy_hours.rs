//! What was inside a pool at any past moment: one row per hour in which something happened.

use octocity_domain::{FacilityId, PoolId, Timestamp};

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

const HOUR_SECONDS: i64 = 3_600;

impl OccupancyHourRow {
    /// An hour in which nothing has passed.
    pub const fn quiet((facility, pool): (FacilityId, PoolId), hour: i64, inside: i64) -> Self {
        Self {
            facility,
            pool,
            hour,
            start_count: inside,
            changes: Json(Vec::new()),
            net: 0,
            entries: 0,
            exits: 0,
            refused: 0,
            peak: inside,
        }
    }

    /// An hour that began with so many inside and had these changes; its counters are 0.
    pub fn changed(key: (FacilityId, PoolId), hour: i64, inside: i64, changes: Vec<(u16, i32)>) -> Self {
        let net = changes.iter().map(|(_, change)| i64::from(*change)).sum();
        let mut row = Self { changes: Json(changes), net, ..Self::quiet(key, hour, inside) };
        row.peak = row.highest();
        row
    }

    pub const fn began_at(&self) -> Timestamp {
        Timestamp::from_seconds(self.hour * HOUR_SECONDS)
    }

    /// The seconds that all vehicles together were inside within the hour: 3600 times the average inside.
    pub fn vehicle_seconds(&self) -> i64 {
        let changed =
            self.changes.iter().map(|(at, change)| i64::from(*change) * (HOUR_SECONDS - i64::from(*at)));
        self.start_count * HOUR_SECONDS + changed.sum::<i64>()
    }

    /// Inside after this second of the hour.
    pub fn inside_after(&self, second: u16) -> i64 {
        let until = self.changes.iter().take_while(|(at, _)| *at <= second);
        self.start_count + until.map(|(_, change)| i64::from(*change)).sum::<i64>()
    }
}
