//! What happened at one lane, from the log: requests, refusals and passages.

use async_graphql::connection::{Connection, Edge};
use async_graphql::{Context, Enum, ID, Result, SimpleObject};
use octocity_domain::parking::{Direction, ParkingEvent};
use octocity_domain::{Category, Event, FacilityId, LaneId};
use octocity_log::{RecordedEvent, StreamId};

use super::super::Api;
use super::super::credentials::{CredentialObject, shown};
use super::super::follow::BEYOND;
use super::super::relay::Page;
use super::super::scalars::{DateTime, id};
use super::history::decoded;
use super::inputs::DirectionName;
use super::visit::Irregularity;
use crate::faults::{bad_input, command_error, failed};

/// What can happen at a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum LaneEvent {
    /// An entry was granted.
    EntryGranted,
    /// An exit was granted.
    ExitGranted,
    /// A request was refused.
    Refused,
    /// A vehicle entered.
    Entered,
    /// A vehicle left.
    Left,
    /// A vehicle passed an inner lane.
    Moved,
}

/// One thing that happened at a lane.
#[derive(Clone, Debug, SimpleObject)]
pub struct LaneActivity {
    /// Where it stands in the log.
    pub position: String,
    /// The facility.
    facility_id: ID,
    /// The lane.
    lane: ID,
    /// What happened.
    event: LaneEvent,
    /// Which way.
    direction: Option<DirectionName>,
    /// When it happened, as judged.
    happened_at: DateTime,
    /// When it was decided.
    decided_at: DateTime,
    /// The visit, where one is known.
    visit_id: Option<ID>,
    /// The opening that it granted or used.
    grant_id: Option<ID>,
    /// The pool.
    pool: Option<ID>,
    /// For a refusal: its code.
    refusal_code: Option<String>,
    /// What a passage broke.
    irregularities: Vec<Irregularity>,
    /// What was shown or seen, where the event introduced it.
    credentials: Vec<CredentialObject>,
}

/// What the kinds have in common, before they are told apart.
fn blank(api: &Api, recorded: &RecordedEvent, lane: LaneId, event: LaneEvent) -> LaneActivity {
    LaneActivity {
        position: api.token(recorded.position),
        facility_id: id(recorded.stream.id),
        lane: id(lane),
        event,
        direction: None,
        happened_at: recorded.meta.happened_at.into(),
        decided_at: recorded.meta.decided_at.into(),
        visit_id: None,
        grant_id: None,
        pool: None,
        refusal_code: None,
        irregularities: Vec::new(),
        credentials: Vec::new(),
    }
}

/// What an event says of this lane, if it says anything.
pub fn activity(api: &Api, recorded: &RecordedEvent, lane: LaneId) -> Option<LaneActivity> {
    let Some(Event::Parking(event)) = decoded(recorded) else { return None };
    let of = |at: LaneId, kind| (at == lane).then(|| blank(api, recorded, lane, kind));
    match event {
        ParkingEvent::EntryGranted { grant, visit, lane, pool, credentials, .. } => Some(LaneActivity {
            direction: Some(DirectionName::Entry),
            visit_id: Some(id(visit)),
            grant_id: Some(id(grant)),
            pool: Some(id(pool)),
            credentials: shown(&credentials),
            ..of(lane, LaneEvent::EntryGranted)?
        }),
        ParkingEvent::ExitGranted { grant, visit, lane, .. } => Some(LaneActivity {
            direction: Some(DirectionName::Exit),
            visit_id: visit.map(id),
            grant_id: Some(id(grant)),
            ..of(lane, LaneEvent::ExitGranted)?
        }),
        ParkingEvent::PassageRefused { lane, direction, pool, refusal, credentials, .. } => {
            Some(LaneActivity {
                direction: Some(Direction::into(direction)),
                pool: Some(id(pool)),
                refusal_code: Some(refusal),
                credentials: shown(&credentials),
                ..of(lane, LaneEvent::Refused)?
            })
        }
        ParkingEvent::VehicleEntered { visit, grant, lane, pool, credentials, irregularities, .. } => {
            Some(LaneActivity {
                direction: Some(DirectionName::Entry),
                visit_id: visit.map(id),
                grant_id: grant.map(id),
                pool: Some(id(pool)),
                credentials: shown(&credentials),
                irregularities: irregularities.into_iter().map(Into::into).collect(),
                ..of(lane, LaneEvent::Entered)?
            })
        }
        ParkingEvent::VehicleLeft { departure, grant, lane, pool, credentials, irregularities, .. } => {
            Some(LaneActivity {
                direction: Some(DirectionName::Exit),
                visit_id: departure.visit().map(id),
                grant_id: grant.map(id),
                pool: Some(id(pool)),
                credentials: shown(&credentials),
                irregularities: irregularities.into_iter().map(Into::into).collect(),
                ..of(lane, LaneEvent::Left)?
            })
        }
        ParkingEvent::VehicleMoved { visit, lane, .. } => {
            Some(LaneActivity { visit_id: visit.map(id), ..of(lane, LaneEvent::Moved)? })
        }
        _ => None,
    }
}

/// How far a page of one lane looked.
#[derive(SimpleObject)]
pub struct LookedThrough {
    /// Where `hasNextPage` is true: pass it as `after` to go on, also where this page is empty because none of the events it
    /// looked through is of the lane.
    pub next_after: Option<String>,
}

/// Refuses a lane that the layout does not have: of a misspelt one nothing would ever be told.
pub async fn known(api: &Api, facility: FacilityId, lane: LaneId) -> Result<()> {
    let plan = api.handler.plan(facility).await.map_err(|error| command_error(&error))?;
    match plan.is_some_and(|plan| plan.layout.lane(lane).is_some()) {
        true => Ok(()),
        false => Err(bad_input(format!(
            "lane: the facility has no lane '{lane}'; give a lane of its layout, and the facility's own id."
        ))),
    }
}

/// How many events of the facility are looked through for one page of one lane.
const LOOK_THROUGH: usize = 20_000;
const STEP: usize = 500;

/// What happened at a lane, the newest first. A cursor is a revision of the facility's stream.
pub async fn page(
    context: &Context<'_>,
    facility: FacilityId,
    lane: LaneId,
    page: Page,
) -> Result<Connection<String, LaneActivity, LookedThrough>> {
    let api = Api::of(context);
    let (size, _) = page.size()?;
    let stream = StreamId::new(Category::Parking, facility.uuid());
    let looked_through = LookedThrough { next_after: None };
    let mut connection = Connection::with_additional_fields(page.after.is_some(), false, looked_through);
    let (mut before, mut looked) = (start(page.after.as_deref())?, 0);
    loop {
        let events = api.log.read_stream_back(stream, before, STEP).await;
        let events = events.map_err(|fault| failed("reading a lane's activity", &fault))?;
        looked += events.len();
        before = events.last().map_or(0, |event| event.revision);
        for event in &events {
            let Some(activity) = activity(api, event, lane) else { continue };
            connection.edges.push(Edge::new(event.revision.to_string(), activity));
            if connection.edges.len() == size {
                before = event.revision;
                break;
            }
        }
        if before == 0 || connection.edges.len() == size || looked >= LOOK_THROUGH {
            break;
        }
    }
    connection.has_next_page = before > 0;
    connection.additional_fields.next_after = (before > 0).then(|| before.to_string());
    // One that has left the layout still has its history.
    if connection.edges.is_empty() && page.after.is_none() {
        known(api, facility, lane).await?;
    }
    Ok(connection)
}

fn start(cursor: Option<&str>) -> Result<u64> {
    let Some(cursor) = cursor else { return Ok(BEYOND) };
    let revision = cursor.parse().ok().filter(|revision| *revision <= BEYOND);
    revision.ok_or_else(|| bad_input("'after' takes a cursor of this list; take one from its edges."))
}
