//! Occupancy hour by hour, without gaps.

use std::collections::BTreeMap;

use octocity_domain::time::Zone;
use octocity_domain::{FacilityId, Interval, PoolId, Timestamp};

use crate::parking::OccupancyHourRow;

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
    pub const fn start(&self) -> Timestamp {
        Timestamp::from_seconds(self.first * HOUR_SECONDS)
    }
    pub const fn count(&self) -> usize {
        // Below 2^64 hours.
        if self.end > self.first { (self.end - self.first) as usize } else { 0 }
    }
}

/// Every hour of one pool: the rows where it has one, quiet hours between. `inside` is before the first.
pub fn of_pool(
    key: (FacilityId, PoolId),
    hours: Hours,
    mut inside: i64,
    rows: Vec<OccupancyHourRow>,
    all: &mut Vec<OccupancyHourRow>,
) {
    all.reserve(hours.count());
    let mut rows = rows.into_iter().peekable();
    for hour in hours.first..hours.end {
        match rows.next_if(|row| row.hour == hour) {
            Some(row) => {
                inside = row.start_count + row.net;
                all.push(row);
            }
            None => all.push(OccupancyHourRow::quiet(key, hour, inside)),
        }
    }
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
pub fn pool_days<'a>(hours: impl IntoIterator<Item = &'a OccupancyHourRow>, zone: &Zone) -> Vec<PoolDay> {
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
            peak: 0,
            vehicle_seconds: 0,
            entries: 0,
            exits: 0,
            refused: 0,
        });
        sum.hours += 1;
        sum.peak = sum.peak.max(hour.most_inside());
        sum.vehicle_seconds += hour.vehicle_seconds();
        sum.entries += hour.entries;
        sum.exits += hour.exits;
        sum.refused += hour.refused;
    }
    days.into_values().collect()
}
