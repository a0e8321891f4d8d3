//! Instants and intervals. UTC milliseconds inside; local wall time exists only with its zone, at the edge.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An instant: milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1000))
    }
    pub const fn millis(self) -> i64 {
        self.0
    }
    /// Whole seconds, rounded down.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }
    pub const fn plus_seconds(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds.saturating_mul(1000)))
    }
    pub const fn minus_seconds(self, seconds: i64) -> Self {
        Self(self.0.saturating_sub(seconds.saturating_mul(1000)))
    }
    /// Seconds from `earlier` to here, rounded down; negative if `earlier` is later.
    pub const fn seconds_since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0).div_euclid(1000)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(instant) => instant.fmt(f),
            Err(_) => write!(f, "{} ms", self.0),
        }
    }
}

/// A text that is no instant in RFC 3339 with its offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidTimestamp;

impl FromStr for Timestamp {
    type Err = InvalidTimestamp;
    /// RFC 3339 with its offset; what is finer than a millisecond is cut off.
    fn from_str(text: &str) -> Result<Self, InvalidTimestamp> {
        let instant: jiff::Timestamp = text.parse().map_err(|_| InvalidTimestamp)?;
        Ok(Self(instant.as_millisecond()))
    }
}

/// From `start` (included) to `end` (excluded).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Interval {
    pub start: Timestamp,
    pub end: Timestamp,
}

impl Interval {
    /// None where `end` is not after `start`.
    pub fn try_new(start: Timestamp, end: Timestamp) -> Option<Self> {
        (start < end).then_some(Self { start, end })
    }
    pub fn contains(&self, at: Timestamp) -> bool {
        self.start <= at && at < self.end
    }
    pub fn overlaps(&self, other: &Self) -> bool {
        self.start < other.end && other.start < self.end
    }
}

/// An IANA time zone name that this build's bundled database knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct Zone(String);

impl Zone {
    /// None where the bundled tz database does not know the name.
    pub fn try_new(name: &str) -> Option<Self> {
        jiff::tz::TimeZone::get(name).ok().map(|_| Self(name.to_owned()))
    }
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// The zone's rules; UTC if a stored name has left the database since.
    pub fn rules(&self) -> jiff::tz::TimeZone {
        jiff::tz::TimeZone::get(&self.0).unwrap_or(jiff::tz::TimeZone::UTC)
    }
    /// The local calendar day that `at` falls in, as YYYY-MM-DD.
    pub fn local_date(&self, at: Timestamp) -> String {
        let instant = jiff::Timestamp::from_millisecond(at.millis()).unwrap_or_default();
        instant.to_zoned(self.rules()).date().to_string()
    }
    /// The start of the local day that `at` falls in, and of the next one.
    pub fn local_day(&self, at: Timestamp) -> Interval {
        let day = jiff::Timestamp::from_millisecond(at.millis())
            .map(|instant| instant.to_zoned(self.rules()))
            .and_then(|local| Ok((local.start_of_day()?, local.tomorrow()?.start_of_day()?)));
        match day {
            Ok((start, end)) => Interval {
                start: Timestamp::from_millis(start.timestamp().as_millisecond()),
                end: Timestamp::from_millis(end.timestamp().as_millisecond()),
            },
            Err(_) => Interval { start: at, end: at.plus_seconds(86_400) },
        }
    }
}
