//! Drivers who reserve ahead: most come, some cancel, some do neither.

use std::sync::Arc;
use std::time::Duration;

use octocity_adapters::clock::new_command_id;
use octocity_commands::{CommandError, Outcome, Submission};
use octocity_domain::parking::Credential;
use octocity_domain::reservations::{ReservationsCommand, ReservationsEvent};
use octocity_domain::{FacilityId, Interval, PoolId, ReservationId};
use octocity_log::Actor;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::chance::Chance;
use super::city::CITY;
use super::driver::{AtLane, Gates, Paying};
use crate::node::Node;

/// A minute of the demonstration is an hour: they reserve an hour and a half ahead.
const AHEAD_SECONDS: i64 = 90;
const STAY_SECONDS: i64 = 240;
const ONE_EACH: Duration = Duration::from_secs(8);

struct Place {
    at: AtLane,
    exit: AtLane,
    pool: PoolId,
}

/// Makes a reservation every few seconds, until it is told to stop.
pub async fn run(node: Arc<Node>, seed: u64, mut closing: watch::Receiver<bool>) {
    let mut chance = Chance::new(seed ^ 0x5eed);
    let places: Vec<Place> = places();
    let mut drivers = JoinSet::new();
    while !*closing.borrow() {
        tokio::select! {
            () = tokio::time::sleep(ONE_EACH) => {}
            _ = closing.changed() => break,
        }
        while drivers.try_join_next().is_some() {}
        let Some(place) = chance.pick(&places) else { return };
        let made = reserve(&node, place.at.facility, place.pool).await;
        match made {
            Ok(Some(reservation)) => {
                let does = chance.below(10);
                let (at, exit, pool) = (place.at, place.exit, place.pool);
                drivers.spawn(keep(Arc::clone(&node), at, exit, pool, reservation, does));
            }
            // Fully booked: the next driver asks again.
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, "a simulated driver could not reserve"),
        }
    }
    drivers.shutdown().await;
}

fn places() -> Vec<Place> {
    let reservable = |car_park: &'static super::city::CarPark| {
        let pool = car_park.pools.iter().find(|pool| pool.reservable > 0)?;
        let lane = car_park.lanes.iter().find(|lane| lane.pool == pool.id && !lane.is_exit_only())?;
        let exit = car_park.lanes.iter().find(|lane| lane.is_exit_only()).unwrap_or(lane);
        let facility = car_park.facility();
        let at = |lane: &super::city::DemoLane| {
            Some(AtLane { facility, lane: lane.id.parse().ok()?, detector: lane.detector })
        };
        Some(Place { at: at(lane)?, exit: at(exit)?, pool: pool.id.parse().ok()? })
    };
    CITY.iter().filter_map(reservable).collect()
}

/// None where nothing is left to promise.
async fn reserve(
    node: &Node,
    facility: FacilityId,
    pool: PoolId,
) -> Result<Option<ReservationId>, CommandError> {
    let start = node.clock.now().plus_seconds(AHEAD_SECONDS);
    let interval = Interval { start, end: start.plus_seconds(STAY_SECONDS) };
    let command = ReservationsCommand::ReserveSpot { pool, interval, spot: None, credentials: Vec::new() };
    let submission = Submission::new(new_command_id(), Actor::new("demo-app"), command);
    let reply = node.handler.reservations(facility, submission).await?;
    let Outcome::Accepted(events) = reply.outcome else { return Ok(None) };
    Ok(events.iter().find_map(|fact| match &fact.event {
        ReservationsEvent::ReservationMade { reservation, .. } => Some(*reservation),
        _ => None,
    }))
}

/// One driver's reservation: cancelled, kept, or forgotten.
async fn keep(
    node: Arc<Node>,
    at: AtLane,
    exit: AtLane,
    pool: PoolId,
    reservation: ReservationId,
    does: u64,
) -> Result<(), CommandError> {
    let seconds = |seconds: i64| Duration::from_secs(seconds.unsigned_abs());
    match does {
        0 => {
            tokio::time::sleep(seconds(AHEAD_SECONDS / 2)).await;
            let command = ReservationsCommand::CancelReservation { reservation };
            let submission = Submission::new(new_command_id(), Actor::new("demo-app"), command);
            node.handler.reservations(at.facility, submission).await.map(|_| ())
        }
        1 => Ok(()),
        _ => {
            tokio::time::sleep(seconds(AHEAD_SECONDS + 5)).await;
            let gates = Gates::new(Arc::clone(&node.handler), Arc::clone(&node.clock));
            let shown = vec![Credential::Reservation { reservation }];
            let Some(driver) = gates.enter(at, pool, shown, false).await? else { return Ok(()) };
            tokio::time::sleep(seconds(STAY_SECONDS / 2)).await;
            gates.leave(exit, &driver, Paying::First).await
        }
    }
}
