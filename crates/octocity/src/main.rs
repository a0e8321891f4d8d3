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
mod logging;
mod lost_processes;
mod metrics;
mod migrate;
mod node;
mod open_files;
mod output;
mod parked;
mod processing;
mod progress;
mod rebuild;
mod relay;
mod roles;
mod serve;
mod starting;
mod stopping;
mod stores;

use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command, Import};
use config::Config;
use failure::Failure;
use output::Output;

/// Commands and queries make and free many small things; the system's allocator took an eighth of their time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
            logging::to_stderr(config.log);
            logging::of_panics();
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
        Command::Rebuild(args) => rebuild::run(config, &args, output).await,
        Command::Parked(command) => parked::run(config, command, output).await,
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
