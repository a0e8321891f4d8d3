//! One row per session.

use octocity_domain::sessions::SessionEvent;
use octocity_domain::tariffs::{Tariff, price};
use octocity_domain::{
    Category, Currency, Event, FacilityId, PaymentId, PoolId, Timestamp, VisitId, time::Zone,
};
use serde::{Deserialize, Serialize};

use crate::row::{Json, row, word_fields};
use crate::view::{EventRecord, Unappliable, View};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SessionStatus {
    Open,
    Ended,
}
word_fields!(SessionStatus);

/// What one payment gave, less what its refunds took back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreditEntry {
    pub payment: PaymentId,
    pub amount_minor: i64,
    pub priced_at: Timestamp,
    pub leave_by: Option<Timestamp>,
}

row! {
    /// The money side of one visit. What an open one owes now is a quote: it depends on the time of asking.
    pub struct SessionRow in "sessions", indexes &[
        &["visit"],
        &["facility", "entered_at"],
        &["facility", "status", "entered_at"],
    ];
    key {
        facility: FacilityId,
        visit: VisitId,
    }
    pool: PoolId,
    status: SessionStatus,
    entered_at: Timestamp,
    ended_at: Option<Timestamp>,
    tariff: Json<Tariff>,
    zone: Zone,
    currency: Currency,
    credits: Json<Vec<CreditEntry>>,
    credits_minor: i64,
    /// The sum of attendants' changes; negative is a rebate.
    adjustments_minor: i64,
    /// Until when the latest credit lets out.
    leave_by: Option<Timestamp>,
    /// What the ended stay costs, adjustments included, never below 0; None while it is open.
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

    fn apply(
        row: &mut Option<SessionRow>,
        _: &(FacilityId, VisitId),
        record: &EventRecord,
    ) -> Result<(), Unappliable> {
        let Event::Session(event) = record.event else { return Ok(()) };
        if let SessionEvent::SessionOpened { .. } = event {
            *row = opened(event);
            return Ok(());
        }
        let row = row.as_mut().ok_or(Unappliable("the session was never opened"))?;
        row.change(event);
        row.settle();
        Ok(())
    }
}

fn opened(event: &SessionEvent) -> Option<SessionRow> {
    let SessionEvent::SessionOpened { visit, facility, pool, entered_at, tariff, zone } = event else {
        return None;
    };
    Some(SessionRow {
        facility: *facility,
        visit: *visit,
        pool: *pool,
        status: SessionStatus::Open,
        entered_at: *entered_at,
        ended_at: None,
        currency: tariff.currency,
        tariff: Json(tariff.clone()),
        zone: zone.clone(),
        credits: Json(Vec::new()),
        credits_minor: 0,
        adjustments_minor: 0,
        leave_by: None,
        price_minor: None,
        owed_minor: None,
        surplus_minor: None,
    })
}

impl SessionRow {
    fn change(&mut self, event: &SessionEvent) {
        match event {
            SessionEvent::SessionOpened { .. } => {}
            SessionEvent::StayEnded { ended_at } => self.end_at(Some(*ended_at)),
            SessionEvent::StayRetimed { entered_at, ended_at } => {
                self.entered_at = *entered_at;
                self.end_at(*ended_at);
            }
            SessionEvent::ChargeAdjusted { amount, .. } => self.adjustments_minor += amount.amount_minor,
            SessionEvent::CreditApplied { payment, amount, priced_at, leave_by, .. } => {
                self.credits.push(CreditEntry {
                    payment: *payment,
                    amount_minor: amount.amount_minor,
                    priced_at: *priced_at,
                    leave_by: *leave_by,
                });
            }
            SessionEvent::CreditReversed { payment, amount, .. } => {
                if let Some(credit) = self.credits.iter_mut().find(|credit| credit.payment == *payment) {
                    credit.amount_minor -= amount.amount_minor;
                }
            }
        }
        self.credits_minor = self.credits.iter().map(|credit| credit.amount_minor).sum();
        let paid = self.credits.iter().filter(|credit| credit.amount_minor > 0);
        self.leave_by = paid.filter_map(|credit| credit.leave_by).max();
    }

    fn end_at(&mut self, ended_at: Option<Timestamp>) {
        self.ended_at = ended_at;
        self.status = if ended_at.is_some() { SessionStatus::Ended } else { SessionStatus::Open };
    }

    /// What an ended stay comes to. An open one is priced when somebody asks.
    fn settle(&mut self) {
        let Some(ended_at) = self.ended_at else {
            (self.price_minor, self.owed_minor, self.surplus_minor) = (None, None, None);
            return;
        };
        let (_, price) = price(&self.tariff, &self.zone, self.entered_at, ended_at);
        let price_minor = price.amount_minor.saturating_add(self.adjustments_minor).max(0);
        let open_minor = price_minor.saturating_sub(self.credits_minor);
        self.price_minor = Some(price_minor);
        self.owed_minor = Some(open_minor.max(0));
        self.surplus_minor = Some(open_minor.saturating_neg().max(0));
    }
}
