//! The port to a payment gateway.
//!
//! Every call has an idempotency key, made of the payment and the call's number: the same key is one call, how
//! often so ever it arrives. A call whose answer was lost is asked about by its key, then made again under it.

use async_trait::async_trait;
use octocity_domain::payments::{GatewayCall, GatewayOutcome, Token};
use octocity_domain::{Money, PaymentId};

/// One call's name at the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdempotencyKey {
    pub payment: PaymentId,
    pub call: u32,
}

impl std::fmt::Display for IdempotencyKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.payment, self.call)
    }
}

/// What is asked of the gateway.
#[derive(Clone, Debug)]
pub struct GatewayRequest {
    pub key: IdempotencyKey,
    pub call: GatewayCall,
    /// The gateway's own opaque name for the means of payment.
    pub token: Token,
    /// The gateway's name for what an earlier call of this payment did (of the authorisation, for a capture).
    pub reference: Option<String>,
}

impl GatewayRequest {
    pub const fn amount(&self) -> Money {
        self.call.amount
    }
}

/// A gateway never fails: what it does not answer clearly is `GatewayOutcome::Unknown`.
#[async_trait]
pub trait PaymentGateway: Send + Sync + 'static {
    async fn call(&self, request: GatewayRequest) -> GatewayOutcome;

    /// What came of a call; None where the gateway knows no call of this key, or cannot be asked.
    async fn find(&self, key: IdempotencyKey) -> Option<GatewayOutcome>;
}
