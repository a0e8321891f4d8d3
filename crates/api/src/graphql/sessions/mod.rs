//! The money side of visits: sessions with their quotes, and what attendants change of them.

mod mutation;

use async_graphql::connection::Connection;
use async_graphql::{ComplexObject, Context, Enum, ID, Object, Result, SimpleObject};
use octocity_domain::tariffs::{Quote, QuoteRule};
use octocity_domain::{Category, FacilityId, VisitId};
use octocity_log::StreamId;
use octocity_projections::sessions::{SessionRow, SessionStatus as RowStatus};
use octocity_projections::{Query, Row};

pub use mutation::SessionsMutation;

use crate::faults::command_error;
use crate::graphql::Api;
use crate::graphql::facilities::TariffObject;
use crate::graphql::loaders::{Of, find, load};
use crate::graphql::parking::VisitObject;
use crate::graphql::position::{stands_still, wait};
use crate::graphql::relay::{Page, connection, heavy_cost, page_cost};
use crate::graphql::scalars::{DateTime, Money, id, uuid_id};

/// Which rule made a line of a quote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "octocity_domain::tariffs::QuoteRule")]
pub enum QuoteRuleName {
    /// The free time of the tariff.
    FreeTime,
    /// Started increments.
    Increments,
    /// The cap of a period took away what was above it.
    Cap,
    /// An attendant's rebate or surcharge.
    Adjustment,
    /// A payment.
    Credit,
}

/// One line of a quote.
#[derive(Clone, Debug, SimpleObject)]
pub struct QuoteLine {
    /// Which rule made it.
    pub rule: QuoteRuleName,
    /// From when.
    pub from: DateTime,
    /// Until when (not included).
    pub until: DateTime,
    /// In minor units; negative takes off.
    pub amount_minor: i64,
}

/// What a stay costs as of an instant, and until when paying it opens the way out.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(name = "Quote")]
pub struct QuoteObject {
    /// The tariff's version.
    pub tariff: ID,
    /// How the price comes about.
    pub lines: Vec<QuoteLine>,
    /// The price of the stay so far.
    pub price: Money,
    /// What was paid for it, in minor units.
    pub credits_minor: i64,
    /// What is still to pay; never below 0.
    pub owed: Money,
    /// What was paid beyond the price, in minor units.
    pub surplus_minor: i64,
    /// When it was priced: send it as `pricedAt` with the payment, and this price is honoured.
    pub priced_at: DateTime,
    /// Until when paying `owed` opens the way out.
    pub holds_until: DateTime,
}

impl From<Quote> for QuoteObject {
    fn from(quote: Quote) -> Self {
        let lines = quote.lines.iter().map(|line| QuoteLine {
            rule: QuoteRule::into(line.rule),
            from: line.interval.start.into(),
            until: line.interval.end.into(),
            amount_minor: line.amount_minor,
        });
        Self {
            tariff: id(quote.tariff.as_str()),
            lines: lines.collect(),
            price: quote.price.into(),
            credits_minor: quote.credits_minor,
            owed: quote.owed.into(),
            surplus_minor: quote.surplus_minor,
            priced_at: quote.priced_at.into(),
            holds_until: quote.holds_until.into(),
        }
    }
}

/// Whether the stay goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "RowStatus")]
pub enum SessionStatus {
    /// A payment credited it before it was opened.
    Unopened,
    /// The stay goes on; what it costs so far is its quote.
    Open,
    /// The stay ended; what is still owed is a debt.
    Ended,
    /// Charged as part of another visit's stay.
    Merged,
}

/// What one payment gave to a session, less what its refunds took back.
#[derive(Clone, Debug, SimpleObject)]
pub struct SessionCredit {
    /// The payment.
    pub payment_id: ID,
    /// How much.
    pub amount: Money,
    /// When the quote was priced that it paid.
    pub priced_at: DateTime,
    /// Until when it lets out.
    pub leave_by: Option<DateTime>,
    /// The merged visit that it was paid for; null: this one.
    pub merged_from: Option<ID>,
}

/// The money side of one visit that can cost money. Its id is the visit's.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex, name = "Session")]
pub struct SessionObject {
    #[graphql(skip)]
    visit: VisitId,
    #[graphql(skip)]
    facility: FacilityId,
    #[graphql(skip)]
    row: SessionRow,
    /// The visit's id.
    id: ID,
    /// The facility's id.
    facility_id: ID,
    /// The pool that is charged; null until it is opened.
    pool: Option<ID>,
    /// Whether the stay goes on.
    status: SessionStatus,
    /// From when the stay is charged.
    entered_at: DateTime,
    /// Until when the stay is charged; null while it goes on.
    ended_at: Option<DateTime>,
    /// The visit whose stay this is a part of: it is charged there, and what is paid for it counts there.
    merged_into: Option<ID>,
    /// What payments gave that counts towards this stay, less refunds, in minor units.
    credits_minor: i64,
    /// The sum of attendants' changes, in minor units; negative is a rebate.
    adjustments_minor: i64,
    /// Until when the latest credit lets out.
    leave_by: Option<DateTime>,
    /// What the ended stay costs; null while it goes on.
    price: Option<Money>,
    /// What is still owed for the ended stay; null while it goes on.
    owed: Option<Money>,
    /// What was paid beyond the price of the ended stay; null while it goes on.
    surplus: Option<Money>,
}

impl From<SessionRow> for SessionObject {
    fn from(row: SessionRow) -> Self {
        let money = |amount: Option<i64>| amount.map(|amount| Money::new(amount, row.currency));
        Self {
            visit: row.visit,
            facility: row.facility,
            id: id(row.visit),
            facility_id: id(row.facility),
            pool: row.pool.map(id),
            status: row.status.into(),
            entered_at: row.entered_at.into(),
            ended_at: row.ended_at.map(DateTime),
            merged_into: row.merged_into.map(id),
            credits_minor: row.credits_minor,
            adjustments_minor: row.adjustments_minor,
            leave_by: row.leave_by.map(DateTime),
            price: money(row.price_minor),
            owed: money(row.owed_minor),
            surplus: money(row.surplus_minor),
            row,
        }
    }
}

#[ComplexObject]
impl SessionObject {
    /// The tariff that was in force at the entry; null until it is opened.
    async fn tariff(&self) -> Option<TariffObject> {
        self.row.tariff.as_ref().map(|tariff| TariffObject::from(&tariff.0))
    }

    /// What payments gave.
    async fn credits(&self) -> Vec<SessionCredit> {
        let credits = self.row.credits.iter().map(|credit| SessionCredit {
            payment_id: id(credit.payment),
            amount: Money::new(credit.amount_minor, credit.currency),
            priced_at: credit.priced_at.into(),
            leave_by: credit.leave_by.map(DateTime),
            merged_from: credit.merged_from.map(id),
        });
        credits.collect()
    }

    /// What is owed now, read at the log's head.
    #[graphql(complexity = "heavy_cost(10, child_complexity)")]
    async fn quote(&self, context: &Context<'_>) -> Result<Option<QuoteObject>> {
        quote(context, self.facility, self.visit).await
    }

    /// It shows an earlier state, because one of its events could not be applied; see `status`.
    async fn parked(&self, context: &Context<'_>) -> Result<bool> {
        let stream = StreamId::new(Category::Session, self.visit.uuid());
        stands_still::<SessionRow>(context, &self.row.key(), &[stream]).await
    }

    /// The visit.
    async fn visit(&self, context: &Context<'_>) -> Result<Option<VisitObject>> {
        load(context, Of::<VisitObject, _>::new(self.visit)).await
    }
}

async fn quote(context: &Context<'_>, facility: FacilityId, visit: VisitId) -> Result<Option<QuoteObject>> {
    let quote = Api::of(context).handler.quote(facility, visit).await;
    Ok(quote.map_err(|error| command_error(&error))?.map(QuoteObject::from))
}

#[derive(Default)]
pub struct SessionsQuery;

#[Object]
impl SessionsQuery {
    /// The money side of a visit; null where the visit is unknown or cannot cost money.
    async fn session(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The visit's id.")] id: ID,
        #[graphql(desc = "Wait for this position.")] after: Option<String>,
    ) -> Result<Option<SessionObject>> {
        let visit: VisitId = uuid_id("id", &id)?;
        wait(context, after.as_deref(), &[SessionRow::TABLE]).await?;
        let (row, _) = find::<SessionRow>(Api::of(context), "visit", &visit).await?;
        Ok(row.map(SessionObject::from))
    }

    /// A facility's sessions, the latest entry first.
    #[graphql(complexity = "page_cost(first, last, child_complexity)")]
    #[allow(clippy::too_many_arguments)]
    async fn sessions(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The facility.")] facility_id: ID,
        #[graphql(desc = "Only those of this status.")] status: Option<SessionStatus>,
        #[graphql(desc = "The first so many: 1 to 500; 50 if neither is given.")] first: Option<i32>,
        #[graphql(desc = "Those after this cursor.")] after: Option<String>,
        #[graphql(desc = "The last so many: 1 to 500.")] last: Option<i32>,
        #[graphql(desc = "Those before this cursor.")] before: Option<String>,
        #[graphql(desc = "Wait for this position.")] after_position: Option<String>,
    ) -> Result<Connection<String, SessionObject>> {
        let facility: FacilityId = uuid_id("facilityId", &facility_id)?;
        wait(context, after_position.as_deref(), &[SessionRow::TABLE]).await?;
        let mut query = Query::<SessionRow>::new().eq("facility", &facility).descending("entered_at");
        if let Some(status) = status {
            query = query.eq("status", &RowStatus::from(status));
        }
        connection(context, query, Page { first, after, last, before }, |row, _| row.into()).await
    }

    /// What a visit owes now, read at the log's head: line by line, when it was priced, and until when it holds. Null
    /// where the visit is unknown or cannot cost money.
    #[graphql(complexity = "heavy_cost(10, child_complexity)")]
    async fn quote(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The visit's facility.")] facility_id: ID,
        #[graphql(desc = "The visit.")] visit_id: ID,
    ) -> Result<Option<QuoteObject>> {
        let (facility, visit) = (uuid_id("facilityId", &facility_id)?, uuid_id("visitId", &visit_id)?);
        quote(context, facility, visit).await
    }
}
