//! The figures, for a person and for a program.

use std::fmt;

use serde::Serialize;

/// Everything that was measured. Rates are per second, latencies microseconds.
#[derive(Clone, Debug, Serialize)]
pub struct BenchReport {
    pub cores: usize,
    pub commands: Vec<CommandFigures>,
    pub projection: Option<Ratio>,
    /// Beside bare upserts into the same server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub projection_postgres: Option<Ratio>,
    /// From the log until they are committed in both topics.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relayed_events_per_second: Option<f64>,
    /// From the topic into PostgreSQL, beside bare upserts into the same server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub projection_kafka: Option<Ratio>,
    /// From the log to their checkpoint; the server is another process, and has no bare limit of ours beside it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clickhouse_rows_per_second: Option<f64>,
    pub latency: Option<LatencyFigures>,
}

#[derive(Clone, Debug, Serialize)]
pub struct CommandFigures {
    pub callers: usize,
    pub facilities: usize,
    #[serde(flatten)]
    pub rates: Ratio,
    /// How many commands shared one sync.
    pub commands_per_commit: f64,
}

/// Ours beside the bare limit; `ratio` is the median of the rounds' ratios, which lie between the other two.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Ratio {
    pub per_second: f64,
    pub bare_per_second: f64,
    pub ratio: f64,
    pub ratio_min: f64,
    pub ratio_max: f64,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub struct LatencyFigures {
    pub passages: u64,
    pub p50_us: u64,
    pub p99_us: u64,
    /// A synced commit of the event and one of the row, by hand.
    pub bare_p50_us: u64,
    pub bare_p99_us: u64,
}

impl BenchReport {
    pub fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            cores,
            commands: Vec::new(),
            projection: None,
            projection_postgres: None,
            relayed_events_per_second: None,
            projection_kafka: None,
            clickhouse_rows_per_second: None,
            latency: None,
        }
    }
}

impl Ratio {
    /// From (ours, bare) of each round.
    pub fn of(rounds: &[(f64, f64)]) -> Self {
        let ratios = || rounds.iter().map(|round| round.0 / round.1);
        Self {
            per_second: super::median(rounds.iter().map(|round| round.0)),
            bare_per_second: super::median(rounds.iter().map(|round| round.1)),
            ratio: super::median(ratios()),
            ratio_min: ratios().fold(f64::INFINITY, f64::min),
            ratio_max: ratios().fold(0.0, f64::max),
        }
    }
}

impl fmt::Display for BenchReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} cores; every command is synced to disk before its reply", self.cores)?;
        writeln!(f, "{:<44}{:>12}{:>14}{:>8}", "", "octocity", "bare SQLite", "ratio")?;
        for figures in &self.commands {
            let name = format!("commands/s, {} facilities, {} callers", figures.facilities, figures.callers);
            line(f, &name, figures.rates)?;
        }
        if let Some(projection) = self.projection {
            line(f, "projected events/s", projection)?;
        }
        if let Some(projection) = self.projection_postgres {
            line(f, "projected events/s, PostgreSQL (and bare)", projection)?;
        }
        if let Some(events) = self.relayed_events_per_second {
            writeln!(f, "{:<44}{events:>12.0}", "relayed events/s, to Kafka")?;
        }
        if let Some(projection) = self.projection_kafka {
            line(f, "projected events/s, Kafka to PostgreSQL", projection)?;
        }
        if let Some(rows) = self.clickhouse_rows_per_second {
            writeln!(f, "{:<44}{rows:>12.0}", "rows of facts/s, ClickHouse")?;
        }
        if let Some(latency) = self.latency {
            let row = |f: &mut fmt::Formatter<'_>, name, ours: u64, bare: u64| {
                writeln!(
                    f,
                    "{name:<44}{:>9} us{:>11} us{:>8.2}",
                    ours,
                    bare,
                    ours as f64 / bare.max(1) as f64
                )
            };
            row(f, "gate to subscription, p50", latency.p50_us, latency.bare_p50_us)?;
            row(f, "gate to subscription, p99", latency.p99_us, latency.bare_p99_us)?;
        }
        Ok(())
    }
}

fn line(f: &mut fmt::Formatter<'_>, name: &str, rates: Ratio) -> fmt::Result {
    writeln!(f, "{name:<44}{:>12.0}{:>14.0}{:>8.2}", rates.per_second, rates.bare_per_second, rates.ratio)
}
