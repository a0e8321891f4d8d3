//! `octocity bench`: what this machine does, each figure beside the bare limit taken in the same run.
//!
//! - **bare**: the same rows, bytes and indexes written to SQLite by one thread with group commit, for as many
//!   waiting callers, without rules, ids or states. What the store itself costs.
//! - **round**: a short run of the one, then of the other, in turns, so that a machine that slows down slows both.
//!   Reported are medians over the rounds.

mod bare_commands;
mod city;
mod commands;
mod latency;
mod projection;
mod rebuild;
mod report;
#[cfg(feature = "distributed")]
mod services;
#[cfg(not(feature = "distributed"))]
#[path = "absent.rs"]
mod services;

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::json;

use crate::args::BenchArgs;
use crate::config::{ClickHouseConfig, Config, KafkaConfig, PostgresConfig};
use crate::failure::Failure;
use crate::output::Output;

pub use report::BenchReport;

/// Anything that ends a benchmark: its sentence is for a person.
pub type Fault = Box<dyn std::error::Error + Send + Sync>;

#[derive(Clone, Debug)]
pub struct BenchOptions {
    /// How long each measurement runs, all its rounds together.
    pub seconds: f64,
    /// How many facilities the wide measurements spread over.
    pub facilities: usize,
    /// Where a scratch folder is made, and removed at the end: the disk that is measured.
    pub folder: PathBuf,
    /// Measured too where it is configured, in a schema of its own.
    pub postgres: Option<PostgresConfig>,
    /// The same, in topics of its own.
    pub kafka: Option<KafkaConfig>,
    /// The same, in a database of its own.
    pub clickhouse: Option<ClickHouseConfig>,
}

/// How many times each measurement alternates with its bare limit.
const ROUNDS: usize = 3;
const FACILITIES: usize = 1000;
const CALLERS: [usize; 4] = [1, 64, 256, 1024];

/// `octocity bench`: measures on the disk of the data folder, which itself is left alone.
pub async fn command(config: &Config, args: &BenchArgs, output: Output) -> Result<(), Failure> {
    let above = config.data.ancestors().skip(1).find(|folder| folder.is_dir());
    let folder = above.unwrap_or(Path::new(".")).to_owned();
    if args.rebuild {
        let figures = rebuild::measure(config, &folder).await?;
        output.say(figures.to_string());
        output.finish(&json!({"rebuild": figures}));
        return Ok(());
    }
    let progress = |what: &str| {
        if std::io::stderr().is_terminal() {
            eprintln!("measuring {what}");
        }
    };
    let options = BenchOptions {
        seconds: args.seconds.max(1) as f64,
        facilities: FACILITIES,
        folder,
        postgres: config.postgres.clone(),
        kafka: config.kafka.clone(),
        clickhouse: config.clickhouse.clone(),
    };
    let measured = run(&options, progress).await;
    let report = measured.map_err(|fault| Failure::fault(format!("The benchmark ended early: {fault}")))?;
    output.say(report.to_string().trim_end());
    output.finish(&report);
    Ok(())
}

/// Runs all measurements, one after another; `progress` is told what is measured now.
pub async fn run(options: &BenchOptions, progress: impl Fn(&str)) -> Result<BenchReport, Fault> {
    let scratch = Scratch::new(&options.folder)?;
    let round_seconds = options.seconds / ROUNDS as f64;
    progress("(registering the facilities first)");
    let city = city::City::register(&scratch.dir.join("city"), options.facilities).await?;
    let mut report = BenchReport::new();
    for facilities in [1, options.facilities] {
        for callers in CALLERS {
            progress(&format!("commands: {callers} callers on {facilities} facilities"));
            let case = commands::Case { callers, facilities, round_seconds };
            report.commands.push(commands::measure(&scratch.dir, &city, case).await?);
        }
    }
    progress("projection");
    let log = projection::history(&scratch.dir, &city, round_seconds).await?;
    report.projection = Some(projection::measure(&scratch.dir, &log).await?);
    services::measure(&mut report, &log, options, &progress).await?;
    if let Some(config) = &options.clickhouse {
        progress("facts into ClickHouse");
        let told = crate::analytics::rows_per_second(config, Arc::clone(&log)).await;
        report.clickhouse_rows_per_second = Some(told?);
    }
    drop(log);
    progress("the way from gate to subscription");
    report.latency = Some(latency::measure(&scratch.dir, &city, options.seconds).await?);
    Ok(report)
}

/// A folder of our own, gone when the benchmark is over.
struct Scratch {
    dir: PathBuf,
}

impl Scratch {
    fn new(folder: &Path) -> Result<Self, Fault> {
        let dir = folder.join(format!("octocity-bench-{}", std::process::id()));
        std::fs::create_dir_all(&dir).map_err(|error| {
            format!("{} cannot be made ({error}); name another with --data.", dir.display())
        })?;
        Ok(Self { dir })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.dir) {
            tracing::warn!(%error, "the benchmark's scratch folder was left behind");
        }
    }
}

fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn measures_everything_and_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let options = BenchOptions {
            seconds: 0.1,
            facilities: 5,
            folder: folder.path().to_owned(),
            postgres: None,
            kafka: None,
            clickhouse: None,
        };
        let report = run(&options, |_| {}).await.unwrap();
        let cases: Vec<_> =
            report.commands.iter().map(|figures| (figures.facilities, figures.callers)).collect();
        assert_eq!(cases, [1, 5].map(|facilities| CALLERS.map(|callers| (facilities, callers))).concat());
        let rates = report.commands.iter().map(|figures| figures.rates).chain(report.projection);
        for rate in rates {
            assert!(rate.per_second > 0.0 && rate.bare_per_second > 0.0 && rate.ratio.is_finite());
        }
        assert!(report.commands[1].commands_per_commit > 1.0, "64 callers share syncs");
        let latency = report.latency.unwrap();
        assert!(latency.passages > 0 && latency.p99_us >= latency.p50_us);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn the_median_is_the_one_in_the_middle() {
        assert_eq!(median([9.0, 1.0, 5.0]), 5.0);
        assert_eq!(median([]), 0.0);
    }
}
