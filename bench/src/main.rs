//! What a running server does under load. Every figure is measured, beside its bare limit where it has one, in turns where
//! both are measured here: a machine that slows down slows both.
//!
//! - **round**: a short run of the one, then of the other. Reported are medians over the rounds.
//! - **open loop**: requests are sent when they are due, however long the ones before take; a latency counts from when its
//!   request was due, so that a stall is not omitted from the percentiles.
//! - **goal**: a figure with the value it is to reach.

mod asked;
mod city;
mod handler;
mod history;
mod hot;
mod http;
mod instructions;
mod latencies;
mod live;
mod machine;
mod movements;
mod mutations;
mod postgraphile;
mod quiet;
mod rebuild;
mod report;
mod subscribers;
mod websocket;
mod zipf;

use std::process::ExitCode;

use asked::Asked;
use handler::Handler;
use octocity_tests_distributed::own::Own;
use report::Report;

/// Anything that ends a measurement: its sentence is for a person.
pub type Fault = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    let words = std::env::args().skip(1).collect::<Vec<_>>();
    match &words[..] {
        // Without other threads, whose instructions would be counted too.
        [call, name, times] if call == instructions::CALL => ended(instructions::call(name, times)),
        words => asynchronous(words),
    }
}

#[tokio::main]
async fn asynchronous(words: &[String]) -> ExitCode {
    if let [bare, address, file] = words
        && bare == mutations::BARE
    {
        return ended(mutations::serve_bare(address, file).await);
    }
    let asked = match Asked::try_new(words) {
        Ok(Some(asked)) => asked,
        Ok(None) => {
            println!("{}", asked::usage());
            return ExitCode::SUCCESS;
        }
        Err(sentence) => {
            eprintln!("{sentence}");
            return ExitCode::from(2);
        }
    };
    let mut report = Report::new();
    let measured = measure(&asked, &mut report).await;
    print!("{report}");
    if asked.json {
        println!("{}", report.json());
    }
    ended(measured)
}

fn ended(end: Result<(), Fault>) -> ExitCode {
    match end {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("octocity-bench: {fault}");
            ExitCode::FAILURE
        }
    }
}

async fn measure(asked: &Asked, report: &mut Report) -> Result<(), Fault> {
    if asked.wants("instructions") {
        instructions::measure(report).await?;
    }
    if asked.wants("handler") {
        let handler = Handler::measure(&Own::start()).await?;
        handler.report(report).await?;
        mutations::measure(handler.per_second()?, report).await?;
    }
    if asked.wants("live") {
        live::in_one_process(report).await?;
    }
    if asked.wants("kafka") {
        live::over_kafka(report).await?;
    }
    if asked.wants("subscribers") {
        subscribers::measure(report).await?;
    }
    if asked.wants("postgraphile") {
        postgraphile::measure(report).await?;
    }
    if asked.wants("rebuild") {
        rebuild::measure(report).await?;
    }
    if asked.wants("history") {
        history::measure(report).await?;
    }
    Ok(())
}
