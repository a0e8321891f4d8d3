//! Octocity: one binary that runs a city's car parks. This crate reads the command line and the configuration,
//! and wires everything together; it holds no rule of parking.

mod args;
mod bench;
mod config;
mod failure;
mod import;
mod output;

use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command};
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
    let config = Config::load(&cli.common, environment)?;
    match cli.command {
        Command::Bench(args) => tokio::runtime::Runtime::new()
            .map_err(|error| Failure::fault(error.to_string()))?
            .block_on(bench::command(&config, &args, output)),
        _ => Ok(()),
    }
}
