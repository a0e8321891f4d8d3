//! # Tariffs
//!
//! What a stay costs.
//!
//! - **tariff**: free time, a price per started increment, a cap with its period, and the grace after paying.
//! - **quote**: what is owed at an instant, line by line (which rule, over which interval), and until when it holds.
//! - **grace**: the time to drive out after paying; within it a paid quote is honoured.
//!
//! Invariants: a longer stay never costs less; amounts are whole minor units of the tariff's currency.

pub mod tariff;

pub use tariff::{Cap, CapPeriod, Quote, QuoteLine, QuoteRule, Tariff, TariffFault, price};
