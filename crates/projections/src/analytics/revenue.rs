//! What ended stays cost and what was paid for them.

use std::collections::BTreeMap;

use octocity_domain::time::Zone;
use octocity_domain::{Code, Currency, FacilityId, Interval, PoolId, Timestamp};

use super::PAGE;
use crate::query::Query;
use crate::sessions::SessionRow;
use crate::store::{RowStore, StoreError};

/// The sessions of one pool and tariff that ended on one local day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevenueDay {
    pub facility: FacilityId,
    pub pool: PoolId,
    /// The tariff's version that the sessions pinned.
    pub tariff: Code,
    /// When the day began.
    pub began_at: Timestamp,
    pub currency: Currency,
    pub sessions: u64,
    /// What they cost, attendants' changes included.
    pub charged_minor: i64,
    /// What was paid for them by now, less refunds.
    pub paid_minor: i64,
    /// What is still owed.
    pub owed_minor: i64,
}

/// The sessions of a facility that ended within the interval, per pool, tariff and local day.
pub async fn revenue_days(
    store: &dyn RowStore,
    facility: FacilityId,
    zone: &Zone,
    interval: Interval,
) -> Result<Vec<RevenueDay>, StoreError> {
    let mut days = BTreeMap::<(PoolId, Code, Timestamp, Currency), RevenueDay>::new();
    let mut after = None;
    loop {
        let query = Query::<SessionRow>::new()
            .eq("facility", &facility)
            .from("ended_at", &interval.start)
            .below("ended_at", &interval.end)
            .ascending("ended_at")
            .first(PAGE);
        let page = query.clone().after(after).run(store).await?;
        after = page.rows.last().map(|row| query.cursor(row));
        for session in &page.rows {
            let (Some(pool), Some(tariff), Some(ended_at)) =
                (session.pool, &session.tariff, session.ended_at)
            else {
                continue;
            };
            let (tariff, currency) = (tariff.id, session.currency);
            let began_at = zone.local_day(ended_at).start;
            let day = days.entry((pool, tariff, began_at, currency)).or_insert(RevenueDay {
                facility,
                pool,
                tariff,
                began_at,
                currency,
                sessions: 0,
                charged_minor: 0,
                paid_minor: 0,
                owed_minor: 0,
            });
            day.sessions += 1;
            day.charged_minor += session.price_minor.unwrap_or(0);
            day.paid_minor += session.credits_minor;
            day.owed_minor += session.owed_minor.unwrap_or(0);
        }
        if !page.has_more {
            return Ok(days.into_values().collect());
        }
    }
}
