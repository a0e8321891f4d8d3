//! What a facility's gates know: folded from its stream, nothing else.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::credentials::{Credential, MatchKey};
use super::event::{AdmissionMode, Entry, ParkingEvent, Presumption};
use super::inside::InsideChange;
use crate::facilities::Plan;
use crate::ids::{AreaId, GrantId, LaneId, PoolId, ReservationId, SpotId, VisitId};
use crate::reservations::OVER_AFTER_SECONDS;
use crate::time::Timestamp;

/// How long an exit that nobody matched and a grant that lapsed are kept for news that comes late (in a real garage
/// up to 10.7 hours after the fact), and how many of each.
pub const LATE_NEWS_SECONDS: i64 = 3 * 86_400;
const LATE_NEWS_AT_MOST: usize = 2_000;
/// How long a visit presumed left can be reviewed.
pub(super) const REVIEW_SECONDS: i64 = 90 * 86_400;
/// How many movements are remembered to say what the ledger was at the instant of a count.
const MOVEMENTS_AT_MOST: usize = 4_096;

/// What the book said last of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReservedPart {
    pub places: u32,
    pub book_revision: u64,
}

/// The counts of one pool. Inside = visits + unidentified.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolLedger {
    /// Set by an event; None: the plan's figure counts.
    pub places: Option<Option<u32>>,
    /// Set by an event; None: the plan's figure counts.
    pub reserved_part: Option<ReservedPart>,
    pub visits: u32,
    pub unidentified: u32,
    pub granted: u32,
    pub held: u32,
    pub out_of_service: u32,
    /// Of `visits` and `granted`: those admitted on a reservation.
    pub on_reservation: u32,
}

impl PoolLedger {
    pub const fn inside(&self) -> u32 {
        self.visits + self.unidentified
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OpenGrant {
    Entry {
        visit: VisitId,
        lane: LaneId,
        pool: PoolId,
        keys: Vec<MatchKey>,
        /// Admitted on a reservation: it takes a place of the reserved part.
        on_reservation: bool,
        /// Whose right to enter it claims.
        reservation: Option<ReservationId>,
        granted_at: Timestamp,
        expires_at: Timestamp,
    },
    Exit {
        visit: Option<VisitId>,
        lane: LaneId,
        keys: Vec<MatchKey>,
        granted_at: Timestamp,
        expires_at: Timestamp,
    },
}

impl OpenGrant {
    pub const fn lane(&self) -> LaneId {
        match self {
            Self::Entry { lane, .. } | Self::Exit { lane, .. } => *lane,
        }
    }
    pub const fn expires_at(&self) -> Timestamp {
        match self {
            Self::Entry { expires_at, .. } | Self::Exit { expires_at, .. } => *expires_at,
        }
    }
    pub const fn is_exit(&self) -> bool {
        matches!(self, Self::Exit { .. })
    }
    pub const fn granted_at(&self) -> Timestamp {
        match self {
            Self::Entry { granted_at, .. } | Self::Exit { granted_at, .. } => *granted_at,
        }
    }
    pub fn keys(&self) -> &[MatchKey] {
        match self {
            Self::Entry { keys, .. } | Self::Exit { keys, .. } => keys,
        }
    }
    /// Whose it is; None for an exit that nobody was identified for.
    pub const fn visit(&self) -> Option<VisitId> {
        match self {
            Self::Entry { visit, .. } => Some(*visit),
            Self::Exit { visit, .. } => *visit,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum VisitStatus {
    Open,
    /// Open, but a count did not find it.
    Missing {
        counted_at: Timestamp,
    },
    /// Closed without an exit seen, until somebody reviews it.
    PresumedLeft {
        presumption: Presumption,
        left_at: Timestamp,
        since: Timestamp,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Visit {
    pub pool: PoolId,
    pub area: Option<AreaId>,
    pub entry: Entry,
    pub keys: Vec<MatchKey>,
    pub status: VisitStatus,
    pub on_reservation: bool,
}

impl Visit {
    pub const fn is_inside(&self) -> bool {
        matches!(self.status, VisitStatus::Open | VisitStatus::Missing { .. })
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnmatchedExit {
    pub lane: LaneId,
    pub keys: Vec<MatchKey>,
    pub left_at: Timestamp,
    pub pool: PoolId,
    pub took_unidentified: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    pub pool: PoolId,
    pub until: Timestamp,
}

/// What became of a reservation's right to enter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Right {
    /// Its hold was released for the entry that is decided with it.
    CheckingIn,
    /// The grant gives it back if it lapses.
    Claimed { by: GrantId },
    /// Somebody entered on it, or its time is over.
    Used,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ParkingState {
    pub(super) pools: BTreeMap<PoolId, PoolLedger>,
    pub(super) facility_mode: AdmissionMode,
    pub(super) lane_modes: BTreeMap<LaneId, AdmissionMode>,
    pub(super) spots_out_of_service: BTreeMap<SpotId, PoolId>,
    pub(super) grants: BTreeMap<GrantId, OpenGrant>,
    /// Open and presumed-left ones.
    pub(super) visits: HashMap<VisitId, Visit>,
    /// Of the visits inside only: one open visit per credential.
    pub(super) inside_by_key: HashMap<MatchKey, VisitId>,
    /// In the order they were presumed left, to forget the oldest.
    pub(super) presumed_left: VecDeque<VisitId>,
    pub(super) unmatched_exits: VecDeque<UnmatchedExit>,
    /// Of a known vehicle, whose passage may only not have been heard of yet: until it is, or until its next grant.
    pub(super) lapsed_grants: VecDeque<OpenGrant>,
    pub(super) holds: BTreeMap<ReservationId, Hold>,
    /// Of the reservations whose right to enter is not free any more, with when they are over.
    rights: BTreeMap<ReservationId, (Right, Timestamp)>,
    /// The newest movements: (when, pool, change of inside).
    movements: VecDeque<(Timestamp, PoolId, i32)>,
    /// The latest instant of a movement that is not remembered any more.
    forgotten_until: Option<Timestamp>,
    pub(super) latest_passage_at: Timestamp,
}

impl ParkingState {
    /// The visit inside that one of these credentials names; the first credential that names one decides.
    pub fn find_visit(&self, credentials: &[Credential]) -> Option<VisitId> {
        credentials.iter().find_map(|credential| self.inside_by_key.get(&credential.match_key()).copied())
    }

    /// Every visit inside that one of these credentials names.
    pub(super) fn find_visits(&self, credentials: &[Credential]) -> BTreeSet<VisitId> {
        let named = |credential: &Credential| self.inside_by_key.get(&credential.match_key()).copied();
        credentials.iter().filter_map(named).collect()
    }

    /// Pool and entry of a visit that is inside or in review.
    pub fn visit_entry(&self, visit: VisitId) -> Option<(PoolId, Entry)> {
        self.visits.get(&visit).map(|known| (known.pool, known.entry))
    }

    pub fn visit(&self, visit: VisitId) -> Option<&Visit> {
        self.visits.get(&visit)
    }

    pub fn pool(&self, pool: PoolId) -> PoolLedger {
        self.pools.get(&pool).cloned().unwrap_or_default()
    }

    pub fn pools(&self) -> impl Iterator<Item = (PoolId, &PoolLedger)> {
        self.pools.iter().map(|(pool, ledger)| (*pool, ledger))
    }

    pub fn grants(&self) -> impl Iterator<Item = (GrantId, &OpenGrant)> {
        self.grants.iter().map(|(grant, open)| (*grant, open))
    }

    pub fn visits_inside(&self) -> impl Iterator<Item = (VisitId, &Visit)> {
        self.visits.iter().filter(|(_, visit)| visit.is_inside()).map(|(id, visit)| (*id, visit))
    }

    /// The places that can be used: those set (or planned), less those out of service. None: nobody knows.
    pub fn places_in_service(&self, pool: PoolId, plan: &Plan) -> Option<u32> {
        let ledger = self.pools.get(&pool);
        let planned = || plan.layout.pool(pool).and_then(|known| known.places);
        let places = ledger.and_then(|known| known.places).unwrap_or_else(planned)?;
        Some(places.saturating_sub(ledger.map_or(0, |known| known.out_of_service)))
    }

    /// How many of the pool's places walk-ins do not get.
    pub fn reserved_part(&self, pool: PoolId, plan: &Plan) -> u32 {
        let planned = || plan.layout.pool(pool).map_or(0, |known| known.reservable_places);
        let set = self.pools.get(&pool).and_then(|known| known.reserved_part);
        set.map_or_else(planned, |set| set.places)
    }

    pub(super) fn lane_mode(&self, lane: LaneId) -> AdmissionMode {
        self.lane_modes.get(&lane).copied().unwrap_or_default()
    }

    /// Whether every movement since `at` is remembered. (They are forgotten in the order in which they became known.)
    pub(super) fn remembers(&self, at: Timestamp) -> bool {
        self.forgotten_until.is_none_or(|forgotten| forgotten <= at)
    }

    /// What the ledger said was inside a pool at an instant, as far back as movements are remembered.
    pub(super) fn inside_at(&self, pool: PoolId, at: Timestamp) -> u32 {
        let later = self.movements.iter().filter(|(when, of, _)| *of == pool && *when > at);
        let since: i64 = later.map(|(_, _, change)| i64::from(*change)).sum();
        let inside = i64::from(self.pools.get(&pool).map_or(0, PoolLedger::inside)) - since;
        u32::try_from(inside.max(0)).unwrap_or(u32::MAX)
    }

    pub(super) fn ledger(&mut self, pool: PoolId) -> &mut PoolLedger {
        self.pools.entry(pool).or_default()
    }

    /// What the event adds to the vehicles inside its pool, now and at the instants it says it for.
    pub(super) fn count(&mut self, event: &ParkingEvent, happened_at: Timestamp) {
        let Some(pool) = event.pool() else { return };
        let change = event.inside_change();
        if change != InsideChange::default() {
            let ledger = self.ledger(pool);
            ledger.visits = shifted(ledger.visits, change.visits);
            ledger.unidentified = shifted(ledger.unidentified, change.unidentified);
        }
        for (at, change) in event.movements(happened_at).into_iter().filter(|(_, change)| *change != 0) {
            self.movements.push_back((at, pool, i32::try_from(change).unwrap_or(0)));
            if self.movements.len() > MOVEMENTS_AT_MOST {
                let forgotten = self.movements.pop_front().map(|(at, _, _)| at);
                self.forgotten_until = self.forgotten_until.max(forgotten);
            }
        }
    }

    pub(super) fn open_visit(&mut self, id: VisitId, visit: Visit) {
        for key in &visit.keys {
            // A late entry never takes the credential from the visit that came after it.
            self.inside_by_key.entry(key.clone()).or_insert(id);
        }
        if visit.on_reservation {
            self.ledger(visit.pool).on_reservation += 1;
        }
        self.visits.insert(id, visit);
    }

    pub(super) fn forget_keys(&mut self, id: VisitId, keys: &[MatchKey]) {
        for key in keys {
            if self.inside_by_key.get(key) == Some(&id) {
                self.inside_by_key.remove(key);
            }
        }
    }

    /// Takes a visit off the inside; what became of it is the caller's.
    pub(super) fn take_out(&mut self, id: VisitId) -> Option<Visit> {
        let visit = self.visits.remove(&id)?;
        if visit.is_inside() {
            self.forget_keys(id, &visit.keys);
            if visit.on_reservation {
                let ledger = self.ledger(visit.pool);
                ledger.on_reservation = ledger.on_reservation.saturating_sub(1);
            }
        }
        Some(visit)
    }

    pub(super) fn keep_unmatched(&mut self, exit: UnmatchedExit) {
        let oldest = self.latest_passage_at.minus_seconds(LATE_NEWS_SECONDS);
        self.unmatched_exits.retain(|kept| kept.left_at >= oldest);
        if self.unmatched_exits.len() == LATE_NEWS_AT_MOST {
            self.unmatched_exits.pop_front();
        }
        self.unmatched_exits.push_back(exit);
    }

    /// None while nobody has claimed it.
    pub(super) fn right(&self, reservation: ReservationId) -> Option<Right> {
        self.rights.get(&reservation).map(|(right, _)| *right)
    }

    /// `until`: when the reservation is over, where that is known. Kept until then: afterwards the book admits
    /// nobody on it, and late news of it is rare.
    pub(super) fn set_right(
        &mut self,
        reservation: ReservationId,
        right: Right,
        until: Option<Timestamp>,
        now: Timestamp,
    ) {
        let oldest = now.minus_seconds(LATE_NEWS_SECONDS);
        self.rights.retain(|_, (_, until)| *until >= oldest);
        let known = self.rights.get(&reservation).map(|(_, until)| *until);
        let until = until.or(known).unwrap_or(now.plus_seconds(OVER_AFTER_SECONDS));
        self.rights.insert(reservation, (right, until));
    }

    /// Not where another passage has used it up meanwhile.
    pub(super) fn give_back(&mut self, reservation: ReservationId, grant: GrantId) {
        if self.right(reservation) == Some(Right::Claimed { by: grant }) {
            self.rights.remove(&reservation);
        }
    }

    /// That a grant did not become a passage.
    pub(super) fn lapse_of(&self, grant: GrantId, open: &OpenGrant) -> ParkingEvent {
        match open {
            OpenGrant::Entry { visit, pool, on_reservation, reservation, .. } => {
                let claimed = |reservation: &ReservationId| {
                    self.right(*reservation) == Some(Right::Claimed { by: grant })
                };
                ParkingEvent::GrantLapsed {
                    grant,
                    visit: Some(*visit),
                    pool: Some(*pool),
                    on_reservation: *on_reservation,
                    reservation: reservation.filter(claimed),
                }
            }
            OpenGrant::Exit { visit, .. } => ParkingEvent::GrantLapsed {
                grant,
                visit: *visit,
                pool: None,
                on_reservation: false,
                reservation: None,
            },
        }
    }

    pub(super) fn keep_lapsed(&mut self, lapsed: OpenGrant, now: Timestamp) {
        let oldest = now.minus_seconds(LATE_NEWS_SECONDS);
        self.lapsed_grants.retain(|kept| kept.expires_at() >= oldest);
        if self.lapsed_grants.len() == LATE_NEWS_AT_MOST {
            self.lapsed_grants.pop_front();
        }
        self.lapsed_grants.push_back(lapsed);
    }

    /// The lapsed grant of a visit whose passage was heard of after all.
    pub(super) fn take_lapsed(&mut self, visit: VisitId) -> Option<OpenGrant> {
        let index = self.lapsed_grants.iter().position(|lapsed| lapsed.visit() == Some(visit))?;
        self.lapsed_grants.remove(index)
    }

    pub(super) fn forget_reviewed_long_ago(&mut self, now: Timestamp) {
        let oldest = now.minus_seconds(REVIEW_SECONDS);
        while let Some(first) = self.presumed_left.front().copied() {
            match self.visits.get(&first).map(|visit| visit.status) {
                Some(VisitStatus::PresumedLeft { since, .. }) if since < oldest => {
                    self.visits.remove(&first);
                }
                Some(VisitStatus::PresumedLeft { .. }) => return,
                _ => {}
            }
            self.presumed_left.pop_front();
        }
    }
}

fn shifted(count: u32, change: i64) -> u32 {
    u32::try_from((i64::from(count) + change).max(0)).unwrap_or(u32::MAX)
}

pub(super) fn match_keys(credentials: &[Credential]) -> Vec<MatchKey> {
    let mut keys = Vec::with_capacity(credentials.len());
    add_keys(&mut keys, credentials.iter().map(Credential::match_key));
    keys
}

pub(super) fn add_keys(keys: &mut Vec<MatchKey>, added: impl IntoIterator<Item = MatchKey>) {
    for key in added {
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
}

pub(super) fn shares(one: &[MatchKey], other: &[MatchKey]) -> bool {
    one.iter().any(|key| other.contains(key))
}
