//! The layout, the policies and the plan that holds them.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ids::{AreaId, FacilityId, LaneId, LevelId, OperatorId, PoolId, SpotId, SpotKind};
use crate::money::Currency;
use crate::tariffs::Tariff;
use crate::time::{Timestamp, Zone};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Area {
    pub id: AreaId,
    pub name: String,
    pub level: Option<LevelId>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Pool {
    pub id: PoolId,
    pub name: String,
    /// How many places it has at first; None where nobody knows.
    pub places: Option<u32>,
    /// How many of them may be promised by reservations at first.
    pub reservable_places: u32,
    /// Whether a visit of this pool can cost money.
    pub chargeable: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Spot {
    pub id: SpotId,
    pub area: AreaId,
    pub pool: PoolId,
    pub kind: SpotKind,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Lane {
    pub id: LaneId,
    pub name: String,
    /// One side: an area; None is outside.
    pub from: Option<AreaId>,
    /// The other side: an area; None is outside.
    pub to: Option<AreaId>,
    /// The pool of a passage that nothing else tells.
    pub pool: PoolId,
    /// Whether a detector sees the passage. Without one the grant counts as the passage.
    pub detector: bool,
}

impl Lane {
    /// Whether one of its sides is outside.
    pub const fn is_outer(&self) -> bool {
        self.from.is_none() || self.to.is_none()
    }
    /// The inner side of an outer lane.
    pub fn inner_area(&self) -> Option<AreaId> {
        self.to.or(self.from)
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Layout {
    pub areas: Vec<Area>,
    pub pools: Vec<Pool>,
    pub spots: Vec<Spot>,
    pub lanes: Vec<Lane>,
}

/// Why a layout cannot be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fault")]
pub enum LayoutFault {
    NoPool,
    Twice { what: String, id: String },
    UnknownArea { used_by: String, area: AreaId },
    UnknownPool { used_by: String, pool: PoolId },
    LaneLeadsNowhere { lane: LaneId },
    MoreReservableThanPlaces { pool: PoolId },
    TooManyPlaces { pool: PoolId },
}

/// Of a pool: as many as it may have, promise, or be counted to hold.
pub const PLACES_AT_MOST: u32 = 1_000_000;

impl fmt::Display for LayoutFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPool => write!(f, "a facility needs at least one pool; add one"),
            Self::Twice { what, id } => write!(f, "{what} '{id}' stands twice; give each a code of its own"),
            Self::UnknownArea { used_by, area } => {
                write!(
                    f,
                    "'{used_by}' names area '{area}', which the layout does not list; add it or correct the code"
                )
            }
            Self::UnknownPool { used_by, pool } => {
                write!(
                    f,
                    "'{used_by}' names pool '{pool}', which the layout does not list; add it or correct the code"
                )
            }
            Self::LaneLeadsNowhere { lane } => {
                write!(
                    f,
                    "lane '{lane}' has the same area on both sides; a lane joins two, of which one may be outside"
                )
            }
            Self::MoreReservableThanPlaces { pool } => {
                write!(f, "pool '{pool}' would promise more places than it has; lower its reservable places")
            }
            Self::TooManyPlaces { pool } => {
                write!(f, "pool '{pool}' has more than {PLACES_AT_MOST} places; correct them")
            }
        }
    }
}

impl Layout {
    pub fn lane(&self, id: LaneId) -> Option<&Lane> {
        self.lanes.iter().find(|lane| lane.id == id)
    }
    pub fn pool(&self, id: PoolId) -> Option<&Pool> {
        self.pools.iter().find(|pool| pool.id == id)
    }
    pub fn spot(&self, id: SpotId) -> Option<&Spot> {
        self.spots.iter().find(|spot| spot.id == id)
    }

    pub fn check(&self) -> Result<(), LayoutFault> {
        if self.pools.is_empty() {
            return Err(LayoutFault::NoPool);
        }
        unique("area", self.areas.iter().map(|area| area.id.as_str()))?;
        unique("pool", self.pools.iter().map(|pool| pool.id.as_str()))?;
        unique("spot", self.spots.iter().map(|spot| spot.id.as_str()))?;
        unique("lane", self.lanes.iter().map(|lane| lane.id.as_str()))?;
        for pool in &self.pools {
            if pool.places.is_some_and(|places| pool.reservable_places > places) {
                return Err(LayoutFault::MoreReservableThanPlaces { pool: pool.id });
            }
            if pool.places.unwrap_or(pool.reservable_places) > PLACES_AT_MOST {
                return Err(LayoutFault::TooManyPlaces { pool: pool.id });
            }
        }
        for spot in &self.spots {
            self.known_area(spot.id.as_str(), spot.area)?;
            self.known_pool(spot.id.as_str(), spot.pool)?;
        }
        for lane in &self.lanes {
            if lane.from == lane.to {
                return Err(LayoutFault::LaneLeadsNowhere { lane: lane.id });
            }
            for area in lane.from.iter().chain(&lane.to) {
                self.known_area(lane.id.as_str(), *area)?;
            }
            self.known_pool(lane.id.as_str(), lane.pool)?;
        }
        Ok(())
    }

    fn known_area(&self, used_by: &str, area: AreaId) -> Result<(), LayoutFault> {
        match self.areas.iter().any(|known| known.id == area) {
            true => Ok(()),
            false => Err(LayoutFault::UnknownArea { used_by: used_by.to_owned(), area }),
        }
    }
    fn known_pool(&self, used_by: &str, pool: PoolId) -> Result<(), LayoutFault> {
        match self.pool(pool) {
            Some(_) => Ok(()),
            None => Err(LayoutFault::UnknownPool { used_by: used_by.to_owned(), pool }),
        }
    }
}

fn unique<'a>(what: &str, ids: impl Iterator<Item = &'a str>) -> Result<(), LayoutFault> {
    let mut seen = BTreeSet::new();
    for id in ids {
        if !seen.insert(id) {
            return Err(LayoutFault::Twice { what: what.to_owned(), id: id.to_owned() });
        }
    }
    Ok(())
}

/// What happens when a credential asks to enter that is already inside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AntiPassback {
    /// Refused.
    Hard,
    /// Granted: the old visit is presumed left and goes to review.
    #[default]
    Soft,
}

/// What an arrival before its reservation's start is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum EarlyArrival {
    /// The reservation counts from the arrival on.
    FromArrival,
    /// Admitted like anyone else if there is room; the reservation is used up.
    #[default]
    AsWalkIn,
    Refused,
}

/// What a gate does when what is owed cannot be known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum MoneySideDown {
    /// Let out; what is owed becomes a debt.
    #[default]
    LetOut,
    KeepIn,
}

/// Whether requests may enter a full pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum EntryLimit {
    /// A full pool refuses.
    #[default]
    Places,
    /// A full pool admits, and shows that it is over capacity.
    Unlimited,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Policies {
    pub anti_passback: AntiPassback,
    pub entry_limit: EntryLimit,
    pub grant_limit_seconds: u32,
    pub early_arrival: EarlyArrival,
    /// How long before a reservation's start its place is held.
    pub hold_lead_seconds: u32,
    pub money_side_down: MoneySideDown,
    /// After how long without a passage a facility's occupancy is shown as stale; None is never.
    pub stale_after_seconds: Option<u32>,
}

impl Default for Policies {
    fn default() -> Self {
        Self {
            anti_passback: AntiPassback::default(),
            entry_limit: EntryLimit::default(),
            grant_limit_seconds: 120,
            early_arrival: EarlyArrival::default(),
            hold_lead_seconds: 1800,
            money_side_down: MoneySideDown::default(),
            stale_after_seconds: None,
        }
    }
}

/// A facility at one version: what commands of other contexts are decided with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    pub facility: FacilityId,
    /// Rises by one with every event of the facility's stream.
    pub version: u64,
    pub operator: OperatorId,
    pub name: String,
    pub zone: Zone,
    pub currency: Currency,
    pub layout: Layout,
    pub policies: Policies,
    /// Every tariff that was ever activated, by the instant it comes into force, oldest first.
    pub tariffs: Vec<(Timestamp, Tariff)>,
}

impl Plan {
    /// The tariff that a visit entered at `entered_at` is priced by; none for visits older than all of them: what
    /// was free at the column stays so.
    pub fn tariff_at(&self, entered_at: Timestamp) -> Option<&Tariff> {
        let in_force = self.tariffs.iter().rev().find(|(from, _)| *from <= entered_at);
        in_force.map(|(_, tariff)| tariff)
    }
}

/// Puts a tariff in its place by time. One that was to come into force at the same instant gives way to it; those
/// scheduled for other instants stay.
pub fn activate(tariffs: &mut Vec<(Timestamp, Tariff)>, tariff: &Tariff, from: Timestamp) {
    tariffs.retain(|(known, _)| *known != from);
    let place = tariffs.partition_point(|(known, _)| *known < from);
    tariffs.insert(place, (from, tariff.clone()));
}
