//! Octocity: one binary that runs a city's car parks. This crate reads the command line and the configuration,
//! and wires everything together; it holds no rule of parking.

mod analytics;
mod args;
mod bench;
mod config;
mod demo;
mod doctor;
mod failure;
mod following;
mod import;
mod kafka;
mod lost_processes;
mod metrics;
mod migrate;
mod node;
mod open_files;
mod output;
mod processing;
mod rebuild;
mod relay;
mod roles;
mod serve;
mod stopping;
mod stores;

use std::process::ExitCode;

use clap::Parser;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use args::{Cli, Command, Import};
use config::Config;
use failure::Failure;
use output::Output;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let output = Output { json: cli.common.json };
    match run(cli, output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output.fail(&failure);
            ExitCode::from(failure.kind.exit_code())
        }
    }
}

fn run(cli: Cli, output: Output) -> Result<(), Failure> {
    let environment = std::env::vars_os()
        .filter_map(|(key, value)| Some((key.into_string().ok()?, value.to_string_lossy().into_owned())));
    let runtime = node::runtime()?;
    match Config::load(&cli.common, environment) {
        Ok(config) => {
            log_to_stderr(config.log);
            log_panics();
            runtime.block_on(dispatch(cli, &config, output))
        }
        // The doctor looks at the rest all the same.
        Err(failure) if matches!(cli.command, Command::Doctor) => {
            runtime.block_on(doctor::run(Err(failure), &cli.common, output))
        }
        Err(failure) => Err(failure),
    }
}

async fn dispatch(cli: Cli, config: &Config, output: Output) -> Result<(), Failure> {
    match cli.command {
        Command::Serve(args) => serve::run(config, args, output).await,
        Command::Demo(args) => demo::run(config, &args, output).await,
        Command::Import(Import::Gates(args)) => import::command::gates(config, &args, output).await,
        Command::Import(Import::Occupancy(args)) => import::command::occupancy(config, &args, output).await,
        Command::Rebuild { view } => rebuild::rebuild(config, view.as_deref(), output).await,
        Command::Migrate(args) => migrate::run(config, &args, output).await,
        Command::Hash => rebuild::hash(config, output).await,
        Command::Bench(args) => bench::command(config, &args, output).await,
        Command::Schema => {
            output.say(octocity_api::sdl().trim_end());
            Ok(())
        }
        Command::Doctor => doctor::run(Ok(config.clone()), &cli.common, output).await,
    }
}

fn log_to_stderr(level: LevelFilter) {
    use std::io::IsTerminal;
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        // A line that cannot be written (a closed pipe, a full disk) is lost; it must not end the thread that wrote it.
        .log_internal_errors(false);
    // EventStoreDB's client tells every fault that it hands over besides; it is told once, where it is handled.
    let of_client = if level >= LevelFilter::DEBUG { level } else { LevelFilter::OFF };
    let told = Targets::new().with_default(level).with_target("kurrentdb", of_client);
    tracing_subscriber::registry().with(lines).with(told).init();
}

/// What a panic says may hold a plate or a token: where it was is logged, and is enough to find it.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "a fault of ours: the code panicked here; please report the place");
    }));
}
