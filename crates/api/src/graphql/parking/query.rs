//! Reading visits, counts and lanes.

use std::sync::Arc;

use async_graphql::connection::Connection;
use async_graphql::{Context, ID, Object, Result, SimpleObject};
use octocity_domain::parking::{Departure, LATE_NEWS_SECONDS};
use octocity_domain::{FacilityId, Timestamp, VisitId};
use octocity_projections::parking::{OccupancyHourRow, UnmatchedExitRow, VisitRow};
use octocity_projections::payments::VisitPaymentRow;
use octocity_projections::{Query, Row};

use super::super::Api;
use super::super::credentials::{CredentialObject, shown};
use super::super::inputs::at_most;
use super::super::loaders::{Of, load_many};
use super::super::position::{OCCUPANCY, wait};
use super::super::relay::{Page, connection, page_cost};
use super::super::scalars::{DateTime, code_id, id, uuid_id};
use super::history::{HistoryEntry, history};
use super::lanes::{self, LaneActivity, LookedThrough};
use super::visit::{Irregularity, VisitFilter, VisitObject, find, visits_page};
use super::{Details, OccupancyObject, PastPools, past_moment};

/// An exit that no visit matched.
#[derive(Clone, Debug, SimpleObject)]
pub struct UnmatchedExit {
    /// The lane.
    lane: ID,
    /// The pool.
    pool: ID,
    /// It took an unidentified vehicle; false: nobody unidentified was inside, so an entry was missed.
    took_unidentified: bool,
    /// What was seen of it.
    credentials: Vec<CredentialObject>,
    /// What it broke.
    irregularities: Vec<Irregularity>,
}

/// The exits of one instant that no visit matched: nearly always one. A late entry or a review may still join one.
#[derive(Clone, Debug, SimpleObject)]
pub struct UnmatchedExits {
    /// When: what `reviewVisit` names it by.
    left_at: DateTime,
    /// The exits.
    exits: Vec<UnmatchedExit>,
}

impl From<UnmatchedExitRow> for UnmatchedExits {
    fn from(row: UnmatchedExitRow) -> Self {
        let exits = row.exits.iter().map(|exit| UnmatchedExit {
            lane: id(exit.lane),
            pool: id(exit.pool),
            took_unidentified: exit.departure == Departure::Unidentified,
            credentials: shown(&exit.credentials),
            irregularities: exit.irregularities.iter().copied().map(Into::into).collect(),
        });
        Self { left_at: row.left_at.into(), exits: exits.collect() }
    }
}

#[derive(Default)]
pub struct ParkingQuery;

#[Object]
impl ParkingQuery {
    /// Who is inside these facilities and what is free, now or at a past moment; unknown facilities are left out.
    #[graphql(complexity = "facilities.len().min(500) * (5 + child_complexity)")]
    async fn occupancy(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The facilities: at most 500.")] facilities: Vec<ID>,
        #[graphql(desc = "A past moment, by when things happened, none to come; left out: now.")] at: Option<
            DateTime,
        >,
        #[graphql(desc = "Wait for this position.")] after: Option<String>,
    ) -> Result<Vec<Arc<OccupancyObject>>> {
        let facilities: Vec<FacilityId> = at_most("facilities", facilities, 500)?
            .iter()
            .map(|facility| uuid_id("facilities", facility))
            .collect::<Result<_>>()?;
        let at = at.map(|at| past_moment(context, at)).transpose()?;
        let mut tables = OCCUPANCY.to_vec();
        if at.is_some() {
            tables.push(OccupancyHourRow::TABLE);
        }
        wait(context, after.as_deref(), &tables).await?;
        // Nothing but the counts is known of the past.
        let details = if at.is_none() { Details::asked(context) } else { Details::default() };
        let present = OccupancyObject::asked(Api::of(context), &facilities, details).await?;
        let Some(at) = at else { return Ok(present) };
        let keys = present.iter().map(|now| Of::<PastPools, (FacilityId, Timestamp)>::new((now.key(), at)));
        let pasts = load_many(context, keys).await?;
        Ok(present.into_iter().zip(pasts).map(|(now, past)| Arc::new(now.at_past(past))).collect())
    }

    /// One visit; null where no visit has this id.
    async fn visit(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The visit's id.")] id: ID,
        #[graphql(desc = "Wait for this position.")] after: Option<String>,
    ) -> Result<Option<VisitObject>> {
        let visit: VisitId = uuid_id("id", &id)?;
        wait(context, after.as_deref(), &[VisitRow::TABLE]).await?;
        let api = Api::of(context);
        let (row, position) = find(api, visit).await?;
        Ok(row.map(|row| VisitObject::as_of(row, api, position)))
    }

    /// A facility's visits, the latest first.
    #[graphql(complexity = "page_cost(first, last, child_complexity)")]
    #[allow(clippy::too_many_arguments)]
    async fn visits(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The facility.")] facility_id: ID,
        #[graphql(desc = "Which of them; left out: all.")] filter: Option<VisitFilter>,
        #[graphql(desc = "The first so many: 1 to 500; 50 if neither is given.")] first: Option<i32>,
        #[graphql(desc = "Those after this cursor.")] after: Option<String>,
        #[graphql(desc = "The last so many: 1 to 500.")] last: Option<i32>,
        #[graphql(desc = "Those before this cursor.")] before: Option<String>,
        #[graphql(desc = "Wait for this position.")] after_position: Option<String>,
    ) -> Result<Connection<String, VisitObject>> {
        let facility = uuid_id("facilityId", &facility_id)?;
        wait(context, after_position.as_deref(), &[VisitRow::TABLE]).await?;
        visits_page(context, facility, filter.unwrap_or_default(), Page { first, after, last, before }).await
    }

    /// A facility's visits that somebody should look at, the latest first.
    #[graphql(complexity = "page_cost(first, last, child_complexity)")]
    #[allow(clippy::too_many_arguments)]
    async fn to_review(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The facility.")] facility_id: ID,
        #[graphql(desc = "The first so many: 1 to 500; 50 if neither is given.")] first: Option<i32>,
        #[graphql(desc = "Those after this cursor.")] after: Option<String>,
        #[graphql(desc = "The last so many: 1 to 500.")] last: Option<i32>,
        #[graphql(desc = "Those before this cursor.")] before: Option<String>,
        #[graphql(desc = "Wait for this position.")] after_position: Option<String>,
    ) -> Result<Connection<String, VisitObject>> {
        let facility = uuid_id("facilityId", &facility_id)?;
        wait(context, after_position.as_deref(), &[VisitRow::TABLE]).await?;
        visits_page(context, facility, VisitFilter::to_review(), Page { first, after, last, before }).await
    }

    /// A visit's history, event by event, from the log: its gates, its session and its payments. Empty where no visit has
    /// this id.
    #[graphql(complexity = "20 * (1 + child_complexity)")]
    async fn visit_history(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The visit.")] visit_id: ID,
        #[graphql(desc = "Wait for this position.")] after: Option<String>,
    ) -> Result<Vec<HistoryEntry>> {
        let visit = uuid_id("visitId", &visit_id)?;
        wait(context, after.as_deref(), &[VisitRow::TABLE, VisitPaymentRow::TABLE]).await?;
        match find(Api::of(context), visit).await?.0 {
            Some(row) => history(context, &row).await,
            None => Ok(Vec::new()),
        }
    }

    /// A facility's exits of the last three days that no visit matched, the latest first.
    #[graphql(complexity = "page_cost(first, last, child_complexity)")]
    #[allow(clippy::too_many_arguments)]
    async fn unmatched_exits(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The facility.")] facility_id: ID,
        #[graphql(desc = "The first so many: 1 to 500; 50 if neither is given.")] first: Option<i32>,
        #[graphql(desc = "Those after this cursor.")] after: Option<String>,
        #[graphql(desc = "The last so many: 1 to 500.")] last: Option<i32>,
        #[graphql(desc = "Those before this cursor.")] before: Option<String>,
        #[graphql(desc = "Wait for this position.")] after_position: Option<String>,
    ) -> Result<Connection<String, UnmatchedExits>> {
        let facility: FacilityId = uuid_id("facilityId", &facility_id)?;
        wait(context, after_position.as_deref(), &[UnmatchedExitRow::TABLE]).await?;
        let since = Api::of(context).clock.now().minus_seconds(LATE_NEWS_SECONDS);
        let query = Query::<UnmatchedExitRow>::new()
            .eq("facility", &facility)
            .from("left_at", &since)
            .descending("left_at");
        connection(context, query, Page { first, after, last, before }, |row, _| row.into()).await
    }

    /// What happened at a lane, the newest first, from the log: requests, refusals and passages. A page looks through at
    /// most 20000 events of the facility; `nextAfter` is where it goes on.
    #[graphql(complexity = "page_cost(first, None, child_complexity)")]
    async fn lane_activity(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The facility.")] facility_id: ID,
        #[graphql(desc = "The lane.")] lane: ID,
        #[graphql(desc = "The first so many: 1 to 500; 50 if left out.")] first: Option<i32>,
        #[graphql(desc = "Those after this cursor: older ones.")] after: Option<String>,
    ) -> Result<Connection<String, LaneActivity, LookedThrough>> {
        let (facility, lane) = (uuid_id("facilityId", &facility_id)?, code_id("lane", &lane)?);
        lanes::page(context, facility, lane, Page { first, after, ..Page::default() }).await
    }
}
