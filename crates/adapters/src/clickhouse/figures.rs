//! Figures from facts: the same answers as from rows, to the digit.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use clickhouse::Row;
use octocity_domain::sessions::SessionEvent;
use octocity_domain::{FacilityId, Interval, PoolId, Timestamp, VisitId};
use octocity_log::{LogId, Position};
use octocity_projections::analytics::hours::of_pool;
use octocity_projections::analytics::revenue::RevenueDays;
use octocity_projections::analytics::{Figures, Hours, RevenueDay, Scope, StayDay};
use octocity_projections::parking::OccupancyHourRow;
use octocity_projections::sessions::SessionRow;
use octocity_projections::{RowError, StoreError};
use serde::Deserialize;
use uuid::Uuid;

use super::fault::OpenError;
use super::server::{ClickHouse, patiently};
use super::sink::check_log;
use super::stays;

const HOUR_MILLIS: i64 = 3_600_000;
/// How soon the checkpoint is looked at again by who waits for a position.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

pub struct ClickHouseFigures {
    server: ClickHouse,
    log: LogId,
    epoch: u32,
}

#[derive(Row, Deserialize)]
struct Reached {
    position: u64,
}

#[derive(Row, Deserialize)]
struct Before {
    #[serde(with = "clickhouse::serde::uuid")]
    facility: Uuid,
    pool: String,
    inside: i64,
}

#[derive(Row, Deserialize)]
struct Hour {
    #[serde(with = "clickhouse::serde::uuid")]
    facility: Uuid,
    pool: String,
    hour: i64,
    changes: Vec<(u16, i64)>,
    entries: u64,
    exits: u64,
    refused: u64,
}

#[derive(Row, Deserialize)]
struct Session {
    #[serde(with = "clickhouse::serde::uuid")]
    facility: Uuid,
    #[serde(with = "clickhouse::serde::uuid")]
    visit: Uuid,
    events: Vec<String>,
}

impl ClickHouseFigures {
    pub const fn new(server: ClickHouse, log: LogId, epoch: u32) -> Self {
        Self { server, log, epoch }
    }

    /// Refuses a database that tells of another log, whose answers would be about nothing.
    pub async fn check(&self) -> Result<(), OpenError> {
        check_log(&self.server, self.log, self.epoch).await
    }

    /// What was inside each pool before the first hour: the sums of the days before, and the changes of that day.
    async fn before(
        &self,
        scopes: &[Scope],
        hours: Hours,
    ) -> Result<HashMap<(FacilityId, String), i64>, StoreError> {
        let (facilities, start) = (facilities(scopes), instant(hours.start()));
        let sql = format!(
            "SELECT facility, pool, sum(change) AS inside FROM (\
             SELECT facility, pool, change FROM pool_days FINAL WHERE facility IN ({facilities}) AND day < \
             toDate32({start}) UNION ALL \
             SELECT facility, pool, toInt64(change) AS change FROM movements FINAL WHERE facility IN ({facilities}) \
             AND happened_at >= toStartOfDay({start}) AND happened_at < {start}) GROUP BY facility, pool"
        );
        let rows = self.server.all::<Before>(&sql).await?;
        Ok(rows.into_iter().map(|row| ((FacilityId(row.facility), row.pool), row.inside)).collect())
    }

    /// The hours in which something happened, by hour.
    async fn busy_hours(
        &self,
        scopes: &[Scope],
        hours: Hours,
    ) -> Result<HashMap<(FacilityId, String), Vec<Hour>>, StoreError> {
        let (start, first) = (hours.start(), hours.first);
        let sql = format!(
            "SELECT facility, pool, hour, arraySort(groupArrayIf((second, change), change != 0)) AS changes, \
             sum(entries) AS entries, sum(exits) AS exits, sum(refused) AS refused FROM (\
             WITH toUnixTimestamp64Milli(happened_at) - {} AS since SELECT facility, pool, \
             toInt64({first} + intDiv(since, {HOUR_MILLIS})) AS hour, \
             toUInt16(intDiv(since % {HOUR_MILLIS}, 1000)) AS second, sum(movements.change) AS change, \
             countIf(passing = 'ENTRY') AS entries, countIf(passing = 'EXIT') AS exits, \
             countIf(passing = 'REFUSAL') AS refused FROM movements FINAL \
             WHERE facility IN ({}) AND happened_at >= {} AND happened_at < {} GROUP BY facility, pool, hour, second) \
             GROUP BY facility, pool, hour ORDER BY hour",
            start.millis(),
            facilities(scopes),
            instant(start),
            instant(Timestamp::from_millis(hours.end * HOUR_MILLIS)),
        );
        let mut busy = HashMap::<_, Vec<_>>::new();
        for row in self.server.all::<Hour>(&sql).await? {
            busy.entry((FacilityId(row.facility), row.pool.clone())).or_default().push(row);
        }
        Ok(busy)
    }
}

#[async_trait]
impl Figures for ClickHouseFigures {
    async fn reached(&self, position: Position, at_most: Duration) -> Result<bool, StoreError> {
        let sql = format!(
            "SELECT max(checkpoints.position) AS position FROM checkpoints FINAL WHERE log = '{}' AND epoch = {}",
            self.log.0, self.epoch
        );
        let there = async {
            loop {
                let reached = self.server.all::<Reached>(&sql).await?;
                if reached.first().is_some_and(|reached| reached.position >= position.0) {
                    return Ok(true);
                }
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        match position {
            Position(0) => Ok(true),
            _ => tokio::time::timeout(at_most, there).await.unwrap_or(Ok(false)),
        }
    }

    async fn pool_hours(&self, scopes: &[Scope], hours: Hours) -> Result<Vec<OccupancyHourRow>, StoreError> {
        let mut all = Vec::new();
        if scopes.is_empty() || hours.count() == 0 {
            return Ok(all);
        }
        let before = self.before(scopes, hours).await?;
        let mut busy = self.busy_hours(scopes, hours).await?;
        for scope in scopes {
            for pool in &scope.pools {
                let named = (scope.facility, pool.as_str().to_owned());
                let inside = before.get(&named).copied().unwrap_or(0);
                let key = (scope.facility, *pool);
                let rows = rows_of(key, inside, busy.remove(&named).unwrap_or_default());
                of_pool(key, hours, inside, rows, &mut all);
            }
        }
        Ok(all)
    }

    async fn stay_days(&self, scopes: &[Scope], interval: Interval) -> Result<Vec<StayDay>, StoreError> {
        stays::days(&self.server, scopes, interval).await
    }

    /// Prices follow from a session's facts by the rules of its tariff, which stand in the domain alone.
    async fn revenue_days(
        &self,
        scopes: &[Scope],
        interval: Interval,
    ) -> Result<Vec<RevenueDay>, StoreError> {
        if scopes.is_empty() {
            return Ok(Vec::new());
        }
        let facilities = facilities(scopes);
        let sql = format!(
            "SELECT facility, visit, arrayMap(told -> told.2, arraySort(groupArray((revision, event)))) AS events \
             FROM sessions FINAL WHERE facility IN ({facilities}) AND (facility, visit) IN (\
             SELECT facility, visit FROM sessions WHERE facility IN ({facilities}) AND ended_at >= {} AND \
             ended_at < {}) GROUP BY facility, visit",
            instant(interval.start),
            instant(interval.end),
        );
        let mut days: HashMap<FacilityId, RevenueDays> =
            scopes.iter().map(|scope| (scope.facility, RevenueDays::new(scope))).collect();
        let mut sessions = self.server.cursor::<Session>(&sql)?;
        while let Some(found) = patiently(sessions.next()).await.map_err(super::Fault::from)? {
            let key = (FacilityId(found.facility), VisitId(found.visit));
            let events = found.events.iter().map(|event| serde_json::from_str::<SessionEvent>(event));
            let events = events.collect::<Result<Vec<_>, _>>().map_err(|error| unreadable(&error))?;
            let session = SessionRow::of_events(key, &events);
            let Some(session) = session.filter(|session| ended_within(session, interval)) else { continue };
            if let Some(days) = days.get_mut(&key.0) {
                days.add(&session);
            }
        }
        Ok(scopes
            .iter()
            .filter_map(|scope| days.remove(&scope.facility))
            .flat_map(RevenueDays::done)
            .collect())
    }
}

fn ended_within(session: &SessionRow, interval: Interval) -> bool {
    session.ended_at.is_some_and(|ended_at| interval.contains(ended_at))
}

fn unreadable(error: &serde_json::Error) -> StoreError {
    StoreError::Row(RowError(octocity_log::json_fault(error)))
}

fn rows_of(key: (FacilityId, PoolId), mut inside: i64, hours: Vec<Hour>) -> Vec<OccupancyHourRow> {
    let row = |hour: Hour| {
        let narrow =
            |change: i64| i32::try_from(change).unwrap_or(if change < 0 { i32::MIN } else { i32::MAX });
        let changes = hour.changes.iter().map(|(second, change)| (*second, narrow(*change))).collect();
        let mut row = OccupancyHourRow::changed(key, hour.hour, inside, changes);
        (row.entries, row.exits, row.refused) = (hour.entries, hour.exits, hour.refused);
        inside += row.net;
        row
    };
    hours.into_iter().map(row).collect()
}

/// The facilities as a list of SQL.
pub(super) fn facilities(scopes: &[Scope]) -> String {
    let quoted: Vec<_> = scopes.iter().map(|scope| format!("'{}'", scope.facility)).collect();
    quoted.join(",")
}

/// An instant in SQL.
pub(super) fn instant(at: Timestamp) -> String {
    format!("fromUnixTimestamp64Milli(toInt64({}), 'UTC')", at.millis())
}
