//! The money side of a stay. What it costs follows from tariff and times, and is asked for in GraphQL (`quote`).

use octocity_domain::ids::Code;
use octocity_domain::sessions::SessionEvent;
use octocity_domain::{FacilityId, PaymentId, PoolId, VisitId};
use serde::Serialize;

use crate::{Amount, Published, Subject, Time};

/// A visit that can cost money began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct SessionOpened {
    pub facility: FacilityId,
    pub visit: VisitId,
    pub pool: PoolId,
    pub entered_at: Time,
    /// The tariff that prices it to its end.
    pub tariff: Code,
}

/// The stay that is charged is over; what is owed from now on is a debt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct StayEnded {
    pub facility: FacilityId,
    pub visit: VisitId,
    pub ended_at: Time,
}

/// The entry or the end of a stay was judged anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct StayRetimed {
    pub facility: FacilityId,
    pub visit: VisitId,
    pub entered_at: Time,
    /// Absent where the stay goes on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Time>,
}

/// An attendant changed what is owed: a negative amount is a rebate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ChargeAdjusted {
    pub facility: FacilityId,
    pub visit: VisitId,
    pub amount: Amount,
}

/// A payment counts towards a stay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct CreditApplied {
    pub facility: FacilityId,
    pub visit: VisitId,
    pub payment: PaymentId,
    pub amount: Amount,
    /// When what was paid had been priced.
    pub priced_at: Time,
}

/// A refund took back what a payment had given to a stay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct CreditReversed {
    pub facility: FacilityId,
    pub visit: VisitId,
    pub payment: PaymentId,
    pub amount: Amount,
}

/// A visit was judged to be a part of another's stay, and is charged there; payments for it count there too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct StayMerged {
    pub facility: FacilityId,
    pub visit: VisitId,
    pub into: VisitId,
}

pub(crate) fn publish(event: &SessionEvent, facility: FacilityId, visit: VisitId) -> Option<Published> {
    let subject = Subject::Visit(visit);
    Some(match event {
        SessionEvent::SessionOpened { pool, entered_at, tariff, .. } => {
            let (pool, entered_at, tariff) = (*pool, (*entered_at).into(), tariff.id);
            Published::of(subject, SessionOpened { facility, visit, pool, entered_at, tariff })
        }
        SessionEvent::StayEnded { ended_at } => {
            Published::of(subject, StayEnded { facility, visit, ended_at: (*ended_at).into() })
        }
        SessionEvent::StayRetimed { entered_at, ended_at } => {
            let (entered_at, ended_at) = ((*entered_at).into(), ended_at.map(Time));
            Published::of(subject, StayRetimed { facility, visit, entered_at, ended_at })
        }
        SessionEvent::ChargeAdjusted { amount, .. } => {
            Published::of(subject, ChargeAdjusted { facility, visit, amount: (*amount).into() })
        }
        SessionEvent::CreditApplied { payment, amount, priced_at, .. } => {
            let (payment, amount, priced_at) = (*payment, (*amount).into(), (*priced_at).into());
            Published::of(subject, CreditApplied { facility, visit, payment, amount, priced_at })
        }
        SessionEvent::CreditReversed { payment, amount, .. } => {
            let (payment, amount) = (*payment, (*amount).into());
            Published::of(subject, CreditReversed { facility, visit, payment, amount })
        }
        SessionEvent::StayMerged { into } => {
            Published::of(subject, StayMerged { facility, visit, into: *into })
        }
        // What the other side of a merge does about it; the money was told of already.
        SessionEvent::StayTakenOver { .. } => return None,
    })
}
