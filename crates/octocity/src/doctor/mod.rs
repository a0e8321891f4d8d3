//! `octocity doctor`: what is wrong with the configuration or the data folder, and what to do about it.
//!
//! It changes no data in a folder, and looks at one in use as far as that disturbs nobody.

mod address;
mod contents;
mod history;
mod processes;
mod relay;

use std::path::Path;
use std::process::Command;

use octocity_adapters::clock::SystemClock;
use octocity_adapters::sqlite::folder::{self, LogPlace};
use octocity_commands::Clock;
use octocity_domain::Timestamp;
use serde_json::{Value, json};

use crate::args::Common;
use crate::config::{Config, EventStoreConfig, Gateway, KafkaConfig};
use crate::failure::Failure;
use crate::output::Output;

/// Below this much room, a commit may soon fail.
const LITTLE_ROOM_BYTES: u64 = 1 << 30;
/// This version was made later: a clock before it is wrong.
const MADE_AT: Timestamp = Timestamp::from_seconds(1_767_225_600);

/// One thing that was looked at.
struct Check {
    of: String,
    /// A sentence that says what to do; None where all is well.
    problem: Option<String>,
    found: String,
}

#[derive(Default)]
struct Findings(Vec<Check>);

impl Findings {
    fn well(&mut self, of: impl Into<String>, found: impl Into<String>) {
        self.0.push(Check { of: of.into(), problem: None, found: found.into() });
    }
    fn wrong(&mut self, of: impl Into<String>, problem: impl Into<String>) {
        self.0.push(Check { of: of.into(), problem: Some(problem.into()), found: String::new() });
    }
    fn problems(&self) -> usize {
        self.0.iter().filter(|check| check.problem.is_some()).count()
    }
}

/// `config`: as it was read, or why it could not be.
pub async fn run(config: Result<Config, Failure>, common: &Common, output: Output) -> Result<(), Failure> {
    let mut findings = Findings::default();
    look_at_clock(&mut findings);
    let data = match &config {
        Ok(config) => {
            look_at_config(config, &mut findings);
            config.data.clone()
        }
        Err(failure) => {
            findings.wrong("configuration", &failure.message);
            // Where the data are may stand in what cannot be read.
            let Some(data) = &common.data else { return say(&findings, output) };
            data.clone()
        }
    };
    let log = config.as_ref().ok().and_then(|config| config.eventstoredb.as_ref());
    let rows = config.as_ref().ok().and_then(|config| config.postgres.as_ref());
    let place = match (log, rows) {
        (Some(_), Some(_)) => None,
        (Some(_), None) => Some(LogPlace::Elsewhere),
        (None, _) => Some(LogPlace::Here),
    };
    let usable = look_at_folder(&data, place, &mut findings)
        & look_at_eventstoredb(log, &data, &mut findings).await
        & look_at_postgres(&config, &mut findings).await;
    let kafka = look_at_kafka(&config, &mut findings).await;
    look_at_clickhouse(&config, &mut findings).await;
    look_at_room(&data, &mut findings);
    if let (Ok(config), true) = (&config, usable) {
        contents::look_at_contents(config, kafka, &mut findings).await;
    }
    say(&findings, output)
}

fn say(findings: &Findings, output: Output) -> Result<(), Failure> {
    for Check { of, problem, found } in &findings.0 {
        match problem {
            None => output.say(format!("well   {of}: {found}")),
            Some(problem) => output.say(format!("WRONG  {of}: {problem}")),
        }
    }
    let problems = findings.problems();
    if problems > 0 {
        let list: Vec<Value> = findings.0.iter().filter_map(as_problem).collect();
        let failure = Failure::found(format!("{problems} problem(s) found; what to do stands above."));
        return Err(failure.with("problems", Value::Array(list)));
    }
    output.say("Nothing is wrong.");
    output.finish(&json!({"problems": []}));
    Ok(())
}

fn as_problem(check: &Check) -> Option<Value> {
    check.problem.as_ref().map(|problem| json!({"of": check.of, "problem": problem}))
}

fn look_at_clock(findings: &mut Findings) {
    let now = SystemClock.now();
    match now < MADE_AT {
        true => findings.wrong("clock", format!("it says {now}, which is past; set the machine's clock.")),
        false => findings.well("clock", now.to_string()),
    }
}

fn look_at_config(config: &Config, findings: &mut Findings) {
    let file = config.file.as_ref().map_or("no file".to_owned(), |file| file.display().to_string());
    findings.well("configuration", format!("{file}, {} token(s)", config.tokens.len()));
    findings.well("payments", Gateway::said(config.gateway));
    address::look_at_address(config, findings);
}

/// Whether what is in it can be opened by us. `log`: None where nothing is kept in a folder.
fn look_at_folder(data: &Path, log: Option<LogPlace>, findings: &mut Findings) -> bool {
    let of = format!("data folder {}", data.display());
    let Some(log) = log else {
        findings.well(of, "not needed: all is in EventStoreDB and PostgreSQL");
        return true;
    };
    let found = folder::inspect(data, log, true);
    if let Some(problem) = found.problem {
        findings.wrong(of, problem);
        return false;
    }
    if !found.exists {
        findings.well(of, "there is none yet; the first command makes it");
        return false;
    }
    match &found.in_use {
        Some(by) => findings.well(of, format!("in use by {by}; its contents are not compared")),
        None => findings.well(of, "not in use"),
    }
    let mut whole = true;
    for file in found.files {
        match (file.problem, file.bytes) {
            (Some(problem), _) => {
                whole = false;
                findings.wrong(file.name, problem);
            }
            (None, Some(bytes)) => findings.well(file.name, format!("whole, {bytes} bytes")),
            (None, None) => findings.well(file.name, "not there yet; it is made when it is needed"),
        }
    }
    whole && found.in_use.is_none()
}

/// Whether there is a log of ours.
async fn look_at_eventstoredb(
    config: Option<&EventStoreConfig>,
    data: &Path,
    findings: &mut Findings,
) -> bool {
    let Some(config) = config else { return true };
    let left = data.join(folder::LOG_FILE);
    match crate::stores::look_at_eventstoredb(config).await {
        Ok((_, false)) if left.exists() => {
            let left = left.display();
            findings.wrong("EventStoreDB", format!(
                "{left} is not there yet; bring it by octocity migrate --to eventstoredb, or name another data folder \
                 with --data."
            ));
            false
        }
        Ok((found, is_there)) => {
            findings.well("EventStoreDB", found);
            is_there
        }
        Err(failure) => {
            findings.wrong("EventStoreDB", failure.message);
            false
        }
    }
}

/// Whether our tables are there, as a start would find them.
async fn look_at_postgres(config: &Result<Config, Failure>, findings: &mut Findings) -> bool {
    let Some(postgres) = config.as_ref().ok().and_then(|config| config.postgres.as_ref()) else {
        return true;
    };
    match crate::stores::look_at_postgres(postgres).await {
        Ok((found, is_there)) => {
            findings.well("PostgreSQL", found);
            is_there
        }
        Err(failure) => {
            findings.wrong("PostgreSQL", failure.message);
            false
        }
    }
}

/// Says which it is where it can be used.
async fn look_at_kafka<'a>(
    config: &'a Result<Config, Failure>,
    findings: &mut Findings,
) -> Option<&'a KafkaConfig> {
    let kafka = config.as_ref().ok()?.kafka.as_ref()?;
    match crate::kafka::look(kafka).await {
        Ok(found) => {
            findings.well("Kafka", found);
            Some(kafka)
        }
        Err(failure) => {
            findings.wrong("Kafka", failure.message);
            None
        }
    }
}

/// Nothing else rests on it.
async fn look_at_clickhouse(config: &Result<Config, Failure>, findings: &mut Findings) {
    let Some(clickhouse) = config.as_ref().ok().and_then(|config| config.clickhouse.as_ref()) else { return };
    match crate::analytics::look(clickhouse).await {
        Ok(found) => findings.well("ClickHouse", found),
        Err(failure) => findings.wrong("ClickHouse", failure.message),
    }
}

/// What the standard library cannot ask: how much room the file system has (df, POSIX).
fn look_at_room(data: &Path, findings: &mut Findings) {
    let place = data.ancestors().find(|place| place.exists()).unwrap_or(Path::new("."));
    let place = if place.as_os_str().is_empty() { Path::new(".") } else { place };
    let said = Command::new("df").arg("-Pk").arg(place).output().ok();
    let said = said.map(|said| String::from_utf8_lossy(&said.stdout).into_owned()).unwrap_or_default();
    let free = said.lines().nth(1).and_then(|line| line.split_whitespace().nth(3)?.parse::<u64>().ok());
    match free.map(|kibibytes| kibibytes * 1024) {
        None => findings.well("room", "df says nothing"),
        Some(bytes) if bytes < LITTLE_ROOM_BYTES => {
            findings.wrong("room", format!("{bytes} bytes are free; make room before commits fail."));
        }
        Some(bytes) => findings.well("room", format!("{bytes} bytes free")),
    }
}
