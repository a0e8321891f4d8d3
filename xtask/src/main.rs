//! The project's own chores: `cargo xtask test` is the one command that passes every test.
//!
//! - **step**: one named part of it, which also runs alone: `cargo xtask test fmt clippy`.
//! - **judge**: a program of somebody else's that asks a running server questions; installed under `target/judges`.
//! - **score**: how many checks of a step passed and failed; the last line adds them all up.

mod bench;
mod cargo;
mod dependencies;
mod judges;
mod packages;
mod process;
mod score;
#[allow(dead_code, reason = "the end-to-end tests use the rest of it")]
#[path = "../../tests/src/server.rs"]
mod server;
mod services;
mod tidy;
mod tools;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use score::{Score, Verdict};

struct Step {
    name: &'static str,
    about: &'static str,
    run: fn(&Path) -> Verdict,
}

const STEPS: [Step; 11] = [
    Step { name: "tools", about: "what the other steps need is installed", run: tools::check },
    Step { name: "fmt", about: "every file is formatted", run: cargo::fmt },
    Step { name: "tidy", about: "files and functions stay short; who may read the clock", run: tidy::step },
    Step { name: "dependencies", about: "crates depend in one direction", run: dependencies::step },
    Step { name: "clippy", about: "no lint of any crate", run: cargo::clippy },
    Step {
        name: "specs",
        about: "every Rust test: specs, contracts, simulation, end to end",
        run: cargo::specs,
    },
    Step { name: "schema", about: "schema/schema.graphql is what the binary prints", run: cargo::schema },
    Step { name: "graphql-http", about: "the server audit of npm graphql-http", run: judges::graphql_http },
    Step {
        name: "graphql-ws",
        about: "the client of npm graphql-ws, and its protocol",
        run: judges::graphql_ws,
    },
    Step { name: "schemathesis", about: "generated queries find no server error", run: judges::schemathesis },
    Step { name: "deny", about: "licences and advisories, where cargo-deny is installed", run: cargo::deny },
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.split_first() {
        Some((first, names)) if first == "test" => match names {
            [first] if first == "distributed" => distributed(None),
            [first, name] if first == "distributed" => distributed(Some(name)),
            names => test(names),
        },
        Some((first, rest)) if first == "services" => services::run(&root(), rest),
        Some((first, rest)) if first == "bench" => bench::run(&root(), rest),
        Some((first, _)) if first == "list" => {
            list();
            ExitCode::SUCCESS
        }
        _ => {
            eprintln!("usage: cargo xtask test [STEP...] | cargo xtask test distributed [NAME]");
            eprintln!(
                "       cargo xtask list | cargo xtask bench [--json] [MEASUREMENT...] | {}",
                services::USAGE
            );
            eprintln!("\nThe steps, in their order:");
            list();
            ExitCode::from(2)
        }
    }
}

fn list() {
    for step in &STEPS {
        println!("  {:13} {}", step.name, step.about);
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map_or_else(PathBuf::new, Path::to_path_buf)
}

/// Where cargo builds.
fn target(root: &Path) -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from)
}

/// The distributed runtime's own tests, which take longer to build than all the others; where none is named, also clippy on what
/// only they build.
fn distributed(name: Option<&str>) -> ExitCode {
    let root = root();
    let mut score = score::of(cargo::distributed(&root, name));
    if name.is_none() {
        score.add(score::of(cargo::clippy_distributed(&root)));
    }
    println!("{score}");
    if score.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn test(names: &[String]) -> ExitCode {
    if let Some(unknown) = names.iter().find(|name| STEPS.iter().all(|step| step.name != name.as_str())) {
        eprintln!("there is no step '{unknown}'; these are:");
        list();
        return ExitCode::from(2);
    }
    let root = root();
    let begun = Instant::now();
    let mut lines = Vec::new();
    let mut sum = Score::default();
    for step in STEPS.iter().filter(|step| names.is_empty() || names.iter().any(|name| name == step.name)) {
        println!("\n== {}: {}", step.name, step.about);
        let since = Instant::now();
        let score = score::of((step.run)(&root));
        sum.add(score);
        let word = if score.failed == 0 { "ok" } else { "FAILED" };
        let seconds = since.elapsed().as_secs_f64();
        lines.push(format!("{:13} {word:6} {score} ({seconds:.1} s)", step.name));
    }
    println!("\n== all steps in {:.0} s", begun.elapsed().as_secs_f64());
    for line in lines {
        println!("{line}");
    }
    println!("{sum}");
    if sum.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
