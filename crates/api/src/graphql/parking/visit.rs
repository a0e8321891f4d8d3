//! One stay of one vehicle.

use async_graphql::connection::Connection;
use async_graphql::{ComplexObject, Context, Enum, ID, InputObject, Result, SimpleObject};
use octocity_domain::parking::{Basis, Cover, Irregularity as DomainIrregularity, MatchKey};
use octocity_domain::{Category, FacilityId, VisitId};
use octocity_log::{Position, StreamId};
use octocity_projections::parking::{EndKind, EntryKind, VisitRow, VisitStatus};
use octocity_projections::{Filter, Query, Row};

use super::super::Api;
use super::super::credentials::{CredentialObject, number, plate_key, shown};
use super::super::facilities::FacilityObject;
use super::super::loaders::{self, Of, load};
use super::super::position::stands_still;
use super::super::relay::{Page, connection, heavy_cost};
use super::super::reservations::ReservationObject;
use super::super::scalars::{DateTime, Money, id};
use super::super::sessions::SessionObject;
use super::history::{HistoryEntry, history};

/// Where a stay is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(name = "VisitStatus", remote = "VisitStatus")]
pub enum VisitStatusName {
    /// Admitted, not seen inside yet.
    Granted,
    /// The grant lapsed: nobody came in.
    Lapsed,
    /// Inside.
    Open,
    /// Gone.
    Left,
    /// Presumed gone; in review until somebody confirms it.
    PresumedLeft,
    /// It was the same stay as another visit.
    Merged,
}

/// What is known of a visit's entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(name = "EntryKind", remote = "EntryKind")]
pub enum EntryKindName {
    /// A passage was seen.
    Seen,
    /// Somebody said when it was.
    Estimated,
    /// Nobody knows.
    Unknown,
}

/// What is known of a visit's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(name = "EndKind", remote = "EndKind")]
pub enum EndKindName {
    /// An exit was seen.
    Seen,
    /// Presumed, for the reason in `reviewReason`.
    Presumed,
    /// An attendant judged it.
    Judged,
}

/// What a passage broke; it counts all the same, because it happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "DomainIrregularity")]
pub enum Irregularity {
    /// More were inside than there are places.
    OverCapacity,
    /// Nobody had been granted this passage.
    Unrequested,
    /// No open visit had the credentials seen.
    Unmatched,
    /// The credential was inside already: the older visit is presumed left.
    AlreadyInside,
    /// Its time lies before the entry of the visit that it matched.
    BeforeEntry,
    /// The lane was shut.
    LaneShut,
    /// Something was shown that could not be read, or is never stored (a payment card's number): it was left out.
    CredentialUnreadable,
}

/// Why a vehicle was admitted or let out.
#[derive(Clone, Debug, SimpleObject)]
pub struct Ground {
    /// For an entry: SHORT_TERM, RESERVATION, FREE_FLOW or OVERRIDE. For an exit: NOTHING_OWED, PAID, MONEY_SIDE_DOWN,
    /// FREE_FLOW or OVERRIDE. Later versions may add others.
    kind: String,
    /// For OVERRIDE: why.
    reason: Option<String>,
    /// For PAID: until when it lets out.
    leave_by: Option<DateTime>,
    /// For FREE_FLOW: what became a debt.
    owed: Option<Money>,
}

impl Ground {
    fn new(kind: &str) -> Self {
        Self { kind: kind.to_owned(), reason: None, leave_by: None, owed: None }
    }

    pub fn of_basis(basis: &Basis) -> Self {
        match basis {
            Basis::ShortTerm => Self::new("SHORT_TERM"),
            Basis::Reservation { .. } => Self::new("RESERVATION"),
            Basis::EarlyReservation { .. } => Self::new("EARLY_RESERVATION"),
            Basis::FreeFlow => Self::new("FREE_FLOW"),
            Basis::Override { reason } => Self { reason: Some(reason.clone()), ..Self::new("OVERRIDE") },
        }
    }

    pub fn of_cover(cover: &Cover) -> Self {
        match cover {
            Cover::NothingOwed => Self::new("NOTHING_OWED"),
            Cover::Paid { leave_by } => Self { leave_by: Some((*leave_by).into()), ..Self::new("PAID") },
            Cover::MoneySideDown => Self::new("MONEY_SIDE_DOWN"),
            Cover::FreeFlow { owed } => Self { owed: owed.map(Money::from), ..Self::new("FREE_FLOW") },
            Cover::Override { reason } => Self { reason: Some(reason.clone()), ..Self::new("OVERRIDE") },
        }
    }
}

/// One stay of one vehicle, as far as it is known.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex, name = "Visit")]
pub struct VisitObject {
    #[graphql(skip)]
    row: VisitRow,
    /// The position it is as of; null where a batch of visits was read.
    position: Option<String>,
    /// Its id.
    id: ID,
    /// The facility.
    facility_id: ID,
    /// The pool that counts it.
    pool: ID,
    /// Where it is, as far as lanes tell.
    area: Option<ID>,
    /// Where it is in its life.
    status: VisitStatusName,
    /// When it was first heard of; lists are ordered by it.
    started_at: DateTime,
    /// What is known of its entry; null until it is inside.
    entry_kind: Option<EntryKindName>,
    /// When it entered.
    entered_at: Option<DateTime>,
    /// The lane it entered by.
    lane_in: Option<ID>,
    /// What is known of its end; null while it goes on.
    end_kind: Option<EndKindName>,
    /// When it ended.
    ended_at: Option<DateTime>,
    /// The lane it left by.
    lane_out: Option<ID>,
    /// Until when its entry's grant stays open.
    grant_expires_at: Option<DateTime>,
    /// When its way out was granted.
    exit_granted_at: Option<DateTime>,
    /// Somebody should look at it.
    needs_review: bool,
    /// Why: RE_ENTRY, INVENTORY, AGE (presumed left) or MISSING (a count did not find it).
    review_reason: Option<String>,
    /// The visit it was the same stay as.
    merged_into: Option<ID>,
}

impl From<VisitRow> for VisitObject {
    fn from(row: VisitRow) -> Self {
        Self {
            position: None,
            id: id(row.visit),
            facility_id: id(row.facility),
            pool: id(row.pool),
            area: row.area.map(id),
            status: row.status.into(),
            started_at: row.started_at.into(),
            entry_kind: row.entry_kind.map(Into::into),
            entered_at: row.entered_at.map(DateTime),
            lane_in: row.lane_in.map(id),
            end_kind: row.end_kind.map(Into::into),
            ended_at: row.ended_at.map(DateTime),
            lane_out: row.lane_out.map(id),
            grant_expires_at: row.grant_expires_at.map(DateTime),
            exit_granted_at: row.exit_granted_at.map(DateTime),
            needs_review: row.needs_review.unwrap_or_default(),
            review_reason: row.review_reason.clone(),
            merged_into: row.merged_into.map(id),
            row,
        }
    }
}

impl VisitObject {
    pub fn as_of(row: VisitRow, api: &Api, position: Position) -> Self {
        Self { position: Some(api.token(position)), ..Self::from(row) }
    }
}

#[ComplexObject]
impl VisitObject {
    /// What opens something for it; what was misread, lost or replaced is gone.
    async fn credentials(&self) -> Vec<CredentialObject> {
        shown(&self.row.credentials)
    }

    /// Why it was admitted; null where no request admitted it.
    async fn basis(&self) -> Option<Ground> {
        self.row.basis.as_ref().map(|basis| Ground::of_basis(basis))
    }

    /// Why it was let out; null where no request let it out.
    async fn cover(&self) -> Option<Ground> {
        self.row.cover.as_ref().map(|cover| Ground::of_cover(cover))
    }

    /// What its passages broke.
    async fn irregularities(&self) -> Vec<Irregularity> {
        self.row.irregularities.iter().copied().map(Into::into).collect()
    }

    /// It shows an earlier state, because one of its events could not be applied; see `status`.
    async fn parked(&self, context: &Context<'_>) -> Result<bool> {
        let stream = StreamId::new(Category::Parking, self.row.facility.uuid());
        stands_still::<VisitRow>(context, &self.row.key(), &[stream]).await
    }

    /// Its facility.
    async fn facility(&self, context: &Context<'_>) -> Result<Option<FacilityObject>> {
        load(context, Of::<FacilityObject, _>::new(self.row.facility)).await
    }

    /// Its money side; null where it cannot cost money.
    async fn session(&self, context: &Context<'_>) -> Result<Option<SessionObject>> {
        load(context, Of::<SessionObject, _>::new(self.row.visit)).await
    }

    /// The reservation it was admitted on.
    async fn reservation(&self, context: &Context<'_>) -> Result<Option<ReservationObject>> {
        let Some(reservation) = self.row.reservation else { return Ok(None) };
        load(context, Of::<ReservationObject, _>::new(reservation)).await
    }

    /// Its history, event by event, from the log.
    #[graphql(complexity = "heavy_cost(20, child_complexity)")]
    async fn history(&self, context: &Context<'_>) -> Result<Vec<HistoryEntry>> {
        history(context, &self.row).await
    }
}

/// Which visits; every field that is given must hold.
#[derive(Clone, Debug, Default, InputObject)]
pub struct VisitFilter {
    /// Of this status.
    status: Option<VisitStatusName>,
    /// With this plate, in any writing of it.
    plate: Option<String>,
    /// With this ticket.
    ticket: Option<String>,
    /// First heard of at or after this.
    from: Option<DateTime>,
    /// First heard of before this.
    until: Option<DateTime>,
    /// Whether somebody should look at it.
    needs_review: Option<bool>,
}

impl VisitFilter {
    pub fn to_review() -> Self {
        Self { needs_review: Some(true), ..Self::default() }
    }

    fn query(self, facility: FacilityId) -> Result<Query<VisitRow>> {
        let mut query = Query::new().eq("facility", &facility).descending("started_at");
        if let Some(status) = self.status {
            query = query.eq("status", &VisitStatus::from(status));
        }
        if let Some(plate) = self.plate {
            query = query.eq("plate_key", &plate_key(&plate)?);
        }
        if let Some(ticket) = self.ticket {
            query = query.eq("ticket_key", &MatchKey(number("ticket", ticket, 64)?));
        }
        if let Some(DateTime(from)) = self.from {
            query = query.from("started_at", &from);
        }
        if let Some(DateTime(until)) = self.until {
            query = query.below("started_at", &until);
        }
        match self.needs_review {
            Some(true) => query = query.eq("needs_review", &true),
            Some(false) => query = query.filter(Filter::IsNull("needs_review")),
            None => {}
        }
        Ok(query)
    }
}

/// A facility's visits, the latest first.
pub async fn visits_page(
    context: &Context<'_>,
    facility: FacilityId,
    filter: VisitFilter,
    page: Page,
) -> Result<Connection<String, VisitObject>> {
    let api = Api::of(context);
    connection(context, filter.query(facility)?, page, |row, at| VisitObject::as_of(row, api, at)).await
}

/// A visit's row with its position.
pub async fn find(api: &Api, visit: VisitId) -> Result<(Option<VisitRow>, Position)> {
    loaders::find(api, "visit", &visit).await
}
