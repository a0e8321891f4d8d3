//! The steps that are cargo's own.

use std::path::{Path, PathBuf};

use crate::process::{command, output, succeeds, watch};
use crate::score::{Score, Verdict};
use crate::{services, target, tools};

/// What is measured, and what only the distributed runtime's tests need: their clients take minutes to build.
const DISTRIBUTED: [&str; 6] = [
    "--exclude",
    "octocity-bench",
    "--exclude",
    "octocity-eventstoredb-double",
    "--exclude",
    "octocity-tests-distributed",
];

fn cargo(root: &Path, arguments: &[&str], failure: &str) -> Verdict {
    match succeeds(command("cargo", arguments, root))? {
        true => Ok(Score::PASS),
        false => Err(failure.to_owned()),
    }
}

pub fn fmt(root: &Path) -> Verdict {
    cargo(root, &["fmt", "--all", "--check"], "some files are not formatted; run: cargo fmt --all")
}

pub fn clippy(root: &Path) -> Verdict {
    let mut arguments = vec!["clippy", "--workspace", "--all-targets", "--locked", "--quiet"];
    arguments.extend(DISTRIBUTED);
    arguments.extend(["--", "-D", "warnings"]);
    cargo(root, &arguments, "clippy has something to say; see above")
}

/// Every test of the workspace. The binary is built first: the end-to-end tests start it.
pub fn specs(root: &Path) -> Verdict {
    binary(root)?;
    let mut sum = Score::default();
    let mut arguments = vec!["test", "--workspace", "--locked", "--no-fail-fast"];
    arguments.extend(DISTRIBUTED);
    let fine = watch(command("cargo", &arguments, root), |line| {
        if let Some(score) = Score::parse_rust(line) {
            sum.add(score);
        }
    })?;
    if !fine && sum.failed == 0 {
        return Err("the tests could not be built, or one was killed; see above".to_owned());
    }
    Ok(sum)
}

/// What runs by `cargo xtask test distributed`: contracts and faults on the services, and the adapters' own tests with all
/// features, each test also by its name alone. One command with one set of features, so that nothing is compiled twice.
const ON_SERVICES: [&str; 14] = [
    "--locked",
    "--package",
    "octocity-eventstoredb-double",
    "--package",
    "octocity-adapters",
    "--package",
    "octocity",
    "--package",
    "octocity-tests-distributed",
    "--features",
    "octocity/distributed,octocity-adapters/eventstoredb,octocity-adapters/kafka,octocity-adapters/postgres,octocity-adapters/clickhouse",
    "--lib",
    "--test",
    "*",
];

/// Clippy on the packages and features that [`clippy`] leaves out.
pub fn clippy_distributed(root: &Path) -> Verdict {
    let arguments: Vec<&str> = ["clippy", "--quiet", "--bins"]
        .into_iter()
        .chain(ON_SERVICES)
        .chain(["--", "-D", "warnings"])
        .collect();
    cargo(root, &arguments, "clippy has something to say; see above")
}

/// `name`: only the tests whose names contain it.
pub fn distributed(root: &Path, name: Option<&str>) -> Verdict {
    tools::check_distributed(root)?;
    services::install(root)?;
    let arguments: Vec<&str> =
        ["test", "--no-fail-fast"].into_iter().chain(ON_SERVICES).chain(name).collect();
    let mut tests = command("cargo", &arguments, root);
    // The one that is built with these tests: another build would have other features, and take minutes more.
    tests.env("BUILT_OCTOCITY", program(root));
    let mut sum = Score::default();
    let fine = watch(tests, |line| {
        if let Some(score) = Score::parse_rust(line) {
            sum.add(score);
        }
    })?;
    match (sum.passed, name) {
        (_, _) if !fine && sum.failed == 0 => {
            Err("the tests could not be built, or one was killed; see above".to_owned())
        }
        (0, Some(name)) if sum.failed == 0 => Err(format!("no test's name contains '{name}'")),
        _ => Ok(sum),
    }
}

/// Builds the binary and says where it is.
pub fn binary(root: &Path) -> Result<PathBuf, String> {
    if !succeeds(command("cargo", &["build", "--package", "octocity", "--locked"], root))? {
        return Err("the binary could not be built; see above".to_owned());
    }
    Ok(program(root))
}

/// Where cargo puts it.
fn program(root: &Path) -> PathBuf {
    target(root).join("debug").join(format!("octocity{}", std::env::consts::EXE_SUFFIX))
}

pub fn schema(root: &Path) -> Verdict {
    let program = binary(root)?;
    let printed = output(command(&program.to_string_lossy(), &["schema"], root))
        .ok_or("octocity schema failed; run it by hand to see why")?;
    let path = root.join("schema/schema.graphql");
    let kept = std::fs::read_to_string(&path).map_err(|error| format!("schema/schema.graphql: {error}"))?;
    let differs = printed.lines().zip(kept.lines()).position(|(one, other)| one != other);
    match (printed.trim_end() == kept.trim_end(), differs) {
        (true, _) => Ok(Score::PASS),
        (false, at) => Err(format!(
            "schema/schema.graphql is not what the binary prints (line {}); run: octocity schema > schema/schema.graphql",
            at.unwrap_or_else(|| printed.lines().count().min(kept.lines().count())) + 1
        )),
    }
}

/// cargo-deny is nobody's duty to install: where it is not, this says so.
pub fn deny(root: &Path) -> Verdict {
    if output(command("cargo", &["deny", "--version"], root)).is_none() {
        println!(
            "cargo-deny is not installed, so licences and advisories were not looked at (cargo install cargo-deny)"
        );
        return Ok(Score::default());
    }
    let arguments = ["deny", "--all-features", "check", "licenses", "bans", "sources"];
    cargo(root, &arguments, "cargo-deny found something; see above")
}
