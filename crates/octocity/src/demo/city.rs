//! The demonstration city: what its car parks are, as tables.
//!
//! Its traffic is faster than a real city's: a minute stands for an hour, and the tariffs count minutes.

use octocity_domain::facilities::{Area, EarlyArrival, FacilityCommand, Lane, Layout, Policies, Pool, Spot};
use octocity_domain::tariffs::{Cap, CapPeriod, Tariff};
use octocity_domain::time::Zone;
use octocity_domain::{Code, Currency, FacilityId, InvalidCode, LevelId, Timestamp, derived_uuid};

/// Minutes of the demonstration are hours of the city.
const HOUR_SECONDS: u32 = 60;

pub struct CarPark {
    pub code: &'static str,
    name: &'static str,
    areas: &'static [(&'static str, &'static str, Option<&'static str>)],
    pub pools: &'static [DemoPool],
    pub lanes: &'static [DemoLane],
    /// Listed spots: pool, area, kind, how many.
    spots: &'static [(&'static str, &'static str, &'static str, u32)],
    /// Price of an hour and cap of a day in cents; free minutes of the demonstration.
    tariff: (i64, i64, u32),
    /// How much of the traffic comes here.
    pub weight: u64,
    /// How far into a wave of demand it is at the start, in thousandths.
    pub phase_permille: u64,
}

pub struct DemoPool {
    pub id: &'static str,
    name: &'static str,
    pub places: Option<u32>,
    pub reservable: u32,
    chargeable: bool,
}

pub struct DemoLane {
    pub id: &'static str,
    name: &'static str,
    area: &'static str,
    pub pool: &'static str,
    pub detector: bool,
}

const fn pool(
    id: &'static str,
    name: &'static str,
    places: u32,
    reservable: u32,
    chargeable: bool,
) -> DemoPool {
    DemoPool { id, name, places: Some(places), reservable, chargeable }
}

const fn lane(id: &'static str, name: &'static str, area: &'static str, pool: &'static str) -> DemoLane {
    DemoLane { id, name, area, pool, detector: true }
}

pub const CITY: &[CarPark] = &[
    CarPark {
        code: "market",
        name: "Market Square",
        areas: &[("u1", "Level -1", Some("-1")), ("u2", "Level -2", Some("-2"))],
        pools: &[
            pool("short", "Short-term", 90, 10, true),
            pool("ev", "Charging", 8, 0, true),
            pool("accessible", "Accessible", 4, 0, true),
        ],
        lanes: &[
            lane("in-1", "Entry Market Street", "u1", "short"),
            lane("in-2", "Entry Church Lane", "u2", "short"),
            lane("out-1", "Exit Market Street", "u1", "short"),
        ],
        spots: &[("ev", "u1", "ev", 8), ("accessible", "u1", "accessible", 4)],
        tariff: (240, 1800, 1),
        weight: 6,
        phase_permille: 0,
    },
    CarPark {
        code: "station",
        name: "Central Station",
        areas: &[("p0", "Ground", Some("0")), ("p1", "Level 1", Some("1")), ("p2", "Level 2", Some("2"))],
        pools: &[pool("short", "Short-term", 140, 20, true), pool("contract", "Commuters", 40, 0, false)],
        lanes: &[
            lane("north", "Entry North", "p0", "short"),
            lane("south", "Entry South", "p0", "contract"),
            lane("exit", "Exit", "p0", "short"),
        ],
        spots: &[],
        tariff: (200, 1400, 0),
        weight: 8,
        phase_permille: 400,
    },
    CarPark {
        code: "harbour",
        name: "Harbour Terrace",
        areas: &[("deck", "Deck", None)],
        pools: &[pool("all", "All places", 60, 0, true), pool("motorcycle", "Motorcycles", 12, 0, true)],
        // A barrier without a detector: the grant counts as the passage.
        lanes: &[DemoLane { id: "gate", name: "Gate", area: "deck", pool: "all", detector: false }],
        spots: &[],
        tariff: (150, 900, 2),
        weight: 4,
        phase_permille: 650,
    },
    CarPark {
        code: "hospital",
        name: "City Hospital",
        areas: &[("visitors", "Visitors", None), ("staff", "Staff", None)],
        pools: &[
            pool("visitors", "Visitors", 70, 0, true),
            pool("staff", "Staff", 45, 0, false),
            pool("accessible", "Accessible", 10, 0, false),
        ],
        lanes: &[
            lane("main", "Main gate", "visitors", "visitors"),
            lane("staff", "Staff gate", "staff", "staff"),
            lane("out", "Exit", "visitors", "visitors"),
        ],
        spots: &[],
        tariff: (120, 700, 3),
        weight: 5,
        phase_permille: 200,
    },
    CarPark {
        code: "theatre",
        name: "Theatre Garage",
        areas: &[("hall", "Hall", Some("-1"))],
        pools: &[pool("evening", "Evening", 50, 15, true)],
        lanes: &[lane("in", "Entry", "hall", "evening"), lane("out", "Exit", "hall", "evening")],
        spots: &[],
        tariff: (300, 1500, 0),
        weight: 4,
        phase_permille: 500,
    },
    CarPark {
        code: "museum",
        name: "Museum Courtyard",
        areas: &[("court", "Courtyard", None)],
        pools: &[pool("all", "All places", 14, 0, true)],
        lanes: &[lane("gate", "Gate", "court", "all")],
        spots: &[],
        tariff: (280, 2000, 0),
        weight: 3,
        phase_permille: 100,
    },
    CarPark {
        code: "mill",
        name: "Old Mill Park and Ride",
        areas: &[("field", "Field", None)],
        // A meadow: nobody knows how many fit on it.
        pools: &[DemoPool { id: "meadow", name: "Meadow", places: None, reservable: 0, chargeable: false }],
        lanes: &[lane("gate", "Gate", "field", "meadow")],
        spots: &[],
        tariff: (0, 0, 0),
        weight: 2,
        phase_permille: 850,
    },
    CarPark {
        code: "airport",
        name: "Airport Shuttle",
        areas: &[("a", "Block A", None), ("b", "Block B", None)],
        pools: &[pool("long", "Long stay", 110, 20, true), pool("drop", "Drop-off", 12, 0, true)],
        lanes: &[
            lane("in-a", "Entry A", "a", "long"),
            lane("in-b", "Entry B", "b", "long"),
            lane("drop", "Drop-off", "a", "drop"),
            lane("out", "Exit", "b", "long"),
        ],
        spots: &[],
        tariff: (100, 1200, 1),
        weight: 5,
        phase_permille: 750,
    },
];

impl DemoLane {
    pub fn is_exit_only(&self) -> bool {
        self.id.starts_with("out") || self.id.starts_with("exit")
    }
}

impl CarPark {
    /// The same at every start.
    pub fn facility(&self) -> FacilityId {
        FacilityId(derived_uuid(Timestamp::default(), &[b"facility", b"demo", self.code.as_bytes()]))
    }

    pub fn registration(&self, zone: Zone, currency: Currency) -> Result<FacilityCommand, InvalidCode> {
        Ok(FacilityCommand::RegisterFacility {
            facility: self.facility(),
            operator: "lindenhafen".parse()?,
            name: self.name.to_owned(),
            zone,
            currency,
            layout: self.layout()?,
            policies: Policies {
                grant_limit_seconds: 20,
                early_arrival: EarlyArrival::FromArrival,
                hold_lead_seconds: HOUR_SECONDS,
                stale_after_seconds: Some(600),
                ..Policies::default()
            },
        })
    }

    pub fn tariff(&self, currency: Currency) -> Result<Tariff, InvalidCode> {
        let (hour_minor, day_minor, free_minutes) = self.tariff;
        Ok(Tariff {
            id: Code::try_new("minutes-for-hours")?,
            currency,
            free_seconds: free_minutes * 60,
            increment_seconds: HOUR_SECONDS,
            price_per_increment_minor: hour_minor,
            cap: Some(Cap { amount_minor: day_minor, period: CapPeriod::DayFromEntry }),
            grace_seconds: HOUR_SECONDS,
        })
    }

    fn layout(&self) -> Result<Layout, InvalidCode> {
        let areas = self.areas.iter().map(|(id, name, level)| {
            let level: Option<LevelId> = level.map(str::parse).transpose()?;
            Ok(Area { id: id.parse()?, name: (*name).to_owned(), level })
        });
        let pools = self.pools.iter().map(|pool| {
            Ok(Pool {
                id: pool.id.parse()?,
                name: pool.name.to_owned(),
                places: pool.places,
                reservable_places: pool.reservable,
                chargeable: pool.chargeable,
            })
        });
        let lanes = self.lanes.iter().map(|lane| {
            Ok(Lane {
                id: lane.id.parse()?,
                name: lane.name.to_owned(),
                from: None,
                to: Some(lane.area.parse()?),
                pool: lane.pool.parse()?,
                detector: lane.detector,
            })
        });
        let spots = self.spots.iter().flat_map(|(pool, area, kind, count)| {
            (1..=*count).map(move |number| {
                let id = format!("{area}-{kind}-{number}").parse()?;
                Ok(Spot { id, area: area.parse()?, pool: pool.parse()?, kind: kind.parse()? })
            })
        });
        Ok(Layout {
            areas: areas.collect::<Result<_, InvalidCode>>()?,
            pools: pools.collect::<Result<_, InvalidCode>>()?,
            spots: spots.collect::<Result<_, InvalidCode>>()?,
            lanes: lanes.collect::<Result<_, InvalidCode>>()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_car_park_can_be() {
        let (zone, currency) = (Zone::try_new("Europe/Berlin").unwrap(), Currency::try_new("EUR").unwrap());
        for car_park in CITY {
            let command = car_park.registration(zone.clone(), currency).unwrap();
            let FacilityCommand::RegisterFacility { layout, .. } = command else { panic!() };
            assert_eq!(layout.check(), Ok(()), "{}", car_park.code);
            assert_eq!(car_park.tariff(currency).unwrap().check(), Ok(()), "{}", car_park.code);
        }
    }
}
