//! Payments of one visit, sums over payments, and those that somebody should look at.

use std::collections::BTreeMap;

use octocity_domain::{Currency, FacilityId, Interval, PaymentId, Timestamp, VisitId};

use super::{PaymentRow, RevenueHourRow, VisitPaymentRow};
use crate::query::Query;
use crate::store::{Filter, RowStore, StoreError};

const HOUR_MILLIS: i64 = 3_600_000;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Revenue {
    pub captured_minor: i64,
    pub refunded_minor: i64,
}

/// What was captured and refunded per currency in the whole hours that `interval` touches.
pub async fn revenue(
    store: &dyn RowStore,
    facility: FacilityId,
    interval: Interval,
) -> Result<BTreeMap<Currency, Revenue>, StoreError> {
    let first = interval.start.millis().div_euclid(HOUR_MILLIS);
    let end = interval.end.millis().saturating_add(HOUR_MILLIS - 1).div_euclid(HOUR_MILLIS);
    let query =
        Query::<RevenueHourRow>::new().eq("facility", &facility).from("hour", &first).below("hour", &end);
    let mut sums = BTreeMap::<Currency, Revenue>::new();
    for row in query.run(store).await?.rows {
        let sum = sums.entry(row.currency).or_default();
        sum.captured_minor += row.captured_minor;
        sum.refunded_minor += row.refunded_minor;
    }
    Ok(sums)
}

/// Payments whose gateway call was made and has no known outcome, the longest one first.
pub fn to_review() -> Query<PaymentRow> {
    Query::new().filter(Filter::NotNull("unresolved_since")).ascending("unresolved_since")
}

/// How many of them there are, and since when the longest one.
pub async fn unresolved(store: &dyn RowStore) -> Result<(u64, Option<Timestamp>), StoreError> {
    let found = to_review().first(1).counted().run(store).await?;
    let longest = found.rows.first().and_then(|row| row.unresolved_since);
    Ok((found.total.unwrap_or_default(), longest))
}

/// The first so many payments that were asked for a visit.
pub async fn payments_of(
    store: &dyn RowStore,
    facility: FacilityId,
    visit: VisitId,
    most: usize,
) -> Result<Vec<PaymentId>, StoreError> {
    let query = Query::<VisitPaymentRow>::new().eq("facility", &facility).eq("visit", &visit).first(most);
    Ok(query.run(store).await?.rows.into_iter().map(|row| row.payment).collect())
}
