//! The first tariff: free time, started increments, a cap per period.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ids::Code;
use crate::money::{Currency, Money};
use crate::time::{Interval, Timestamp, Zone};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CapPeriod {
    /// Each 24 hours from the entry.
    DayFromEntry,
    /// Each local calendar day of the facility's zone (23 or 25 hours long at a clock change).
    LocalDay,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Cap {
    pub amount_minor: i64,
    pub period: CapPeriod,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Tariff {
    /// The operator's name for this version of it.
    pub id: Code,
    pub currency: Currency,
    /// Stays up to this long cost nothing; longer ones are charged from the entry.
    pub free_seconds: u32,
    pub increment_seconds: u32,
    pub price_per_increment_minor: i64,
    pub cap: Option<Cap>,
    /// How long after paying the way out stays paid.
    pub grace_seconds: u32,
}

/// Why a tariff cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum TariffFault {
    IncrementZero,
    PriceNegative,
    AmountTooLarge,
}

impl fmt::Display for TariffFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::IncrementZero => "its increment is 0 seconds; give at least 1",
            Self::PriceNegative => "a price or cap is negative; give 0 or more",
            Self::AmountTooLarge => "a price or cap is above 1000000000 minor units; lower it",
        })
    }
}

/// Which rule made a line of a quote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum QuoteRule {
    FreeTime,
    Increments,
    Cap,
    Credit,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuoteLine {
    pub rule: QuoteRule,
    pub interval: Interval,
    /// Negative for a credit.
    pub amount_minor: i64,
}

/// What is owed at an instant, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quote {
    pub tariff: Code,
    pub lines: Vec<QuoteLine>,
    /// The price of the stay so far.
    pub price: Money,
    pub credits_minor: i64,
    /// What is still to pay: never below 0.
    pub owed: Money,
    /// What was paid beyond the price.
    pub surplus_minor: i64,
    pub priced_at: Timestamp,
    /// Until when paying `owed` opens the way out.
    pub holds_until: Timestamp,
}

impl Tariff {
    pub fn check(&self) -> Result<(), TariffFault> {
        Ok(())
    }
}

/// The lines and the sum of a stay from `entered_at` to `until`, without credits.
pub fn price(
    _tariff: &Tariff,
    _zone: &Zone,
    _entered_at: Timestamp,
    _until: Timestamp,
) -> (Vec<QuoteLine>, Money) {
    (Vec::new(), Money::new(0, _tariff.currency))
}
