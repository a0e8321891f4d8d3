//! One facility's promises, counted again.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use octocity_domain::reservations::ReservationsEvent;
use octocity_domain::{Interval, PoolId, ReservationId, Timestamp};

use super::DEADLINE_SECONDS;

#[derive(Default)]
pub struct Book {
    /// All there ever were.
    pub known: BTreeMap<ReservationId, (PoolId, Interval)>,
    pub reservable: HashMap<PoolId, u32>,
    /// Neither cancelled nor ended.
    open: BTreeMap<ReservationId, (PoolId, Interval)>,
    /// When its hold is due, of those that nobody has come for.
    awaited: BTreeMap<ReservationId, Timestamp>,
    pub checked_in: BTreeSet<ReservationId>,
}

impl Book {
    pub fn take(&mut self, event: &ReservationsEvent) -> Result<(), String> {
        match event {
            ReservationsEvent::ReservableCapacitySet { pool, places } => {
                self.reservable.insert(*pool, *places);
            }
            ReservationsEvent::ReservationMade { reservation, pool, interval, hold_at, .. } => {
                self.awaited.insert(*reservation, *hold_at);
                self.known.insert(*reservation, (*pool, *interval));
                if self.open.insert(*reservation, (*pool, *interval)).is_some() {
                    return Err("9: a reservation is made twice".to_owned());
                }
                let most = self.reservable.get(pool).copied().unwrap_or(0);
                let peak = self.peak(*pool, *interval);
                if peak > most as usize {
                    return Err(format!("9: pool {pool} promises {peak} places of {most} at one instant"));
                }
            }
            ReservationsEvent::ReservationCancelled { reservation }
            | ReservationsEvent::ReservationEnded { reservation, .. } => {
                self.open.remove(reservation).ok_or("9: a reservation ends that is not open")?;
                self.awaited.remove(reservation);
            }
            // It beats a cancellation that was seen before it.
            ReservationsEvent::ReservationCheckedIn { reservation } => {
                let promise = self.known.get(reservation).ok_or("9: an unknown reservation is checked in")?;
                self.open.insert(*reservation, *promise);
                self.awaited.remove(reservation);
                self.checked_in.insert(*reservation);
            }
        }
        Ok(())
    }

    /// Those that a place has to be kept for by now.
    pub fn due(&self, now: Timestamp) -> impl Iterator<Item = ReservationId> {
        let since = now.minus_seconds(DEADLINE_SECONDS);
        let until = now.plus_seconds(DEADLINE_SECONDS);
        let is_over = move |id: &ReservationId| self.known[id].1.end <= until;
        let due = self.awaited.iter().filter(move |(id, hold_at)| **hold_at < since && !is_over(id));
        due.map(|(id, _)| *id)
    }

    pub fn overdue(&self, now: Timestamp) -> Option<ReservationId> {
        let mut open = self.open.iter();
        open.find(|(_, (_, interval))| interval.end < now.minus_seconds(DEADLINE_SECONDS)).map(|(id, _)| *id)
    }

    /// The most promises of a pool that hold at one instant within an interval: it is reached at a start.
    fn peak(&self, pool: PoolId, within: Interval) -> usize {
        let promises = || self.open.values().filter(|(of, _)| *of == pool).map(|(_, interval)| *interval);
        let starts = promises().map(|interval| interval.start).chain([within.start]);
        let at = |instant| promises().filter(|interval| interval.contains(instant)).count();
        starts.filter(|start| within.contains(*start)).map(at).max().unwrap_or(0)
    }
}
