//! Commands through the whole handler and projection, beside bare SQLite, bare PostgreSQL and cqrs-es on the same server.

use octocity_tests_distributed::binary;
use octocity_tests_distributed::own::Own;
use serde_json::Value;
use tokio::process::Command;

use crate::Fault;
use crate::quiet;
use crate::report::{Report, range};

/// How many callers wait at once where nothing else is said, and on how many car parks.
pub const CALLERS: usize = 64;
pub const FACILITIES: usize = 1_000;
const MANY_CALLERS: usize = 1_024;
const SECONDS: &str = "3";
/// How often it is measured at most, until other machines leave it the cores. It takes minutes.
const TRIES: usize = 2;

/// What `octocity bench` reports, which takes turns with the bare stores by itself.
pub struct Handler {
    report: Value,
    /// How quiet the machine was meanwhile.
    quiet: String,
}

impl Handler {
    pub async fn measure(postgres: &Own) -> Result<Self, Fault> {
        let folder = tempfile::tempdir_in(std::env::current_dir()?)?;
        let config = folder.path().join("octocity.toml");
        std::fs::write(
            &config,
            format!("data = {:?}\n[postgres]\nurl = {:?}\n", folder.path().join("data"), postgres.url()),
        )?;
        let rounds = quiet::rounds(1, TRIES, async || {
            let mut command = Command::new(binary());
            command.args(["bench", "--seconds", SECONDS, "--json", "--config"]).arg(&config);
            last_line(&command.output().await?)
        });
        let rounds = rounds.await?;
        Ok(Self { report: rounds.kept[0].clone(), quiet: rounds.said() })
    }

    /// A figure of the case of so many callers on so many car parks.
    fn of(&self, callers: usize, facilities: usize, figure: &str) -> Result<f64, Fault> {
        let cases = self.report["commands"].as_array().map(Vec::as_slice).unwrap_or_default();
        let case = cases.iter().find(|case| case["callers"] == callers && case["facilities"] == facilities);
        let lacks =
            || format!("octocity bench lacks {figure} of {callers} callers on {facilities} car parks");
        Ok(case.and_then(|case| case[figure].as_f64()).ok_or_else(lacks)?)
    }

    pub fn per_second(&self) -> Result<f64, Fault> {
        self.of(CALLERS, FACILITIES, "per_second")
    }

    pub async fn report(&self, report: &mut Report) -> Result<(), Fault> {
        let ours = self.per_second()?;
        let peer = cqrs_es_per_second().await?;
        report.note(format!(
            "commands, {CALLERS} callers on {FACILITIES} car parks ({}): {ours:.0}/s, bare SQLite {:.0}/s (ratio {}), cqrs-es on PostgreSQL {peer:.0}/s",
            self.quiet,
            self.of(CALLERS, FACILITIES, "bare_per_second")?,
            range([self.of(CALLERS, FACILITIES, "ratio_min")?, self.of(CALLERS, FACILITIES, "ratio_max")?])
        ));
        let ratio = self.of(CALLERS, FACILITIES, "ratio")?;
        report.at_least("commands, 64 callers on 1,000 car parks, of bare SQLite", ratio, 0.9);
        report.at_least(
            "commands in one process on SQLite, 64 callers, times cqrs-es on PostgreSQL",
            ours / peer,
            5.0,
        );
        let many = self.of(MANY_CALLERS, FACILITIES, "per_second")?;
        report.at_least("commands/s, 1,024 callers on 1,000 car parks", many, 100_000.0);
        let hot = self.of(CALLERS, 1, "per_second")?;
        report.at_least("commands, 64 callers on one car park, of those on 1,000", hot / ours, 0.6);
        for (field, name) in [
            ("projection", "projection of all views into SQLite, of bare upserts"),
            ("projection_postgres", "projection of all views into PostgreSQL, of bare upserts"),
        ] {
            let figures = &self.report[field];
            let figure =
                |name: &str| figures[name].as_f64().ok_or_else(|| format!("octocity bench lacks {field}"));
            report.note(format!(
                "{name}: {:.0} events/s, bare {:.0} events/s (ratio {})",
                figure("per_second")?,
                figure("bare_per_second")?,
                range([figure("ratio_min")?, figure("ratio_max")?])
            ));
            report.at_least(name, figure("ratio")?, 0.8);
        }
        Ok(())
    }
}

/// What a command of octocity says for scripts.
pub fn last_line(output: &std::process::Output) -> Result<Value, Fault> {
    let text = String::from_utf8_lossy(&output.stdout);
    let said = serde_json::from_str(text.lines().last().unwrap_or_default());
    match said {
        Ok(said) if output.status.success() => Ok(said),
        _ => Err(format!("octocity gave no figures: {}", String::from_utf8_lossy(&output.stderr)).into()),
    }
}

/// On a server of its own, as its table must be empty.
async fn cqrs_es_per_second() -> Result<f64, Fault> {
    let program =
        std::env::var_os("BUILT_CQRS_ES").ok_or("BUILT_CQRS_ES does not say where the peer is built")?;
    let postgres = Own::start();
    let output = Command::new(program).args([&postgres.url(), &CALLERS.to_string(), "8"]).output().await?;
    let said = String::from_utf8(output.stdout)?;
    let unusable = || format!("cqrs-es was not measured: {}", String::from_utf8_lossy(&output.stderr));
    Ok(said.trim().parse().map_err(|_| unusable())?)
}
