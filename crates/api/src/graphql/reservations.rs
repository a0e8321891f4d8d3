//! Promises of a place of a pool over an interval.

use std::sync::Arc;

use async_graphql::connection::Connection;
use async_graphql::{
    ComplexObject, Context, Enum, ID, InputObject, Object, Result, SimpleObject, Subscription,
};
use futures_util::stream::Stream;
use octocity_domain::reservations::{ReservationEnd, ReservationsCommand, ReservationsEvent};
use octocity_domain::{Category, FacilityId, Interval, ReservationId};
use octocity_log::{Position, StreamId};
use octocity_projections::reservations::{HoldStatus, ReservationRow, ReservationStatus};
use octocity_projections::{Query, Row};

use super::Api;
use super::credentials::{CredentialInput, CredentialObject, credentials, shown};
use super::facilities::FacilityObject;
use super::loaders::{self, Of, load};
use super::parking::VisitObject;
use super::position::{stands_still, wait};
use super::relay::{Page, connection, page_cost};
use super::scalars::{DateTime, UuidText, code_id, id, uuid_id};
use super::submit::{Done, command_id, payload, submission};
use crate::faults::{bad_input, outlast, patience};

/// Where a reservation is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(name = "ReservationStatus", remote = "ReservationStatus")]
pub enum StatusName {
    /// A place is promised.
    Promised,
    /// A vehicle was admitted on it.
    CheckedIn,
    /// It was cancelled.
    Cancelled,
    /// Its time is over.
    Ended,
}

/// How a reservation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(name = "ReservationEnd", remote = "ReservationEnd")]
pub enum EndName {
    /// Nobody came.
    NoShow,
    /// Its time ran out after a check-in.
    Completed,
}

/// The place that is kept at the gates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(name = "HoldStatus", remote = "HoldStatus")]
pub enum HoldName {
    /// Not yet.
    NotPlaced,
    /// Kept.
    Placed,
    /// Kept although no place was free: walk-ins stop until one is.
    PlacedShort,
    /// No longer.
    Released,
}

/// A promise of a place of a pool over an interval.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex, name = "Reservation")]
pub struct ReservationObject {
    #[graphql(skip)]
    row: ReservationRow,
    /// The position it is as of; null where a batch of reservations was read.
    position: Option<String>,
    /// Its id.
    id: ID,
    /// The facility.
    facility_id: ID,
    /// The pool.
    pool: ID,
    /// Where it is in its life.
    status: StatusName,
    /// How it ended, once it did.
    end: Option<EndName>,
    /// From when.
    starts_at: DateTime,
    /// Until when (not included).
    ends_at: DateTime,
    /// From when, in the facility's wall time, such as 2026-03-29T02:30:00.
    local_start: String,
    /// Until when, in the facility's wall time.
    local_end: String,
    /// The IANA time zone of the wall times.
    zone: String,
    /// The spot that is preferred, not promised.
    spot: Option<ID>,
    /// From when on its place is kept at the gates.
    hold_at: DateTime,
    /// The place that is kept.
    hold: HoldName,
}

impl From<ReservationRow> for ReservationObject {
    fn from(row: ReservationRow) -> Self {
        Self {
            position: None,
            id: id(row.reservation),
            facility_id: id(row.facility),
            pool: id(row.pool),
            status: row.status.into(),
            end: row.end.map(Into::into),
            starts_at: row.starts_at.into(),
            ends_at: row.ends_at.into(),
            local_start: row.local.start.clone(),
            local_end: row.local.end.clone(),
            zone: row.local.zone.as_str().to_owned(),
            spot: row.spot.map(id),
            hold_at: row.hold_at.into(),
            hold: row.hold.into(),
            row,
        }
    }
}

impl ReservationObject {
    fn as_of(row: ReservationRow, api: &Api, position: Position) -> Self {
        Self { position: Some(api.token(position)), ..Self::from(row) }
    }
}

#[ComplexObject]
impl ReservationObject {
    /// What opens the gate for it, besides its id.
    async fn credentials(&self) -> Vec<CredentialObject> {
        shown(&self.row.credentials)
    }

    /// Its facility.
    async fn facility(&self, context: &Context<'_>) -> Result<Option<FacilityObject>> {
        load(context, Of::<FacilityObject, _>::new(self.row.facility)).await
    }

    /// It shows an earlier state, because one of its events could not be applied; see `status`.
    async fn parked(&self, context: &Context<'_>) -> Result<bool> {
        let facility = self.row.facility.uuid();
        let streams = [Category::Reservations, Category::Parking].map(|of| StreamId::new(of, facility));
        stands_still::<ReservationRow>(context, &self.row.key(), &streams).await
    }

    /// The visit that was admitted on it.
    async fn visit(&self, context: &Context<'_>) -> Result<Option<VisitObject>> {
        let Some(visit) = self.row.visit else { return Ok(None) };
        load(context, Of::<VisitObject, _>::new(visit)).await
    }
}

async fn find(api: &Api, reservation: ReservationId) -> Result<(Option<ReservationRow>, Position)> {
    loaders::find(api, "reservation", &reservation).await
}

#[derive(Default)]
pub struct ReservationsQuery;

#[Object]
impl ReservationsQuery {
    /// One reservation; null where no reservation has this id.
    async fn reservation(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The reservation's id.")] id: ID,
        #[graphql(desc = "Wait for this position.")] after: Option<String>,
    ) -> Result<Option<ReservationObject>> {
        let reservation = uuid_id("id", &id)?;
        wait(context, after.as_deref(), &[ReservationRow::TABLE]).await?;
        let api = Api::of(context);
        let (row, position) = find(api, reservation).await?;
        Ok(row.map(|row| ReservationObject::as_of(row, api, position)))
    }

    /// A facility's reservations, by their start.
    #[graphql(complexity = "page_cost(first, last, child_complexity)")]
    #[allow(clippy::too_many_arguments)]
    async fn reservations(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The facility.")] facility_id: ID,
        #[graphql(desc = "Only those of this status.")] status: Option<StatusName>,
        #[graphql(desc = "Only those that start at or after this.")] starts_from: Option<DateTime>,
        #[graphql(desc = "Only those that start before this.")] starts_before: Option<DateTime>,
        #[graphql(desc = "The first so many: 1 to 500; 50 if neither is given.")] first: Option<i32>,
        #[graphql(desc = "Those after this cursor.")] after: Option<String>,
        #[graphql(desc = "The last so many: 1 to 500.")] last: Option<i32>,
        #[graphql(desc = "Those before this cursor.")] before: Option<String>,
        #[graphql(desc = "Wait for this position.")] after_position: Option<String>,
    ) -> Result<Connection<String, ReservationObject>> {
        let facility: FacilityId = uuid_id("facilityId", &facility_id)?;
        wait(context, after_position.as_deref(), &[ReservationRow::TABLE]).await?;
        let mut query = Query::<ReservationRow>::new().eq("facility", &facility).ascending("starts_at");
        if let Some(status) = status {
            query = query.eq("status", &ReservationStatus::from(status));
        }
        if let Some(DateTime(from)) = starts_from {
            query = query.from("starts_at", &from);
        }
        if let Some(DateTime(before)) = starts_before {
            query = query.below("starts_at", &before);
        }
        connection(context, query, Page { first, after, last, before }, |row, _| row.into()).await
    }
}

/// What reserves a place.
#[derive(InputObject)]
pub struct ReserveSpotInput {
    /// A UUIDv7, made for this command.
    command_id: UuidText,
    /// The facility.
    facility_id: ID,
    /// The pool.
    pool: ID,
    /// From when.
    starts_at: DateTime,
    /// Until when (not included).
    ends_at: DateTime,
    /// The spot that is preferred; the operator may give another one.
    spot: Option<ID>,
    /// What shall open the gate besides the reservation's id, such as a plate: at most 10.
    credentials: Option<Vec<CredentialInput>>,
}

/// What cancels a reservation.
#[derive(InputObject)]
pub struct CancelReservationInput {
    /// A UUIDv7, made for this command.
    command_id: UuidText,
    /// The facility.
    facility_id: ID,
    /// The reservation.
    reservation_id: ID,
}

payload! {
    /// The reservation that was made or cancelled.
    ReservationPayload {
        /// Its id; null when it was refused.
        reservation_id: Option<ID>,
    }
}

async fn reservations_command(
    context: &Context<'_>,
    command: UuidText,
    facility: &ID,
    body: ReservationsCommand,
) -> Result<ReservationPayload> {
    let facility: FacilityId = uuid_id("facilityId", facility)?;
    let submission = submission(context, command_id(command)?, body);
    let done = Done::of(context, Api::of(context).handler.reservations(facility, submission).await)?;
    let reservation_id = done.find(|event| match event {
        ReservationsEvent::ReservationMade { reservation, .. }
        | ReservationsEvent::ReservationCancelled { reservation } => Some(id(reservation)),
        _ => None,
    });
    let Done { position, repeated, refusal, .. } = done;
    Ok(ReservationPayload { reservation_id, position, repeated, refusal })
}

#[derive(Default)]
pub struct ReservationsMutation;

#[Object]
impl ReservationsMutation {
    /// Promises a place of a pool over an interval, against the pool's reservable places.
    async fn reserve_spot(
        &self,
        context: &Context<'_>,
        input: ReserveSpotInput,
    ) -> Result<ReservationPayload> {
        let interval = Interval::try_new(input.starts_at.0, input.ends_at.0)
            .ok_or_else(|| bad_input("'endsAt' must be later than 'startsAt'."))?;
        let command = ReservationsCommand::ReserveSpot {
            pool: code_id("pool", &input.pool)?,
            interval,
            spot: input.spot.map(|spot| code_id("spot", &spot)).transpose()?,
            credentials: credentials("credentials", input.credentials)?,
        };
        reservations_command(context, input.command_id, &input.facility_id, command).await
    }

    /// Takes a promise back. An entry that used it meanwhile beats the cancellation.
    async fn cancel_reservation(
        &self,
        context: &Context<'_>,
        input: CancelReservationInput,
    ) -> Result<ReservationPayload> {
        let reservation = uuid_id("reservationId", &input.reservation_id)?;
        let command = ReservationsCommand::CancelReservation { reservation };
        reservations_command(context, input.command_id, &input.facility_id, command).await
    }
}

#[derive(Default)]
pub struct ReservationsSubscription;

#[Subscription]
impl ReservationsSubscription {
    /// One reservation. First its state; then, whenever it changes, its whole new state.
    async fn reservation(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The reservation.")] id: ID,
        #[graphql(desc = "Begin at this position or later.")] after: Option<String>,
    ) -> Result<impl Stream<Item = Result<ReservationObject>> + use<>> {
        let reservation = uuid_id("id", &id)?;
        wait(context, after.as_deref(), &[ReservationRow::TABLE]).await?;
        let api = Arc::clone(Api::of(context));
        let row = find(&api, reservation).await?.0;
        let row = row.ok_or_else(|| {
            bad_input(
                "No reservation has this id; correct it, or pass the position it was made at as 'after'.",
            )
        })?;
        Ok(states(api, row.key()))
    }
}

fn states(api: Arc<Api>, key: (FacilityId, ReservationId)) -> impl Stream<Item = Result<ReservationObject>> {
    async_stream::stream! {
        let mut rows = api.models.live.row::<ReservationRow>(&key);
        let mut retry = patience();
        loop {
            match find(&api, key.1).await {
                Ok((Some(row), position)) => yield Ok(ReservationObject::as_of(row, &api, position)),
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
            if rows.changed().await.is_none() {
                return;
            }
        }
    }
}
