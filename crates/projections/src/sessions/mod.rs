//! # Sessions, as read
//!
//! - **session row**: the stay that is charged, its credits, and, once it ended, what it costs and what is owed.

pub mod session;

pub use session::{CreditEntry, SessionRow, SessionStatus, Sessions};
