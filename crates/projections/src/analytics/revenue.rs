//! What ended stays cost and what was paid for them.

use std::collections::BTreeMap;

use octocity_domain::{Code, Currency, FacilityId, PoolId, Timestamp};

use super::figures::Scope;
use crate::sessions::SessionRow;

/// The sessions of one pool and tariff that ended on one local day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevenueDay {
    pub facility: FacilityId,
    pub pool: PoolId,
    /// The tariff's version that the sessions pinned.
    pub tariff: Code,
    /// When the day began.
    pub began_at: Timestamp,
    pub currency: Currency,
    pub sessions: u64,
    /// What they cost, attendants' changes included.
    pub charged_minor: i64,
    /// What was paid for them by now, less refunds.
    pub paid_minor: i64,
    /// What is still owed.
    pub owed_minor: i64,
}

/// Sums ended sessions per pool, tariff, local day and currency.
pub struct RevenueDays<'a> {
    scope: &'a Scope,
    days: BTreeMap<(PoolId, Code, Timestamp, Currency), RevenueDay>,
}

impl<'a> RevenueDays<'a> {
    pub const fn new(scope: &'a Scope) -> Self {
        Self { scope, days: BTreeMap::new() }
    }

    /// One that was never opened, or has not ended, is left out.
    pub fn add(&mut self, session: &SessionRow) {
        let (Some(pool), Some(tariff), Some(ended_at)) = (session.pool, &session.tariff, session.ended_at)
        else {
            return;
        };
        let (facility, tariff, currency) = (self.scope.facility, tariff.id, session.currency);
        let began_at = self.scope.zone.local_day(ended_at).start;
        let day = self.days.entry((pool, tariff, began_at, currency)).or_insert(RevenueDay {
            facility,
            pool,
            tariff,
            began_at,
            currency,
            sessions: 0,
            charged_minor: 0,
            paid_minor: 0,
            owed_minor: 0,
        });
        day.sessions += 1;
        day.charged_minor += session.price_minor.unwrap_or(0);
        day.paid_minor += session.credits_minor;
        day.owed_minor += session.owed_minor.unwrap_or(0);
    }

    pub fn done(self) -> impl Iterator<Item = RevenueDay> {
        self.days.into_values()
    }
}
