//! # Sessions
//!
//! The money side of one visit that can cost money.
//!
//! - **stay**: from entry passed to exit requested (or passed, where none was requested).
//! - **credit**: what a payment gave to this session, priced at an instant under a tariff version, with its leave-by.
//! - **owed**: price of the stay - credits, never below 0; **surplus**: credits beyond the price.
//! - **debt**: what is still owed after the stay ended.
//!
//! Invariants: a session stores credits, never "paid"; it takes any credit, also too much or too late; one payment
//! credits it once; the tariff in force at entry is pinned when it opens.

pub mod session;
pub mod stays;

pub use session::{Session, SessionCommand, SessionCredit, SessionEvent, SessionRefusal, SessionState, Stay};

#[cfg(test)]
mod tests;
