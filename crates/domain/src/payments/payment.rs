//! One payment's stream.
use serde::{Deserialize, Serialize};

use crate::decider::{Context, Decider, Decision, Moment};
use crate::event::Category;
use crate::ids::{FacilityId, ReservationId, VisitId};
use crate::money::Money;
use crate::time::Timestamp;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "payable", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Payable {
    Session { visit: VisitId },
    Reservation { reservation: ReservationId },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Allocation {
    #[serde(flatten)]
    pub payable: Payable,
    pub amount_minor: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum GatewayVerb {
    Authorize,
    Capture,
    Refund,
    Void,
}

/// What is asked of the gateway. `number` counts the calls of this payment; payment and number make the
/// idempotency key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct GatewayCall {
    pub number: u32,
    pub verb: GatewayVerb,
    pub amount: Money,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum GatewayOutcome {
    /// `reference`: the gateway's own name for what it did.
    Done {
        reference: String,
    },
    Declined {
        reason: String,
    },
    /// No answer, or none that can be trusted.
    Unknown {
        reason: String,
    },
}

/// Storage format: names and fields stay as they are for ever. No card number ever: `token` is the gateway's
/// own opaque name for the means of payment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum PaymentEvent {
    PaymentRequested {
        facility: FacilityId,
        amount: Money,
        allocations: Vec<Allocation>,
        token: String,
        priced_at: Timestamp,
    },
    GatewayCallPlanned {
        call: GatewayCall,
    },
    PaymentAuthorized {
        call: u32,
        reference: String,
    },
    PaymentCaptured {
        call: u32,
        amount: Money,
        reference: String,
    },
    PaymentRefunded {
        call: u32,
        amount: Money,
        reference: String,
    },
    PaymentVoided {
        call: u32,
        reference: String,
    },
    GatewayCallRefused {
        call: u32,
        reason: String,
    },
    GatewayCallUnresolved {
        call: u32,
        reason: String,
    },
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct PaymentState {}

#[derive(Clone, Debug, Serialize)]
pub enum PaymentCommand {
    /// `priced_at`: of the quote that is paid; the price then is honoured.
    AuthorizePayment {
        facility: FacilityId,
        amount: Money,
        allocations: Vec<Allocation>,
        token: String,
        priced_at: Option<Timestamp>,
    },
    /// None: all that is authorised.
    CapturePayment {
        amount: Option<Money>,
    },
    /// None: all that is captured and not refunded.
    RefundPayment {
        amount: Option<Money>,
        reason: String,
    },
    VoidPayment,
    /// Sent by the executor with what the gateway answered.
    RecordGatewayOutcome {
        call: u32,
        outcome: GatewayOutcome,
    },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "code")]
pub enum PaymentRefusal {
    PaymentUnknown,
}
impl crate::decider::Refusal for PaymentRefusal {
    fn code(&self) -> &'static str {
        "PAYMENT_UNKNOWN"
    }
    fn message(&self) -> String {
        String::new()
    }
}
pub struct Payment;
impl Decider for Payment {
    const CATEGORY: Category = Category::Payment;
    const SNAPSHOT_VERSION: u32 = 1;
    type State = PaymentState;
    type Event = PaymentEvent;
    type Command = PaymentCommand;
    type Facts = ();
    type Refusal = PaymentRefusal;
    fn evolve(_state: &mut PaymentState, _event: &PaymentEvent, _moment: Moment) {}
    fn decide(
        _: &PaymentState,
        _: &PaymentCommand,
        (): &(),
        _: Context,
    ) -> Decision<PaymentEvent, PaymentRefusal> {
        Decision::nothing()
    }
}
