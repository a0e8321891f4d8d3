//! One session's stream.
use serde::{Deserialize, Serialize};

use crate::decider::{Context, Decider, Decision, Moment};
use crate::event::Category;
use crate::ids::{FacilityId, PaymentId, PoolId, VisitId};
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
        leave_by: Option<Timestamp>,
    },
    /// A refund took `amount` of that payment's credit back.
    CreditReversed {
        payment: PaymentId,
        amount: Money,
    },
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct SessionState {}

#[derive(Clone, Debug, Serialize)]
pub enum SessionCommand {
    OpenSession {
        visit: VisitId,
        facility: FacilityId,
        pool: PoolId,
        entered_at: Timestamp,
        tariff: Tariff,
        zone: Zone,
    },
    EndStay {
        ended_at: Timestamp,
    },
    RetimeStay {
        entered_at: Timestamp,
        ended_at: Option<Timestamp>,
    },
    AdjustCharge {
        amount: Money,
        reason: String,
    },
    ApplyCredit {
        payment: PaymentId,
        amount: Money,
        priced_at: Timestamp,
    },
    /// `refund` counts the refunds of that payment, so that each reverses once.
    ReverseCredit {
        payment: PaymentId,
        amount: Money,
        refund: u32,
    },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "code")]
pub enum SessionRefusal {
    SessionUnknown,
    CurrencyWrong,
    AmountInvalid,
}
impl crate::decider::Refusal for SessionRefusal {
    fn code(&self) -> &'static str {
        "SESSION_UNKNOWN"
    }
    fn message(&self) -> String {
        String::new()
    }
}
pub struct Session;
impl Decider for Session {
    const CATEGORY: Category = Category::Session;
    const SNAPSHOT_VERSION: u32 = 1;
    type State = SessionState;
    type Event = SessionEvent;
    type Command = SessionCommand;
    type Facts = ();
    type Refusal = SessionRefusal;
    fn evolve(_state: &mut SessionState, _event: &SessionEvent, _moment: Moment) {}
    fn decide(
        _: &SessionState,
        _: &SessionCommand,
        (): &(),
        _: Context,
    ) -> Decision<SessionEvent, SessionRefusal> {
        Decision::nothing()
    }
}
