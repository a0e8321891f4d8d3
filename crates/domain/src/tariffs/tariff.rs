//! The first tariff: free time, started increments, a cap per period.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ids::Code;
use crate::money::Currency;

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
    DurationTooLong,
}

/// The highest price of an increment or a cap.
const AMOUNT_MAX_MINOR: i64 = 1_000_000_000;
/// The longest free time, increment or grace: 31 days.
const DURATION_MAX_SECONDS: u32 = 31 * 86_400;

impl fmt::Display for TariffFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::IncrementZero => "its increment is 0 seconds; give at least 1",
            Self::PriceNegative => "a price or cap is negative; give 0 or more",
            Self::AmountTooLarge => "a price or cap is above 1000000000 minor units; lower it",
            Self::DurationTooLong => {
                "its free time, increment or grace is longer than 31 days (2678400 seconds); shorten it"
            }
        })
    }
}

impl Tariff {
    /// Whether a facility can charge by it; the first fault found otherwise.
    pub fn check(&self) -> Result<(), TariffFault> {
        let amounts = [Some(self.price_per_increment_minor), self.cap.map(|cap| cap.amount_minor)];
        let durations = [self.free_seconds, self.increment_seconds, self.grace_seconds];
        if self.increment_seconds == 0 {
            return Err(TariffFault::IncrementZero);
        }
        if amounts.iter().flatten().any(|amount| *amount < 0) {
            return Err(TariffFault::PriceNegative);
        }
        if amounts.iter().flatten().any(|amount| *amount > AMOUNT_MAX_MINOR) {
            return Err(TariffFault::AmountTooLarge);
        }
        if durations.iter().any(|seconds| *seconds > DURATION_MAX_SECONDS) {
            return Err(TariffFault::DurationTooLong);
        }
        Ok(())
    }
}
