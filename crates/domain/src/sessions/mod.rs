//! # Sessions
//!
//! The money side of one visit that can cost money.
//!
//! - **stay**: from entry passed to exit requested (or passed, where none was requested).
//! - **credit**: what a payment gave to this session, priced at an instant under a tariff version, with its leave-by.
//! - **owed**: price of the stay - credits, never below 0; **surplus**: credits beyond the price.
//! - **debt**: what is still owed after the stay ended.
//! - **merged**: its visit was judged to be a part of another's stay, which takes over its entry and what was paid.
//!
//! Invariants: a session stores credits, never "paid"; it takes any credit, also too much or too late; one payment
//! credits it once; the tariff in force at entry is pinned when it opens.

pub mod event;
pub mod session;
pub mod state;
pub mod stays;

pub use event::{SessionEvent, TakenCredit};
pub use session::{Session, SessionCommand, SessionRefusal};
pub use state::{SessionCredit, SessionState, Stay};

#[cfg(test)]
mod tests;
