//! `cargo xtask bench`: builds what is measured, all for speed, and measures it.

#[path = "../../bench/src/asked.rs"]
mod asked;

use std::path::Path;
use std::process::ExitCode;

use crate::process::{command, succeeds};
use crate::{packages, services, target};
use asked::Asked;

/// The crate that measures, and the folder of the peer that is measured beside us.
const BENCH: &str = "octocity-bench";
const PEER: &str = "octocity-bench-cqrs-es";

/// `words`: as the usage says. They are judged before anything is built, which takes minutes.
pub fn run(root: &Path, words: &[String]) -> ExitCode {
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
    match measure(root, &asked) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(sentence) => {
            eprintln!("{sentence}");
            ExitCode::FAILURE
        }
    }
}

fn measure(root: &Path, asked: &Asked) -> Result<bool, String> {
    services::install(root)?;
    let target = target(root);
    let peers = target.join("peers");
    build(command("cargo", &["build", "--release", "--locked", "--package", BENCH], root))?;
    let octocity = ["build", "--release", "--locked", "--package", "octocity", "--features", "distributed"];
    build(command("cargo", &octocity, root))?;
    if asked.wants("handler") {
        let folder = root.join("bench/peers/cqrs-es");
        let mut cqrs_es = command("cargo", &["build", "--release", "--locked"], &folder);
        cqrs_es.env("CARGO_TARGET_DIR", &peers);
        build(cqrs_es)?;
    }
    let built = |folder: &Path, name: &str| {
        folder.join("release").join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
    };
    let mut measure = command(&built(&target, BENCH).to_string_lossy(), &[], root);
    measure.env("BUILT_OCTOCITY", built(&target, "octocity")).env("BUILT_CQRS_ES", built(&peers, PEER));
    if asked.wants("postgraphile") {
        let folder =
            packages::install_npm(&root.join("bench/peers/postgraphile"), &peers.join("postgraphile"))?;
        measure.env("BUILT_POSTGRAPHILE", folder);
    }
    measure.args(asked.json.then_some("--json")).args(&asked.named);
    succeeds(measure)
}

fn build(command: std::process::Command) -> Result<(), String> {
    match succeeds(command)? {
        true => Ok(()),
        false => Err("what is to be measured could not be built; see above".to_owned()),
    }
}
