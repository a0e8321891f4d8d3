//! # Payments
//!
//! One payment's life with its gateway.
//!
//! - **payable**: what a payment pays for: a session (its debt too, once the stay ended), a reservation.
//! - **allocation**: a payable and the part of the amount it gets; a family pays two tickets at one machine.
//! - **authorise, capture, void, refund**: reserve, take, let go, give back.
//! - **intent**: the event before every gateway call (`GatewayCallPlanned`), so that no call is ever unknown to the log.
//! - **unresolved**: the call's outcome is not known; the gateway is asked again under the same idempotency key.
//!
//! - **order**: what was asked for: the amount, its allocations, the token, and when it was priced.
//! - **standing**: how far it got: requested, declined, authorised, captured, voided.
//!
//! Invariants: refunded <= captured <= authorised; allocations add up to the amount, in one currency; one
//! call at a time; a payment is captured once, what a partial capture leaves is let go; no card number is stored.

pub mod crediting;
pub mod gateway_calls;
pub mod payment;
mod split;
pub mod state;
#[cfg(test)]
mod tests;
pub mod token;

pub use payment::{
    ALLOCATIONS_MAX, Allocation, GatewayCall, GatewayOutcome, GatewayVerb, Payable, Payment, PaymentCommand,
    PaymentEvent, PaymentFacts, PaymentRefusal,
};
pub use state::{
    OpenCall, Order, PaymentState, PaymentStatus, RefundShare, Standing, credits_of, refunds_of,
};
pub use token::{Token, TokenFault};
