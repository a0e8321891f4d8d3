//! One row per session.

use octocity_domain::tariffs::Tariff;
use octocity_domain::{Currency, FacilityId, PaymentId, PoolId, Timestamp, VisitId, time::Zone};
use serde::{Deserialize, Serialize};

use crate::row::{Json, row, word_fields};

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
