//! # Analytics: what happened, summed over hours and days
//!
//! - **pool hour**: one pool's whole hour of UTC; every hour of an interval has one, also where nothing passed.
//! - **local day**: a day in the facility's own zone; 23 or 25 hours long where the clocks change.
//! - **stay**: a visit that was seen to enter and to leave; it counts on the local day it left.
//! - **charged**: what an ended session costs, whenever it is paid; it counts on the local day the stay ended.
//!
//! Invariant: sums are of whole vehicles, seconds and minor units, so that every engine gives the same answer to the
//! digit; quotients (an average, a turnover) are made where they are shown.

pub mod hours;
pub mod revenue;
pub mod stays;

pub use hours::{Hours, PoolDay, pool_days, pool_hours};
pub use revenue::{RevenueDay, revenue_days};
pub use stays::{StayDay, stay_days};

/// Rows that are read at a time.
const PAGE: usize = 5_000;
