//! Facilities as others know them: what a map or a guidance system needs. Policies are ours; single spots are asked
//! for in GraphQL.

use octocity_domain::facilities::{self as stored, FacilityEvent, Layout};
use octocity_domain::ids::Code;
use octocity_domain::tariffs::{self, Tariff};
use octocity_domain::{AreaId, Currency, FacilityId, LaneId, LevelId, OperatorId, PoolId};
use serde::Serialize;

use crate::{Published, Subject, Time};

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Area {
    pub id: AreaId,
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level: Option<LevelId>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Pool {
    pub id: PoolId,
    pub name: String,
    /// How many places it has until a capacity change says otherwise; absent where nobody knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub places: Option<u32>,
    /// How many of them may be promised by reservations until a change says otherwise.
    pub reservable_places: u32,
    /// Whether a stay in this pool can cost money.
    pub chargeable: bool,
}

/// A way between two areas.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Lane {
    pub id: LaneId,
    pub name: String,
    /// One side; absent is outside.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<AreaId>,
    /// The other side; absent is outside.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<AreaId>,
}

/// A car park is now run on this system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct FacilityRegistered {
    pub facility: FacilityId,
    pub operator: OperatorId,
    pub name: String,
    /// Its IANA time zone.
    pub zone: String,
    pub currency: Currency,
    pub areas: Vec<Area>,
    pub pools: Vec<Pool>,
    pub lanes: Vec<Lane>,
}

/// The whole layout as it is from now on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct LayoutChanged {
    pub facility: FacilityId,
    pub areas: Vec<Area>,
    pub pools: Vec<Pool>,
    pub lanes: Vec<Lane>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CapPeriod {
    /// Each 24 hours from the entry.
    DayFromEntry,
    /// Each local calendar day of the facility's zone.
    LocalDay,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Cap {
    pub amount_minor: i64,
    pub period: CapPeriod,
}

/// A tariff, in force for who enters from `from` on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct TariffActivated {
    pub facility: FacilityId,
    pub from: Time,
    /// The operator's name for this version of the tariff.
    pub tariff: Code,
    pub currency: Currency,
    /// Stays up to this long cost nothing; longer ones are charged from the entry.
    pub free_seconds: u32,
    pub increment_seconds: u32,
    pub price_per_increment_minor: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cap: Option<Cap>,
    /// How long after paying the way out stays paid.
    pub grace_seconds: u32,
}

pub(crate) fn publish(event: &FacilityEvent, facility: FacilityId) -> Option<Published> {
    let subject = Subject::Facility(facility);
    match event {
        FacilityEvent::FacilityRegistered { operator, name, zone, currency, layout, .. } => {
            let registered = FacilityRegistered {
                facility,
                operator: *operator,
                name: name.clone(),
                zone: zone.as_str().to_owned(),
                currency: *currency,
                areas: areas(layout),
                pools: pools(layout),
                lanes: lanes(layout),
            };
            Some(Published::of(subject, registered))
        }
        FacilityEvent::LayoutChanged { layout } => {
            let (areas, pools, lanes) = (areas(layout), pools(layout), lanes(layout));
            Some(Published::of(subject, LayoutChanged { facility, areas, pools, lanes }))
        }
        FacilityEvent::TariffActivated { tariff, from } => {
            Some(Published::of(subject, activated(facility, tariff, (*from).into())))
        }
        FacilityEvent::PolicySet { .. } => None,
    }
}

fn areas(layout: &Layout) -> Vec<Area> {
    let area = |area: &stored::Area| Area { id: area.id, name: area.name.clone(), level: area.level };
    layout.areas.iter().map(area).collect()
}

fn pools(layout: &Layout) -> Vec<Pool> {
    let pool = |pool: &stored::Pool| Pool {
        id: pool.id,
        name: pool.name.clone(),
        places: pool.places,
        reservable_places: pool.reservable_places,
        chargeable: pool.chargeable,
    };
    layout.pools.iter().map(pool).collect()
}

fn lanes(layout: &Layout) -> Vec<Lane> {
    let lane =
        |lane: &stored::Lane| Lane { id: lane.id, name: lane.name.clone(), from: lane.from, to: lane.to };
    layout.lanes.iter().map(lane).collect()
}

fn activated(facility: FacilityId, tariff: &Tariff, from: Time) -> TariffActivated {
    let period = |period| match period {
        tariffs::CapPeriod::DayFromEntry => CapPeriod::DayFromEntry,
        tariffs::CapPeriod::LocalDay => CapPeriod::LocalDay,
    };
    TariffActivated {
        facility,
        from,
        tariff: tariff.id,
        currency: tariff.currency,
        free_seconds: tariff.free_seconds,
        increment_seconds: tariff.increment_seconds,
        price_per_increment_minor: tariff.price_per_increment_minor,
        cap: tariff.cap.map(|cap| Cap { amount_minor: cap.amount_minor, period: period(cap.period) }),
        grace_seconds: tariff.grace_seconds,
    }
}
