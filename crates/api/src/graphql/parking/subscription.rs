//! Following counts, visits and lanes.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_graphql::{Context, ID, Result, Subscription};
use futures_util::FutureExt;
use futures_util::future::select_all as select_first;
use futures_util::stream::{Stream, StreamExt, select_all};
use octocity_domain::{Category, Event, FacilityId, PaymentId, VisitId};
use octocity_log::{Position, RecordedEvent, StreamId};
use octocity_projections::Row;
use octocity_projections::parking::VisitRow;
use octocity_projections::sessions::SessionRow;

use super::super::Api;
use super::super::follow::{Follower, Part};
use super::super::inputs::at_most;
use super::super::position::{OCCUPANCY, wait};
use super::super::scalars::{code_id, uuid_id};
use super::history::{HistoryEntry, decoded, pays_for, speaks_of};
use super::lanes::{LaneActivity, activity, known};
use super::visit::{VisitObject, find};
use super::{Details, OccupancyObject, Reads};
use crate::faults::{bad_input, failed, outlast, patience};

/// What is shown whole, as it is.
#[derive(Default)]
pub struct ParkingSubscription;

#[Subscription]
impl ParkingSubscription {
    /// Who is inside these facilities and what is free. First the state of each; then, whenever one changes, its whole
    /// new state. Changes that come faster than they are read are merged; the last always arrives.
    async fn occupancy(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The facilities: at most 500.")] facilities: Vec<ID>,
        #[graphql(desc = "Begin at this position or later.")] after: Option<String>,
    ) -> Result<impl Stream<Item = Result<OccupancyObject>> + use<>> {
        let facilities: BTreeSet<FacilityId> = at_most("facilities", facilities, 500)?
            .iter()
            .map(|facility| uuid_id("facilities", facility))
            .collect::<Result<_>>()?;
        wait(context, after.as_deref(), &OCCUPANCY).await?;
        let api = Arc::clone(Api::of(context));
        let details = Details::asked(context);
        let known = present(&api, &facilities.iter().copied().collect::<Vec<_>>(), details).await?;
        if known.len() < facilities.len() {
            return Err(bad_input(
                "One of these facilities is unknown; register it first or correct its id.",
            ));
        }
        let each = move |facility| counts(Arc::clone(&api), facility, details).boxed();
        Ok(select_all(facilities.into_iter().map(each)))
    }

    /// One visit. First its state; then, whenever it or its session changes, its whole new state.
    async fn visit(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The visit.")] id: ID,
        #[graphql(desc = "Begin at this position or later.")] after: Option<String>,
    ) -> Result<impl Stream<Item = Result<VisitObject>> + use<>> {
        let visit: VisitId = uuid_id("id", &id)?;
        wait(context, after.as_deref(), &[VisitRow::TABLE]).await?;
        let api = Arc::clone(Api::of(context));
        let row = find(&api, visit).await?.0;
        let row = row.ok_or_else(|| {
            bad_input("No visit has this id; correct it, or pass the position of its grant as 'after'.")
        })?;
        Ok(states_of_visit(api, row.key()))
    }
}

async fn present(
    api: &Arc<Api>,
    facilities: &[FacilityId],
    details: Details,
) -> Result<Vec<OccupancyObject>> {
    let found = OccupancyObject::of_many(api, facilities, details, Reads::Followed).await;
    found.map_err(|fault| failed("reading occupancies", &fault))
}

/// Listening begins before the first reading, so nothing is missed in between.
fn counts(
    api: Arc<Api>,
    facility: FacilityId,
    details: Details,
) -> impl Stream<Item = Result<OccupancyObject>> {
    async_stream::stream! {
        let mut topics = details.topics(&api.models.live, facility);
        let mut retry = patience();
        loop {
            let found = match present(&api, &[facility], details).await {
                Ok(mut found) => found.pop(),
                Err(error) => {
                    if let Err(error) = outlast(&mut retry, error).await {
                        yield Err(error);
                        return;
                    }
                    continue;
                }
            };
            retry.is_over();
            let silence = found.as_ref().and_then(|found| found.turns_stale_in(api.clock.now()));
            if let Some(found) = found {
                yield Ok(found);
            }
            let changed = tokio::select! {
                changed = any_changed(&mut topics) => changed,
                () = until(silence) => Some(Position::default()),
            };
            if changed.is_none() {
                return;
            }
        }
    }
}

/// Waits for the first of them that changes. Those that changed with it are seen with it.
async fn any_changed(topics: &mut [octocity_projections::Subscription]) -> Option<Position> {
    let (changed, ..) = select_first(topics.iter_mut().map(|topic| topic.changed().boxed())).await;
    for topic in topics {
        topic.changed().now_or_never();
    }
    changed
}

async fn until(silence: Option<Duration>) {
    match silence {
        Some(silence) => tokio::time::sleep(silence).await,
        None => std::future::pending().await,
    }
}

fn states_of_visit(api: Arc<Api>, key: (FacilityId, VisitId)) -> impl Stream<Item = Result<VisitObject>> {
    async_stream::stream! {
        let mut rows = api.models.live.row::<VisitRow>(&key);
        let mut sessions = api.models.live.row::<SessionRow>(&key);
        let mut retry = patience();
        loop {
            match find(&api, key.1).await {
                Ok((Some(row), position)) => yield Ok(VisitObject::as_of(row, &api, position)),
                Ok((None, _)) => {}
                Err(error) => {
                    if let Err(error) = outlast(&mut retry, error).await {
                        yield Err(error);
                        return;
                    }
                    continue;
                }
            }
            retry.is_over();
            let changed = tokio::select! {
                changed = rows.changed() => changed,
                changed = sessions.changed() => changed,
            };
            if changed.is_none() {
                return;
            }
        }
    }
}

/// What is told event by event.
#[derive(Default)]
pub struct EventsSubscription;

#[Subscription]
impl EventsSubscription {
    /// What happens at a lane, each thing once, in the log's order.
    async fn lane_activity(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The facility.")] facility_id: ID,
        #[graphql(desc = "The lane.")] lane: ID,
        #[graphql(desc = "Behind this position; left out: from now on.")] after: Option<String>,
    ) -> Result<impl Stream<Item = Result<LaneActivity>> + use<>> {
        let (facility, lane) = (uuid_id::<FacilityId>("facilityId", &facility_id)?, code_id("lane", &lane)?);
        let api = Arc::clone(Api::of(context));
        let after = after.map(|token| api.parse_token(&token)).transpose()?;
        known(&api, facility, lane).await?;
        let stream = StreamId::new(Category::Parking, facility.uuid());
        let mut follower = Follower::new(&api, &[Part::Stream(stream)], after).await?;
        Ok(async_stream::stream! {
            while let Some(read) = follower.next().await {
                match read {
                    Ok(events) => {
                        for event in &events {
                            if let Some(activity) = activity(&api, event, lane) {
                                yield Ok(activity);
                            }
                        }
                    }
                    Err(error) => {
                        yield Err(error);
                        return;
                    }
                }
            }
        })
    }

    /// What becomes of a visit, at its gates, its session and its payments: each event once, in the log's order.
    async fn visit_history(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The visit.")] visit_id: ID,
        #[graphql(desc = "Behind this position; left out: from now on.")] after: Option<String>,
    ) -> Result<impl Stream<Item = Result<HistoryEntry>> + use<>> {
        let visit: VisitId = uuid_id("visitId", &visit_id)?;
        wait(context, after.as_deref(), &[VisitRow::TABLE]).await?;
        let api = Arc::clone(Api::of(context));
        let row = find(&api, visit).await?.0;
        let row = row.ok_or_else(|| {
            bad_input("No visit has this id; correct it, or pass the position of its grant as 'after'.")
        })?;
        let after = after.map(|token| api.parse_token(&token)).transpose()?;
        let parts = [
            Part::Stream(StreamId::new(Category::Parking, row.facility.uuid())),
            Part::Stream(StreamId::new(Category::Session, visit.uuid())),
            Part::Category(Category::Payment),
        ];
        let mut follower = Follower::new(&api, &parts, after).await?;
        let mut concern =
            Concern { visit, grants: row.grant.into_iter().collect(), payments: BTreeSet::new() };
        Ok(async_stream::stream! {
            while let Some(read) = follower.next().await {
                let events = match read {
                    Ok(events) => events,
                    Err(error) => {
                        yield Err(error);
                        return;
                    }
                };
                for event in &events {
                    match concern.holds(&api, event).await {
                        Ok(true) => yield Ok(HistoryEntry::new(&api, event)),
                        Ok(false) => {}
                        Err(error) => {
                            yield Err(error);
                            return;
                        }
                    }
                }
            }
        })
    }
}

/// Which events concern a visit.
struct Concern {
    visit: VisitId,
    grants: BTreeSet<octocity_domain::GrantId>,
    payments: BTreeSet<PaymentId>,
}

impl Concern {
    async fn holds(&mut self, api: &Api, event: &RecordedEvent) -> Result<bool> {
        match decoded(event) {
            Some(Event::Parking(event)) => Ok(speaks_of(&event, self.visit, &mut self.grants)),
            Some(Event::Session(_)) => Ok(true),
            Some(Event::Payment(_)) => self.pays(api, event).await,
            Some(Event::Facility(_) | Event::Reservations(_) | Event::Skips(_)) | None => Ok(false),
        }
    }

    /// A payment's first event says what it pays for.
    async fn pays(&mut self, api: &Api, event: &RecordedEvent) -> Result<bool> {
        let payment = PaymentId::new(event.stream.id);
        if self.payments.contains(&payment) {
            return Ok(true);
        }
        let first = api.log.read_stream(event.stream, 0, 1).await;
        let first = first.map_err(|fault| failed("reading a payment's request", &fault))?;
        let pays = match first.first().and_then(decoded) {
            Some(Event::Payment(request)) => pays_for(&request, self.visit).unwrap_or(false),
            _ => false,
        };
        if pays {
            self.payments.insert(payment);
        }
        Ok(pays)
    }
}
