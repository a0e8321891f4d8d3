//! `cargo xtask services up|down|status`: the services of the distributed runtime, each a process of its own below
//! `target/services`, on free ports of this machine. For where no Docker engine runs.
//!
//! - **service**: one of them; its folder holds its data, its log and its port, and outlives `down`.
//! - **to answer**: to serve a request of its own protocol, not only to accept a connection.

mod clickhouse;
mod cluster;
mod daemon;
pub mod debian;
mod eventstoredb;
mod home;
mod kafka;
mod ports;
mod postgres;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::target;
use home::Home;

/// How long a service may take from its start to its first answer.
const START_SECONDS: u64 = 90;

trait Service: Sync {
    fn name(&self) -> &'static str;
    /// Gets what it needs, or says what is lacking.
    fn install(&self, home: &Home) -> Result<(), String>;
    /// Starts it, if it does not run.
    fn start(&self, home: &Home) -> Result<(), String>;
    fn answers(&self, home: &Home) -> bool;
    /// Ends it, if it runs; what it stored stays.
    fn stop(&self, home: &Home) -> Result<(), String>;
    /// Its table in the configuration of octocity; empty where octocity knows none.
    fn config(&self, home: &Home) -> Result<String, String>;
}

/// What others made.
const FOREIGN: [&dyn Service; 3] = [&postgres::Postgres, &kafka::Kafka, &clickhouse::ClickHouse];
const SERVICES: [&dyn Service; 4] = [FOREIGN[0], FOREIGN[1], FOREIGN[2], &eventstoredb::EventStoreDb];

pub const USAGE: &str = "cargo xtask services up|down|status [--json]";

pub fn run(root: &Path, arguments: &[String]) -> ExitCode {
    let json = arguments.iter().any(|argument| argument == "--json");
    let words: Vec<&str> = arguments.iter().map(String::as_str).filter(|word| *word != "--json").collect();
    let done = match words[..] {
        ["up"] => up(root, json),
        ["down"] => down(root, json),
        ["status"] => status(root, json),
        _ => {
            eprintln!("usage: {USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Does the same to these at once, and returns what each one said.
fn each<T: Send>(
    root: &Path,
    services: &[&'static dyn Service],
    work: impl Fn(&dyn Service, &Home) -> Result<T, String> + Sync,
) -> Result<Vec<T>, String> {
    let folder = folder(root);
    std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    // Two callers at once would start everything twice.
    let lock = std::fs::File::create(folder.join("lock")).and_then(|file| file.lock().map(|()| file));
    let _lock = lock.map_err(|error| format!("{}: {error}", folder.display()))?;
    let one = |service: &'static dyn Service| {
        let home = Home::open(root, &target(root), service.name())?;
        work(service, &home).map_err(|error| format!("{}: {error}", service.name()))
    };
    std::thread::scope(|scope| {
        let all: Vec<_> = services.iter().map(|service| scope.spawn(|| one(*service))).collect();
        all.into_iter()
            .map(|one| one.join().unwrap_or_else(|_| Err("a service's thread broke off".to_owned())))
            .collect()
    })
}

fn folder(root: &Path) -> PathBuf {
    target(root).join("services")
}

/// Gets what the services need, and starts none: tests start their own.
pub fn install(root: &Path) -> Result<(), String> {
    each(root, &FOREIGN, |service, home| service.install(home)).map(drop)
}

fn up(root: &Path, json: bool) -> Result<bool, String> {
    let tables = each(root, &SERVICES, |service, home| {
        if !service.answers(home) {
            service.install(home)?;
            service.start(home)?;
            wait(service, home)?;
        }
        println!("{:12} answers on {}", service.name(), home.address()?);
        service.config(home)
    })?;
    let path = folder(root).join("octocity.toml");
    let text = format!("data = \"octocity-data\"\n{}", tables.concat());
    std::fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
    println!("the configuration that uses them: {}", path.display());
    if json {
        println!("{}", json!({"config": path}));
    }
    Ok(true)
}

fn wait(service: &dyn Service, home: &Home) -> Result<(), String> {
    let begun = Instant::now();
    while !service.answers(home) {
        if begun.elapsed() > Duration::from_secs(START_SECONDS) {
            return Err(format!("no answer within {START_SECONDS} s; its log:\n{}", home.log_tail()));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

fn down(root: &Path, json: bool) -> Result<bool, String> {
    each(root, &SERVICES, |service, home| {
        service.stop(home)?;
        println!("{:12} is stopped", service.name());
        Ok(())
    })?;
    if json {
        println!("{}", json!({"stopped": true}));
    }
    Ok(true)
}

/// True where all of them answer.
fn status(root: &Path, json: bool) -> Result<bool, String> {
    let states =
        each(root, &SERVICES, |service, home| Ok((service.name(), home.address()?, service.answers(home))))?;
    for (name, address, answers) in &states {
        println!("{name:12} {} on {address}", if *answers { "answers" } else { "does not answer" });
    }
    if json {
        let services = states
            .iter()
            .map(|(name, address, answers)| json!({"name": name, "address": address, "answers": answers}));
        println!("{}", json!({"services": services.collect::<Vec<_>>()}));
    }
    Ok(states.iter().all(|(_, _, answers)| *answers))
}
