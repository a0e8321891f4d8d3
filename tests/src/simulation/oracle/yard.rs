//! Who is inside one facility: places, grants, holds and visits, counted again.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use octocity_domain::facilities::{EntryLimit, FacilityEvent, Layout, Policies};
use octocity_domain::parking::{
    Basis, Credential, Departure, HoldRelease, MatchKey, ParkingEvent, Reconciliation,
};
use octocity_domain::{GrantId, PoolId, ReservationId, SpotId, Timestamp, VisitId};

use super::DEADLINE_SECONDS;

/// What a read model must say of a pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolCount {
    pub visits: i64,
    pub unidentified: i64,
    pub granted: i64,
    pub held: i64,
    pub out_of_service: i64,
}

struct Grant {
    visit: VisitId,
    pool: PoolId,
    expires_at: Timestamp,
    reservation: Option<ReservationId>,
    keys: BTreeSet<MatchKey>,
}

struct Stay {
    pool: PoolId,
    keys: BTreeSet<MatchKey>,
    reservation: Option<ReservationId>,
}

#[derive(Default)]
pub struct Yard {
    layout: Layout,
    /// Of every version of the plan, the first at 0: a passage is judged by those it was decided on.
    policies: Vec<Policies>,
    places: HashMap<PoolId, Option<u32>>,
    out_of_service: BTreeMap<SpotId, PoolId>,
    unidentified: HashMap<PoolId, i64>,
    grants: HashMap<GrantId, Grant>,
    /// What was shown for grants that lapsed: late news of a passage may still open their visits.
    lapsed: HashMap<VisitId, BTreeSet<MatchKey>>,
    pub reserved_parts: BTreeMap<PoolId, u32>,
    holds: HashMap<ReservationId, PoolId>,
    inside: BTreeMap<VisitId, Stay>,
    /// Gone without an exit seen, as somebody presumes.
    in_review: HashMap<VisitId, Stay>,
    /// Reservations whose right to enter a grant has claimed.
    claimed: HashMap<ReservationId, GrantId>,
    /// Reservations whose hold was released because their time is over, or they were cancelled.
    over: BTreeSet<ReservationId>,
    /// Reservations that let somebody in.
    pub entered_on: BTreeSet<ReservationId>,
    /// The reservation whose hold was just turned into the next grant.
    checking_in: Option<ReservationId>,
}

impl Yard {
    pub fn plan(&mut self, event: &FacilityEvent) {
        let mut policies = self.policies.last().cloned().unwrap_or_default();
        match event {
            FacilityEvent::FacilityRegistered { layout, policies: first, .. } => {
                self.layout = layout.clone();
                policies = first.clone();
            }
            FacilityEvent::LayoutChanged { layout } => self.layout = layout.clone(),
            FacilityEvent::PolicySet { policies: new } => policies = new.clone(),
            FacilityEvent::TariffActivated { .. } => {}
        }
        self.policies.push(policies);
    }

    /// It rises by one with every event of the facility.
    pub fn plan_version(&self) -> u64 {
        self.policies.len() as u64
    }

    fn entry_limit(&self, plan_version: u64) -> Result<EntryLimit, String> {
        let known = plan_version.checked_sub(1).and_then(|number| self.policies.get(number as usize));
        known.map(|policies| policies.entry_limit).ok_or("9: a plan is used that there never was".to_owned())
    }

    pub fn visits_inside(&self) -> impl Iterator<Item = VisitId> {
        self.inside.keys().copied()
    }

    pub fn visits_in_review(&self) -> impl Iterator<Item = VisitId> {
        self.in_review.keys().copied()
    }

    pub fn overdue_grant(&self, now: Timestamp) -> Option<GrantId> {
        let limit = now.minus_seconds(DEADLINE_SECONDS);
        self.grants.iter().find(|(_, grant)| grant.expires_at < limit).map(|(id, _)| *id)
    }

    pub fn counts(&self) -> BTreeMap<PoolId, PoolCount> {
        let mut counts: BTreeMap<PoolId, PoolCount> = BTreeMap::new();
        for pool in &self.layout.pools {
            counts.entry(pool.id).or_default();
        }
        for stay in self.inside.values() {
            counts.entry(stay.pool).or_default().visits += 1;
        }
        for (pool, unidentified) in &self.unidentified {
            counts.entry(*pool).or_default().unidentified += unidentified;
        }
        for grant in self.grants.values() {
            counts.entry(grant.pool).or_default().granted += 1;
        }
        for pool in self.holds.values() {
            counts.entry(*pool).or_default().held += 1;
        }
        for pool in self.out_of_service.values() {
            counts.entry(*pool).or_default().out_of_service += 1;
        }
        counts
    }

    fn count(&self, pool: PoolId) -> PoolCount {
        self.counts().get(&pool).copied().unwrap_or_default()
    }

    /// None: nobody knows how many places there are.
    fn free(&self, pool: PoolId) -> Option<i64> {
        let planned =
            || self.layout.pools.iter().find(|known| known.id == pool).and_then(|known| known.places);
        let places = self.places.get(&pool).copied().unwrap_or_else(planned)?;
        let count = self.count(pool);
        let usable = (i64::from(places) - count.out_of_service).max(0);
        Some(usable - count.visits - count.unidentified - count.granted - count.held)
    }

    pub fn take(&mut self, event: &ParkingEvent) -> Result<(), String> {
        match event {
            ParkingEvent::CapacitySet { pool, places } => {
                self.places.insert(*pool, *places);
            }
            ParkingEvent::SpotTakenOutOfService { spot, pool, .. } => {
                self.out_of_service.insert(*spot, *pool);
            }
            ParkingEvent::SpotReturnedToService { spot, .. } => {
                self.out_of_service.remove(spot);
            }
            ParkingEvent::EntryGranted { .. } => return self.granted(event),
            ParkingEvent::GrantLapsed { grant, reservation, .. } => {
                if let Some(lapsed) = self.grants.remove(grant) {
                    self.lapsed.insert(lapsed.visit, lapsed.keys);
                }
                return self.give_back(*grant, *reservation);
            }
            ParkingEvent::VehicleEntered { .. } => return self.entered(event),
            ParkingEvent::VehicleLeft { departure, pool, .. } => return self.left(*departure, *pool),
            ParkingEvent::VisitDeclared { visit, pool, credentials, takes_unidentified, .. } => {
                self.open(*visit, Stay { pool: *pool, keys: keys(credentials), reservation: None })?;
                return self.shift(*pool, -i64::from(*takes_unidentified));
            }
            ParkingEvent::VisitPresumedLeft { visit, .. } => {
                let stay =
                    self.inside.remove(visit).ok_or("9: a visit that is not inside is presumed left")?;
                self.in_review.insert(*visit, stay);
            }
            ParkingEvent::VisitReconciled { .. } => return self.reconciled(event),
            ParkingEvent::CredentialsChanged { visit, old, new, .. } => {
                self.credentials_changed(*visit, old.as_ref(), new.as_ref());
            }
            ParkingEvent::OccupancyCorrected { pool, unidentified_change, .. } => {
                return self.shift(*pool, *unidentified_change);
            }
            ParkingEvent::HoldPlaced { reservation, pool, shortfall, .. } => {
                let full = self.free(*pool).is_some_and(|free| free <= 0);
                if full != *shortfall {
                    return Err(format!("9: a hold says shortfall {shortfall}, but full is {full}"));
                }
                if self.holds.insert(*reservation, *pool).is_some() {
                    return Err("9: a reservation is held twice".to_owned());
                }
            }
            ParkingEvent::HoldReleased { reservation, release, .. } => {
                self.holds.remove(reservation).ok_or("9: a hold is released that is not held")?;
                self.checking_in = (*release == HoldRelease::CheckedIn).then_some(*reservation);
                if self.checking_in.is_none() {
                    self.over.insert(*reservation);
                }
            }
            ParkingEvent::ReservedPartSet { pool, places, .. } => {
                self.reserved_parts.insert(*pool, *places);
            }
            ParkingEvent::AdmissionModeSet { .. }
            | ParkingEvent::ExitGranted { .. }
            | ParkingEvent::PassageRefused { .. }
            | ParkingEvent::VehicleMoved { .. } => {}
        }
        Ok(())
    }

    fn granted(&mut self, event: &ParkingEvent) -> Result<(), String> {
        let ParkingEvent::EntryGranted {
            grant,
            visit,
            pool,
            basis,
            credentials,
            expires_at,
            plan_version,
            ..
        } = event
        else {
            return Ok(());
        };
        let held = self.checking_in.take();
        let asked = match basis {
            Basis::ShortTerm | Basis::EarlyReservation { .. } => {
                self.entry_limit(*plan_version)? == EntryLimit::Places
            }
            // The hold's place became the grant's; without a hold the reservation is admitted like anyone.
            Basis::Reservation { reservation } => held != Some(*reservation),
            Basis::FreeFlow | Basis::Override { .. } => false,
        };
        if asked && self.free(*pool).is_some_and(|free| free <= 0) {
            return Err(format!("9: a place is granted in pool {pool}, where none was free"));
        }
        let reservation = event.claimed_reservation();
        if let Some(reservation) = reservation {
            let is_used = self.entered_on.contains(&reservation) || self.over.contains(&reservation);
            if !is_used && !self.claimed.contains_key(&reservation) {
                self.claimed.insert(reservation, *grant);
            } else if matches!(basis, Basis::Reservation { .. } | Basis::EarlyReservation { .. }) {
                return Err(format!("9: reservation {reservation} admits twice"));
            }
        }
        // Whoever an attendant lets in, or everybody comes in, has no right of his own to use up.
        let reservation = reservation.filter(|_| !matches!(basis, Basis::FreeFlow | Basis::Override { .. }));
        let (visit, pool, expires_at) = (*visit, *pool, *expires_at);
        let grant_of = Grant { visit, pool, expires_at, reservation, keys: keys(credentials) };
        match self.grants.insert(*grant, grant_of) {
            Some(_) => Err("9: a grant is given twice".to_owned()),
            None => Ok(()),
        }
    }

    fn claimed_by(&self, grant: GrantId) -> Option<ReservationId> {
        self.claimed.iter().find(|(_, by)| **by == grant).map(|(reservation, _)| *reservation)
    }

    fn give_back(&mut self, grant: GrantId, given_back: Option<ReservationId>) -> Result<(), String> {
        let claimed = self.claimed_by(grant);
        if claimed != given_back {
            return Err(format!("9: a lapse gives {given_back:?} back, its grant had claimed {claimed:?}"));
        }
        self.claimed.retain(|_, by| *by != grant);
        Ok(())
    }

    fn use_up(&mut self, grant: Option<GrantId>, used: Option<ReservationId>) -> Result<(), String> {
        if let Some(claimed) = grant.and_then(|grant| self.claimed_by(grant))
            && used != Some(claimed)
        {
            return Err(format!("9: a passage leaves reservation {claimed} claimed by its grant"));
        }
        let Some(used) = used else { return Ok(()) };
        self.claimed.remove(&used);
        match self.entered_on.insert(used) && !self.holds.contains_key(&used) {
            true => Ok(()),
            false => Err(format!("9: reservation {used} is used up twice, or still held")),
        }
    }

    /// Whether a place is kept for the reservation, by its hold or a grant.
    pub fn keeps(&self, reservation: ReservationId) -> bool {
        self.holds.contains_key(&reservation) || self.claimed.contains_key(&reservation)
    }

    fn entered(&mut self, event: &ParkingEvent) -> Result<(), String> {
        let ParkingEvent::VehicleEntered {
            visit,
            grant,
            pool,
            credentials,
            joined_exit,
            used_reservation,
            ..
        } = event
        else {
            return Ok(());
        };
        self.use_up(*grant, *used_reservation)?;
        let mut stay = Stay { pool: *pool, keys: keys(credentials), reservation: None };
        if let Some(id) = grant {
            let grant = self.grants.remove(id).ok_or("9: a passage uses a grant that is not open")?;
            stay.keys.extend(grant.keys);
            stay.reservation = grant.reservation;
        } else if let Some(shown) = visit.and_then(|visit| self.lapsed.remove(&visit)) {
            stay.keys.extend(shown);
        }
        match (joined_exit, visit) {
            (Some(joined), _) => self.shift(*pool, i64::from(joined.gives_back_unidentified)),
            (None, Some(visit)) => self.open(*visit, stay),
            (None, None) => self.shift(*pool, 1),
        }
    }

    fn left(&mut self, departure: Departure, pool: PoolId) -> Result<(), String> {
        match departure {
            Departure::Visit { visit } => match self.inside.remove(&visit) {
                Some(stay) if stay.pool == pool => Ok(()),
                Some(_) => Err("9: a visit leaves another pool than its own".to_owned()),
                None => Err("9: a visit leaves that is not inside".to_owned()),
            },
            Departure::PresumedVisit { visit } => {
                self.in_review.remove(&visit);
                Ok(())
            }
            Departure::Unidentified => self.shift(pool, -1),
            Departure::MissedEntry if self.count(pool).unidentified > 0 => {
                Err("9: an entry is missed although unidentified vehicles are inside".to_owned())
            }
            Departure::MissedEntry => Ok(()),
        }
    }

    fn open(&mut self, visit: VisitId, stay: Stay) -> Result<(), String> {
        match self.inside.insert(visit, stay) {
            Some(_) => Err("9: a visit enters twice".to_owned()),
            None => Ok(()),
        }
    }

    fn shift(&mut self, pool: PoolId, change: i64) -> Result<(), String> {
        let unidentified = self.unidentified.entry(pool).or_default();
        *unidentified += change;
        match *unidentified < 0 {
            true => Err("9: fewer than no unidentified vehicles are inside".to_owned()),
            false => Ok(()),
        }
    }

    fn reconciled(&mut self, event: &ParkingEvent) -> Result<(), String> {
        let ParkingEvent::VisitReconciled {
            visit, pool, outcome, visits_change, unidentified_change, ..
        } = event
        else {
            return Ok(());
        };
        let before = self.inside.len() as i64;
        let stay = self.inside.remove(visit).or_else(|| self.in_review.remove(visit));
        match (outcome, stay) {
            (Reconciliation::StillInside, Some(stay)) => {
                self.inside.insert(*visit, stay);
            }
            (Reconciliation::Merged { into }, Some(stay)) => {
                if let Some(kept) = self.inside.get_mut(into) {
                    kept.keys.extend(stay.keys);
                }
            }
            _ => {}
        }
        let change = self.inside.len() as i64 - before;
        if change != i64::from(*visits_change) {
            return Err(format!("9: a review says {visits_change} visits, but moves {change}"));
        }
        self.shift(*pool, i64::from(*unidentified_change))
    }

    fn credentials_changed(&mut self, visit: VisitId, old: Option<&MatchKey>, new: Option<&Credential>) {
        let stay = match self.inside.get_mut(&visit) {
            Some(stay) => stay,
            None => match self.in_review.get_mut(&visit) {
                Some(stay) => stay,
                None => return,
            },
        };
        if let Some(old) = old {
            stay.keys.remove(old);
        }
        stay.keys.extend(new.map(Credential::match_key));
    }

    /// What holds between any two commands.
    pub fn check(&self) -> Result<(), String> {
        let mut owners: HashMap<&MatchKey, VisitId> = HashMap::new();
        for (visit, stay) in &self.inside {
            for key in &stay.keys {
                if let Some(other) = owners.insert(key, *visit) {
                    return Err(format!("9: one credential has two open visits: {other} and {visit}"));
                }
            }
        }
        let open = self.inside.values().filter_map(|stay| stay.reservation);
        let granted = self.grants.values().filter_map(|grant| grant.reservation);
        let mut seen = BTreeSet::new();
        for reservation in open.chain(granted) {
            if !seen.insert(reservation) {
                return Err(format!("9: reservation {reservation} has two open visits or grants"));
            }
        }
        Ok(())
    }
}

fn keys(credentials: &[Credential]) -> BTreeSet<MatchKey> {
    credentials.iter().map(Credential::match_key).collect()
}
