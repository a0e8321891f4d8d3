//! What was inside a pool at any past moment: one row per hour in which something happened.

use octocity_domain::{FacilityId, PoolId, Timestamp};

use crate::row::{Json, row};

row! {
    /// One pool's hour, by when things happened. The hours between two rows had no change. Its sums may lie below 0:
    /// where the clocks of two lanes differ, or news of an entry is late, an exit is told before it. Never so what is
    /// shown of them.
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
        let (mut inside, mut since, mut seconds) = (self.start_count, 0, 0);
        for (at, change) in self.changes.iter() {
            seconds += inside.max(0) * (i64::from(*at) - since);
            (inside, since) = (inside + i64::from(*change), i64::from(*at));
        }
        seconds + inside.max(0) * (HOUR_SECONDS - since)
    }

    /// Inside when the hour began, as it is shown.
    pub fn inside_at_start(&self) -> i64 {
        self.start_count.max(0)
    }

    /// The most that were inside, as it is shown.
    pub fn most_inside(&self) -> i64 {
        self.peak.max(0)
    }

    /// Inside after this second of the hour.
    pub fn inside_after(&self, second: u16) -> i64 {
        self.sum_after(second).max(0)
    }

    /// Inside when the hour ended.
    pub fn inside_at_end(&self) -> i64 {
        (self.start_count + self.net).max(0)
    }

    /// Below 0 between an exit and an entry that are told in the wrong order.
    pub fn sum_after(&self, second: u16) -> i64 {
        let until = self.changes.iter().take_while(|(at, _)| *at <= second);
        self.start_count + until.map(|(_, change)| i64::from(*change)).sum::<i64>()
    }

    /// Inside at every so many minutes of the hour, a divisor of 60, from its start on.
    pub fn inside_each(&self, minutes: u16) -> impl Iterator<Item = i64> {
        let (mut sum, mut changes) = (self.start_count, self.changes.iter().peekable());
        (0..60).step_by(usize::from(minutes)).map(move |minute| {
            while let Some((_, change)) = changes.next_if(|(second, _)| *second <= minute * 60) {
                sum += i64::from(*change);
            }
            sum.max(0)
        })
    }
}

#[cfg(test)]
mod tests {
    use octocity_domain::FacilityId;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn even_steps_tell_what_each_second_tells() {
        let key = (FacilityId::new(Uuid::from_u128(1)), PoolId::try_new("short").unwrap());
        let changes = vec![(0, 2), (59, 1), (60, -2), (61, 5), (3_599, -6)];
        let hour = OccupancyHourRow::changed(key, 0, 3, changes);
        for minutes in [1, 20, 60] {
            let after = (0..60 / minutes).map(|step| hour.inside_after(step * minutes * 60));
            assert_eq!(hour.inside_each(minutes).collect::<Vec<_>>(), after.collect::<Vec<_>>());
        }
        assert_eq!(hour.inside_each(30).collect::<Vec<_>>(), [5, 9]);
    }

    #[test]
    fn what_is_missing_is_not_taken_from_what_is_there() {
        let key = (FacilityId::new(Uuid::from_u128(1)), PoolId::try_new("short").unwrap());
        let hour = OccupancyHourRow::changed(key, 0, -1, vec![(600, 2), (1_200, -2), (3_000, 3)]);
        assert_eq!(hour.vehicle_seconds(), 600 + 2 * 600);
        assert_eq!((hour.inside_at_start(), hour.most_inside(), hour.inside_at_end()), (0, 2, 2));
        assert_eq!((hour.inside_after(0), hour.inside_after(600), hour.inside_after(1_200)), (0, 1, 0));
        let silent = OccupancyHourRow::quiet(key, 1, -3);
        assert_eq!((silent.most_inside(), silent.inside_at_end(), silent.vehicle_seconds()), (0, 0, 0));
    }
}
