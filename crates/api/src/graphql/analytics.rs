//! What analysts ask: series and sums over hours and days.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_graphql::parser::types::Field;
use async_graphql::registry::Registry;
use async_graphql::{
    ComplexObject, Context, ContextSelectionSet, ID, Object, OutputType, Positioned, Result, ServerResult,
    SimpleObject, Value,
};
use octocity_domain::{FacilityId, Interval, PoolId};
use octocity_projections::analytics::{Hours, PoolDay, RevenueDay, Scope, StayDay, pool_days};
use octocity_projections::facilities::FacilityRow;
use octocity_projections::parking::{OccupancyHourRow, OccupancyRow, VisitRow};
use octocity_projections::sessions::SessionRow;
use octocity_projections::{Query, Row, StoreError};
use tokio::sync::OnceCell;

use super::Api;
use super::inputs::{at_most, each};
use super::position::{not_reached, wait};
use super::relay::heavy_cost;
use super::scalars::{DateTime, Money, id, uuid_id};
use crate::faults::{bad_input, failed};

const MOST_FACILITIES: usize = 100;
/// Of all pools of one question together: a year of eleven, or a week of six hundred.
const MOST_HOURS: usize = 100_000;
/// Of all pools of one series.
const MOST_COUNTS: usize = 250_000;
/// A plain number is shown for less than a field of an object.
const COUNTS_PER_FIELD: usize = 5;

/// One pool's whole hour of UTC. Every hour has one, also where nothing passed.
#[derive(Clone, Debug, SimpleObject)]
pub struct OccupancyHour {
    /// The pool.
    pool: ID,
    /// When the hour began.
    hour: DateTime,
    /// Inside when it began.
    inside_at_start: i64,
    /// The most that were inside.
    peak: i64,
    /// The average inside, over its seconds.
    average: f64,
    /// Entries.
    entries: u64,
    /// Exits.
    exits: u64,
    /// Requests refused.
    refused: u64,
}

/// One pool's local day, as far as its whole hours lie within the interval.
#[derive(Clone, Debug, SimpleObject)]
pub struct OccupancyDay {
    /// The pool.
    pool: ID,
    /// The day in the facility's zone, as YYYY-MM-DD.
    day: String,
    /// How many of its hours are in the sums; 23 to 25 of a whole day.
    hours: u32,
    /// The most that were inside.
    peak: i64,
    /// The average inside.
    average: f64,
    /// Entries.
    entries: u64,
    /// Exits.
    exits: u64,
    /// Requests refused.
    refused: u64,
    /// Entries per place, of the places that the pool has now; null where nobody knows them.
    turnover: Option<f64>,
}

/// The stays of one pool that ended on one local day. Only those that were seen to enter and to leave count.
#[derive(Clone, Debug, SimpleObject)]
pub struct StaysDay {
    /// The pool.
    pool: ID,
    /// The day in the facility's zone, as YYYY-MM-DD.
    day: String,
    /// How many.
    stays: u64,
    /// The average stay in seconds.
    average_seconds: f64,
    /// The longest in seconds.
    longest_seconds: i64,
}

/// The sessions of one pool and tariff that ended on one local day.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(name = "RevenueDay")]
pub struct RevenueDayObject {
    /// The pool.
    pool: ID,
    /// The version of the tariff.
    tariff: ID,
    /// The day in the facility's zone, as YYYY-MM-DD.
    day: String,
    /// How many sessions.
    sessions: u64,
    /// What they cost, whenever it is paid.
    charged: Money,
    /// What was paid for them by now, less refunds.
    paid: Money,
    /// What is still owed.
    owed: Money,
}

/// How many were inside a pool at evenly spaced instants, without gaps.
#[derive(Clone, Debug, SimpleObject)]
pub struct OccupancySeries {
    /// The pool.
    pool: ID,
    /// Places in service now; null where nobody knows them.
    places: Option<i64>,
    /// The instant of the first value.
    from: DateTime,
    /// The time between two values.
    step_minutes: u16,
    /// Inside at each instant.
    inside: Counts,
}

/// A list of counts that is shown at once: a list that the executor resolves costs a future for each.
#[derive(Clone, Debug)]
struct Counts(Vec<i64>);

impl OutputType for Counts {
    fn type_name() -> Cow<'static, str> {
        <Vec<i64> as OutputType>::type_name()
    }
    fn qualified_type_name() -> String {
        <Vec<i64> as OutputType>::qualified_type_name()
    }
    fn create_type_info(registry: &mut Registry) -> String {
        <Vec<i64> as OutputType>::create_type_info(registry)
    }
    async fn resolve(&self, _: &ContextSelectionSet<'_>, _: &Positioned<Field>) -> ServerResult<Value> {
        Ok(Value::List(self.0.iter().map(|count| Value::from(*count)).collect()))
    }
}

/// What figures cost: of each facility and day, what is asked of a day.
fn cost(facilities: &[ID], from: DateTime, until: DateTime, of_day: usize) -> usize {
    let days = usize::try_from(until.0.seconds_since(from.0) / 86_400 + 1).unwrap_or(0);
    heavy_cost(facilities.len().min(MOST_FACILITIES).saturating_mul(days), of_day)
}

/// What a day of a series costs.
fn series_cost(step_minutes: u16, of_each: usize) -> usize {
    of_each + 24 * 60 / usize::from(step_minutes.max(1)) / COUNTS_PER_FIELD
}

/// What one question asks of all its facilities, read once for all of them when the first field wants it.
#[derive(Debug)]
struct Asked {
    scopes: Vec<Scope>,
    interval: Interval,
    hours: OnceCell<Vec<OccupancyHourRow>>,
    stays: OnceCell<Vec<StayDay>>,
    revenue: OnceCell<Vec<RevenueDay>>,
}

impl Asked {
    async fn hours(&self, api: &Api) -> Result<&[OccupancyHourRow]> {
        let read = || api.models.figures.pool_hours(&self.scopes, Hours::within(&self.interval));
        self.hours.get_or_try_init(read).await.map(Vec::as_slice).map_err(|fault| unread(&fault))
    }
    async fn stays(&self, api: &Api) -> Result<&[StayDay]> {
        let read = || api.models.figures.stay_days(&self.scopes, self.interval);
        self.stays.get_or_try_init(read).await.map(Vec::as_slice).map_err(|fault| unread(&fault))
    }
    async fn revenue(&self, api: &Api) -> Result<&[RevenueDay]> {
        let read = || api.models.figures.revenue_days(&self.scopes, self.interval);
        self.revenue.get_or_try_init(read).await.map(Vec::as_slice).map_err(|fault| unread(&fault))
    }
}

/// One facility's figures. They tell of when things happened, as known now: late news changes the past.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex)]
pub struct FacilityAnalytics {
    #[graphql(skip)]
    row: FacilityRow,
    #[graphql(skip)]
    asked: Arc<Asked>,
    /// The places in service now, of each pool.
    #[graphql(skip)]
    places: HashMap<PoolId, Option<i64>>,
    /// The facility.
    facility_id: ID,
    /// Its IANA zone: that of its days.
    zone: String,
}

impl FacilityAnalytics {
    fn day(&self, began_at: octocity_domain::Timestamp) -> String {
        self.row.zone.local_date(began_at)
    }

    async fn hours(&self, api: &Api) -> Result<impl Iterator<Item = &OccupancyHourRow>> {
        Ok(self.asked.hours(api).await?.iter().filter(|hour| hour.facility == self.row.facility))
    }

    fn places(&self, pool: PoolId) -> Option<i64> {
        self.places.get(&pool).copied().flatten()
    }

    fn shown_day(&self, day: &PoolDay) -> OccupancyDay {
        let places = self.places(day.pool).filter(|places| *places > 0);
        OccupancyDay {
            pool: id(day.pool),
            day: self.day(day.began_at),
            hours: day.hours,
            peak: day.peak,
            average: day.vehicle_seconds as f64 / (f64::from(day.hours) * 3_600.0),
            entries: day.entries,
            exits: day.exits,
            refused: day.refused,
            turnover: places.map(|places| day.entries as f64 / places as f64),
        }
    }
}

fn unread(fault: &StoreError) -> async_graphql::Error {
    failed("reading figures", fault)
}

#[ComplexObject]
impl FacilityAnalytics {
    /// Occupancy hour by hour, of the whole hours of the interval, by pool and hour.
    #[graphql(complexity = "heavy_cost(10, child_complexity)")]
    async fn occupancy_by_hour(&self, context: &Context<'_>) -> Result<Vec<OccupancyHour>> {
        let hours = self.hours(Api::of(context)).await?;
        Ok(hours
            .map(|hour| OccupancyHour {
                pool: id(hour.pool),
                hour: hour.began_at().into(),
                inside_at_start: hour.inside_at_start(),
                peak: hour.most_inside(),
                average: hour.vehicle_seconds() as f64 / 3_600.0,
                entries: hour.entries,
                exits: hour.exits,
                refused: hour.refused,
            })
            .collect())
    }

    /// Occupancy and turnover day by day, by pool and day.
    #[graphql(complexity = "5 + child_complexity")]
    async fn occupancy_by_day(&self, context: &Context<'_>) -> Result<Vec<OccupancyDay>> {
        let days = pool_days(self.hours(Api::of(context)).await?, &self.row.zone);
        Ok(days.iter().map(|day| self.shown_day(day)).collect())
    }

    /// Average stays day by day, by pool and the day they ended on.
    #[graphql(complexity = "10 + child_complexity")]
    async fn stays_by_day(&self, context: &Context<'_>) -> Result<Vec<StaysDay>> {
        let days = self.asked.stays(Api::of(context)).await?;
        let shown = |day: &StayDay| StaysDay {
            pool: id(day.pool),
            day: self.day(day.began_at),
            stays: day.stays,
            average_seconds: day.seconds as f64 / day.stays as f64,
            longest_seconds: day.longest_seconds,
        };
        Ok(days.iter().filter(|day| day.facility == self.row.facility).map(shown).collect())
    }

    /// What stays cost and what was paid for them, by pool, tariff and the day they ended on.
    #[graphql(complexity = "10 + child_complexity")]
    async fn revenue_by_day(&self, context: &Context<'_>) -> Result<Vec<RevenueDayObject>> {
        let days = self.asked.revenue(Api::of(context)).await?;
        let shown = |day: &RevenueDay| RevenueDayObject {
            pool: id(day.pool),
            tariff: id(day.tariff.as_str()),
            day: self.day(day.began_at),
            sessions: day.sessions,
            charged: Money::new(day.charged_minor, day.currency),
            paid: Money::new(day.paid_minor, day.currency),
            owed: Money::new(day.owed_minor, day.currency),
        };
        Ok(days.iter().filter(|day| day.facility == self.row.facility).map(shown).collect())
    }

    /// Evenly spaced counts of each pool, ready for a forecast: the whole hours of the interval, cut into steps.
    #[graphql(complexity = "series_cost(step_minutes, child_complexity)")]
    async fn occupancy_series(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The time between two values: a divisor of 60.", default = 60)] step_minutes: u16,
    ) -> Result<Vec<OccupancySeries>> {
        if step_minutes == 0 || 60 % step_minutes != 0 {
            return Err(bad_input(
                "'stepMinutes' divides an hour: 1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30 or 60.",
            ));
        }
        let hours: Vec<_> = self.hours(Api::of(context)).await?.collect();
        if hours.len() * usize::from(60 / step_minutes) > MOST_COUNTS {
            return Err(bad_input(
                "That is more than 250000 counts; ask for longer steps or a shorter interval.",
            ));
        }
        let of_pool = |hours: &[&OccupancyHourRow]| OccupancySeries {
            pool: id(hours[0].pool),
            places: self.places(hours[0].pool),
            from: hours[0].began_at().into(),
            step_minutes,
            inside: Counts(hours.iter().flat_map(|hour| hour.inside_each(step_minutes)).collect()),
        };
        Ok(hours.chunk_by(|one, next| one.pool == next.pool).map(of_pool).collect())
    }
}

#[derive(Default)]
pub struct AnalyticsQuery;

#[Object]
impl AnalyticsQuery {
    /// Figures of these facilities over an interval: occupancy by hour and day, stays, revenue, and series for forecasts.
    /// Unknown facilities are left out.
    #[graphql(complexity = "cost(&facilities, from, until, child_complexity)")]
    async fn analytics(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The facilities: at most 100.")] facilities: Vec<ID>,
        #[graphql(desc = "From then on.")] from: DateTime,
        #[graphql(desc = "Until then, not included; what is to come is left out.")] until: DateTime,
        #[graphql(desc = "Wait for this position.")] after: Option<String>,
    ) -> Result<Vec<FacilityAnalytics>> {
        let facilities = at_most("facilities", facilities, MOST_FACILITIES)?;
        let facilities: Vec<FacilityId> = each(facilities, |facility| uuid_id("facilities", &facility))?;
        let api = Api::of(context);
        let interval = Interval::try_new(from.0, until.0.min(api.clock.now()));
        let interval = interval.ok_or_else(|| bad_input("'from' lies before 'until' and in the past."))?;
        let position = wait(
            context,
            after.as_deref(),
            &[
                FacilityRow::TABLE,
                OccupancyRow::TABLE,
                OccupancyHourRow::TABLE,
                VisitRow::TABLE,
                SessionRow::TABLE,
            ],
        )
        .await?;
        let at_most = Duration::from_secs(api.limits.wait_seconds);
        match api.models.figures.reached(position, at_most).await {
            Ok(true) => figures_of(api, &facilities, interval).await,
            Ok(false) => Err(not_reached("figures")),
            Err(fault) => Err(unread(&fault)),
        }
    }
}

async fn figures_of(
    api: &Api,
    facilities: &[FacilityId],
    interval: Interval,
) -> Result<Vec<FacilityAnalytics>> {
    let store = &*api.models.store;
    let rows = Query::<FacilityRow>::new().is_in("facility", facilities).run(store).await;
    let rows = rows.map_err(|fault| unread(&fault))?.rows;
    let pools = Query::<OccupancyRow>::new().is_in("facility", facilities).run(store).await;
    let pools = pools.map_err(|fault| unread(&fault))?.rows;
    if Hours::within(&interval).count().saturating_mul(pools.len()) > MOST_HOURS {
        return Err(bad_input(
            "That is more than 100000 hours of all pools together; ask for a shorter interval or fewer facilities.",
        ));
    }
    let of = |facility: FacilityId| pools.iter().filter(move |pool| pool.facility == facility);
    let scope = |row: &FacilityRow| Scope {
        facility: row.facility,
        zone: row.zone.clone(),
        pools: of(row.facility).map(|pool| pool.pool).collect(),
    };
    let scopes = rows.iter().map(scope).collect();
    let (hours, stays, revenue) = (OnceCell::new(), OnceCell::new(), OnceCell::new());
    let asked = Arc::new(Asked { scopes, interval, hours, stays, revenue });
    let figures = |row: FacilityRow| FacilityAnalytics {
        facility_id: id(row.facility),
        zone: row.zone.as_str().to_owned(),
        asked: Arc::clone(&asked),
        places: of(row.facility)
            .filter(|pool| row.layout.pool(pool.pool).is_some())
            .map(|pool| (pool.pool, pool.places_in_service()))
            .collect(),
        row,
    };
    Ok(rows.into_iter().map(figures).collect())
}
