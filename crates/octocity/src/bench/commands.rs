//! Commands per second through the whole handler, each reply after its sync.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use octocity_commands::Handler;
use octocity_domain::FacilityId;
use octocity_domain::parking::Direction;
use octocity_log::{EventLog, Position};

use super::city::{City, Shell, pass};
use super::report::{CommandFigures, Ratio};
use super::{Fault, ROUNDS, bare_commands, median};

#[derive(Clone, Copy, Debug)]
pub struct Case {
    pub callers: usize,
    pub facilities: usize,
    pub round_seconds: f64,
}

/// What one round of the handler did.
pub struct Round {
    pub per_second: f64,
    commands_per_commit: f64,
    /// The log's head when the clock was started: what came before is not measured.
    pub start: Position,
}

pub async fn measure(dir: &Path, city: &City, case: Case) -> Result<CommandFigures, Fault> {
    let (ours, bare) = (dir.join("commands.db"), dir.join("bare.db"));
    let (mut rates, mut groups) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        city.copy_to(&ours)?;
        let round = run(&ours, &city.facilities[..case.facilities], case).await?;
        city.copy_to(&bare)?;
        let bare_per_second = bare_commands::run(&ours, &bare, round.start, case.callers).await?;
        rates.push((round.per_second, bare_per_second));
        groups.push(round.commands_per_commit);
        std::fs::remove_file(&ours)?;
        std::fs::remove_file(&bare)?;
    }
    let (callers, facilities) = (case.callers, case.facilities);
    Ok(CommandFigures { callers, facilities, rates: Ratio::of(&rates), commands_per_commit: median(groups) })
}

/// Passages for as long as a round lasts, into the log at `path`.
pub async fn run(path: &Path, facilities: &[FacilityId], case: Case) -> Result<Round, Fault> {
    let shell = Shell::open(path)?;
    let facilities: Arc<[FacilityId]> = facilities.into();
    let once = Pace { until: Instant::now(), at_least: facilities.len().div_ceil(case.callers) };
    call(&shell.handler, &facilities, case.callers, once).await?;
    let start = *shell.log.head().borrow();
    let before = shell.log.counters();
    let started = Instant::now();
    let pace = Pace { until: started + Duration::from_secs_f64(case.round_seconds), at_least: 1 };
    call(&shell.handler, &facilities, case.callers, pace).await?;
    let seconds = started.elapsed().as_secs_f64();
    let after = shell.log.counters();
    shell.close().await?;
    let commands = (after.appended_entries - before.appended_entries) as f64;
    let commits = (after.commits - before.commits).max(1) as f64;
    Ok(Round { per_second: commands / seconds, commands_per_commit: commands / commits, start })
}

/// How long each caller goes on: until then, and so many vehicles at least.
#[derive(Clone, Copy)]
struct Pace {
    until: Instant,
    at_least: usize,
}

/// So many callers, each sending its next command when the last is answered: a vehicle in, the same one out.
async fn call(
    handler: &Arc<Handler>,
    facilities: &Arc<[FacilityId]>,
    callers: usize,
    pace: Pace,
) -> Result<(), Fault> {
    let callers = (0..callers).map(|caller| {
        let (handler, facilities) = (Arc::clone(handler), Arc::clone(facilities));
        tokio::spawn(async move {
            let mut vehicle = 0;
            while vehicle < pace.at_least || Instant::now() < pace.until {
                let facility = facilities[(caller + vehicle * callers) % facilities.len()];
                let ticket = format!("{caller}-{vehicle}");
                pass(&handler, facility, Direction::Entry, &ticket).await?;
                pass(&handler, facility, Direction::Exit, &ticket).await?;
                vehicle += 1;
            }
            Ok::<(), Fault>(())
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await??;
    }
    Ok(())
}
