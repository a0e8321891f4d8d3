//! How long vehicles stay.

use std::collections::BTreeMap;

use octocity_domain::{FacilityId, PoolId, Timestamp};

use super::figures::Scope;

/// The stays of one pool that ended on one local day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StayDay {
    pub facility: FacilityId,
    pub pool: PoolId,
    /// When the day began.
    pub began_at: Timestamp,
    pub stays: u64,
    /// All of them together.
    pub seconds: i64,
    pub longest_seconds: i64,
}

/// Sums stays per pool and local day.
pub struct StayDays<'a> {
    scope: &'a Scope,
    days: BTreeMap<(PoolId, Timestamp), StayDay>,
}

impl<'a> StayDays<'a> {
    pub const fn new(scope: &'a Scope) -> Self {
        Self { scope, days: BTreeMap::new() }
    }

    pub fn add(&mut self, pool: PoolId, entered_at: Timestamp, ended_at: Timestamp) {
        let began_at = self.scope.zone.local_day(ended_at).start;
        let facility = self.scope.facility;
        let day = self.days.entry((pool, began_at)).or_insert(StayDay {
            facility,
            pool,
            began_at,
            stays: 0,
            seconds: 0,
            longest_seconds: 0,
        });
        // The clocks of two lanes differ: one may say that a vehicle left before it came.
        let seconds = ended_at.seconds_since(entered_at).max(0);
        day.stays += 1;
        day.seconds += seconds;
        day.longest_seconds = day.longest_seconds.max(seconds);
    }

    /// Adds what was summed already.
    pub fn add_day(&mut self, told: StayDay) {
        self.days
            .entry((told.pool, told.began_at))
            .and_modify(|day| {
                day.stays += told.stays;
                day.seconds += told.seconds;
                day.longest_seconds = day.longest_seconds.max(told.longest_seconds);
            })
            .or_insert(told);
    }

    pub fn done(self) -> impl Iterator<Item = StayDay> {
        self.days.into_values()
    }
}
