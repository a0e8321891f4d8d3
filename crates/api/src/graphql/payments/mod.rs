//! # Payments
//!
//! - **authorise, capture, void, refund**: reserve, take, let go, give back.
//! - **allocation**: what a payment pays for, and how much of it; a family pays two tickets at one machine.
//! - **pending**: the gateway has not answered yet; the payment goes on by itself, and `payment` shows how it came out.

mod mutation;
mod outcome;
mod query;

pub use mutation::PaymentsMutation;
pub use query::PaymentsQuery;
