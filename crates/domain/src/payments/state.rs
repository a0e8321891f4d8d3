//! What is known of a payment, folded from its stream.

use serde::{Deserialize, Serialize};

use super::payment::{Allocation, GatewayCall, GatewayVerb, Payable, PaymentEvent, PaymentRefusal};
use super::split::split_minor;
use super::token::Token;
use crate::ids::FacilityId;
use crate::money::Money;
use crate::time::Timestamp;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub enum PaymentState {
    #[default]
    Unknown,
    Requested(Box<Order>),
}

/// What was asked for, and how far it got.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Order {
    pub facility: FacilityId,
    pub amount: Money,
    pub allocations: Vec<Allocation>,
    pub token: Token,
    pub priced_at: Timestamp,
    pub standing: Standing,
    /// How many gateway calls were planned.
    pub(super) calls: u32,
    pub(super) open: Option<OpenCall>,
    /// The gateway's name for the authorisation, then for the capture.
    reference: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Standing {
    /// Not authorised yet.
    Requested,
    Declined,
    /// All of the amount.
    Authorized,
    Captured {
        captured_minor: i64,
        refunds: Vec<Refunded>,
    },
    Voided,
}

/// One refund, divided over the order's allocations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Refunded {
    /// The number of its gateway call.
    call: u32,
    shares_minor: Vec<i64>,
}

/// A gateway call without a known outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenCall {
    pub call: GatewayCall,
    /// It was made, and no answer came that can be trusted: ask again under the same number.
    pub unresolved: bool,
}

/// How far a payment got, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PaymentStatus {
    Requested,
    Declined,
    Authorized,
    Captured,
    PartlyRefunded,
    Refunded,
    Voided,
}

/// What one refund takes back from one payable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefundShare {
    /// The refund's name in `ReverseCredit`: the number of its gateway call.
    pub refund: u32,
    pub payable: Payable,
    pub amount: Money,
}

/// How what was captured divides over the allocations, by the largest remainder; parts of 0 are left out.
/// Empty until something is captured.
pub fn credits_of(state: &PaymentState) -> Vec<(Payable, Money)> {
    let Some(order) = state.order() else { return Vec::new() };
    order.named(&order.credit_shares()).collect()
}

/// How each refund divides: in proportion to what the earlier ones left of each credit, so that none is reversed
/// beyond what it was, and all of them exactly once everything is refunded. Parts of 0 are left out.
pub fn refunds_of(state: &PaymentState) -> Vec<RefundShare> {
    let Some((order, refunds)) = state.order().and_then(|order| Some((order, order.refunds()?))) else {
        return Vec::new();
    };
    let shares = |refund: &Refunded| {
        let named: Vec<_> = order.named(&refund.shares_minor).collect();
        let call = refund.call;
        named.into_iter().map(move |(payable, amount)| RefundShare { refund: call, payable, amount })
    };
    refunds.iter().flat_map(shares).collect()
}

impl PaymentState {
    pub fn order(&self) -> Option<&Order> {
        match self {
            Self::Unknown => None,
            Self::Requested(order) => Some(order),
        }
    }
    /// None where nothing was requested.
    pub fn status(&self) -> Option<PaymentStatus> {
        self.order().map(Order::status)
    }
    pub fn facility(&self) -> Option<FacilityId> {
        self.order().map(|order| order.facility)
    }
    pub fn amount(&self) -> Option<Money> {
        self.order().map(|order| order.amount)
    }
    pub fn captured(&self) -> Option<Money> {
        self.order().map(|order| order.money(order.captured_minor()))
    }
    pub fn refunded(&self) -> Option<Money> {
        self.order().map(|order| order.money(order.refunded_minor()))
    }
    pub fn priced_at(&self) -> Option<Timestamp> {
        self.order().map(|order| order.priced_at)
    }
    /// Only for the gateway: it belongs in no log and no answer.
    pub fn token(&self) -> Option<&Token> {
        self.order().map(|order| &order.token)
    }
    /// The gateway's name for what a next call builds on: the authorisation for a capture, the capture for a refund.
    pub fn reference(&self) -> Option<&str> {
        self.order().and_then(|order| order.reference.as_deref())
    }
    pub fn allocations(&self) -> &[Allocation] {
        self.order().map_or(&[], |order| &order.allocations)
    }
    /// The call that is planned or made, and has no known outcome.
    pub fn open_call(&self) -> Option<GatewayCall> {
        self.order()?.open.map(|open| open.call)
    }
    /// Whether the open call was made, and its outcome is not known.
    pub fn is_unresolved(&self) -> bool {
        self.order().and_then(|order| order.open).is_some_and(|open| open.unresolved)
    }

    pub(super) fn evolve(&mut self, event: &PaymentEvent) {
        if let PaymentEvent::PaymentRequested { facility, amount, allocations, token, priced_at } = event {
            *self = Self::Requested(Box::new(Order {
                facility: *facility,
                amount: *amount,
                allocations: allocations.clone(),
                token: token.clone(),
                priced_at: *priced_at,
                standing: Standing::Requested,
                calls: 0,
                open: None,
                reference: None,
            }));
        } else if let Self::Requested(order) = self {
            order.evolve(event);
        }
    }
}

impl Order {
    fn evolve(&mut self, event: &PaymentEvent) {
        match event {
            PaymentEvent::PaymentRequested { .. } => {}
            PaymentEvent::GatewayCallPlanned { call, .. } => {
                self.calls = call.number;
                self.open = Some(OpenCall { call: *call, unresolved: false });
            }
            PaymentEvent::GatewayCallUnresolved { .. } => {
                if let Some(open) = &mut self.open {
                    open.unresolved = true;
                }
            }
            PaymentEvent::GatewayCallRefused { .. } => {
                // Only the first call can decline the payment; a refused capture or refund leaves it as it was.
                if self.standing == Standing::Requested {
                    self.standing = Standing::Declined;
                }
                self.open = None;
            }
            PaymentEvent::PaymentAuthorized { reference, .. } => {
                self.resolve(Standing::Authorized);
                self.reference = Some(reference.clone());
            }
            PaymentEvent::PaymentCaptured { amount, reference, .. } => {
                let captured_minor = amount.amount_minor;
                self.resolve(Standing::Captured { captured_minor, refunds: Vec::new() });
                self.reference = Some(reference.clone());
            }
            PaymentEvent::PaymentRefunded { call, amount, .. } => {
                let shares_minor = split_minor(amount.amount_minor, &self.remaining_shares());
                if let Standing::Captured { refunds, .. } = &mut self.standing {
                    refunds.push(Refunded { call: *call, shares_minor });
                }
                self.open = None;
            }
            PaymentEvent::PaymentVoided { .. } => self.resolve(Standing::Voided),
        }
    }

    fn resolve(&mut self, standing: Standing) {
        self.standing = standing;
        self.open = None;
    }

    fn status(&self) -> PaymentStatus {
        match &self.standing {
            Standing::Requested => PaymentStatus::Requested,
            Standing::Declined => PaymentStatus::Declined,
            Standing::Authorized => PaymentStatus::Authorized,
            Standing::Captured { refunds, .. } if refunds.is_empty() => PaymentStatus::Captured,
            Standing::Captured { captured_minor, .. } if self.refunded_minor() < *captured_minor => {
                PaymentStatus::PartlyRefunded
            }
            Standing::Captured { .. } => PaymentStatus::Refunded,
            Standing::Voided => PaymentStatus::Voided,
        }
    }

    fn captured_minor(&self) -> i64 {
        match self.standing {
            Standing::Captured { captured_minor, .. } => captured_minor,
            _ => 0,
        }
    }

    fn refunded_minor(&self) -> i64 {
        let shares = self.refunds().into_iter().flatten().flat_map(|refund| &refund.shares_minor);
        shares.sum()
    }

    fn refunds(&self) -> Option<&[Refunded]> {
        match &self.standing {
            Standing::Captured { refunds, .. } => Some(refunds),
            _ => None,
        }
    }

    fn credit_shares(&self) -> Vec<i64> {
        let weights: Vec<i64> = self.allocations.iter().map(|part| part.amount_minor).collect();
        split_minor(self.captured_minor(), &weights)
    }

    /// What the refunds so far left of each credit.
    fn remaining_shares(&self) -> Vec<i64> {
        let mut remaining = self.credit_shares();
        for refund in self.refunds().into_iter().flatten() {
            for (left, share) in remaining.iter_mut().zip(&refund.shares_minor) {
                *left -= share;
            }
        }
        remaining
    }

    fn named(&self, shares_minor: &[i64]) -> impl Iterator<Item = (Payable, Money)> {
        let parts = self.allocations.iter().zip(shares_minor).filter(|(_, share)| **share != 0);
        parts.map(|(part, share)| (part.payable, self.money(*share)))
    }

    const fn money(&self, amount_minor: i64) -> Money {
        Money::new(amount_minor, self.amount.currency)
    }

    pub(super) const fn check_idle(&self) -> Result<(), PaymentRefusal> {
        match self.open {
            Some(_) => Err(PaymentRefusal::CallInProgress),
            None => Ok(()),
        }
    }

    pub(super) const fn check_authorized(&self) -> Result<(), PaymentRefusal> {
        match self.standing {
            Standing::Authorized => Ok(()),
            // Every request is stored together with its first call, and is idle only once that has an outcome.
            Standing::Requested => Err(PaymentRefusal::CallInProgress),
            Standing::Declined => Err(PaymentRefusal::PaymentDeclined),
            Standing::Captured { .. } => Err(PaymentRefusal::AlreadyCaptured),
            Standing::Voided => Err(PaymentRefusal::PaymentVoided),
        }
    }

    /// What is captured and not refunded.
    pub(super) fn refundable(&self) -> Result<Money, PaymentRefusal> {
        match self.standing {
            Standing::Captured { captured_minor, .. } => {
                Ok(self.money(captured_minor - self.refunded_minor()))
            }
            Standing::Requested => Err(PaymentRefusal::CallInProgress),
            Standing::Declined => Err(PaymentRefusal::PaymentDeclined),
            Standing::Authorized => Err(PaymentRefusal::NotCaptured),
            Standing::Voided => Err(PaymentRefusal::PaymentVoided),
        }
    }

    pub(super) const fn plan_call(
        &self,
        verb: GatewayVerb,
        amount: Money,
        reason: Option<String>,
    ) -> PaymentEvent {
        let call = GatewayCall { number: self.calls + 1, verb, amount };
        PaymentEvent::GatewayCallPlanned { call, reason }
    }
}
