//! How long vehicles stayed, by what is known of each visit: of entry and end the latest news, of the pool the first.

use std::collections::HashMap;

use clickhouse::Row;
use octocity_domain::time::Zone;
use octocity_domain::{FacilityId, Interval, PoolId, Timestamp};
use octocity_projections::analytics::stays::StayDays;
use octocity_projections::analytics::{Scope, StayDay};
use octocity_projections::{RowError, StoreError};
use serde::Deserialize;
use uuid::Uuid;

use super::figures::{facilities, instant};
use super::server::ClickHouse;

const SEEN: &str = "SEEN";

#[derive(Row, Deserialize)]
struct Day {
    #[serde(with = "clickhouse::serde::uuid")]
    facility: Uuid,
    pool: String,
    began_at: i64,
    stays: u64,
    seconds: i64,
    longest_seconds: i64,
}

#[derive(Row, Deserialize)]
struct Merge {
    #[serde(with = "clickhouse::serde::uuid")]
    visit: Uuid,
    #[serde(with = "clickhouse::serde::uuid")]
    into: Uuid,
}

/// What is known of a visit.
#[derive(Clone, Row, Deserialize)]
struct Known {
    #[serde(with = "clickhouse::serde::uuid")]
    facility: Uuid,
    #[serde(with = "clickhouse::serde::uuid")]
    visit: Uuid,
    pool: String,
    entry: (String, Option<i64>),
    end: (String, Option<i64>),
}

/// Sums per day are made by ClickHouse; the few visits that others were merged into are looked at one by one.
pub async fn days(
    server: &ClickHouse,
    scopes: &[Scope],
    interval: Interval,
) -> Result<Vec<StayDay>, StoreError> {
    let mut days: HashMap<FacilityId, StayDays> =
        scopes.iter().map(|scope| (scope.facility, StayDays::new(scope))).collect();
    let mut by_zone = HashMap::<&str, Vec<Scope>>::new();
    for scope in scopes {
        by_zone.entry(scope.zone.as_str()).or_default().push(scope.clone());
    }
    for scopes in by_zone.values() {
        let merges = merges(server, scopes).await?;
        for day in unmerged(server, scopes, interval).await? {
            if let Some(days) = days.get_mut(&day.facility) {
                days.add_day(day);
            }
        }
        for (facility, pool, entered_at, ended_at) in merged(server, scopes, interval, &merges).await? {
            if let Some(days) = days.get_mut(&facility) {
                days.add(pool, entered_at, ended_at);
            }
        }
    }
    Ok(scopes.iter().filter_map(|scope| days.remove(&scope.facility)).flat_map(StayDays::done).collect())
}

/// What is known of the visits that `condition` names.
fn known(scopes: &[Scope], condition: &str) -> String {
    format!(
        "SELECT facility, visit, assumeNotNull(argMinIf(visits.pool, revision, isNotNull(visits.pool))) AS pool, \
         argMaxIf(tuple(kind, entered_at), revision, what = 'ENTERED') AS entry, \
         argMaxIf(tuple(kind, ended_at), tuple(revision, number), what IN ('ENDED', 'STILL_INSIDE')) AS end \
         FROM visits FINAL WHERE facility IN ({}) AND {condition} GROUP BY facility, visit",
        facilities(scopes)
    )
}

/// The sums of the visits that none was merged into, of facilities in one zone.
async fn unmerged(
    server: &ClickHouse,
    scopes: &[Scope],
    interval: Interval,
) -> Result<Vec<StayDay>, StoreError> {
    let Some(zone) = scopes.first().map(|scope| &scope.zone) else { return Ok(Vec::new()) };
    let (facilities, start, end) = (facilities(scopes), instant(interval.start), instant(interval.end));
    let condition = format!(
        "(facility, visit) IN (SELECT facility, visit FROM visits WHERE facility IN ({facilities}) AND ended_at >= \
         {start} AND ended_at < {end}) AND (facility, visit) NOT IN (SELECT facility, assumeNotNull(merged_into) \
         FROM visits WHERE facility IN ({facilities}) AND what = 'MERGED')"
    );
    let sql = format!(
        "SELECT facility, pool, roundDown(toUnixTimestamp64Milli(ended_at), CAST([{}], 'Array(Int64)')) AS began_at, \
         count() AS stays, sum(length) AS seconds, max(length) AS longest_seconds FROM (\
         SELECT facility, pool, assumeNotNull(end.2) AS ended_at, intDiv(greatest(toInt64(0), \
         toUnixTimestamp64Milli(ended_at) - toUnixTimestamp64Milli(assumeNotNull(entry.2))), 1000) AS length \
         FROM ({}) WHERE entry.1 = '{SEEN}' AND end.1 = '{SEEN}' AND end.2 >= {start} AND end.2 < {end}) \
         GROUP BY facility, pool, began_at",
        day_starts(zone, interval),
        known(scopes, &condition),
    );
    server.all::<Day>(&sql).await?.into_iter().map(Day::told).collect()
}

/// When the local days began that the interval touches.
fn day_starts(zone: &Zone, interval: Interval) -> String {
    let (mut starts, mut at) = (Vec::new(), interval.start);
    while at < interval.end {
        let day = zone.local_day(at);
        starts.push(day.start.millis().to_string());
        at = day.end;
    }
    starts.join(",")
}

impl Day {
    fn told(self) -> Result<StayDay, StoreError> {
        Ok(StayDay {
            facility: FacilityId(self.facility),
            pool: pool(&self.pool)?,
            began_at: Timestamp::from_millis(self.began_at),
            stays: self.stays,
            seconds: self.seconds,
            longest_seconds: self.longest_seconds,
        })
    }
}

fn pool(name: &str) -> Result<PoolId, StoreError> {
    PoolId::try_new(name).map_err(|error| StoreError::Row(RowError(error.to_string())))
}

async fn merges(server: &ClickHouse, scopes: &[Scope]) -> Result<Vec<Merge>, StoreError> {
    let sql = format!(
        "SELECT visit, assumeNotNull(merged_into) AS into FROM visits FINAL WHERE facility IN ({}) AND what = 'MERGED' \
         ORDER BY facility, revision",
        facilities(scopes)
    );
    Ok(server.all::<Merge>(&sql).await?)
}

/// The stays of the visits that others were merged into: each began with the earliest entry of them all.
async fn merged(
    server: &ClickHouse,
    scopes: &[Scope],
    interval: Interval,
    merges: &[Merge],
) -> Result<Vec<(FacilityId, PoolId, Timestamp, Timestamp)>, StoreError> {
    let mut visits: Vec<_> = merges.iter().flat_map(|merge| [merge.visit, merge.into]).collect();
    visits.sort_unstable();
    visits.dedup();
    let mut known_of = HashMap::<Uuid, Known>::new();
    for visits in visits.chunks(2_000) {
        let names: Vec<_> = visits.iter().map(|visit| format!("'{visit}'")).collect();
        let found = server.all::<Known>(&known(scopes, &format!("visit IN ({})", names.join(",")))).await?;
        known_of.extend(found.into_iter().map(|known| (known.visit, known)));
    }
    for merge in merges {
        let earlier = known_of.get(&merge.visit).map(|known| known.entry.clone());
        if let (Some(earlier), Some(kept)) = (earlier, known_of.get_mut(&merge.into)) {
            let is_earlier = earlier.1.is_some_and(|at| kept.entry.1.is_none_or(|kept| at < kept));
            if is_earlier {
                kept.entry = earlier;
            }
        }
    }
    let targets: std::collections::HashSet<_> = merges.iter().map(|merge| merge.into).collect();
    let ended = known_of.into_values().filter(|known| targets.contains(&known.visit));
    let mut stays = Vec::new();
    for known in ended.filter(|known| known.entry.0 == SEEN && known.end.0 == SEEN) {
        let (Some(entered_at), Some(ended_at)) = (known.entry.1, known.end.1) else { continue };
        let (entered_at, ended_at) = (Timestamp::from_millis(entered_at), Timestamp::from_millis(ended_at));
        if interval.contains(ended_at) {
            stays.push((FacilityId(known.facility), pool(&known.pool)?, entered_at, ended_at));
        }
    }
    Ok(stays)
}
