//! The facilities that are measured on, and what their vehicles send.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use octocity_adapters::clock::{SystemClock, new_command_id};
use octocity_adapters::sqlite::{SqliteLog, SqliteLogOptions};
use octocity_commands::{Clock, Handler, HandlerOptions, Outcome, Submission};
use octocity_domain::facilities::{FacilityCommand, Lane, Layout, Policies, Pool};
use octocity_domain::parking::{Credential, DeviceClock, Direction, ParkingCommand};
use octocity_domain::time::Zone;
use octocity_domain::{AreaId, Currency, FacilityId, LaneId, OperatorId, PoolId};
use octocity_log::{Actor, EventLog};

use super::Fault;

/// How long a log may take to close.
const CLOSE_LIMIT: Duration = Duration::from_secs(60);

/// A log in which the facilities are registered; every round starts from a copy of it.
pub struct City {
    pub log: PathBuf,
    pub facilities: Arc<[FacilityId]>,
}

/// A handler on a log of its own.
pub struct Shell {
    path: PathBuf,
    pub log: Arc<SqliteLog>,
    pub handler: Arc<Handler>,
}

impl Shell {
    pub fn open(path: &Path) -> Result<Self, Fault> {
        let log = Arc::new(SqliteLog::open(path, SqliteLogOptions::default())?);
        let port: Arc<dyn EventLog> = Arc::clone(&log) as Arc<dyn EventLog>;
        let handler = Handler::new(port, None, Arc::new(SystemClock), HandlerOptions::default());
        Ok(Self { path: path.to_owned(), log, handler })
    }

    /// Waits until nothing uses the log any more and its file is whole: the last to close it removes the
    /// write-ahead log beside it.
    pub async fn close(self) -> Result<(), Fault> {
        let beside = self.path.with_extension("db-wal");
        drop(self);
        let closing = Instant::now();
        while beside.exists() {
            if closing.elapsed() > CLOSE_LIMIT {
                return Err("the log was not closed in time".into());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }
}

impl City {
    pub async fn register(dir: &Path, count: usize) -> Result<Self, Fault> {
        std::fs::create_dir_all(dir)?;
        let log = dir.join("log.db");
        let shell = Shell::open(&log)?;
        let facilities: Arc<[FacilityId]> = (0..count).map(|_| new_command_id().facility()).collect();
        let registering: Vec<_> = facilities
            .iter()
            .map(|facility| {
                let (handler, facility) = (Arc::clone(&shell.handler), *facility);
                tokio::spawn(async move {
                    handler.facility(facility, submission(registration(facility)?)).await.map_err(Fault::from)
                })
            })
            .collect();
        for registered in registering {
            if let Outcome::Refused(refusal) = registered.await??.outcome {
                return Err(format!("a facility was refused: {refusal:?}").into());
            }
        }
        shell.close().await?;
        Ok(Self { log, facilities })
    }

    /// A copy of the city's log, to write to.
    pub fn copy_to(&self, path: &Path) -> Result<(), Fault> {
        std::fs::copy(&self.log, path)?;
        Ok(())
    }
}

pub fn submission<C>(command: C) -> Submission<C> {
    Submission::new(new_command_id(), Actor::new("bench"), command)
}

fn registration(facility: FacilityId) -> Result<FacilityCommand, Fault> {
    let (area, pool) = (AreaId::try_new("hall")?, PoolId::try_new("places")?);
    let lane = |id: &str| -> Result<Lane, Fault> {
        Ok(Lane {
            id: LaneId::try_new(id)?,
            name: id.to_owned(),
            from: None,
            to: Some(area),
            pool,
            detector: true,
        })
    };
    let places = Pool {
        id: pool,
        name: "Places".to_owned(),
        places: Some(10_000),
        reservable_places: 0,
        chargeable: false,
    };
    Ok(FacilityCommand::RegisterFacility {
        facility,
        operator: OperatorId::try_new("bench")?,
        name: "Measured".to_owned(),
        zone: Zone::try_new("Europe/Vienna").ok_or("the time zone is unknown")?,
        currency: Currency::try_new("EUR").ok_or("the currency is unknown")?,
        layout: Layout {
            areas: vec![octocity_domain::facilities::Area { id: area, name: "Hall".to_owned(), level: None }],
            pools: vec![places],
            spots: Vec::new(),
            lanes: vec![lane("gate")?],
        },
        policies: Policies::default(),
    })
}

/// One vehicle with a ticket passes the gate.
pub async fn pass(
    handler: &Handler,
    facility: FacilityId,
    direction: Direction,
    ticket: &str,
) -> Result<octocity_log::Position, Fault> {
    let command = ParkingCommand::RecordPassage {
        lane: LaneId::try_new("gate")?,
        direction,
        credentials: vec![Credential::Ticket { number: ticket.to_owned() }],
        unreadable: false,
        pool: None,
        happened_at: SystemClock.now(),
        clock: DeviceClock::default(),
    };
    let reply = handler.parking(facility, submission(command)).await?;
    match reply.outcome {
        Outcome::Accepted(_) => Ok(reply.position),
        Outcome::Refused(refusal) => Err(format!("a passage was refused: {refusal:?}").into()),
    }
}
