//! Facts as rows of their tables.

use clickhouse::Row;
use octocity_domain::sessions::SessionEvent;
use octocity_domain::{Code, Currency, LaneId, Money, PoolId};
use octocity_projections::analytics::{Fact, News, PaymentNews, VisitNews};
use octocity_projections::parking::{EndKind, EntryKind, Passing};
use serde::Serialize;
use uuid::Uuid;

#[derive(Row, Serialize)]
pub struct MovementRow {
    #[serde(with = "clickhouse::serde::uuid")]
    facility: Uuid,
    happened_at: i64,
    revision: u64,
    number: u8,
    pool: PoolId,
    passing: &'static str,
    change: i32,
    lane: Option<LaneId>,
    refusal: Option<String>,
}

impl MovementRow {
    pub fn of(fact: &Fact) -> Option<Self> {
        let News::Movement { pool, movement, lane, refusal } = &fact.news else { return None };
        Some(Self {
            facility: fact.facility.uuid(),
            happened_at: movement.at.millis(),
            revision: fact.revision,
            number: fact.number,
            pool: *pool,
            passing: match movement.passing {
                Passing::Entry => "ENTRY",
                Passing::Exit => "EXIT",
                Passing::Refusal => "REFUSAL",
                Passing::Other => "OTHER",
            },
            change: movement.change,
            lane: *lane,
            refusal: refusal.clone(),
        })
    }
}

#[derive(Row, Serialize)]
pub struct VisitRow {
    #[serde(with = "clickhouse::serde::uuid")]
    facility: Uuid,
    #[serde(with = "clickhouse::serde::uuid")]
    visit: Uuid,
    revision: u64,
    number: u8,
    happened_at: i64,
    what: &'static str,
    kind: &'static str,
    pool: Option<PoolId>,
    entered_at: Option<i64>,
    ended_at: Option<i64>,
    #[serde(with = "clickhouse::serde::uuid::option")]
    merged_into: Option<Uuid>,
}

impl VisitRow {
    pub fn of(fact: &Fact) -> Option<Self> {
        let News::Visit { visit, news } = &fact.news else { return None };
        let told = |what| Self {
            facility: fact.facility.uuid(),
            visit: visit.uuid(),
            revision: fact.revision,
            number: fact.number,
            happened_at: fact.happened_at.millis(),
            what,
            kind: "",
            pool: None,
            entered_at: None,
            ended_at: None,
            merged_into: None,
        };
        Some(match *news {
            VisitNews::Granted { pool } => Self { pool: Some(pool), ..told("GRANTED") },
            VisitNews::Entered { pool, kind, at } => {
                let kind = match kind {
                    EntryKind::Seen => "SEEN",
                    EntryKind::Estimated => "ESTIMATED",
                    EntryKind::Unknown => "UNKNOWN",
                };
                Self { kind, pool: Some(pool), entered_at: at.map(|at| at.millis()), ..told("ENTERED") }
            }
            VisitNews::Ended { kind, at } => {
                let kind = match kind {
                    EndKind::Seen => "SEEN",
                    EndKind::Presumed => "PRESUMED",
                    EndKind::Judged => "JUDGED",
                };
                Self { kind, ended_at: Some(at.millis()), ..told("ENDED") }
            }
            VisitNews::StillInside => told("STILL_INSIDE"),
            VisitNews::Merged { into } => Self { merged_into: Some(into.uuid()), ..told("MERGED") },
        })
    }
}

#[derive(Row, Serialize)]
pub struct SessionRow {
    #[serde(with = "clickhouse::serde::uuid")]
    facility: Uuid,
    #[serde(with = "clickhouse::serde::uuid")]
    visit: Uuid,
    revision: u64,
    number: u8,
    happened_at: i64,
    what: &'static str,
    pool: Option<PoolId>,
    tariff: Option<Code>,
    ended_at: Option<i64>,
    amount_minor: Option<i64>,
    currency: Option<Currency>,
    event: String,
}

impl SessionRow {
    pub fn of(fact: &Fact) -> Option<Self> {
        let News::Session { visit, event } = &fact.news else { return None };
        let told = |what| Self {
            facility: fact.facility.uuid(),
            visit: visit.uuid(),
            revision: fact.revision,
            number: fact.number,
            happened_at: fact.happened_at.millis(),
            what,
            pool: None,
            tariff: None,
            ended_at: None,
            amount_minor: None,
            currency: None,
            // None of the domain's types fails to serialise: they have text keys and no floats.
            event: serde_json::to_string(event).unwrap_or_default(),
        };
        let of_money = |what, amount: &Money| Self {
            amount_minor: Some(amount.amount_minor),
            currency: Some(amount.currency),
            ..told(what)
        };
        Some(match event {
            SessionEvent::SessionOpened { pool, tariff, .. } => Self {
                pool: Some(*pool),
                tariff: Some(tariff.id),
                currency: Some(tariff.currency),
                ..told("OPENED")
            },
            SessionEvent::StayEnded { ended_at } => {
                Self { ended_at: Some(ended_at.millis()), ..told("ENDED") }
            }
            SessionEvent::StayRetimed { ended_at, .. } => {
                Self { ended_at: ended_at.map(|at| at.millis()), ..told("RETIMED") }
            }
            SessionEvent::ChargeAdjusted { amount, .. } => of_money("ADJUSTED", amount),
            SessionEvent::CreditApplied { amount, .. } => of_money("CREDITED", amount),
            SessionEvent::CreditReversed { amount, .. } => of_money("REVERSED", amount),
            SessionEvent::StayMerged { .. } => told("MERGED"),
            SessionEvent::StayTakenOver { .. } => told("TAKEN_OVER"),
        })
    }
}

#[derive(Row, Serialize)]
pub struct PaymentRow {
    #[serde(with = "clickhouse::serde::uuid")]
    facility: Uuid,
    #[serde(with = "clickhouse::serde::uuid")]
    payment: Uuid,
    revision: u64,
    number: u8,
    happened_at: i64,
    what: &'static str,
    amount_minor: i64,
    currency: Currency,
}

impl PaymentRow {
    pub fn of(fact: &Fact) -> Option<Self> {
        let News::Payment { payment, news, amount } = &fact.news else { return None };
        Some(Self {
            facility: fact.facility.uuid(),
            payment: payment.uuid(),
            revision: fact.revision,
            number: fact.number,
            happened_at: fact.happened_at.millis(),
            what: match news {
                PaymentNews::Captured => "CAPTURED",
                PaymentNews::Refunded => "REFUNDED",
            },
            amount_minor: amount.amount_minor,
            currency: amount.currency,
        })
    }
}
