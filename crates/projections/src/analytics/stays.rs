//! How long vehicles stay.

use std::collections::BTreeMap;

use octocity_domain::time::Zone;
use octocity_domain::{FacilityId, Interval, PoolId, Timestamp};

use super::PAGE;
use crate::parking::{EndKind, EntryKind, VisitRow};
use crate::query::Query;
use crate::store::{RowStore, StoreError};

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

/// The stays of a facility that ended within the interval, per pool and local day. Of what is presumed, estimated or
/// judged nobody knows how long it was: it is left out.
pub async fn stay_days(
    store: &dyn RowStore,
    facility: FacilityId,
    zone: &Zone,
    interval: Interval,
) -> Result<Vec<StayDay>, StoreError> {
    let mut days = BTreeMap::<(PoolId, Timestamp), StayDay>::new();
    let mut after = None;
    loop {
        let query = Query::<VisitRow>::new()
            .eq("facility", &facility)
            .from("ended_at", &interval.start)
            .below("ended_at", &interval.end)
            .ascending("ended_at")
            .first(PAGE);
        let page = query.clone().after(after).run(store).await?;
        after = page.rows.last().map(|row| query.cursor(row));
        for visit in &page.rows {
            let seen = visit.entry_kind == Some(EntryKind::Seen) && visit.end_kind == Some(EndKind::Seen);
            let (Some(entered_at), Some(ended_at), true) = (visit.entered_at, visit.ended_at, seen) else {
                continue;
            };
            let (pool, began_at) = (visit.pool, zone.local_day(ended_at).start);
            let day = days.entry((pool, began_at)).or_insert(StayDay {
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
        if !page.has_more {
            return Ok(days.into_values().collect());
        }
    }
}
