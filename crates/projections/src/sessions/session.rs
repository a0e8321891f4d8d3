//! One row per session.

use octocity_domain::sessions::SessionEvent;
use octocity_domain::tariffs::{Bill, Credit, Tariff};
use octocity_domain::{
    Category, Currency, Event, FacilityId, PaymentId, PoolId, Timestamp, VisitId, time::Zone,
};
use serde::{Deserialize, Serialize};

use crate::row::{Json, row, word_fields};
use crate::view::{EventRecord, Unappliable, View};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SessionStatus {
    /// A payment credited it before the process that opens it ran.
    Unopened,
    Open,
    Ended,
    /// Charged as part of another visit's stay.
    Merged,
}
word_fields!(SessionStatus);

/// What one payment gave, less what its refunds took back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreditEntry {
    pub payment: PaymentId,
    pub amount_minor: i64,
    /// One in another currency than the tariff's does not count.
    pub currency: Currency,
    pub priced_at: Timestamp,
    pub leave_by: Option<Timestamp>,
    /// The merged visit that it was paid for; None: this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merged_from: Option<VisitId>,
}

row! {
    /// The money side of one visit. What an open one owes now is a quote: it depends on the time of asking.
    pub struct SessionRow in "sessions", indexes &[
        &["visit"],
        &["facility", "entered_at"],
        &["facility", "status", "entered_at"],
        &["facility", "ended_at"],
    ];
    key {
        facility: FacilityId,
        visit: VisitId,
    }
    status: SessionStatus,
    /// What is known from the opening on: the pool, the tariff that was pinned, the zone of its days.
    pool: Option<PoolId>,
    tariff: Option<Json<Tariff>>,
    zone: Option<Zone>,
    /// From when the stay is charged; of an unopened one, when its first credit was priced.
    entered_at: Timestamp,
    ended_at: Option<Timestamp>,
    /// The visit whose stay this is a part of.
    merged_into: Option<VisitId>,
    currency: Currency,
    credits: Json<Vec<CreditEntry>>,
    /// What counts towards this stay: nothing where it is merged, for it counts there.
    credits_minor: i64,
    /// The sum of attendants' changes; negative is a rebate.
    adjustments_minor: i64,
    /// Until when the latest credit lets out.
    leave_by: Option<Timestamp>,
    /// What the ended stay costs, adjustments included; None while it is open.
    price_minor: Option<i64>,
    /// Price less credits, never below 0; None while it is open.
    owed_minor: Option<i64>,
    /// Credits beyond the price; None while it is open.
    surplus_minor: Option<i64>,
}

/// Folds the money side of visits.
pub struct Sessions;

impl View for Sessions {
    type Row = SessionRow;
    const CATEGORIES: &'static [Category] = &[Category::Session];

    fn keys(record: &EventRecord, keys: &mut Vec<(FacilityId, VisitId)>) {
        keys.push((record.facility(), VisitId(record.stream.id)));
    }

    /// Its stream is the session's own.
    fn begins(record: &EventRecord, _: &(FacilityId, VisitId)) -> bool {
        record.revision == 0
    }

    fn apply(
        row: &mut Option<SessionRow>,
        key: &(FacilityId, VisitId),
        record: &EventRecord,
    ) -> Result<(), Unappliable> {
        let Event::Session(event) = record.event else { return Ok(()) };
        let known = row.take().or_else(|| SessionRow::first(*key, event));
        let mut changed = known.ok_or(Unappliable("the session was never opened"))?;
        changed.change(event);
        changed.settle();
        *row = Some(changed);
        Ok(())
    }
}

impl SessionRow {
    /// Of what a session can begin with: its opening, or a credit that came before it.
    fn first((facility, visit): (FacilityId, VisitId), event: &SessionEvent) -> Option<Self> {
        let (currency, entered_at) = match event {
            SessionEvent::SessionOpened { tariff, entered_at, .. } => (tariff.currency, *entered_at),
            SessionEvent::CreditApplied { amount, priced_at, .. } => (amount.currency, *priced_at),
            SessionEvent::StayTakenOver { entered_at, credits, .. } => {
                (credits.first()?.amount.currency, *entered_at)
            }
            _ => return None,
        };
        Some(Self {
            facility,
            visit,
            status: SessionStatus::Unopened,
            pool: None,
            tariff: None,
            zone: None,
            entered_at,
            ended_at: None,
            merged_into: None,
            currency,
            credits: Json(Vec::new()),
            credits_minor: 0,
            adjustments_minor: 0,
            leave_by: None,
            price_minor: None,
            owed_minor: None,
            surplus_minor: None,
        })
    }

    /// The row of a session that these events, in order, made; None where it began with none that it can begin with.
    pub fn of_events(key: (FacilityId, VisitId), events: &[SessionEvent]) -> Option<Self> {
        let mut row = Self::first(key, events.first()?)?;
        events.iter().for_each(|event| row.change(event));
        row.settle();
        Some(row)
    }

    fn change(&mut self, event: &SessionEvent) {
        match event {
            SessionEvent::SessionOpened { pool, entered_at, tariff, zone, .. } => {
                self.status = SessionStatus::Open;
                self.pool = Some(*pool);
                self.currency = tariff.currency;
                self.tariff = Some(Json(tariff.clone()));
                self.zone = Some(zone.clone());
                self.entered_at = *entered_at;
            }
            SessionEvent::StayEnded { ended_at } => self.end_at(Some(*ended_at)),
            SessionEvent::StayRetimed { entered_at, ended_at } => {
                self.entered_at = *entered_at;
                self.end_at(*ended_at);
            }
            SessionEvent::ChargeAdjusted { amount, .. } => {
                self.adjustments_minor = self.adjustments_minor.saturating_add(amount.amount_minor);
            }
            SessionEvent::CreditApplied { payment, amount, priced_at, leave_by, .. } => {
                self.credits.push(CreditEntry {
                    payment: *payment,
                    amount_minor: amount.amount_minor,
                    currency: amount.currency,
                    priced_at: *priced_at,
                    leave_by: *leave_by,
                    merged_from: None,
                });
            }
            SessionEvent::CreditReversed { payment, amount, .. } => {
                let mut own = self.credits.iter_mut().filter(|credit| credit.merged_from.is_none());
                if let Some(credit) = own.find(|credit| credit.payment == *payment) {
                    credit.amount_minor = credit.amount_minor.saturating_sub(amount.amount_minor);
                }
            }
            SessionEvent::StayMerged { into } => {
                self.status = SessionStatus::Merged;
                self.merged_into = Some(*into);
                self.ended_at = None;
            }
            SessionEvent::StayTakenOver { visit, entered_at, credits, .. } => {
                self.entered_at = self.entered_at.min(*entered_at);
                self.credits.retain(|credit| credit.merged_from != Some(*visit));
                self.credits.extend(credits.iter().map(|credit| CreditEntry {
                    payment: credit.payment,
                    amount_minor: credit.amount.amount_minor,
                    currency: credit.amount.currency,
                    priced_at: credit.priced_at,
                    leave_by: None,
                    merged_from: Some(*visit),
                }));
            }
        }
    }

    fn end_at(&mut self, ended_at: Option<Timestamp>) {
        self.ended_at = ended_at;
        self.status = if ended_at.is_some() { SessionStatus::Ended } else { SessionStatus::Open };
    }

    /// What follows from the rest, by the tariff's own rules. An open stay is priced when somebody asks.
    fn settle(&mut self) {
        let own = self.credits.iter().filter(|credit| credit.currency == self.currency);
        self.credits_minor = own.clone().map(|credit| credit.amount_minor).sum();
        if self.merged_into.is_some() {
            (self.credits_minor, self.leave_by) = (0, None);
            (self.price_minor, self.owed_minor, self.surplus_minor) = (None, None, None);
            return;
        }
        let (Some(tariff), Some(zone)) = (&self.tariff, &self.zone) else { return };
        let counted =
            |credit: &CreditEntry| Credit { amount_minor: credit.amount_minor, priced_at: credit.priced_at };
        let bill = Bill {
            tariff,
            zone,
            entered_at: self.entered_at,
            ended_at: self.ended_at,
            adjusted_minor: self.adjustments_minor,
            credits: own.map(counted).collect(),
        };
        let (leave_by, quote) = (bill.leave_by(), self.ended_at.map(|ended_at| bill.quote(ended_at)));
        self.leave_by = leave_by;
        self.price_minor = quote.as_ref().map(|quote| quote.price.amount_minor);
        self.owed_minor = quote.as_ref().map(|quote| quote.owed.amount_minor);
        self.surplus_minor = quote.as_ref().map(|quote| quote.surplus_minor);
    }
}
