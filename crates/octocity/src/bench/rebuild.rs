//! A rebuild of all views of a data folder, beside its bare limit: the events read and the rows written by hand.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use octocity_log::EventLog;
use rusqlite::{Connection, OpenFlags};
use serde::Serialize;

use super::projection::{Round, round};
use super::{Fault, ROUNDS, Scratch, median};
use crate::config::Config;
use crate::failure::Failure;
use crate::stores::{Folder, open_log};

/// Medians over the rounds; `ratio` is the median of the rounds' ratios.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct RebuildFigures {
    pub events: usize,
    pub seconds: f64,
    pub bare_reading_seconds: f64,
    pub bare_upserts_seconds: f64,
    pub ratio: f64,
    pub ratio_min: f64,
    pub ratio_max: f64,
}

/// `octocity bench --rebuild`: reads the data folder's log, and writes to a scratch folder below `scratch`.
pub async fn measure(config: &Config, scratch: &Path) -> Result<RebuildFigures, Failure> {
    if config.eventstoredb.is_some() {
        return Err(Failure::usage(
            "octocity bench --rebuild measures a log in the data folder; remove the table [eventstoredb] from the configuration.",
        ));
    }
    let (log, _folder) = open_log(config, Folder::MustExist).await?;
    let measured = rounds(&log.events(), &config.data.join("log.db"), scratch).await;
    measured.map_err(|fault| Failure::fault(format!("The benchmark ended early: {fault}")))
}

async fn rounds(log: &Arc<dyn EventLog>, file: &Path, scratch: &Path) -> Result<RebuildFigures, Fault> {
    let scratch = Scratch::new(scratch)?;
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        rounds.push((round(&scratch.dir, log).await?, read(file)?));
    }
    let of = |figure: fn(&(Round, f64)) -> f64| rounds.iter().map(figure);
    let ratio = |(round, reading): &(Round, f64)| round.seconds / (round.bare_seconds + reading);
    Ok(RebuildFigures {
        events: rounds.first().map_or(0, |(round, _)| round.events),
        seconds: median(of(|(round, _)| round.seconds)),
        bare_reading_seconds: median(of(|(_, reading)| *reading)),
        bare_upserts_seconds: median(of(|(round, _)| round.bare_seconds)),
        ratio: median(of(ratio)),
        ratio_min: of(ratio).fold(f64::INFINITY, f64::min),
        ratio_max: of(ratio).fold(0.0, f64::max),
    })
}

/// How long one thread takes to read every column of every event, in the order of positions.
fn read(file: &Path) -> Result<f64, Fault> {
    let connection = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let mut statement = connection.prepare("SELECT * FROM events ORDER BY position")?;
    let columns = statement.column_count();
    let started = Instant::now();
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        for column in 0..columns {
            std::hint::black_box(row.get_ref(column)?);
        }
    }
    Ok(started.elapsed().as_secs_f64())
}

impl fmt::Display for RebuildFigures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { events, seconds, bare_reading_seconds, bare_upserts_seconds, ratio, .. } = self;
        writeln!(f, "rebuild of all views from {events} events in {seconds:.2} s")?;
        write!(
            f,
            "bare reading {bare_reading_seconds:.2} s, bare upserts {bare_upserts_seconds:.2} s; ratio {ratio:.2} ({:.2} to {:.2})",
            self.ratio_min, self.ratio_max
        )
    }
}

#[cfg(test)]
mod tests {
    use octocity_adapters::sqlite::{SqliteLog, SqliteLogOptions};

    use super::*;
    use crate::bench::city::City;

    #[tokio::test]
    async fn a_rebuild_folds_every_event_and_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let city = City::register(folder.path(), 3).await.unwrap();
        let log: Arc<dyn EventLog> =
            Arc::new(SqliteLog::open(&city.log, SqliteLogOptions::default()).unwrap());
        let beside = tempfile::tempdir().unwrap();
        let figures = rounds(&log, &city.log, beside.path()).await.unwrap();
        assert_eq!(figures.events as u64, log.head().borrow().0);
        assert!(figures.bare_reading_seconds > 0.0 && figures.bare_upserts_seconds > 0.0);
        assert!(figures.ratio_min <= figures.ratio && figures.ratio <= figures.ratio_max);
        assert_eq!(std::fs::read_dir(beside.path()).unwrap().count(), 0);
    }
}
