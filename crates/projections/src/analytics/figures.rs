//! The port of those who answer analysts.

use std::time::Duration;

use async_trait::async_trait;
use octocity_domain::time::Zone;
use octocity_domain::{FacilityId, Interval, PoolId};
use octocity_log::Position;

use super::{Hours, RevenueDay, StayDay};
use crate::parking::OccupancyHourRow;
use crate::store::StoreError;

/// One facility as a question names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    pub facility: FacilityId,
    /// That of its days.
    pub zone: Zone,
    /// Those that have hours.
    pub pools: Vec<PoolId>,
}

/// Figures as known now: late news changes the past. Answers come in the order of the scopes, and within one
/// facility as each question says.
#[async_trait]
pub trait Figures: Send + Sync + 'static {
    /// Waits, at most so long, until the answers tell of all that was logged up to `position`. False: they did not in
    /// time.
    async fn reached(&self, position: Position, at_most: Duration) -> Result<bool, StoreError>;

    /// Every hour of every pool, by pool and hour.
    async fn pool_hours(&self, scopes: &[Scope], hours: Hours) -> Result<Vec<OccupancyHourRow>, StoreError>;

    /// The stays that ended within the interval, by pool and local day. Of what is presumed, estimated or judged nobody
    /// knows how long it was: it is left out.
    async fn stay_days(&self, scopes: &[Scope], interval: Interval) -> Result<Vec<StayDay>, StoreError>;

    /// The sessions that ended within the interval, by pool, tariff, local day and currency.
    async fn revenue_days(&self, scopes: &[Scope], interval: Interval)
    -> Result<Vec<RevenueDay>, StoreError>;
}
