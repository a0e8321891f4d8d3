//! How recorded facts reach the handler: in order, many at a time, each under the id of its source key.

use std::sync::Arc;
use std::time::Duration;

use octocity_commands::{CommandError, Handler, Outcome, Submission};
use octocity_domain::decider::Refusal;
use octocity_domain::facilities::{FacilityCommand, FacilityRefusal, Lane, Layout, Policies, Pool};
use octocity_domain::parking::{ParkingCommand, ParkingEvent};
use octocity_domain::time::Zone;
use octocity_domain::{
    AreaId, CommandId, Currency, FacilityId, Fact, LaneId, OperatorId, PoolId, Timestamp, ids::derived_uuid,
};
use octocity_log::{Actor, Origin};

use crate::failure::Failure;

/// What came of one recorded fact.
#[derive(Clone, Debug)]
pub enum Answer {
    Added(Vec<Fact<ParkingEvent>>),
    /// It had been told before, and this is what came of it then.
    Known(Vec<Fact<ParkingEvent>>),
    /// The source key was used for a fact that says something else now.
    KnownOtherwise,
    Refused {
        code: &'static str,
        message: String,
    },
}

/// A garage as an import finds or makes it.
#[derive(Clone, Debug)]
pub struct Garage {
    pub facility: FacilityId,
    pub name: String,
    pub zone: Zone,
    pub currency: Currency,
    pub pool: PoolId,
    pub places: Option<u32>,
}

/// The lanes that an import makes; the pool's code is the importer's.
#[derive(Clone, Copy, Debug)]
pub struct Lanes {
    pub entry: LaneId,
    pub exit: LaneId,
}

impl Lanes {
    pub fn try_new() -> Result<Self, Failure> {
        Ok(Self { entry: code("entry")?, exit: code("exit")? })
    }
}

fn code<T: std::str::FromStr<Err = octocity_domain::InvalidCode>>(text: &str) -> Result<T, Failure> {
    text.parse().map_err(|error| Failure::usage(format!("'{text}' is no code: {error}.")))
}

/// The importers' flags that every format has, checked.
pub fn settings(pool: &str, zone: &str, currency: &str) -> Result<(PoolId, Zone, Currency), Failure> {
    let zone = Zone::try_new(zone).ok_or_else(|| {
        Failure::usage(format!("No time zone is called '{zone}'; give an IANA name such as Europe/Prague."))
    })?;
    let currency = Currency::try_new(currency).ok_or_else(|| {
        Failure::usage(format!("'{currency}' is no ISO 4217 currency; give a code such as EUR."))
    })?;
    Ok((code(pool)?, zone, currency))
}

/// The id of a facility that a source knows by this name: the same one at every import.
pub fn facility_id(source: &str, name: &str) -> FacilityId {
    FacilityId(derived_uuid(Timestamp::default(), &[b"facility", source.as_bytes(), name.as_bytes()]))
}

#[derive(Clone)]
pub struct Feed {
    handler: Arc<Handler>,
    actor: Actor,
}

const WAIT_WHEN_BUSY: Duration = Duration::from_millis(20);
const BUSY_AT_MOST: u32 = 500;

impl Feed {
    pub fn new(handler: Arc<Handler>, actor: &str) -> Self {
        Self { handler, actor: Actor::new(actor) }
    }

    pub fn handler(&self) -> &Handler {
        &self.handler
    }

    /// Registers the garage where nobody has yet; says how many events that added. It is sent at every import: one that broke
    /// off in between may have left the pools' capacities unset, and the repeat sets them.
    pub async fn register(&self, garage: &Garage) -> Result<u64, Failure> {
        let command = FacilityCommand::RegisterFacility {
            facility: garage.facility,
            operator: code::<OperatorId>("imported")?,
            name: garage.name.clone(),
            zone: garage.zone.clone(),
            currency: garage.currency,
            layout: layout(garage)?,
            policies: Policies::default(),
        };
        let id =
            CommandId::from_source(Timestamp::default(), "import", &format!("register|{}", garage.facility));
        let reply = self.handler.facility(garage.facility, self.submission(id, command)).await;
        match reply {
            // A later file may know another capacity or the like: the garage stays as it is.
            Err(CommandError::IdReused) => self.agrees(garage).await,
            Err(error) => Err(stopped(error)),
            Ok(reply) => match reply.outcome {
                Outcome::Accepted(events) if !reply.repeated => Ok(events.len() as u64),
                Outcome::Accepted(_) => Ok(0),
                Outcome::Refused(FacilityRefusal::FacilityExists) => self.agrees(garage).await,
                Outcome::Refused(refusal) => Err(Failure::usage(format!(
                    "{} cannot be registered: {}",
                    garage.name,
                    refusal.message()
                ))),
            },
        }
    }

    /// Read in another zone, or told to another pool, the same lines would be passages anew.
    async fn agrees(&self, garage: &Garage) -> Result<u64, Failure> {
        let Some(plan) = self.handler.plan(garage.facility).await.map_err(stopped)? else { return Ok(0) };
        if plan.zone != garage.zone {
            let (name, known) = (&garage.name, plan.zone.as_str());
            return Err(Failure::usage(format!(
                "{name} is registered with zone {known}; import with --zone {known}."
            )));
        }
        if plan.layout.pool(garage.pool).is_none() {
            let known: Vec<_> = plan.layout.pools.iter().map(|pool| pool.id.to_string()).collect();
            let (name, known) = (&garage.name, known.join(", "));
            return Err(Failure::usage(format!(
                "{name} is registered with the pools {known}; name one with --pool."
            )));
        }
        Ok(0)
    }

    /// Sends the facts of one garage in order, and waits until all of them are durable.
    pub async fn send(
        &self,
        facility: FacilityId,
        commands: Vec<(CommandId, ParkingCommand)>,
    ) -> Result<Vec<Answer>, Failure> {
        let mut answers = Vec::with_capacity(commands.len());
        let mut rest: Vec<_> =
            commands.into_iter().map(|(id, command)| self.submission(id, command)).collect();
        for _ in 0..BUSY_AT_MOST {
            let replies = self.handler.parking_in_order(facility, rest.clone()).await;
            // The stream's queue takes a beginning of the batch, never a later part without an earlier one.
            let busy = replies.iter().position(|reply| matches!(reply, Err(CommandError::Busy)));
            let answered = busy.unwrap_or(replies.len());
            for reply in replies.into_iter().take(answered) {
                answers.push(answer(reply)?);
            }
            rest.drain(..answered);
            if rest.is_empty() {
                return Ok(answers);
            }
            tokio::time::sleep(WAIT_WHEN_BUSY).await;
        }
        Err(stopped(CommandError::Busy))
    }

    fn submission<C>(&self, id: CommandId, command: C) -> Submission<C> {
        Submission { origin: Origin::Imported, ..Submission::new(id, self.actor.clone(), command) }
    }
}

type ParkingReply = octocity_commands::Reply<ParkingEvent, octocity_domain::parking::ParkingRefusal>;

fn answer(reply: Result<ParkingReply, CommandError>) -> Result<Answer, Failure> {
    match reply {
        Ok(reply) => Ok(match reply.outcome {
            Outcome::Accepted(events) if reply.repeated => Answer::Known(events),
            Outcome::Accepted(events) => Answer::Added(events),
            Outcome::Refused(refusal) => Answer::Refused { code: refusal.code(), message: refusal.message() },
        }),
        Err(CommandError::IdReused) => Ok(Answer::KnownOtherwise),
        Err(error) => Err(stopped(error)),
    }
}

pub fn stopped(error: CommandError) -> Failure {
    Failure::fault(format!(
        "The import stopped: {error} See what is wrong (octocity doctor; is the disk full?), then import the file \
         again: it goes on where it stopped and doubles nothing."
    ))
}

/// One pool and one area. The lanes have no detector: nobody asks there, and a passage without a grant is no
/// irregular one.
fn layout(garage: &Garage) -> Result<Layout, Failure> {
    let lanes = Lanes::try_new()?;
    let area: AreaId = code("inside")?;
    let lane = |id: LaneId, name: &str| Lane {
        id,
        name: name.to_owned(),
        from: None,
        to: Some(area),
        pool: garage.pool,
        detector: false,
    };
    Ok(Layout {
        areas: vec![octocity_domain::facilities::Area { id: area, name: "Inside".to_owned(), level: None }],
        pools: vec![Pool {
            id: garage.pool,
            name: "All places".to_owned(),
            places: garage.places,
            reservable_places: 0,
            chargeable: false,
        }],
        spots: Vec::new(),
        lanes: vec![lane(lanes.entry, "Entry"), lane(lanes.exit, "Exit")],
    })
}
