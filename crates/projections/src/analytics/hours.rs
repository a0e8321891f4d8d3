//! Occupancy hour by hour, without gaps.

use std::collections::BTreeMap;

use octocity_domain::time::Zone;
use octocity_domain::{FacilityId, Interval, PoolId, Timestamp};

use crate::parking::{OccupancyHourRow, OccupancyRow};
use crate::query::Query;
use crate::store::{RowStore, StoreError};

const HOUR_SECONDS: i64 = 3_600;

/// Whole hours since 1970-01-01T00:00Z, from `first` up to and without `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hours {
    pub first: i64,
    pub end: i64,
}

impl Hours {
    /// The whole hours that lie within the interval.
    pub const fn within(interval: &Interval) -> Self {
        let first = interval.start.plus_seconds(HOUR_SECONDS - 1).seconds().div_euclid(HOUR_SECONDS);
        Self { first, end: interval.end.seconds().div_euclid(HOUR_SECONDS) }
    }
    pub const fn count(&self) -> usize {
        // Below 2^64 hours.
        if self.end > self.first { (self.end - self.first) as usize } else { 0 }
    }
}

/// Every hour of every pool of a facility, by pool and hour.
pub async fn pool_hours(
    store: &dyn RowStore,
    facility: FacilityId,
    hours: Hours,
) -> Result<Vec<OccupancyHourRow>, StoreError> {
    let pools = Query::<OccupancyRow>::new().eq("facility", &facility).run(store).await?.rows;
    let mut all = Vec::with_capacity(pools.len() * hours.count());
    for pool in pools.iter().map(|row| row.pool) {
        let of_pool = || Query::<OccupancyHourRow>::new().eq("facility", &facility).eq("pool", &pool);
        let before = of_pool().below("hour", &hours.first).descending("hour").first(1).run(store).await?;
        let mut inside = before.rows.first().map_or(0, |row| row.start_count + row.net);
        let rows = of_pool().from("hour", &hours.first).below("hour", &hours.end).run(store).await?.rows;
        let mut rows = rows.into_iter().peekable();
        for hour in hours.first..hours.end {
            match rows.next_if(|row| row.hour == hour) {
                Some(row) => {
                    inside = row.start_count + row.net;
                    all.push(row);
                }
                None => all.push(OccupancyHourRow::quiet((facility, pool), hour, inside)),
            }
        }
    }
    Ok(all)
}

/// One pool's local day, as far as its hours were asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolDay {
    pub facility: FacilityId,
    pub pool: PoolId,
    /// When the day began.
    pub began_at: Timestamp,
    /// How many of its hours are summed.
    pub hours: u32,
    pub peak: i64,
    pub vehicle_seconds: i64,
    pub entries: u64,
    pub exits: u64,
    pub refused: u64,
}

/// The sums of hours per pool and local day. An hour belongs to the day in which it begins.
pub fn pool_days(hours: &[OccupancyHourRow], zone: &Zone) -> Vec<PoolDay> {
    let mut days = BTreeMap::<(FacilityId, PoolId, Timestamp), PoolDay>::new();
    let mut today: Option<Interval> = None;
    for hour in hours {
        let at = hour.began_at();
        let day = match today {
            Some(day) if day.contains(at) => day,
            _ => *today.insert(zone.local_day(at)),
        };
        let (facility, pool, began_at) = (hour.facility, hour.pool, day.start);
        let sum = days.entry((facility, pool, began_at)).or_insert(PoolDay {
            facility,
            pool,
            began_at,
            hours: 0,
            peak: hour.peak,
            vehicle_seconds: 0,
            entries: 0,
            exits: 0,
            refused: 0,
        });
        sum.hours += 1;
        sum.peak = sum.peak.max(hour.peak);
        sum.vehicle_seconds += hour.vehicle_seconds();
        sum.entries += hour.entries;
        sum.exits += hour.exits;
        sum.refused += hour.refused;
    }
    days.into_values().collect()
}
