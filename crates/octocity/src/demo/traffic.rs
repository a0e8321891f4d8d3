//! Who drives where, when: waves of demand that fill and empty the car parks.

use std::collections::HashMap;
use std::f64::consts::TAU;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use octocity_api::plates;
use octocity_commands::CommandError;
use octocity_domain::parking::{Credential, MatchKey, ParkingState, PlateRead};
use octocity_domain::{InvalidCode, PoolId, Timestamp};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::chance::Chance;
use super::city::{CITY, CarPark, DemoLane, DemoPool};
use super::driver::{AtLane, Driver, Gates, Paying};
use crate::node::Node;

/// From one rush to the next.
const WAVE_SECONDS: f64 = 300.0;
/// How many vehicles a meadow of unknown size takes in the simulation.
const MEADOW: u32 = 40;
/// More drivers than this are not under way at once: a slow machine slows the traffic, not itself.
const UNDER_WAY: usize = 256;
const TRY_AGAIN: Duration = Duration::from_secs(1);

type Parked = Arc<Mutex<HashMap<(&'static str, &'static str), Vec<Driver>>>>;

pub struct Traffic {
    node: Arc<Node>,
    gates: Gates,
    chance: Chance,
    parked: Parked,
    /// Tells tickets of this run from those of earlier ones.
    run: i64,
    tickets: u64,
    begun_at: Timestamp,
}

impl Traffic {
    pub fn new(node: Arc<Node>, seed: u64) -> Self {
        let gates = Gates::new(Arc::clone(&node.handler), Arc::clone(&node.clock));
        let begun_at = node.clock.now();
        let (run, parked) = (begun_at.seconds(), Parked::default());
        Self { node, gates, chance: Chance::new(seed), parked, run, tickets: 0, begun_at }
    }

    /// Finds the vehicles that an earlier run left inside.
    pub async fn find_parked(&self) -> Result<(), CommandError> {
        for car_park in CITY {
            let look = |state: &ParkingState| {
                let inside = state.visits_inside().map(|(visit, known)| {
                    let credentials = known.keys.iter().filter_map(credential).collect();
                    (known.pool, Driver { visit, credentials })
                });
                inside.collect::<Vec<_>>()
            };
            let inside = self.node.handler.look_at_parking(car_park.facility(), look).await?;
            for (pool, driver) in inside {
                let known = car_park.pools.iter().find(|known| known.id == pool.as_str());
                if let Some(known) = known {
                    lock(&self.parked).entry((car_park.code, known.id)).or_default().push(driver);
                }
            }
        }
        Ok(())
    }

    /// Sends drivers until it is told to stop, or the run has stored `max_events`.
    pub async fn run(mut self, per_second: u32, max_events: u64, mut closing: watch::Receiver<bool>) {
        let mut under_way = JoinSet::new();
        let pause = Duration::from_secs(1) / per_second.max(1);
        while !*closing.borrow() {
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = closing.changed() => break,
            }
            while let Some(ended) = under_way.try_join_next() {
                self.note(ended).await;
            }
            if self.node.log.counters().appended_events >= max_events {
                tracing::info!(max_events, "the demonstration has stored enough; its traffic stops");
                break;
            }
            if under_way.len() < UNDER_WAY
                && let Ok(Some(trip)) = self.next_trip()
            {
                under_way.spawn(trip.drive(self.gates.clone(), Arc::clone(&self.parked)));
            }
        }
        under_way.shutdown().await;
    }

    async fn note(&self, ended: Result<Result<(), CommandError>, tokio::task::JoinError>) {
        let error = match ended {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        tracing::warn!(error, "a simulated driver gave up");
        tokio::time::sleep(TRY_AGAIN).await;
    }

    fn next_trip(&mut self) -> Result<Option<Trip>, InvalidCode> {
        let Some(car_park) = self.car_park() else { return Ok(None) };
        let Some(pool) = self.pool(car_park) else { return Ok(None) };
        let place = (car_park.code, pool.id);
        let inside = lock(&self.parked).get(&place).map_or(0, Vec::len);
        let wanted = self.demand(car_park) * f64::from(pool.places.unwrap_or(MEADOW));
        let comes = ((inside as f64) < wanted) == self.chance.permille(850);
        let pool_id: PoolId = pool.id.parse()?;
        if comes {
            let Some(lane) = self.entry_lane(car_park, pool) else { return Ok(None) };
            let (credentials, backs_out) = (vec![self.credential()], self.chance.permille(20));
            let at = at_lane(car_park, lane)?;
            return Ok(Some(Trip::In { at, place, pool: pool_id, credentials, backs_out }));
        }
        let Some(lane) = self.exit_lane(car_park) else { return Ok(None) };
        let (at, oldest) = (at_lane(car_park, lane)?, self.chance.below((inside as u64).div_ceil(3)));
        let mut parked = lock(&self.parked);
        let drivers = parked.entry(place).or_default();
        let chosen = usize::try_from(oldest).unwrap_or(0);
        let driver = (chosen < drivers.len()).then(|| drivers.remove(chosen));
        drop(parked);
        let paying = self.paying();
        Ok(driver.map(|driver| Trip::Out { at, driver, paying }))
    }

    fn car_park(&mut self) -> Option<&'static CarPark> {
        let all: u64 = CITY.iter().map(|car_park| car_park.weight).sum();
        let mut drawn = self.chance.below(all);
        CITY.iter().find(|car_park| match drawn.checked_sub(car_park.weight) {
            Some(rest) => {
                drawn = rest;
                false
            }
            None => true,
        })
    }

    fn pool(&mut self, car_park: &'static CarPark) -> Option<&'static DemoPool> {
        let size = |pool: &DemoPool| u64::from(pool.places.unwrap_or(MEADOW));
        let mut drawn = self.chance.below(car_park.pools.iter().map(size).sum());
        car_park.pools.iter().find(|pool| match drawn.checked_sub(size(pool)) {
            Some(rest) => {
                drawn = rest;
                false
            }
            None => true,
        })
    }

    /// Between nearly empty and a little more than full.
    fn demand(&self, car_park: &CarPark) -> f64 {
        let seconds = (self.node.clock.now().millis() - self.begun_at.millis()) as f64 / 1000.0;
        let turn = seconds / WAVE_SECONDS + car_park.phase_permille as f64 / 1000.0;
        0.55 + 0.5 * (turn * TAU).sin()
    }

    fn entry_lane(&mut self, car_park: &'static CarPark, pool: &DemoPool) -> Option<&'static DemoLane> {
        let leads_in = |lane: &&DemoLane| !lane.is_exit_only();
        let own: Vec<_> =
            car_park.lanes.iter().filter(leads_in).filter(|lane| lane.pool == pool.id).collect();
        let lanes = if own.is_empty() { car_park.lanes.iter().filter(leads_in).collect() } else { own };
        self.chance.pick(&lanes).copied()
    }

    fn exit_lane(&mut self, car_park: &'static CarPark) -> Option<&'static DemoLane> {
        let own: Vec<_> = car_park.lanes.iter().filter(|lane| lane.is_exit_only()).collect();
        let lanes = if own.is_empty() { car_park.lanes.iter().collect() } else { own };
        self.chance.pick(&lanes).copied()
    }

    fn credential(&mut self) -> Credential {
        self.tickets += 1;
        let number = format!("D{}-{}", self.run, self.tickets);
        match self.chance.below(10) {
            0..=4 => Credential::Ticket { number },
            5 => Credential::Card { number },
            _ => {
                let (letters, digits) = (self.chance.below(676), 1000 + self.chance.below(9000));
                let letter = |index: u64| char::from(b'A' + u8::try_from(index % 26).unwrap_or(0));
                let raw = format!("LH {}{} {digits}", letter(letters / 26), letter(letters));
                plate(&raw)
            }
        }
    }

    fn paying(&mut self) -> Paying {
        match self.chance.below(100) {
            0..=1 => Paying::Never,
            2..=9 => Paying::WhenAsked,
            10..=14 => Paying::SecondCard,
            _ => Paying::First,
        }
    }
}

/// What one driver sets out to do.
enum Trip {
    In {
        at: AtLane,
        place: (&'static str, &'static str),
        pool: PoolId,
        credentials: Vec<Credential>,
        backs_out: bool,
    },
    Out {
        at: AtLane,
        driver: Driver,
        paying: Paying,
    },
}

impl Trip {
    async fn drive(self, gates: Gates, parked: Parked) -> Result<(), CommandError> {
        match self {
            Self::In { at, place, pool, credentials, backs_out } => {
                if let Some(driver) = gates.enter(at, pool, credentials, backs_out).await? {
                    lock(&parked).entry(place).or_default().push(driver);
                }
                Ok(())
            }
            Self::Out { at, driver, paying } => gates.leave(at, &driver, paying).await,
        }
    }
}

fn at_lane(car_park: &CarPark, lane: &DemoLane) -> Result<AtLane, InvalidCode> {
    Ok(AtLane { facility: car_park.facility(), lane: lane.id.parse()?, detector: lane.detector })
}

fn lock(parked: &Parked) -> MutexGuard<'_, HashMap<(&'static str, &'static str), Vec<Driver>>> {
    parked.lock().unwrap_or_else(PoisonError::into_inner)
}

fn plate(raw: &str) -> Credential {
    Credential::Plate(PlateRead {
        raw: raw.to_owned(),
        match_key: MatchKey(plates::match_key(raw).unwrap_or_default()),
        normaliser: plates::NORMALISER,
        region: None,
        confidence_permille: Some(980),
        candidates: Vec::new(),
        image: None,
    })
}

/// A credential that has this match key: what an earlier run's driver would show.
fn credential(key: &MatchKey) -> Option<Credential> {
    let (kind, text) = key.0.split_once(':')?;
    let number = text.to_owned();
    match kind {
        "ticket" => Some(Credential::Ticket { number }),
        "card" => Some(Credential::Card { number }),
        "plate" => Some(plate(text)),
        _ => None,
    }
}
