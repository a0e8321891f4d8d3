//! Outside judges: programs of others, pinned, installed under `target/judges`, each before a real server of its own.

use std::path::{Path, PathBuf};

use crate::cargo;
use crate::packages::{self, once};
use crate::process::{command, succeeds, watch};
use crate::score::{Score, Verdict};
use crate::server::{Launch, Server};

/// Cases per operation. A larger number looks further and takes longer: OCTOCITY_SCHEMATHESIS_EXAMPLES.
const EXAMPLES: &str = "20";
/// One seed, so that a run says the same tomorrow. Another: OCTOCITY_SCHEMATHESIS_SEED.
const SEED: &str = "7";

/// A server on a data folder of its own, removed with it.
struct Bench {
    server: Server,
    folder: PathBuf,
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.server.kill();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn bench(root: &Path, judge: &str) -> Result<Bench, String> {
    let program = cargo::binary(root)?;
    let folder = home(root).join(format!("data-{judge}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let server = Launch::new(&program, &folder.join("data")).start()?;
    Ok(Bench { server, folder })
}

fn home(root: &Path) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    target.join("judges")
}

pub fn graphql_http(root: &Path) -> Verdict {
    node_judge(root, "graphql-http.mjs")
}

pub fn graphql_ws(root: &Path) -> Verdict {
    node_judge(root, "graphql-ws.mjs")
}

/// Runs a script with the server's address, and reads the score in its last line.
fn node_judge(root: &Path, script: &str) -> Verdict {
    let folder = install_node(root)?;
    let bench = bench(root, script)?;
    let mut score = None;
    let fine = watch(command("node", &[script, &bench.server.url("")], &folder), |line| {
        score = Score::parse(line).or(score);
    })?;
    match score {
        Some(score) if fine || score.failed > 0 => Ok(score),
        _ => Err(format!("{script} ended without a score; the server wrote:\n{}", bench.server.log())),
    }
}

pub fn schemathesis(root: &Path) -> Verdict {
    let (program, folder) = (install_python(root)?, copied(root)?);
    let bench = bench(root, "schemathesis")?;
    let ours = |name: &str, default: &str| std::env::var(name).unwrap_or_else(|_| default.to_owned());
    let examples = ours("OCTOCITY_SCHEMATHESIS_EXAMPLES", EXAMPLES);
    let seed = ours("OCTOCITY_SCHEMATHESIS_SEED", SEED);
    let url = bench.server.url("/graphql");
    let arguments = [
        "run",
        &url,
        "--checks=not_a_server_error,response_schema_conformance",
        "--continue-on-failure",
        "--max-examples",
        &examples,
        "--seed",
        &seed,
        "--generation-database=none",
        "--suppress-health-check=all",
        "--request-timeout=20",
        "--no-color",
        "--warnings=off",
    ];
    let mut judge = command(&program.to_string_lossy(), &arguments, &folder);
    judge.env("SCHEMATHESIS_HOOKS", "scalars");
    let mut tested = 0;
    let fine = watch(judge, |line| {
        let count = line.trim().strip_prefix("Tested: ").and_then(|count| count.parse().ok());
        tested = count.unwrap_or(tested);
    })?;
    match fine && tested > 0 {
        true => Ok(Score { passed: tested, failed: 0 }),
        false => {
            Err(format!("schemathesis found an error (above); the server wrote:\n{}", bench.server.log()))
        }
    }
}

/// The scripts, where what they leave behind is no part of the project.
fn copied(root: &Path) -> Result<PathBuf, String> {
    packages::copied(&root.join("tests/judges"), &home(root).join("scripts"))
}

/// The scripts with their packages.
fn install_node(root: &Path) -> Result<PathBuf, String> {
    packages::install_npm(&root.join("tests/judges"), &home(root).join("scripts"))
}

/// The program of schemathesis. Installed once for one list of requirements.
fn install_python(root: &Path) -> Result<PathBuf, String> {
    let list = root.join("tests/judges/requirements.txt");
    let venv = home(root).join("venv");
    std::fs::create_dir_all(home(root)).map_err(|error| error.to_string())?;
    once(&list, &venv.join("installed"), || {
        let (venv, list) = (venv.to_string_lossy(), list.to_string_lossy());
        Ok(succeeds(command("python3", &["-m", "venv", "--clear", &venv], root))?
            && succeeds(command(
                &format!("{venv}/bin/python"),
                &["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", &list],
                root,
            ))?)
    })?;
    Ok(venv.join("bin/schemathesis"))
}
