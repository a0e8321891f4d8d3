//! Payments, as read.

use async_graphql::connection::Connection;
use async_graphql::{ComplexObject, Context, Enum, ID, Object, Result, SimpleObject};
use octocity_domain::payments::{Allocation, Payable, PaymentStatus};
use octocity_domain::{Category, FacilityId, PaymentId};
use octocity_log::StreamId;
use octocity_projections::payments::PaymentRow;
use octocity_projections::payments::queries::to_review;
use octocity_projections::{Query, Row};

use super::super::Api;
use super::super::loaders::{Of, find, load};
use super::super::parking::VisitObject;
use super::super::position::{stands_still, wait};
use super::super::relay::{Page, connection, page_cost};
use super::super::reservations::ReservationObject;
use super::super::scalars::{DateTime, Money, id, uuid_id};

/// Where a payment is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(name = "PaymentStatus", remote = "PaymentStatus")]
pub enum StatusName {
    /// Nothing is authorised yet: see `lastDecline` and `pending`.
    Requested,
    /// The gateway declined to reserve it.
    Declined,
    /// Reserved, not taken.
    Authorized,
    /// Taken.
    Captured,
    /// Taken, and some of it was given back.
    PartlyRefunded,
    /// All of it was given back.
    Refunded,
    /// Let go.
    Voided,
}

/// What a payment pays for, and how much of it.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex, name = "Allocation")]
pub struct AllocationObject {
    #[graphql(skip)]
    payable: Payable,
    /// How much.
    amount: Money,
}

impl AllocationObject {
    fn new(allocation: &Allocation, currency: octocity_domain::Currency) -> Self {
        Self { payable: allocation.payable, amount: Money::new(allocation.amount_minor, currency) }
    }
}

#[ComplexObject]
impl AllocationObject {
    /// The visit whose session it pays, if it pays one.
    async fn visit(&self, context: &Context<'_>) -> Result<Option<VisitObject>> {
        match self.payable {
            Payable::Session { visit } => load(context, Of::<VisitObject, _>::new(visit)).await,
            Payable::Reservation { .. } => Ok(None),
        }
    }

    /// The reservation it pays, if it pays one.
    async fn reservation(&self, context: &Context<'_>) -> Result<Option<ReservationObject>> {
        match self.payable {
            Payable::Reservation { reservation } => {
                load(context, Of::<ReservationObject, _>::new(reservation)).await
            }
            Payable::Session { .. } => Ok(None),
        }
    }
}

/// One payment's life with its gateway.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex, name = "Payment")]
pub struct PaymentObject {
    #[graphql(skip)]
    row: PaymentRow,
    /// Its id.
    id: ID,
    /// The facility.
    facility_id: ID,
    /// Its present state. What came of one command is in that mutation's `outcome`.
    status: StatusName,
    /// What was asked for.
    amount: Money,
    /// What is or was reserved.
    authorized: Money,
    /// What was taken.
    captured: Money,
    /// What was given back.
    refunded: Money,
    /// When it was asked for.
    requested_at: DateTime,
    /// When the quote was priced that it pays.
    priced_at: DateTime,
    /// When it was authorised.
    authorized_at: Option<DateTime>,
    /// When it was captured.
    captured_at: Option<DateTime>,
    /// A call to the gateway has no recorded answer yet.
    pending: bool,
    /// The gateway's answer was lost or cannot be trusted; it is asked again.
    unresolved: bool,
    /// Since when, if it is.
    unresolved_since: Option<DateTime>,
    /// Why the gateway declined the latest call that it declined.
    last_decline: Option<String>,
}

impl From<PaymentRow> for PaymentObject {
    fn from(row: PaymentRow) -> Self {
        let money = |amount_minor| Money::new(amount_minor, row.currency);
        Self {
            id: id(row.payment),
            facility_id: id(row.facility),
            status: row.status.into(),
            amount: money(row.amount_minor),
            authorized: money(row.authorized_minor),
            captured: money(row.captured_minor),
            refunded: money(row.refunded_minor),
            requested_at: row.requested_at.into(),
            priced_at: row.priced_at.into(),
            authorized_at: row.authorized_at.map(DateTime),
            captured_at: row.captured_at.map(DateTime),
            pending: row.open_call.is_some(),
            unresolved: row.unresolved_since.is_some(),
            unresolved_since: row.unresolved_since.map(DateTime),
            last_decline: row.last_refusal.clone(),
            row,
        }
    }
}

#[ComplexObject]
impl PaymentObject {
    /// It shows an earlier state, because one of its events could not be applied; see `status`.
    async fn parked(&self, context: &Context<'_>) -> Result<bool> {
        let stream = StreamId::new(Category::Payment, self.row.payment.uuid());
        stands_still::<PaymentRow>(context, &self.row.key(), &[stream]).await
    }

    /// What it pays for.
    async fn allocations(&self) -> Vec<AllocationObject> {
        let currency = self.row.currency;
        self.row.allocations.iter().map(|allocation| AllocationObject::new(allocation, currency)).collect()
    }
}

#[derive(Default)]
pub struct PaymentsQuery;

#[Object]
impl PaymentsQuery {
    /// One payment; null where no payment has this id.
    async fn payment(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The payment's id.")] id: ID,
        #[graphql(desc = "Wait for this position.")] after: Option<String>,
    ) -> Result<Option<PaymentObject>> {
        let payment: PaymentId = uuid_id("id", &id)?;
        wait(context, after.as_deref(), &[PaymentRow::TABLE]).await?;
        let (row, _) = find::<PaymentRow>(Api::of(context), "payment", &payment).await?;
        Ok(row.map(PaymentObject::from))
    }

    /// A facility's payments, the latest first.
    #[graphql(complexity = "page_cost(first, last, child_complexity)")]
    #[allow(clippy::too_many_arguments)]
    async fn payments(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The facility.")] facility_id: ID,
        #[graphql(desc = "Only those of this status.")] status: Option<StatusName>,
        #[graphql(desc = "The first so many: 1 to 500; 50 if neither is given.")] first: Option<i32>,
        #[graphql(desc = "Those after this cursor.")] after: Option<String>,
        #[graphql(desc = "The last so many: 1 to 500.")] last: Option<i32>,
        #[graphql(desc = "Those before this cursor.")] before: Option<String>,
        #[graphql(desc = "Wait for this position.")] after_position: Option<String>,
    ) -> Result<Connection<String, PaymentObject>> {
        let facility: FacilityId = uuid_id("facilityId", &facility_id)?;
        wait(context, after_position.as_deref(), &[PaymentRow::TABLE]).await?;
        let mut query = Query::<PaymentRow>::new().eq("facility", &facility).descending("requested_at");
        if let Some(status) = status {
            query = query.eq("status", &PaymentStatus::from(status));
        }
        connection(context, query, Page { first, after, last, before }, |row, _| row.into()).await
    }

    /// A facility's payments that somebody should look at: the gateway was called and has not said what came of it. The
    /// one that waits longest comes first; the gateway is asked again, at least once an hour.
    #[graphql(complexity = "page_cost(first, last, child_complexity)")]
    #[allow(clippy::too_many_arguments)]
    async fn payments_to_review(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The facility.")] facility_id: ID,
        #[graphql(desc = "The first so many: 1 to 500; 50 if neither is given.")] first: Option<i32>,
        #[graphql(desc = "Those after this cursor.")] after: Option<String>,
        #[graphql(desc = "The last so many: 1 to 500.")] last: Option<i32>,
        #[graphql(desc = "Those before this cursor.")] before: Option<String>,
        #[graphql(desc = "Wait for this position.")] after_position: Option<String>,
    ) -> Result<Connection<String, PaymentObject>> {
        let facility: FacilityId = uuid_id("facilityId", &facility_id)?;
        wait(context, after_position.as_deref(), &[PaymentRow::TABLE]).await?;
        let query = to_review().eq("facility", &facility);
        connection(context, query, Page { first, after, last, before }, |row, _| row.into()).await
    }
}
