//! What operators watch: their facilities at a glance.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_graphql::{Context, ID, Object, Result, SimpleObject};
use octocity_domain::{Currency, FacilityId, OperatorId, Timestamp};
use octocity_projections::facilities::FacilityRow;
use octocity_projections::parking::queries::{traffic, visits_to_review};
use octocity_projections::parking::{OccupancyHourRow, VisitRow};
use octocity_projections::payments::RevenueHourRow;
use octocity_projections::payments::queries::{Revenue, revenue};
use octocity_projections::{Query, Row, StoreError};

use super::Api;
use super::parking::{Details, OccupancyObject, Reads};
use super::position::{OCCUPANCY, wait};
use super::relay::MAX_PAGE;
use super::scalars::{DateTime, Money, code_id, id};
use crate::faults::{bad_input, failed};

/// What was taken and given back today.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(name = "Revenue")]
pub struct RevenueObject {
    /// What was captured.
    captured: Money,
    /// What was refunded.
    refunded: Money,
}

/// One facility at a glance. Today is the facility's local day, in whole hours.
#[derive(Clone, Debug, SimpleObject)]
pub struct FacilityOverview {
    /// Who is inside and what is free.
    occupancy: OccupancyObject,
    /// Visits that somebody should look at.
    to_review: u64,
    /// Entries today.
    entries_today: u64,
    /// Exits today.
    exits_today: u64,
    /// Requests refused today.
    refused_today: u64,
    /// What was taken and given back today, per currency.
    revenue_today: Vec<RevenueObject>,
    /// When the facility's local day began.
    today_since: DateTime,
}

/// An operator's facilities at a glance: their sums, and each of them.
#[derive(Clone, Debug, Default, SimpleObject)]
pub struct OperatorOverview {
    /// The operator.
    operator: ID,
    /// Vehicles inside.
    inside: i64,
    /// Free places, where they are known.
    free: Option<i64>,
    /// Vehicles beyond the places.
    over_capacity: i64,
    /// Visits that somebody should look at.
    to_review: u64,
    /// Entries today.
    entries_today: u64,
    /// Exits today.
    exits_today: u64,
    /// Requests refused today.
    refused_today: u64,
    /// What was taken and given back today, per currency.
    revenue_today: Vec<RevenueObject>,
    /// Each facility, by name: the first 500. The sums are of all of them.
    facilities: Vec<FacilityOverview>,
}

type Sums = BTreeMap<Currency, Revenue>;

fn shown(sums: &Sums) -> Vec<RevenueObject> {
    let each = sums.iter().map(|(currency, sum)| RevenueObject {
        captured: Money::new(sum.captured_minor, *currency),
        refunded: Money::new(sum.refunded_minor, *currency),
    });
    each.collect()
}

async fn facility_overview(
    api: &Api,
    row: &FacilityRow,
    occupancy: OccupancyObject,
    now: Timestamp,
) -> Result<(FacilityOverview, Sums), StoreError> {
    let (store, today) = (&*api.models.store, row.zone.local_day(now));
    let passed = traffic(store, row.facility, today).await?;
    let sums = revenue(store, row.facility, today).await?;
    let to_review = visits_to_review(store, row.facility).await?;
    let overview = FacilityOverview {
        occupancy,
        to_review,
        entries_today: passed.values().map(|pool| pool.entries).sum(),
        exits_today: passed.values().map(|pool| pool.exits).sum(),
        refused_today: passed.values().map(|pool| pool.refused).sum(),
        revenue_today: shown(&sums),
        today_since: today.start.into(),
    };
    Ok((overview, sums))
}

/// The sums of all the operator's facilities, read page by page.
async fn overview(api: &Arc<Api>, operator: OperatorId) -> Result<OperatorOverview, StoreError> {
    let query = Query::<FacilityRow>::new().eq("operator", &operator).ascending("name").first(MAX_PAGE);
    let mut overview = OperatorOverview { operator: id(operator), ..OperatorOverview::default() };
    let (mut sums, mut after) = (Sums::new(), None);
    loop {
        let page = query.clone().after(after).run(&*api.models.store).await?;
        let shown = overview.add(api, &page.rows, &mut sums).await?;
        if overview.facilities.is_empty() {
            overview.facilities = shown;
        }
        after = page.rows.last().map(|row| query.cursor(row));
        if !page.has_more {
            overview.revenue_today = self::shown(&sums);
            return Ok(overview);
        }
    }
}

impl OperatorOverview {
    /// Adds these facilities to the sums, and gives each of them.
    async fn add(
        &mut self,
        api: &Arc<Api>,
        rows: &[FacilityRow],
        sums: &mut Sums,
    ) -> Result<Vec<FacilityOverview>, StoreError> {
        let ids: Vec<FacilityId> = rows.iter().map(|row| row.facility).collect();
        let present = OccupancyObject::of_many(api, &ids, Details::ALL, Reads::Stored).await?.into_iter();
        let mut present: BTreeMap<_, _> = present.map(|occupancy| (occupancy.key(), occupancy)).collect();
        let (mut facilities, now) = (Vec::new(), api.clock.now());
        for row in rows {
            let Some(occupancy) = present.remove(&row.facility) else { continue };
            self.inside += occupancy.sum_inside();
            self.over_capacity += occupancy.sum_over_capacity();
            self.free = occupancy.sum_free().map_or(self.free, |more| Some(self.free.unwrap_or(0) + more));
            let (facility, of_facility) = facility_overview(api, row, occupancy, now).await?;
            self.to_review += facility.to_review;
            self.entries_today += facility.entries_today;
            self.exits_today += facility.exits_today;
            self.refused_today += facility.refused_today;
            for (currency, sum) in of_facility {
                let total = sums.entry(currency).or_default();
                total.captured_minor += sum.captured_minor;
                total.refunded_minor += sum.refunded_minor;
            }
            facilities.push(facility);
        }
        Ok(facilities)
    }
}

#[derive(Default)]
pub struct OperatorQuery;

#[Object]
impl OperatorQuery {
    /// An operator's facilities at a glance: who is inside, what is free, what is to review, and today's traffic and
    /// revenue.
    #[graphql(complexity = "200 + 20 * child_complexity")]
    async fn operator_overview(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The operator.")] operator: ID,
        #[graphql(desc = "Wait for this position.")] after: Option<String>,
    ) -> Result<OperatorOverview> {
        let operator = code_id("operator", &operator)?;
        let figures = [VisitRow::TABLE, OccupancyHourRow::TABLE, RevenueHourRow::TABLE];
        let tables = [&OCCUPANCY[..], &figures].concat();
        wait(context, after.as_deref(), &tables).await?;
        let found = overview(Api::of(context), operator).await;
        let found = found.map_err(|fault| failed("reading an operator's overview", &fault))?;
        if found.facilities.is_empty() {
            return Err(bad_input("No facility has this operator; register one first or correct the code."));
        }
        Ok(found)
    }
}
