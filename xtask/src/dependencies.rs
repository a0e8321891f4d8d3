//! The direction of dependencies, held over `cargo metadata`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use crate::process::{command, output};
use crate::score::{Verdict, of_faults};

/// Which crates of the workspace each may depend on. Tests of a crate may use any.
const MAY_USE: [(&str, &[&str]); 8] = [
    ("octocity-domain", &[]),
    ("octocity-log", &["octocity-domain"]),
    ("octocity-published", &["octocity-domain", "octocity-log"]),
    ("octocity-commands", &["octocity-domain", "octocity-log"]),
    ("octocity-projections", &["octocity-domain", "octocity-log"]),
    ("octocity-api", &["octocity-domain", "octocity-log", "octocity-commands", "octocity-projections"]),
    (
        "octocity-adapters",
        &[
            "octocity-domain",
            "octocity-log",
            "octocity-published",
            "octocity-commands",
            "octocity-projections",
        ],
    ),
    ("xtask", &[]),
];

const RUNTIMES: [&str; 5] = ["tokio", "async-std", "smol", "futures-util", "async-trait"];
const WEB: [&str; 6] = ["axum", "hyper", "tower", "http", "async-graphql", "reqwest"];
const DATABASES: [&str; 5] = ["rusqlite", "libsqlite3-sys", "sqlx", "tokio-postgres", "rdkafka"];

/// What must not be below a crate, however deep.
const NEVER_BELOW: [(&str, &[&[&str]]); 6] = [
    ("octocity-domain", &[&RUNTIMES, &WEB, &DATABASES]),
    ("octocity-log", &[&WEB, &DATABASES]),
    ("octocity-published", &[&WEB, &DATABASES]),
    ("octocity-commands", &[&WEB, &DATABASES]),
    ("octocity-projections", &[&WEB, &DATABASES]),
    ("octocity-api", &[&DATABASES]),
];

/// Package name to the names of what it is built on.
type Graph = BTreeMap<String, BTreeSet<String>>;

pub fn step(root: &Path) -> Verdict {
    of_faults(&faults(&graph(root)?))
}

fn faults(graph: &Graph) -> Vec<String> {
    let mut faults = Vec::new();
    for (name, allowed) in MAY_USE {
        let Some(used) = graph.get(name) else {
            faults.push(format!("the workspace has no crate {name}"));
            continue;
        };
        let ours = |other: &&String| other.starts_with("octocity") || *other == "xtask";
        for other in used.iter().filter(ours).filter(|other| !allowed.contains(&other.as_str())) {
            faults.push(format!("{name} depends on {other}; it may know {allowed:?} only"));
        }
    }
    for (name, kinds) in NEVER_BELOW {
        let below = closure(graph, name);
        for banned in kinds.iter().copied().flatten().filter(|banned| below.contains(**banned)) {
            faults.push(format!("{name} is built on {banned}, at whatever depth; it must not be"));
        }
    }
    faults
}

fn closure(graph: &Graph, name: &str) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    let mut open = vec![name.to_owned()];
    while let Some(next) = open.pop() {
        for other in graph.get(&next).into_iter().flatten() {
            if seen.insert(other.clone()) {
                open.push(other.clone());
            }
        }
    }
    seen
}

/// What is really built on this platform: dependencies of tests only are left out.
fn graph(root: &Path) -> Result<Graph, String> {
    let compiler = output(command("rustc", &["-vV"], root)).ok_or("rustc -vV failed")?;
    let host = compiler.lines().find_map(|line| line.strip_prefix("host: ")).ok_or("rustc names no host")?;
    let arguments = ["metadata", "--format-version", "1", "--locked", "--filter-platform", host];
    let metadata = output(command("cargo", &arguments, root))
        .ok_or("cargo metadata failed; run it by hand with --locked to see why")?;
    let metadata: Value = serde_json::from_str(&metadata).map_err(|error| error.to_string())?;
    let names: BTreeMap<&str, &str> = list(&metadata["packages"])
        .filter_map(|package| Some((package["id"].as_str()?, package["name"].as_str()?)))
        .collect();
    let name = |id: &Value| id.as_str().and_then(|id| names.get(id)).map(|name| (*name).to_owned());
    Ok(list(&metadata["resolve"]["nodes"])
        .filter_map(|node| {
            let built = list(&node["deps"])
                .filter(|dep| list(&dep["dep_kinds"]).any(|kind| kind["kind"].as_str() != Some("dev")))
                .filter_map(|dep| name(&dep["pkg"]));
            Some((name(&node["id"])?, built.collect()))
        })
        .collect())
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crates_depend_in_one_direction() {
        assert_eq!(faults(&graph(&crate::root()).unwrap()), Vec::<String>::new());
    }

    #[test]
    fn a_wrong_direction_and_a_deep_database_are_found() {
        let mut graph = graph(&crate::root()).unwrap();
        graph.get_mut("octocity-commands").unwrap().insert("octocity-projections".to_owned());
        graph.get_mut("uuid").unwrap().insert("rusqlite".to_owned());
        let found = faults(&graph).join("\n");
        assert!(found.contains("octocity-commands depends on octocity-projections"), "{found}");
        assert!(found.contains("octocity-domain is built on rusqlite"), "{found}");
    }
}
