//! What a facility looks like to clients.

use std::sync::Arc;

use async_graphql::connection::Connection;
use async_graphql::{ComplexObject, Context, Enum, ID, Result, SimpleObject};
use octocity_domain::facilities::{
    AntiPassback, EarlyArrival, EntryLimit, Layout, MoneySideDown, Policies as DomainPolicies,
};
use octocity_domain::parking::AdmissionMode;
use octocity_domain::tariffs::{CapPeriod, Tariff};
use octocity_projections::facilities::FacilityRow;

use super::super::loaders::{Of, load};
use super::super::parking::{Details, OccupancyObject, VisitFilter, VisitObject, past_moment, visits_page};
use super::super::relay::{Page, heavy_cost, page_cost};
use super::super::scalars::{CurrencyCode, DateTime, Money, id};

/// Whom a facility or a lane lets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(name = "AdmissionMode", remote = "AdmissionMode")]
pub enum Mode {
    /// By the rules.
    Normal,
    /// A shut facility takes nobody in, and lets everybody out; a shut lane lets nobody through.
    Shut,
    /// Everybody passes (fire): nothing is asked, and what is owed becomes a debt.
    HeldOpen,
}

/// What happens when a credential asks to enter that is already inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(name = "AntiPassback", remote = "AntiPassback")]
pub enum AntiPassbackName {
    /// Refused.
    Hard,
    /// Granted: the old visit is presumed left and goes to review.
    Soft,
}

/// Whether requests may enter a full pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(name = "EntryLimit", remote = "EntryLimit")]
pub enum EntryLimitName {
    /// A full pool refuses.
    Places,
    /// A full pool admits, and shows that it is over capacity.
    Unlimited,
}

/// What an arrival before its reservation's start is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(name = "EarlyArrival", remote = "EarlyArrival")]
pub enum EarlyArrivalName {
    /// The reservation counts from the arrival on.
    FromArrival,
    /// Admitted like anyone else if there is room; the reservation is used up.
    AsWalkIn,
    /// Refused.
    Refused,
}

/// What a gate does when what is owed cannot be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(name = "MoneySideDown", remote = "MoneySideDown")]
pub enum MoneySideDownName {
    /// Let out; what is owed becomes a debt.
    LetOut,
    /// Refused until it is known.
    KeepIn,
}

/// Which time a cap is counted over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(name = "CapPeriod", remote = "CapPeriod")]
pub enum CapPeriodName {
    /// Each 24 hours from the entry.
    DayFromEntry,
    /// Each local calendar day of the facility's zone.
    LocalDay,
}

/// A part of a facility that lanes lead into and out of.
#[derive(Clone, Debug, SimpleObject)]
pub struct Area {
    /// Its code.
    id: ID,
    /// For people.
    name: String,
    /// The storey it lies on, if it lies on one.
    level: Option<ID>,
}

/// A quota of places that admission counts.
#[derive(Clone, Debug, SimpleObject)]
pub struct Pool {
    /// Its code.
    id: ID,
    /// For people.
    name: String,
    /// How many places the layout gave it at first; null where nobody knows. The present capacity is in `occupancy`.
    initial_places: Option<u32>,
    /// How many of them could be promised by reservations at first.
    initial_reservable_places: u32,
    /// Whether a visit of this pool can cost money.
    chargeable: bool,
}

/// One marked place.
#[derive(Clone, Debug, SimpleObject)]
pub struct Spot {
    /// Its code.
    id: ID,
    /// The area it lies in.
    area: ID,
    /// The pool that counts it.
    pool: ID,
    /// What it is for: standard, accessible, ev, motorcycle, ...
    kind: ID,
}

/// A way between two areas that one vehicle passes at a time.
#[derive(Clone, Debug, SimpleObject)]
pub struct Lane {
    /// Its code.
    id: ID,
    /// For people.
    name: String,
    /// One side: an area; null is outside.
    from: Option<ID>,
    /// The other side: an area; null is outside.
    to: Option<ID>,
    /// The pool of a passage that nothing else tells.
    pool: ID,
    /// Whether a detector sees the passage. Without one the grant counts as the passage.
    detector: bool,
    /// Whom it lets through.
    mode: Mode,
}

/// The choices of the operator.
#[derive(Clone, Debug, SimpleObject)]
pub struct Policies {
    /// What happens when a credential asks to enter that is already inside.
    anti_passback: AntiPassbackName,
    /// Whether requests may enter a full pool.
    entry_limit: EntryLimitName,
    /// How long a grant stays open without a passage.
    grant_limit_seconds: u32,
    /// What an arrival before its reservation's start is.
    early_arrival: EarlyArrivalName,
    /// How long before a reservation's start its place is held.
    hold_lead_seconds: u32,
    /// What a gate does when what is owed cannot be known.
    money_side_down: MoneySideDownName,
    /// After how long without a passage the occupancy is shown as stale; null is never.
    stale_after_seconds: Option<u32>,
}

impl From<&DomainPolicies> for Policies {
    fn from(policies: &DomainPolicies) -> Self {
        Self {
            anti_passback: policies.anti_passback.into(),
            entry_limit: policies.entry_limit.into(),
            grant_limit_seconds: policies.grant_limit_seconds,
            early_arrival: policies.early_arrival.into(),
            hold_lead_seconds: policies.hold_lead_seconds,
            money_side_down: policies.money_side_down.into(),
            stale_after_seconds: policies.stale_after_seconds,
        }
    }
}

/// The most that a period costs.
#[derive(Clone, Debug, SimpleObject)]
pub struct TariffCap {
    /// How much.
    amount: Money,
    /// Which period.
    period: CapPeriodName,
}

/// What a stay costs.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(name = "Tariff")]
pub struct TariffObject {
    /// The operator's name for this version.
    id: ID,
    /// ISO 4217.
    currency: CurrencyCode,
    /// Stays up to this long cost nothing; longer ones are charged from the entry.
    free_seconds: u32,
    /// How long an increment is; each started one is charged.
    increment_seconds: u32,
    /// The price of an increment.
    price_per_increment: Money,
    /// The most that a period costs; null: no cap.
    cap: Option<TariffCap>,
    /// How long after paying the way out stays paid.
    grace_seconds: u32,
}

impl From<&Tariff> for TariffObject {
    fn from(tariff: &Tariff) -> Self {
        let money = |amount_minor| Money::new(amount_minor, tariff.currency);
        Self {
            id: id(tariff.id.as_str()),
            currency: CurrencyCode(tariff.currency),
            free_seconds: tariff.free_seconds,
            increment_seconds: tariff.increment_seconds,
            price_per_increment: money(tariff.price_per_increment_minor),
            cap: tariff
                .cap
                .map(|cap| TariffCap { amount: money(cap.amount_minor), period: cap.period.into() }),
            grace_seconds: tariff.grace_seconds,
        }
    }
}

/// A tariff with when it came into force.
#[derive(Clone, Debug, SimpleObject)]
pub struct ActivatedTariff {
    /// Visits that enter from then on are priced by it.
    from: DateTime,
    /// The tariff.
    tariff: TariffObject,
}

/// One car park under one operator.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex, name = "Facility")]
pub struct FacilityObject {
    #[graphql(skip)]
    row: FacilityRow,
    /// Its id.
    id: ID,
    /// Who runs it.
    operator: ID,
    /// For people.
    name: String,
    /// Its IANA time zone, such as Europe/Berlin.
    zone: String,
    /// ISO 4217.
    currency: CurrencyCode,
    /// Rises by one with every change of the plan.
    plan_version: u64,
    /// Whom the facility lets in.
    mode: Mode,
    /// Why it is in another mode than normal.
    mode_reason: Option<String>,
}

impl From<FacilityRow> for FacilityObject {
    fn from(row: FacilityRow) -> Self {
        Self {
            id: id(row.facility),
            operator: id(row.operator),
            name: row.name.clone(),
            zone: row.zone.as_str().to_owned(),
            currency: CurrencyCode(row.currency),
            plan_version: row.plan_version,
            mode: row.mode.into(),
            mode_reason: row.mode_reason.clone(),
            row,
        }
    }
}

impl FacilityObject {
    fn layout(&self) -> &Layout {
        &self.row.layout
    }
}

#[ComplexObject]
impl FacilityObject {
    /// Its areas.
    async fn areas(&self) -> Vec<Area> {
        let areas = self.layout().areas.iter();
        areas
            .map(|area| Area { id: id(area.id), name: area.name.clone(), level: area.level.map(id) })
            .collect()
    }

    /// The quotas of places that admission counts.
    async fn pools(&self) -> Vec<Pool> {
        let pools = self.layout().pools.iter().map(|pool| Pool {
            id: id(pool.id),
            name: pool.name.clone(),
            initial_places: pool.places,
            initial_reservable_places: pool.reservable_places,
            chargeable: pool.chargeable,
        });
        pools.collect()
    }

    /// Its marked places, where it lists them.
    async fn spots(&self) -> Vec<Spot> {
        let spots = self.layout().spots.iter();
        spots
            .map(|spot| Spot {
                id: id(spot.id),
                area: id(spot.area),
                pool: id(spot.pool),
                kind: id(spot.kind),
            })
            .collect()
    }

    /// Its lanes with their modes.
    async fn lanes(&self) -> Vec<Lane> {
        let lanes = self.layout().lanes.iter().map(|lane| Lane {
            id: id(lane.id),
            name: lane.name.clone(),
            from: lane.from.map(id),
            to: lane.to.map(id),
            pool: id(lane.pool),
            detector: lane.detector,
            mode: self.row.lane_modes.get(&lane.id).copied().unwrap_or_default().into(),
        });
        lanes.collect()
    }

    /// The choices of its operator.
    async fn policies(&self) -> Policies {
        Policies::from(&self.row.policies.0)
    }

    /// Every tariff that was ever activated, oldest first.
    async fn tariffs(&self) -> Vec<ActivatedTariff> {
        let tariffs = self.row.tariffs.iter();
        tariffs
            .map(|(from, tariff)| ActivatedTariff { from: DateTime(*from), tariff: tariff.into() })
            .collect()
    }

    /// Who is inside and what is free: now, or at any past moment by when things happened. Late news changes the past.
    #[graphql(complexity = "heavy_cost(5, child_complexity)")]
    async fn occupancy(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "A past moment, none to come; left out: now.")] at: Option<DateTime>,
    ) -> Result<Option<Arc<OccupancyObject>>> {
        let Some(at) = at else {
            let key = (self.row.facility, Details::asked(context));
            return load(context, Of::<OccupancyObject, _>::new(key)).await;
        };
        let at = past_moment(context, at)?;
        let past = load(context, Of::new((self.row.facility, at))).await?;
        Ok(past.map(|past| Arc::new(OccupancyObject::past(self.row.clone(), past))))
    }

    /// Its visits, the latest first.
    #[graphql(complexity = "page_cost(first, last, child_complexity)")]
    #[allow(clippy::too_many_arguments)]
    async fn visits(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Which of them.")] filter: Option<VisitFilter>,
        #[graphql(desc = "The first so many: 1 to 500; 50 if neither is given.")] first: Option<i32>,
        #[graphql(desc = "Those after this cursor.")] after: Option<String>,
        #[graphql(desc = "The last so many: 1 to 500.")] last: Option<i32>,
        #[graphql(desc = "Those before this cursor.")] before: Option<String>,
    ) -> Result<Connection<String, VisitObject>> {
        let page = Page { first, after, last, before };
        visits_page(context, self.row.facility, filter.unwrap_or_default(), page).await
    }
}
