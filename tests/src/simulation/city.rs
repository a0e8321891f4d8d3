//! Two small car parks, so small that they are often full.

use octocity_commands::Clock;
use octocity_domain::facilities::{
    AntiPassback, Area, EarlyArrival, FacilityCommand, Lane, Layout, Policies, Pool, Spot,
};
use octocity_domain::tariffs::{Cap, CapPeriod, Tariff};
use octocity_domain::time::Zone;
use octocity_domain::{
    AreaId, Code, Currency, FacilityId, LaneId, OperatorId, PoolId, SpotId, SpotKind, Timestamp,
};

use super::order::Order;
use super::random::Random;

/// What everybody in the simulation knows of a car park.
#[derive(Clone, Debug)]
pub struct CarPark {
    pub id: FacilityId,
    pub currency: Currency,
    pub lanes: Vec<LaneId>,
    pub pools: Vec<PoolId>,
    pub spots: Vec<SpotId>,
}

fn lane(id: &str, pool: &str, detector: bool) -> Lane {
    Lane {
        id: lane_id(id),
        name: id.to_owned(),
        from: None,
        to: Some(area_id("hall")),
        pool: pool_id(pool),
        detector,
    }
}

fn area_id(id: &str) -> AreaId {
    AreaId::try_new(id).expect("a code")
}
fn lane_id(id: &str) -> LaneId {
    LaneId::try_new(id).expect("a code")
}
fn pool_id(id: &str) -> PoolId {
    PoolId::try_new(id).expect("a code")
}

fn pool(id: &str, places: u32, reservable_places: u32) -> Pool {
    Pool { id: pool_id(id), name: id.to_owned(), places: Some(places), reservable_places, chargeable: true }
}

/// Everybody's layout: two pools, a lane where the passage is seen and one where the grant counts as it.
fn layout() -> Layout {
    let inner = Lane { from: Some(area_id("hall")), to: Some(area_id("deck")), ..lane("ramp", "day", true) };
    Layout {
        areas: ["hall", "deck"].map(|id| Area { id: area_id(id), name: id.to_owned(), level: None }).to_vec(),
        pools: vec![pool("day", 5, 2), pool("booked", 3, 3)],
        spots: ["d1", "d2"]
            .map(|id| Spot {
                id: SpotId::try_new(id).expect("a code"),
                area: area_id("hall"),
                pool: pool_id("day"),
                kind: SpotKind::try_new("standard").expect("a code"),
            })
            .to_vec(),
        lanes: vec![
            lane("seen", "day", true),
            lane("blind", "day", false),
            lane("side", "booked", true),
            inner,
        ],
    }
}

/// The car parks, and what is sent to set them up.
pub fn found(random: &Random, clock: &dyn Clock) -> (Vec<CarPark>, Vec<Order>) {
    let (mut parks, mut orders) = (Vec::new(), Vec::new());
    for (number, zone, code, period, hard) in [
        (1_u128, "Europe/Prague", "EUR", CapPeriod::DayFromEntry, true),
        (2, "Europe/London", "GBP", CapPeriod::LocalDay, false),
    ] {
        let id = FacilityId::new(uuid::Uuid::from_u128(number));
        let currency = Currency::try_new(code).expect("a currency");
        let layout = layout();
        let ids = |lanes: &[Lane]| lanes.iter().map(|lane| lane.id).collect();
        parks.push(CarPark {
            id,
            currency,
            lanes: ids(&layout.lanes),
            pools: layout.pools.iter().map(|pool| pool.id).collect(),
            spots: layout.spots.iter().map(|spot| spot.id).collect(),
        });
        orders.push(Order::Facility(id, register(id, zone, currency, layout, policies(random, hard))));
        let tariff = tariff(currency, period);
        // In force a little later: whoever sends it does not know when it will be decided.
        let from = clock.now().plus_seconds(120);
        orders.push(Order::Facility(id, activate(tariff, from)));
    }
    (parks, orders)
}

fn register(
    facility: FacilityId,
    zone: &str,
    currency: Currency,
    layout: Layout,
    policies: Policies,
) -> FacilityCommand {
    FacilityCommand::RegisterFacility {
        facility,
        operator: OperatorId::try_new("city").expect("a code"),
        name: format!("Car park {zone}"),
        zone: Zone::try_new(zone).expect("a zone"),
        currency,
        layout,
        policies,
    }
}

pub fn policies(random: &Random, hard: bool) -> Policies {
    let early = [EarlyArrival::AsWalkIn, EarlyArrival::FromArrival, EarlyArrival::Refused];
    Policies {
        anti_passback: if hard { AntiPassback::Hard } else { AntiPassback::Soft },
        grant_limit_seconds: 60,
        early_arrival: random.pick(&early).copied().unwrap_or_default(),
        hold_lead_seconds: 600,
        ..Policies::default()
    }
}

fn tariff(currency: Currency, period: CapPeriod) -> Tariff {
    Tariff {
        id: Code::try_new("first").expect("a code"),
        currency,
        free_seconds: 300,
        increment_seconds: 600,
        price_per_increment_minor: 70,
        cap: Some(Cap { amount_minor: 1500, period }),
        grace_seconds: 600,
    }
}

fn activate(tariff: Tariff, from: Timestamp) -> FacilityCommand {
    FacilityCommand::ActivateTariff { tariff, from: Some(from) }
}
