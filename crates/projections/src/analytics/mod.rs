//! # Analytics: what happened, summed over hours and days
//!
//! - **pool hour**: one pool's whole hour of UTC; every hour of an interval has one, also where nothing passed.
//! - **local day**: a day in the facility's own zone; 23 or 25 hours long where the clocks change.
//! - **stay**: a visit that was seen to enter and to leave; it counts on the local day it left.
//! - **charged**: what an ended session costs, whenever it is paid; it counts on the local day the stay ended.
//! - **figures**: the questions that analysts ask, behind a port: answered from rows, or by an engine of its own.
//! - **fact**: what one event alone says for figures; an engine of its own is fed with facts.
//!
//! Invariant: sums are of whole vehicles, seconds and minor units, so that every engine gives the same answer to the
//! digit; quotients (an average, a turnover) are made where they are shown.

#[cfg(any(test, feature = "testing"))]
pub mod contract;
pub mod facts;
pub mod figures;
pub mod hours;
pub mod revenue;
mod row_figures;
#[cfg(any(test, feature = "testing"))]
pub mod scenes;
pub mod stays;

pub use facts::{Fact, News, PaymentNews, VisitNews, facts};
pub use figures::{Figures, Scope};
pub use hours::{Hours, PoolDay, pool_days};
pub use revenue::RevenueDay;
pub use row_figures::RowFigures;
pub use stays::StayDay;
