//! What happens to the money side of a visit.

use serde::{Deserialize, Serialize};

use crate::ids::{Code, FacilityId, PaymentId, PoolId, VisitId};
use crate::money::Money;
use crate::tariffs::Tariff;
use crate::time::{Timestamp, Zone};

/// Storage format: names and fields stay as they are for ever.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum SessionEvent {
    SessionOpened {
        visit: VisitId,
        facility: FacilityId,
        pool: PoolId,
        entered_at: Timestamp,
        tariff: Tariff,
        zone: Zone,
    },
    StayEnded {
        ended_at: Timestamp,
    },
    /// The entry or the end was judged anew.
    StayRetimed {
        entered_at: Timestamp,
        ended_at: Option<Timestamp>,
    },
    /// An attendant's change of what is owed: negative is a rebate.
    ChargeAdjusted {
        amount: Money,
        reason: String,
    },
    /// `priced_at`, `leave_by`: of the quote that was paid.
    CreditApplied {
        payment: PaymentId,
        amount: Money,
        priced_at: Timestamp,
        /// None where the credits did not cover what was owed then, or the session was not opened yet.
        leave_by: Option<Timestamp>,
        /// The tariff that priced it; None where the session was not opened yet.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tariff: Option<Code>,
    },
    /// A refund took `amount` of that payment's credit back.
    CreditReversed {
        payment: PaymentId,
        amount: Money,
        /// Which refund of that payment: its gateway call's number.
        refund: u32,
    },
    /// Its visit and `into` are one stay: it is charged there, and what is paid here counts there.
    StayMerged {
        into: VisitId,
    },
    /// What the merged visit's session says as of its event `revision`; an older one says nothing any more.
    StayTakenOver {
        visit: VisitId,
        revision: u64,
        entered_at: Timestamp,
        /// All that is paid there.
        credits: Vec<TakenCredit>,
    },
}

/// A credit of a merged visit's session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TakenCredit {
    pub payment: PaymentId,
    pub amount: Money,
    pub priced_at: Timestamp,
}
