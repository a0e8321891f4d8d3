//! # Tariffs
//!
//! What a stay costs.
//!
//! - **tariff**: free time, a price per started increment, a cap with its period, and the grace after paying.
//! - **ladder**: the price as it rises with time, one rung for every started increment.
//! - **credit**: what was paid, and the instant that the paid quote was priced at.
//! - **charge**: the price with attendants' adjustments, never below 0.
//! - **quote**: what is owed at an instant, line by line (which rule, over which interval), and until when it holds.
//! - **grace**: the time to drive out after paying; within it a paid quote is honoured.
//!
//! Invariants: a longer stay never costs less; amounts are whole minor units of the tariff's currency; the lines
//! of a quote add up to its price less its credits; whoever pays what a quote says while it holds owes nothing then.
//!
//! A fuller engine (day and night rates, weekdays, kinds of vehicle) takes the place of `ladder` and adds rules to
//! [`QuoteRule`]; [`Bill`] and [`Quote`] stay as they are: they ask the ladder only what it costs, rung by rung.

mod bill;
mod ladder;
pub mod tariff;

#[cfg(test)]
mod tests;

pub use bill::{Bill, Credit, Quote, QuoteLine, QuoteRule, quote};
pub use ladder::price;
pub use tariff::{Cap, CapPeriod, Tariff, TariffFault};
