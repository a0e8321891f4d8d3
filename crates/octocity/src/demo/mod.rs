//! # The demonstration: `octocity demo`
//!
//! The server, a city of eight car parks, and drivers who come and go in wall-clock time, sped up: a minute stands
//! for an hour. Everything goes through the handler, as real gates would send it.
//!
//! - **wave**: demand that rises and falls; each car park is at another point of it.
//! - **trip**: what one driver sets out to do: drive in, or pay and drive out.
//!
//! Traffic is limited: so many vehicles a second, and no more once a run has stored so many events.

mod chance;
mod city;
mod driver;
mod reservations;
mod traffic;

use std::sync::Arc;

use octocity_commands::{CommandError, Outcome, Submission};
use octocity_domain::decider::Refusal;
use octocity_domain::facilities::{FacilityCommand, FacilityRefusal};
use octocity_domain::time::Zone;
use octocity_domain::{CommandId, Currency, FacilityId, InvalidCode, Timestamp};
use octocity_log::{Actor, Position};

use crate::args::DemoArgs;
use crate::config::{Config, Gateway};
use crate::failure::Failure;
use crate::node::Node;
use crate::output::Output;
use crate::roles::Roles;
use crate::serve::{Server, close, say_not_started, say_stopping, say_where};
use crate::stopping::StopSignals;
use city::{CITY, CarPark};
use traffic::Traffic;

pub async fn run(config: &Config, args: &DemoArgs, output: Output) -> Result<(), Failure> {
    let mut told_to_stop = StopSignals::listen()?;
    // Its drivers pay, and no money moves.
    let config = Config { gateway: Some(Gateway::Simulated), ..config.clone() };
    let Some(server) = Server::start(&config, Roles::all(), &mut told_to_stop).await? else {
        return say_not_started(output);
    };
    has_no_other_car_parks(&server.node).await?;
    open_city(&server.node).await?;
    let traffic = Traffic::new(Arc::clone(&server.node), args.seed);
    traffic.find_parked().await.map_err(stopped)?;
    let flowing = tokio::spawn(traffic.run(args.passages_per_second, args.max_events, server.closing()));
    let reserving = tokio::spawn(reservations::run(Arc::clone(&server.node), args.seed, server.closing()));
    say_where(&server, output);
    output.say(format!(
        "Traffic flows in {} car parks: at most {} vehicles a second, until this run has stored {} events.",
        CITY.len(),
        args.passages_per_second,
        args.max_events
    ));
    told_to_stop.received().await;
    say_stopping();
    flowing.abort();
    reserving.abort();
    close(server, output).await
}

/// The demonstration's car parks would be among somebody's own for ever.
async fn has_no_other_car_parks(node: &Node) -> Result<(), Failure> {
    if node.head() == Position::default() {
        return Ok(());
    }
    for car_park in CITY {
        if node.handler.plan(car_park.facility()).await.map_err(stopped)?.is_some() {
            return Ok(());
        }
    }
    Err(Failure::usage(
        "This log has car parks of its own; name an empty folder for the demonstration with --data.",
    ))
}

/// Registers the car parks that are not registered yet: on the first start, all.
async fn open_city(node: &Node) -> Result<(), Failure> {
    let zone = Zone::try_new("Europe/Berlin");
    let (Some(zone), Some(currency)) = (zone, Currency::try_new("EUR")) else {
        return Err(Failure::fault("The bundled lists of zones and currencies are incomplete."));
    };
    for car_park in CITY {
        open(node, car_park, zone.clone(), currency).await?;
    }
    Ok(())
}

async fn open(node: &Node, car_park: &CarPark, zone: Zone, currency: Currency) -> Result<(), Failure> {
    let facility = car_park.facility();
    let impossible = |error: InvalidCode| Failure::fault(format!("{}: {error}.", car_park.code));
    let registration = car_park.registration(zone, currency).map_err(impossible)?;
    send(node, facility, &format!("register|{}", car_park.code), registration).await?;
    let tariff = car_park.tariff(currency).map_err(impossible)?;
    let activation = FacilityCommand::ActivateTariff { tariff, from: None };
    send(node, facility, &format!("tariff|{}", car_park.code), activation).await
}

/// Under an id of its own for ever: sent again at every start, it changes nothing.
async fn send(node: &Node, facility: FacilityId, key: &str, command: FacilityCommand) -> Result<(), Failure> {
    let id = CommandId::from_source(Timestamp::default(), "demo", key);
    let submission = Submission::new(id, Actor::new("demo"), command);
    match node.handler.facility(facility, submission).await {
        Ok(reply) => match reply.outcome {
            Outcome::Accepted(_) | Outcome::Refused(FacilityRefusal::FacilityExists) => Ok(()),
            Outcome::Refused(refusal) => {
                Err(Failure::fault(format!("The city cannot be built: {}", refusal.message())))
            }
        },
        // An earlier version built another city under this id; it stays as it is.
        Err(CommandError::IdReused) => Ok(()),
        Err(error) => Err(stopped(error)),
    }
}

fn stopped(error: CommandError) -> Failure {
    Failure::fault(format!("The demonstration cannot start: {error} Run octocity doctor."))
}
