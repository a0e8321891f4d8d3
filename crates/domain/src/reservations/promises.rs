//! The promises of one facility, found by id and by time.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use super::book::{INTERVAL_MAX_SECONDS, ReservationEnd};
use crate::ids::{PoolId, ReservationId};
use crate::parking::MatchKey;
use crate::time::{Interval, Timestamp};

/// How long after it is over a promise can still be found.
const KEPT_SECONDS: i64 = 7 * 86_400;
/// How long one is kept that nothing ended.
const KEPT_OPEN_SECONDS: i64 = 400 * 86_400;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Standing {
    Made,
    CheckedIn,
    Cancelled,
    Ended(ReservationEnd),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Promise {
    pub reservation: ReservationId,
    pub pool: PoolId,
    pub interval: Interval,
    pub hold_at: Timestamp,
    pub standing: Standing,
    /// Of the credentials that open the gate for it.
    pub keys: Vec<MatchKey>,
    forget_at: Timestamp,
}

impl Promise {
    pub fn new(
        reservation: ReservationId,
        pool: PoolId,
        interval: Interval,
        hold_at: Timestamp,
        keys: Vec<MatchKey>,
    ) -> Self {
        let forget_at = interval.end.plus_seconds(KEPT_OPEN_SECONDS);
        Self { reservation, pool, interval, hold_at, standing: Standing::Made, keys, forget_at }
    }
    pub fn is_cancelled(&self) -> bool {
        self.standing == Standing::Cancelled
    }
    /// Whether its place is to be held at `now`: it is due, and nobody has come yet.
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.standing == Standing::Made && self.hold_at <= now && now < self.interval.end
    }
    /// Whether it takes a reservable place.
    pub const fn binds(&self) -> bool {
        matches!(self.standing, Standing::Made | Standing::CheckedIn)
    }
}

/// What binds, and what was over lately; it does not grow with the stream.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Vec<Promise>", into = "Vec<Promise>")]
pub(super) struct Promises {
    by_id: BTreeMap<ReservationId, Promise>,
    /// Of those that bind: what overlaps an interval starts less than the longest interval before it.
    by_start: BTreeMap<PoolId, BTreeMap<(Timestamp, ReservationId), Timestamp>>,
    by_forgetting: BTreeSet<(Timestamp, ReservationId)>,
    by_key: HashMap<MatchKey, Vec<ReservationId>>,
}

impl From<Vec<Promise>> for Promises {
    fn from(promises: Vec<Promise>) -> Self {
        let mut all = Self::default();
        for promise in promises {
            all.insert(promise);
        }
        all
    }
}
impl From<Promises> for Vec<Promise> {
    fn from(promises: Promises) -> Self {
        promises.by_id.into_values().collect()
    }
}

impl Promises {
    pub fn get(&self, id: ReservationId) -> Option<&Promise> {
        self.by_id.get(&id)
    }
    /// The one of those that this credential was named for, nobody has used, and are not over at `now`, that begins first.
    pub fn next_of(&self, key: &MatchKey, now: Timestamp) -> Option<&Promise> {
        let named = self.by_key.get(key)?.iter().filter_map(|id| self.get(*id));
        let waiting = |promise: &&Promise| promise.standing == Standing::Made && now < promise.interval.end;
        named.filter(waiting).min_by_key(|promise| (promise.interval.start, promise.reservation))
    }
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    pub fn insert(&mut self, promise: Promise) {
        self.remove(promise.reservation);
        if promise.binds() {
            let starts = self.by_start.entry(promise.pool).or_default();
            starts.insert((promise.interval.start, promise.reservation), promise.interval.end);
        }
        self.by_forgetting.insert((promise.forget_at, promise.reservation));
        for key in &promise.keys {
            self.by_key.entry(key.clone()).or_default().push(promise.reservation);
        }
        self.by_id.insert(promise.reservation, promise);
    }

    /// `at`: when it came to stand so.
    pub fn set_standing(&mut self, id: ReservationId, standing: Standing, at: Timestamp) {
        let Some(mut promise) = self.get(id).cloned() else { return };
        promise.standing = standing;
        promise.forget_at = match promise.binds() {
            true => promise.interval.end.plus_seconds(KEPT_OPEN_SECONDS),
            false => at.plus_seconds(KEPT_SECONDS),
        };
        self.insert(promise);
    }

    pub fn forget_until(&mut self, now: Timestamp) {
        while let Some((_, id)) = self.by_forgetting.first().filter(|(at, _)| *at < now).copied() {
            self.remove(id);
        }
    }

    fn remove(&mut self, id: ReservationId) {
        let Some(promise) = self.by_id.remove(&id) else { return };
        self.by_forgetting.remove(&(promise.forget_at, id));
        for key in promise.keys {
            if let Entry::Occupied(mut named) = self.by_key.entry(key) {
                named.get_mut().retain(|other| *other != id);
                if named.get().is_empty() {
                    named.remove();
                }
            }
        }
        if let Some(starts) = self.by_start.get_mut(&promise.pool) {
            starts.remove(&(promise.interval.start, id));
            if starts.is_empty() {
                self.by_start.remove(&promise.pool);
            }
        }
    }

    /// The most promises of the pool that bind at one instant of the interval.
    pub fn peak(&self, pool: PoolId, interval: Interval) -> usize {
        let Some(starts) = self.by_start.get(&pool) else { return 0 };
        let earliest = interval.start.minus_seconds(INTERVAL_MAX_SECONDS);
        let near = starts.range((earliest, ReservationId::new(uuid::Uuid::nil()))..);
        // Among the overlapping ones the count peaks at one of their starts, or at the interval's own.
        let mut ends = BTreeMap::<Timestamp, usize>::new();
        let (mut running, mut peak) = (0, 0);
        for ((start, _), end) in near.take_while(|((start, _), _)| *start < interval.end) {
            if *end <= interval.start {
                continue;
            }
            while let Some(over) = ends.first_entry().filter(|over| over.key() <= start) {
                running -= over.remove();
            }
            *ends.entry(*end).or_default() += 1;
            running += 1;
            peak = peak.max(running);
        }
        peak
    }
}
