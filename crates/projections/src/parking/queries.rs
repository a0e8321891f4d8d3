//! Answers that are more than one row.

use std::collections::BTreeMap;

use octocity_domain::{AreaId, FacilityId, Interval, PoolId, Timestamp};
use octocity_log::Position;

use super::{AreaMovesRow, OccupancyHourRow, OccupancyRow, VisitRow};
use crate::query::Query;
use crate::store::{RowStore, StoreError};

const HOUR_MILLIS: i64 = 3_600_000;

/// Hours since 1970-01-01T00:00Z, and the second within the hour.
pub(crate) fn hour_and_second(at: Timestamp) -> (i64, u16) {
    let seconds = at.seconds();
    // Below 3600.
    (seconds.div_euclid(3600), seconds.rem_euclid(3600) as u16)
}

/// One pool at a past instant, by when things happened, as known at `position`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PastOccupancy {
    pub inside: i64,
    pub position: Position,
}

/// What was inside a pool, never below 0, after all that happened up to and with the second of `at`. One row is read, however
/// long the log is.
pub async fn occupancy_at(
    store: &dyn RowStore,
    facility: FacilityId,
    pool: PoolId,
    at: Timestamp,
) -> Result<PastOccupancy, StoreError> {
    let (hour, second) = hour_and_second(at);
    let query = Query::<OccupancyHourRow>::new()
        .eq("facility", &facility)
        .eq("pool", &pool)
        .below("hour", &(hour + 1))
        .descending("hour")
        .first(1);
    let found = query.run(store).await?;
    let inside = found.rows.first().map_or(0, |row| match row.hour == hour {
        true => row.inside_after(second),
        false => row.inside_at_end(),
    });
    Ok(PastOccupancy { inside, position: found.position })
}

/// What passed within whole hours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    pub entries: u64,
    pub exits: u64,
    pub refused: u64,
    pub peak: i64,
}

/// Entries, exits and refusals of a facility in the whole hours that `interval` touches, per pool.
pub async fn traffic(
    store: &dyn RowStore,
    facility: FacilityId,
    interval: Interval,
) -> Result<BTreeMap<PoolId, Traffic>, StoreError> {
    let first = interval.start.millis().div_euclid(HOUR_MILLIS);
    let end = interval.end.millis().saturating_add(HOUR_MILLIS - 1).div_euclid(HOUR_MILLIS);
    let query =
        Query::<OccupancyHourRow>::new().eq("facility", &facility).from("hour", &first).below("hour", &end);
    let mut sums = BTreeMap::<PoolId, Traffic>::new();
    for row in query.run(store).await?.rows {
        let sum = sums.entry(row.pool).or_default();
        sum.entries += row.entries;
        sum.exits += row.exits;
        sum.refused += row.refused;
        sum.peak = sum.peak.max(row.most_inside());
    }
    Ok(sums)
}

/// How many visits of a facility somebody should look at.
pub async fn visits_to_review(store: &dyn RowStore, facility: FacilityId) -> Result<u64, StoreError> {
    let query = Query::<VisitRow>::new().eq("facility", &facility).eq("needs_review", &true);
    // In this order the one row that a page has is found by an index, also where there is none.
    let found = query.descending("started_at").counted().first(1).run(store).await?;
    Ok(found.total.unwrap_or_default())
}

/// How many are inside each area of a facility as far as lanes tell (never below 0), and how many are not placed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AreaCounts {
    pub areas: BTreeMap<AreaId, i64>,
    pub not_placed: i64,
}

pub fn area_counts(pools: &[OccupancyRow], moves: &[AreaMovesRow]) -> AreaCounts {
    let mut areas = BTreeMap::<AreaId, i64>::new();
    for (area, count) in pools.iter().flat_map(|pool| pool.areas.iter()) {
        *areas.entry(*area).or_default() += count;
    }
    for moved in moves {
        *areas.entry(moved.area).or_default() += moved.net;
    }
    areas.values_mut().for_each(|count| *count = (*count).max(0));
    let placed: i64 = areas.values().sum();
    let inside: i64 = pools.iter().map(OccupancyRow::inside).sum();
    AreaCounts { areas, not_placed: (inside - placed).max(0) }
}

/// [`area_counts`] of one facility.
pub async fn areas(store: &dyn RowStore, facility: FacilityId) -> Result<AreaCounts, StoreError> {
    let pools = Query::<OccupancyRow>::new().eq("facility", &facility).run(store).await?;
    let moves = Query::<AreaMovesRow>::new().eq("facility", &facility).run(store).await?;
    Ok(area_counts(&pools.rows, &moves.rows))
}
