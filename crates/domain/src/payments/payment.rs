//! One payment's stream: `payment-<id>`.

use std::collections::HashSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::state::{Order, PaymentState, Standing};
use super::token::{Token, TokenFault};
use crate::card_numbers::holds_card_number;
use crate::decider::{Context, Decider, Decision, Fact, Moment, Refusal, refusal_codes};
use crate::event::Category;
use crate::facilities::Plan;
use crate::ids::{FacilityId, ReservationId, VisitId};
use crate::money::{Currency, Money};
use crate::time::Timestamp;

/// The highest amount of one payment.
const AMOUNT_MAX_MINOR: i64 = 1_000_000_000;
/// The most things that one payment pays for.
pub const ALLOCATIONS_MAX: usize = 50;
const TEXT_MAX_CHARS: usize = 500;
/// How far clocks may differ before a time is from the future.
const FUTURE_SECONDS: i64 = 60;

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
        token: Token,
        priced_at: Timestamp,
    },
    /// The intent, before the gateway is called.
    GatewayCallPlanned {
        call: GatewayCall,
        /// Of a refund: why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
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

#[derive(Clone, Debug, Serialize)]
pub enum PaymentCommand {
    /// `priced_at`: of the quote that is paid; the price then is honoured.
    AuthorizePayment {
        facility: FacilityId,
        amount: Money,
        allocations: Vec<Allocation>,
        token: Token,
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

/// For `AuthorizePayment`.
#[derive(Clone, Debug, Default)]
pub struct PaymentFacts {
    /// The facility's, for its currency; None where the facility is unknown.
    pub plan: Option<Arc<Plan>>,
    /// The first of the payables that the facility does not know.
    pub unknown_payable: Option<Payable>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "code")]
pub enum PaymentRefusal {
    PaymentUnknown,
    PaymentExists,
    FacilityUnknown,
    CurrencyWrong { expected: Currency, given: Currency },
    AmountInvalid,
    AllocationsInvalid,
    AllocationTwice,
    PayableUnknown { payable: Payable },
    AllocationsDoNotAddUp { allocated_minor: i64, amount_minor: i64 },
    TokenInvalid,
    CardNumberRefused,
    TimeInFuture,
    CallInProgress,
    CallUnknown,
    PaymentDeclined,
    PaymentVoided,
    NotCaptured,
    AlreadyCaptured,
    CaptureExceeded { authorized: Money },
    AlreadyRefunded,
    RefundExceeded { remaining: Money },
    ReasonMissing,
    TextTooLong,
}

refusal_codes!(PaymentRefusal {
    PaymentUnknown => "PAYMENT_UNKNOWN",
    PaymentExists => "PAYMENT_EXISTS",
    FacilityUnknown => "FACILITY_UNKNOWN",
    CurrencyWrong => "CURRENCY_WRONG",
    AmountInvalid => "AMOUNT_INVALID",
    AllocationsInvalid => "ALLOCATIONS_INVALID",
    AllocationTwice => "ALLOCATION_TWICE",
    PayableUnknown => "PAYABLE_UNKNOWN",
    AllocationsDoNotAddUp => "ALLOCATIONS_DO_NOT_ADD_UP",
    TokenInvalid => "TOKEN_INVALID",
    CardNumberRefused => "CARD_NUMBER_REFUSED",
    TimeInFuture => "TIME_IN_FUTURE",
    CallInProgress => "CALL_IN_PROGRESS",
    CallUnknown => "CALL_UNKNOWN",
    PaymentDeclined => "PAYMENT_DECLINED",
    PaymentVoided => "PAYMENT_VOIDED",
    NotCaptured => "NOT_CAPTURED",
    AlreadyCaptured => "ALREADY_CAPTURED",
    CaptureExceeded => "CAPTURE_EXCEEDED",
    AlreadyRefunded => "ALREADY_REFUNDED",
    RefundExceeded => "REFUND_EXCEEDED",
    ReasonMissing => "REASON_MISSING",
    TextTooLong => "TEXT_TOO_LONG",
});

impl Refusal for PaymentRefusal {
    fn code(&self) -> &'static str {
        self.stable_code()
    }
    fn message(&self) -> String {
        let sentence = match self {
            Self::PaymentUnknown => "No payment has this id; authorise it first or correct the id.",
            Self::PaymentExists => {
                "A payment with this id was requested already; look it up, or choose another id for a new one."
            }
            Self::FacilityUnknown => "No facility has this id; register it first or correct the id.",
            Self::CurrencyWrong { expected, given } => {
                return format!(
                    "This payment is in {expected}, not in {given}; give every amount in {expected}."
                );
            }
            Self::AmountInvalid => "An amount lies between 1 and 1000000000 minor units; correct it.",
            Self::AllocationsInvalid => {
                return format!(
                    "A payment has 1 to {ALLOCATIONS_MAX} allocations, each of 1 to {AMOUNT_MAX_MINOR} minor \
                     units; correct them."
                );
            }
            Self::PayableUnknown { .. } => {
                "This facility does not know a visit or reservation that is to be paid; correct its id."
            }
            Self::AllocationTwice => "One thing is allocated to twice; add its two parts up to one.",
            Self::AllocationsDoNotAddUp { allocated_minor, amount_minor } => {
                return format!(
                    "The allocations add up to {allocated_minor} minor units, the amount is {amount_minor}; \
                     correct one of them."
                );
            }
            Self::TokenInvalid => {
                "A token has 1 to 200 visible ASCII characters; send the gateway's own as it gave it."
            }
            Self::CardNumberRefused => {
                "The token looks like a card number, which is never stored; send the gateway's token for the card."
            }
            Self::TimeInFuture => {
                "'pricedAt' lies in the future; take it from the quote that is paid, or leave it out."
            }
            Self::CallInProgress => {
                "A call to the gateway is not answered yet; wait until the payment is settled, then ask again."
            }
            Self::CallUnknown => "No such call to the gateway was planned; correct its number.",
            Self::PaymentDeclined => {
                "The gateway declined this payment; request a new one with another token."
            }
            Self::PaymentVoided => "This payment was voided; request a new one.",
            Self::NotCaptured => "Nothing is captured of this payment; void it instead of refunding it.",
            Self::AlreadyCaptured => {
                "This payment was captured, which happens once; refund it, or request a new one for more."
            }
            Self::CaptureExceeded { authorized } => {
                return format!("Only {authorized} is authorised; capture no more than that.");
            }
            Self::AlreadyRefunded => "All that was captured is refunded already; nothing is left to do.",
            Self::RefundExceeded { remaining } => {
                return format!("Only {remaining} is left of what was captured; refund no more than that.");
            }
            Self::ReasonMissing => "A reason is needed; say in a few words why.",
            Self::TextTooLong => "A text has at most 500 characters; shorten it.",
        };
        sentence.to_owned()
    }
}

pub struct Payment;

type Outcome = Result<Vec<PaymentEvent>, PaymentRefusal>;

impl Decider for Payment {
    const CATEGORY: Category = Category::Payment;
    const SNAPSHOT_VERSION: u32 = 1;
    type State = PaymentState;
    type Event = PaymentEvent;
    type Command = PaymentCommand;
    type Facts = PaymentFacts;
    type Refusal = PaymentRefusal;

    fn evolve(state: &mut PaymentState, event: &PaymentEvent, _: Moment) {
        state.evolve(event);
    }

    fn decide(
        state: &PaymentState,
        command: &PaymentCommand,
        facts: &PaymentFacts,
        context: Context,
    ) -> Decision<PaymentEvent, PaymentRefusal> {
        let decided = match (command, state) {
            (PaymentCommand::AuthorizePayment { .. }, PaymentState::Requested(_)) => {
                Err(PaymentRefusal::PaymentExists)
            }
            (PaymentCommand::AuthorizePayment { .. }, PaymentState::Unknown) => {
                authorize(command, facts, context.now)
            }
            (_, PaymentState::Unknown) => Err(PaymentRefusal::PaymentUnknown),
            (PaymentCommand::CapturePayment { amount }, PaymentState::Requested(order)) => {
                capture(order, *amount)
            }
            (PaymentCommand::RefundPayment { amount, reason }, PaymentState::Requested(order)) => {
                refund(order, *amount, reason)
            }
            (PaymentCommand::VoidPayment, PaymentState::Requested(order)) => void(order),
            (PaymentCommand::RecordGatewayOutcome { call, outcome }, PaymentState::Requested(order)) => {
                record_outcome(order, *call, outcome)
            }
        };
        match decided {
            Ok(events) => {
                let facts = events.into_iter().map(|event| Fact::new(event, context.now));
                Decision::Accepted(facts.collect())
            }
            Err(refusal) => Decision::refused(refusal),
        }
    }
}

fn authorize(command: &PaymentCommand, facts: &PaymentFacts, now: Timestamp) -> Outcome {
    let PaymentCommand::AuthorizePayment { facility, amount, allocations, token, priced_at } = command else {
        return Ok(Vec::new());
    };
    let plan = facts.plan.as_deref().filter(|plan| plan.facility == *facility);
    let plan = plan.ok_or(PaymentRefusal::FacilityUnknown)?;
    check_currency(plan.currency, *amount)?;
    check_amount(amount.amount_minor)?;
    check_allocations(amount.amount_minor, allocations)?;
    if let Some(payable) = facts.unknown_payable {
        return Err(PaymentRefusal::PayableUnknown { payable });
    }
    token.check().map_err(|fault| match fault {
        TokenFault::Invalid => PaymentRefusal::TokenInvalid,
        TokenFault::CardNumber => PaymentRefusal::CardNumberRefused,
    })?;
    let priced_at = priced_at.unwrap_or(now);
    if priced_at > now.plus_seconds(FUTURE_SECONDS) {
        return Err(PaymentRefusal::TimeInFuture);
    }
    let requested = PaymentEvent::PaymentRequested {
        facility: *facility,
        amount: *amount,
        allocations: allocations.clone(),
        token: token.clone(),
        priced_at: priced_at.min(now),
    };
    let call = GatewayCall { number: 1, verb: GatewayVerb::Authorize, amount: *amount };
    Ok(vec![requested, PaymentEvent::GatewayCallPlanned { call, reason: None }])
}

fn capture(order: &Order, amount: Option<Money>) -> Outcome {
    order.check_idle()?;
    order.check_authorized()?;
    let amount = amount.unwrap_or(order.amount);
    check_currency(order.amount.currency, amount)?;
    check_amount(amount.amount_minor)?;
    if amount.amount_minor > order.amount.amount_minor {
        return Err(PaymentRefusal::CaptureExceeded { authorized: order.amount });
    }
    Ok(vec![order.plan_call(GatewayVerb::Capture, amount, None)])
}

fn refund(order: &Order, amount: Option<Money>, reason: &str) -> Outcome {
    order.check_idle()?;
    let remaining = order.refundable()?;
    let amount = amount.unwrap_or(remaining);
    check_currency(remaining.currency, amount)?;
    if reason.trim().is_empty() {
        return Err(PaymentRefusal::ReasonMissing);
    }
    if reason.chars().count() > TEXT_MAX_CHARS {
        return Err(PaymentRefusal::TextTooLong);
    }
    if remaining.amount_minor == 0 {
        return Err(PaymentRefusal::AlreadyRefunded);
    }
    check_amount(amount.amount_minor)?;
    if amount.amount_minor > remaining.amount_minor {
        return Err(PaymentRefusal::RefundExceeded { remaining });
    }
    Ok(vec![order.plan_call(GatewayVerb::Refund, amount, Some(reason.to_owned()))])
}

/// Voiding what is voided changes nothing.
fn void(order: &Order) -> Outcome {
    order.check_idle()?;
    if order.standing == Standing::Voided {
        return Ok(Vec::new());
    }
    order.check_authorized()?;
    Ok(vec![order.plan_call(GatewayVerb::Void, order.amount, None)])
}

/// An answer to a call that is answered already is no news: the gateway repeats itself, or two askers heard it.
fn record_outcome(order: &Order, number: u32, outcome: &GatewayOutcome) -> Outcome {
    if number == 0 || number > order.calls {
        return Err(PaymentRefusal::CallUnknown);
    }
    let Some(open) = order.open.filter(|open| open.call.number == number) else {
        return Ok(Vec::new());
    };
    let amount = open.call.amount;
    let event = match (outcome, open.call.verb) {
        (GatewayOutcome::Declined { reason }, _) => {
            PaymentEvent::GatewayCallRefused { call: number, reason: said(reason) }
        }
        (GatewayOutcome::Unknown { reason }, _) => {
            PaymentEvent::GatewayCallUnresolved { call: number, reason: said(reason) }
        }
        (GatewayOutcome::Done { reference }, GatewayVerb::Authorize) => {
            PaymentEvent::PaymentAuthorized { call: number, reference: shortened(reference) }
        }
        (GatewayOutcome::Done { reference }, GatewayVerb::Capture) => {
            PaymentEvent::PaymentCaptured { call: number, amount, reference: shortened(reference) }
        }
        (GatewayOutcome::Done { reference }, GatewayVerb::Refund) => {
            PaymentEvent::PaymentRefunded { call: number, amount, reference: shortened(reference) }
        }
        (GatewayOutcome::Done { reference }, GatewayVerb::Void) => {
            PaymentEvent::PaymentVoided { call: number, reference: shortened(reference) }
        }
    };
    Ok(vec![event])
}

/// Why, in the gateway's words, but for a card's number among them.
fn said(reason: &str) -> String {
    match holds_card_number(reason) {
        true => "withheld: it held a card number".to_owned(),
        false => shortened(reason),
    }
}

/// What a gateway says is kept, however long it is said: its answer must not be refused.
fn shortened(text: &str) -> String {
    text.chars().take(TEXT_MAX_CHARS).collect()
}

fn check_allocations(amount_minor: i64, allocations: &[Allocation]) -> Result<(), PaymentRefusal> {
    let positive = allocations.iter().all(|part| (1..=AMOUNT_MAX_MINOR).contains(&part.amount_minor));
    if !positive || !(1..=ALLOCATIONS_MAX).contains(&allocations.len()) {
        return Err(PaymentRefusal::AllocationsInvalid);
    }
    let mut payables = HashSet::new();
    if !allocations.iter().all(|part| payables.insert(part.payable)) {
        return Err(PaymentRefusal::AllocationTwice);
    }
    let allocated_minor: i64 = allocations.iter().map(|part| part.amount_minor).sum();
    match allocated_minor == amount_minor {
        true => Ok(()),
        false => Err(PaymentRefusal::AllocationsDoNotAddUp { allocated_minor, amount_minor }),
    }
}

const fn check_amount(amount_minor: i64) -> Result<(), PaymentRefusal> {
    match amount_minor {
        1..=AMOUNT_MAX_MINOR => Ok(()),
        _ => Err(PaymentRefusal::AmountInvalid),
    }
}

fn check_currency(expected: Currency, amount: Money) -> Result<(), PaymentRefusal> {
    match amount.currency == expected {
        true => Ok(()),
        false => Err(PaymentRefusal::CurrencyWrong { expected, given: amount.currency }),
    }
}
