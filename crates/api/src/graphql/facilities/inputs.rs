//! What clients send about a facility.

use async_graphql::{ID, InputObject, Result};
use octocity_domain::facilities::{Area, Lane, Layout, MoneySideDown, Policies, Pool, Spot};
use octocity_domain::tariffs::{Cap, Tariff};
use octocity_domain::time::Zone;

use super::super::inputs::{at_most, each};
use super::super::scalars::{CurrencyCode, DateTime, UuidText, code_id, shown, text};
use super::types::{AntiPassbackName, CapPeriodName, EarlyArrivalName, EntryLimitName, MoneySideDownName};
use crate::faults::bad_input;

const MAX_NAME: usize = 200;
const MAX_PARTS: usize = 2_000;
const MAX_SPOTS: usize = 20_000;

/// An area.
#[derive(InputObject)]
pub struct AreaInput {
    /// A code, unique among the facility's areas.
    id: ID,
    /// For people.
    name: String,
    /// The storey it lies on.
    level: Option<ID>,
}

/// A quota of places.
#[derive(InputObject)]
pub struct PoolInput {
    /// A code, unique among the facility's pools.
    id: ID,
    /// For people.
    name: String,
    /// How many places it has at first; left out where nobody knows.
    places: Option<u32>,
    /// How many of them may be promised by reservations at first.
    #[graphql(default)]
    reservable_places: u32,
    /// Whether a visit of this pool can cost money.
    #[graphql(default = true)]
    chargeable: bool,
}

/// A marked place.
#[derive(InputObject)]
pub struct SpotInput {
    /// A code, unique among the facility's spots.
    id: ID,
    /// The area it lies in.
    area: ID,
    /// The pool that counts it.
    pool: ID,
    /// What it is for: standard, accessible, ev, motorcycle, ...
    kind: ID,
}

/// A lane.
#[derive(InputObject)]
pub struct LaneInput {
    /// A code, unique among the facility's lanes.
    id: ID,
    /// For people.
    name: String,
    /// One side: an area; left out is outside. A lane may be used both ways: the direction is each passage's own.
    from: Option<ID>,
    /// The other side: an area; left out is outside.
    to: Option<ID>,
    /// The pool of a passage that nothing else tells.
    pool: ID,
    /// Whether a detector sees the passage. Without one the grant counts as the passage.
    #[graphql(default = true)]
    detector: bool,
}

/// The whole layout.
#[derive(InputObject)]
pub struct LayoutInput {
    /// At most 2000.
    #[graphql(default)]
    areas: Vec<AreaInput>,
    /// At least one, at most 2000.
    pools: Vec<PoolInput>,
    /// Where the facility lists its places: at most 20000.
    #[graphql(default)]
    spots: Vec<SpotInput>,
    /// At most 2000.
    #[graphql(default)]
    lanes: Vec<LaneInput>,
}

pub fn layout(input: LayoutInput) -> Result<Layout> {
    Ok(Layout {
        areas: each(at_most("areas", input.areas, MAX_PARTS)?, area)?,
        pools: each(at_most("pools", input.pools, MAX_PARTS)?, pool)?,
        spots: each(at_most("spots", input.spots, MAX_SPOTS)?, spot)?,
        lanes: each(at_most("lanes", input.lanes, MAX_PARTS)?, lane)?,
    })
}

fn area(input: AreaInput) -> Result<Area> {
    Ok(Area {
        id: code_id("areas.id", &input.id)?,
        name: text("areas.name", input.name, MAX_NAME)?,
        level: input.level.map(|level| code_id("areas.level", &level)).transpose()?,
    })
}

fn pool(input: PoolInput) -> Result<Pool> {
    Ok(Pool {
        id: code_id("pools.id", &input.id)?,
        name: text("pools.name", input.name, MAX_NAME)?,
        places: input.places,
        reservable_places: input.reservable_places,
        chargeable: input.chargeable,
    })
}

fn spot(input: SpotInput) -> Result<Spot> {
    Ok(Spot {
        id: code_id("spots.id", &input.id)?,
        area: code_id("spots.area", &input.area)?,
        pool: code_id("spots.pool", &input.pool)?,
        kind: code_id("spots.kind", &input.kind)?,
    })
}

fn lane(input: LaneInput) -> Result<Lane> {
    Ok(Lane {
        id: code_id("lanes.id", &input.id)?,
        name: text("lanes.name", input.name, MAX_NAME)?,
        from: input.from.map(|from| code_id("lanes.from", &from)).transpose()?,
        to: input.to.map(|to| code_id("lanes.to", &to)).transpose()?,
        pool: code_id("lanes.pool", &input.pool)?,
        detector: input.detector,
    })
}

/// The choices of the operator; what is left out has its default.
#[derive(Default, InputObject)]
pub struct PoliciesInput {
    /// Default: SOFT.
    anti_passback: Option<AntiPassbackName>,
    /// Default: PLACES.
    entry_limit: Option<EntryLimitName>,
    /// How long a grant stays open without a passage: 5 to 3600; default 120.
    grant_limit_seconds: Option<u32>,
    /// Default: AS_WALK_IN.
    early_arrival: Option<EarlyArrivalName>,
    /// How long before a reservation's start its place is held: at most 604800; default 1800.
    hold_lead_seconds: Option<u32>,
    /// Default: LET_OUT.
    money_side_down: Option<MoneySideDownName>,
    /// After how long without a passage the occupancy is shown as stale; default never.
    stale_after_seconds: Option<u32>,
}

pub fn policies(input: PoliciesInput) -> Policies {
    let default = Policies::default();
    Policies {
        anti_passback: input.anti_passback.map_or(default.anti_passback, Into::into),
        entry_limit: input.entry_limit.map_or(default.entry_limit, Into::into),
        grant_limit_seconds: input.grant_limit_seconds.unwrap_or(default.grant_limit_seconds),
        early_arrival: input.early_arrival.map_or(default.early_arrival, Into::into),
        hold_lead_seconds: input.hold_lead_seconds.unwrap_or(default.hold_lead_seconds),
        money_side_down: input.money_side_down.map_or(default.money_side_down, MoneySideDown::from),
        stale_after_seconds: input.stale_after_seconds,
    }
}

/// The most that a period costs.
#[derive(InputObject)]
pub struct TariffCapInput {
    /// In minor units.
    amount_minor: i64,
    /// Which period.
    period: CapPeriodName,
}

/// What a stay costs.
#[derive(InputObject)]
pub struct TariffInput {
    /// Your name for this version of it: a code.
    id: ID,
    /// ISO 4217; the facility's.
    currency: CurrencyCode,
    /// Stays up to this long cost nothing; longer ones are charged from the entry.
    #[graphql(default)]
    free_seconds: u32,
    /// How long an increment is; each started one is charged.
    increment_seconds: u32,
    /// The price of an increment, in minor units.
    price_per_increment_minor: i64,
    /// The most that a period costs.
    cap: Option<TariffCapInput>,
    /// How long after paying the way out stays paid.
    #[graphql(default = 900)]
    grace_seconds: u32,
}

pub fn tariff(input: TariffInput) -> Result<Tariff> {
    Ok(Tariff {
        id: octocity_domain::Code::try_new(&input.id.0).map_err(|error| {
            bad_input(format!("tariff.id: '{}' is no code: {error}.", shown(&input.id.0)))
        })?,
        currency: input.currency.0,
        free_seconds: input.free_seconds,
        increment_seconds: input.increment_seconds,
        price_per_increment_minor: input.price_per_increment_minor,
        cap: input.cap.map(|cap| Cap { amount_minor: cap.amount_minor, period: cap.period.into() }),
        grace_seconds: input.grace_seconds,
    })
}

pub fn zone(name: &str) -> Result<Zone> {
    Zone::try_new(name).ok_or_else(|| {
        bad_input(format!("zone: '{}' is no IANA time zone; give one such as Europe/Berlin.", shown(name)))
    })
}

/// What registers a facility.
#[derive(InputObject)]
pub struct RegisterFacilityInput {
    /// A UUIDv7, made for this command.
    pub command_id: UuidText,
    /// The facility's id, if you choose it yourself; left out, one is made from the command id.
    pub facility_id: Option<ID>,
    /// Who runs it: a code.
    pub operator: ID,
    /// For people: 1 to 200 characters.
    pub name: String,
    /// Its IANA time zone, such as Europe/Berlin.
    pub zone: String,
    /// ISO 4217.
    pub currency: CurrencyCode,
    /// Areas, pools, spots and lanes.
    pub layout: LayoutInput,
    /// Left out: the defaults.
    pub policies: Option<PoliciesInput>,
}

/// What changes a layout.
#[derive(InputObject)]
pub struct ChangeLayoutInput {
    /// A UUIDv7, made for this command.
    pub command_id: UuidText,
    /// The facility.
    pub facility_id: ID,
    /// The whole new layout.
    pub layout: LayoutInput,
}

/// What sets policies.
#[derive(InputObject)]
pub struct SetPoliciesInput {
    /// A UUIDv7, made for this command.
    pub command_id: UuidText,
    /// The facility.
    pub facility_id: ID,
    /// All of them: what is left out has its default again.
    pub policies: PoliciesInput,
}

/// What activates a tariff.
#[derive(InputObject)]
pub struct ActivateTariffInput {
    /// A UUIDv7, made for this command.
    pub command_id: UuidText,
    /// The facility.
    pub facility_id: ID,
    /// The tariff.
    pub tariff: TariffInput,
    /// Visits that enter from then on are priced by it; left out: from now on.
    pub from: Option<DateTime>,
}
