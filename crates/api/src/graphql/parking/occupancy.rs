//! Who is inside a facility and what is free.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use async_graphql::{ComplexObject, Context, ID, Result, SimpleObject};
use futures_util::try_join;
use octocity_domain::{AreaId, FacilityId, LevelId, PoolId, SpotKind, Timestamp};
use octocity_log::{Position, StreamId};
use octocity_projections::facilities::FacilityRow;
use octocity_projections::parking::queries::area_counts;
use octocity_projections::parking::{AreaMovesRow, OccupancyRow, SpotOutOfServiceRow};
use octocity_projections::{Row, StoreError};

use super::super::Api;
use super::super::facilities::{FacilityObject, Mode};
use super::super::scalars::{DateTime, id};
use super::Details;
use crate::faults::{bad_input, failed};

/// One pool's counts.
#[derive(Clone, Debug, SimpleObject)]
pub struct PoolOccupancy {
    /// The pool.
    pool: ID,
    /// For people; null where the layout no longer has the pool, which is listed while somebody is inside it.
    name: Option<String>,
    /// How many places it has; null where nobody knows or the layout no longer has it, and for the past.
    places: Option<u32>,
    /// How many of them may be promised by reservations.
    reservable_places: Option<u32>,
    /// Vehicles inside: visits and unidentified ones.
    inside: i64,
    /// Open visits; null for the past.
    visits: Option<i64>,
    /// Vehicles inside that no visit stands for; null for the past.
    unidentified: Option<i64>,
    /// Entries granted and not yet passed; null for the past.
    granted: Option<i64>,
    /// Places kept for reservations that start soon; null for the past.
    held: Option<i64>,
    /// Places that nobody is in, is granted or is kept for, never below 0; null where nobody knows the places, and
    /// for the past.
    free: Option<i64>,
    /// Of these, what a driver without a reservation can have: the reservable part is kept from them, used or not.
    free_for_walk_ins: Option<i64>,
    /// How many are inside beyond the places in service; null for the past.
    over_capacity: Option<i64>,
    /// Places out of service; null for the past.
    out_of_service: Option<i64>,
    /// A driver without a reservation is turned away: a state of the pool, not of the gates; null for the past.
    full: Option<bool>,
}

/// Vehicles in one area, as far as lanes tell.
#[derive(Clone, Debug, SimpleObject)]
pub struct AreaOccupancy {
    /// The area.
    area: ID,
    /// For people.
    name: Option<String>,
    /// Its storey, if it lies on one.
    level: Option<ID>,
    /// Vehicles inside it.
    inside: i64,
}

/// Vehicles on one storey, as far as lanes tell.
#[derive(Clone, Debug, SimpleObject)]
pub struct LevelOccupancy {
    /// The storey.
    level: ID,
    /// Vehicles on it.
    inside: i64,
}

/// The listed spots of one kind.
#[derive(Clone, Debug, SimpleObject)]
pub struct SpotKindOccupancy {
    /// The kind.
    kind: ID,
    /// How many are listed.
    spots: usize,
    /// How many of them are out of service.
    out_of_service: usize,
    /// How many are taken; null where no sensor tells.
    taken: Option<i64>,
}

/// The counts of a facility's pools at a past moment.
#[derive(Clone, Debug)]
pub struct PastPools {
    pub at: Timestamp,
    pub position: Position,
    /// Pools with how many were inside.
    pub pools: Vec<(PoolId, i64)>,
}

/// Who is inside a facility and what is free: the sums of its pools, and each of them.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex, name = "Occupancy")]
pub struct OccupancyObject {
    #[graphql(skip)]
    plan: FacilityRow,
    #[graphql(skip)]
    rows: Vec<OccupancyRow>,
    #[graphql(skip)]
    moves: Vec<AreaMovesRow>,
    #[graphql(skip)]
    spots_out: Vec<SpotOutOfServiceRow>,
    #[graphql(skip)]
    as_of: Position,
    /// The facility.
    facility_id: ID,
    /// The past moment it is about, by when things happened; null: now.
    at: Option<DateTime>,
    /// The counts of each pool.
    pools: Vec<PoolOccupancy>,
    /// All places of the layout's pools; null where a pool's are not known, and for the past.
    places: Option<i64>,
    /// Vehicles inside: visits and unidentified ones.
    inside: i64,
    /// Open visits; null for the past.
    visits: Option<i64>,
    /// Vehicles inside that no visit stands for; null for the past.
    unidentified: Option<i64>,
    /// Entries granted and not yet passed; null for the past.
    granted: Option<i64>,
    /// Places kept for reservations that start soon; null for the past.
    held: Option<i64>,
    /// Free places of the pools whose places are known; null where none is, and for the past.
    free: Option<i64>,
    /// Of these, what drivers without a reservation can have.
    free_for_walk_ins: Option<i64>,
    /// How many are inside beyond the places in service, pool by pool; null for the past.
    over_capacity: Option<i64>,
    /// Places out of service; null for the past.
    out_of_service: Option<i64>,
    /// Every pool is full; null for the past.
    full: Option<bool>,
    /// Whom the facility lets in; null for the past.
    mode: Option<Mode>,
    /// The facility takes nobody in, whatever is free; null for the past.
    closed: Option<bool>,
    /// When the latest passage happened.
    last_passage_at: Option<DateTime>,
    /// Nothing passed for longer than the facility's policy allows: the counts may be old.
    stale: bool,
}

impl PoolOccupancy {
    fn now(row: &OccupancyRow, name: Option<String>) -> Self {
        Self {
            pool: id(row.pool),
            name,
            places: row.places,
            reservable_places: row.reservable_places,
            inside: row.inside(),
            visits: Some(row.visits),
            unidentified: Some(row.unidentified),
            granted: Some(row.granted),
            held: Some(row.held),
            free: row.free(),
            free_for_walk_ins: row.free_for_walk_ins(),
            over_capacity: Some(row.over_capacity()),
            out_of_service: Some(row.out_of_service),
            full: Some(row.is_full()),
        }
    }

    /// One that the layout no longer has: its places are gone, and only who is still inside it counts.
    fn removed(row: &OccupancyRow) -> Self {
        Self {
            visits: Some(row.visits),
            unidentified: Some(row.unidentified),
            granted: Some(row.granted),
            ..Self::past(row.pool, row.inside(), None)
        }
    }

    fn past(pool: PoolId, inside: i64, name: Option<String>) -> Self {
        Self {
            pool: id(pool),
            name,
            places: None,
            reservable_places: None,
            inside,
            visits: None,
            unidentified: None,
            granted: None,
            held: None,
            free: None,
            free_for_walk_ins: None,
            over_capacity: None,
            out_of_service: None,
            full: None,
        }
    }
}

/// A moment that occupancy can be asked of: what is to come is not known.
pub fn past_moment(context: &Context<'_>, DateTime(at): DateTime) -> Result<Timestamp> {
    let now = Api::of(context).clock.now();
    if at > now {
        return Err(bad_input(format!(
            "at: {at} is in the future, for it is {now}; leave it out to ask of now."
        )));
    }
    Ok(at)
}

/// The sum, if any is known.
fn known_sum(values: impl Iterator<Item = Option<i64>>) -> Option<i64> {
    values.flatten().fold(None, |sum, value| Some(sum.unwrap_or(0) + value))
}

impl OccupancyObject {
    pub const fn key(&self) -> FacilityId {
        self.plan.facility
    }

    fn of_pools(plan: FacilityRow, pools: Vec<PoolOccupancy>, as_of: Position) -> Self {
        let sum = |of: fn(&PoolOccupancy) -> Option<i64>| known_sum(pools.iter().map(of));
        let kept = || pools.iter().filter(|pool| pool.name.is_some());
        let places = kept().map(|pool| pool.places.map(i64::from)).sum();
        Self {
            facility_id: id(plan.facility),
            at: None,
            places,
            inside: pools.iter().map(|pool| pool.inside).sum(),
            visits: sum(|pool| pool.visits),
            unidentified: sum(|pool| pool.unidentified),
            granted: sum(|pool| pool.granted),
            held: sum(|pool| pool.held),
            free: sum(|pool| pool.free),
            free_for_walk_ins: sum(|pool| pool.free_for_walk_ins),
            over_capacity: kept().map(|pool| pool.over_capacity).sum(),
            out_of_service: kept().map(|pool| pool.out_of_service).sum(),
            full: Some(kept().next().is_some() && kept().all(|pool| pool.full == Some(true))),
            mode: Some(plan.mode.into()),
            closed: Some(plan.mode == octocity_domain::parking::AdmissionMode::Shut),
            last_passage_at: None,
            stale: false,
            rows: Vec::new(),
            moves: Vec::new(),
            spots_out: Vec::new(),
            as_of,
            pools,
            plan,
        }
    }

    fn now(plan: FacilityRow, parts: Parts, as_of: Position, now: Timestamp) -> Self {
        let shown = |row: &OccupancyRow| match plan.layout.pool(row.pool) {
            Some(pool) => Some(PoolOccupancy::now(row, Some(pool.name.clone()))),
            None => (row.inside() + row.granted > 0).then(|| PoolOccupancy::removed(row)),
        };
        let pools = parts.rows.iter().filter_map(shown).collect();
        let last = parts.rows.iter().filter_map(|row| row.last_passage_at).max();
        let stale_after = plan.policies.stale_after_seconds;
        let stale = !parts.rows.is_empty() && parts.rows.iter().all(|row| row.is_stale(stale_after, now));
        Self {
            last_passage_at: last.map(DateTime),
            stale,
            rows: parts.rows,
            moves: parts.moves,
            spots_out: parts.spots_out,
            ..Self::of_pools(plan, pools, as_of)
        }
    }

    /// What was inside at a past moment.
    pub fn past(plan: FacilityRow, past: PastPools) -> Self {
        let name = |pool| plan.layout.pool(pool).map(|pool| pool.name.clone());
        let pools = past
            .pools
            .iter()
            .map(|(pool, inside)| PoolOccupancy::past(*pool, *inside, name(*pool)))
            .filter(|pool| pool.name.is_some() || pool.inside > 0)
            .collect();
        let mut occupancy = Self::of_pools(plan, pools, past.position);
        occupancy.at = Some(past.at.into());
        (occupancy.free, occupancy.places, occupancy.full) = (None, None, None);
        (occupancy.over_capacity, occupancy.out_of_service) = (None, None);
        (occupancy.mode, occupancy.closed) = (None, None);
        occupancy
    }

    /// The present state of these facilities, as of the earliest position of the rows that are read.
    pub async fn of_many(
        api: &Arc<Api>,
        facilities: &[FacilityId],
        details: Details,
        reads: Reads,
    ) -> Result<Vec<Self>, StoreError> {
        let rows = of_facilities::<OccupancyRow>(api, facilities, Some(reads));
        let others = async {
            try_join!(
                of_facilities::<FacilityRow>(api, facilities, Some(reads)),
                of_facilities::<AreaMovesRow>(api, facilities, details.areas.then_some(reads)),
                of_facilities::<SpotOutOfServiceRow>(api, facilities, details.spots.then_some(reads)),
            )
        };
        let (rows, (plans, moves, spots_out)) = match reads {
            Reads::Stored => try_join!(rows, others)?,
            // The counts first: then what is folded on beside them is at least as new, and they are as of the position that is said.
            Reads::Followed => (rows.await?, others.await?),
        };
        let ((plans, at_plans), (rows, at_rows)) = (plans, rows);
        let ((moves, at_moves), (spots_out, at_spots)) = (moves, spots_out);
        let as_of = at_plans.min(at_rows).min(at_moves).min(at_spots);
        let mut parts = HashMap::<FacilityId, Parts>::new();
        rows.into_iter().for_each(|row| parts.entry(row.facility).or_default().rows.push(row));
        moves.into_iter().for_each(|row| parts.entry(row.facility).or_default().moves.push(row));
        spots_out.into_iter().for_each(|row| parts.entry(row.facility).or_default().spots_out.push(row));
        let now = api.clock.now();
        let of_plan = |plan: FacilityRow| {
            let parts = parts.remove(&plan.facility).unwrap_or_default();
            Self::now(plan, parts, as_of, now)
        };
        Ok(plans.into_iter().map(of_plan).collect())
    }

    /// The present state of these facilities as stored, in the order asked for; each once, unknown ones left out. Not by the
    /// loader, as with [`find`](super::super::loaders::find).
    pub async fn asked(
        api: &Arc<Api>,
        facilities: &[FacilityId],
        details: Details,
    ) -> Result<Vec<Arc<Self>>> {
        let found = Self::of_many(api, facilities, details, Reads::Stored).await;
        let found = found.map_err(|fault| failed("reading occupancies", &fault))?;
        let mut found: HashMap<_, _> =
            found.into_iter().map(|found| (found.key(), Arc::new(found))).collect();
        Ok(facilities.iter().filter_map(|facility| found.remove(facility)).collect())
    }

    /// The same facility at a past moment.
    pub fn at_past(&self, past: PastPools) -> Self {
        Self::past(self.plan.clone(), past)
    }

    pub const fn sum_inside(&self) -> i64 {
        self.inside
    }
    pub const fn sum_free(&self) -> Option<i64> {
        self.free
    }
    pub fn sum_over_capacity(&self) -> i64 {
        self.over_capacity.unwrap_or(0)
    }

    /// How long until it is stale, if nothing passes; None where it is already, or never will be.
    pub fn turns_stale_in(&self, now: Timestamp) -> Option<Duration> {
        let stale_after = i64::from(self.plan.policies.stale_after_seconds?);
        let last = self.last_passage_at.filter(|_| !self.stale)?;
        let seconds = stale_after.saturating_sub(now.seconds_since(last.0)).max(0).saturating_add(1);
        u64::try_from(seconds).ok().map(Duration::from_secs)
    }

    fn is_past(&self) -> bool {
        self.at.is_some()
    }
}

/// A facility's rows besides its plan.
#[derive(Default)]
struct Parts {
    rows: Vec<OccupancyRow>,
    moves: Vec<AreaMovesRow>,
    spots_out: Vec<SpotOutOfServiceRow>,
}

/// Which rows are read.
#[derive(Clone, Copy, Debug)]
pub enum Reads {
    Stored,
    /// What whoever follows them is shown: at least as new.
    Followed,
}

/// Those that are not wanted are not read, and keep nobody's position back.
async fn of_facilities<R: Row>(
    api: &Api,
    facilities: &[FacilityId],
    reads: Option<Reads>,
) -> Result<(Vec<R>, Position), StoreError> {
    let found = match reads {
        None => return Ok((Vec::new(), Position(u64::MAX))),
        Some(Reads::Stored) => api.models.of_facilities::<R>(facilities).await?,
        Some(Reads::Followed) => api.models.followed::<R>(facilities).await?,
    };
    Ok((found.rows, found.position))
}

#[ComplexObject]
impl OccupancyObject {
    /// The position it is as of: all up to there is in it, and what came right after may be.
    async fn position(&self, context: &Context<'_>) -> String {
        Api::of(context).token(self.as_of)
    }

    /// The facility.
    async fn facility(&self) -> FacilityObject {
        FacilityObject::from(self.plan.clone())
    }

    /// By area, as far as lanes tell; empty for the past.
    async fn areas(&self) -> Vec<AreaOccupancy> {
        let counts = area_counts(&self.rows, &self.moves).areas;
        let inside = |area: AreaId| counts.get(&area).copied().unwrap_or(0);
        let areas = self.plan.layout.areas.iter().filter(|_| !self.is_past()).map(|area| AreaOccupancy {
            area: id(area.id),
            name: Some(area.name.clone()),
            level: area.level.map(id),
            inside: inside(area.id),
        });
        areas.collect()
    }

    /// By storey, as far as lanes tell; empty for the past.
    async fn levels(&self) -> Vec<LevelOccupancy> {
        let counts = area_counts(&self.rows, &self.moves).areas;
        let mut levels = BTreeMap::<LevelId, i64>::new();
        for area in self.plan.layout.areas.iter().filter(|_| !self.is_past()) {
            if let Some(level) = area.level {
                *levels.entry(level).or_default() += counts.get(&area.id).copied().unwrap_or(0);
            }
        }
        levels.into_iter().map(|(level, inside)| LevelOccupancy { level: id(level), inside }).collect()
    }

    /// Vehicles inside of which no lane tells the area; null for the past.
    async fn not_placed(&self) -> Option<i64> {
        (!self.is_past()).then(|| area_counts(&self.rows, &self.moves).not_placed)
    }

    /// By kind of spot, where the facility lists its spots; empty for the past.
    async fn spot_kinds(&self) -> Vec<SpotKindOccupancy> {
        let mut kinds = BTreeMap::<SpotKind, (usize, usize)>::new();
        for spot in self.plan.layout.spots.iter().filter(|_| !self.is_past()) {
            let (spots, out) = kinds.entry(spot.kind).or_default();
            *spots += 1;
            *out += usize::from(self.spots_out.iter().any(|row| row.spot == spot.id));
        }
        let kinds = kinds.into_iter().map(|(kind, (spots, out_of_service))| SpotKindOccupancy {
            kind: id(kind),
            spots,
            out_of_service,
            taken: None,
        });
        kinds.collect()
    }

    /// The facility's counts stand still, because one of its events could not be applied; see `status`.
    async fn parked(&self, context: &Context<'_>) -> Result<bool> {
        let parked = Api::of(context).models.parked(OccupancyRow::TABLE).await;
        let parked = parked.map_err(|fault| failed("reading the parked keys", &fault))?;
        let of_facility = |stream: &str| {
            stream.parse::<StreamId>().is_ok_and(|stream| stream.id == self.plan.facility.uuid())
        };
        Ok(parked.iter().any(|parked| of_facility(&parked.stream)))
    }
}
