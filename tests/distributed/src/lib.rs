//! The binary on the services of the distributed runtime. Its tests run by `cargo xtask test distributed [NAME]`.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../../../crates/adapters/tests/kafka/broker.rs"]
#[allow(dead_code)]
pub mod broker;
#[cfg(target_os = "linux")]
pub mod clock;
#[path = "../../../xtask/src/services/cluster.rs"]
mod cluster;
#[path = "../../../crates/adapters/tests/clickhouse/engine.rs"]
pub mod engine;
pub mod eventstoredb;
pub mod load;
#[path = "../../../crates/adapters/tests/postgres/own.rs"]
pub mod own;
#[path = "../../../xtask/src/services/ports.rs"]
pub mod ports;
pub mod services;
pub mod way;

use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::OnceLock;

use octocity_tests::stage::{Stage, built};
use serde_json::Value;

/// The binary with all services: the one that `cargo xtask test distributed` has built, or one built now. The variable that
/// says where it is does not begin as those that the binary knows: it refuses any other.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| match std::env::var_os("BUILT_OCTOCITY") {
        Some(binary) => binary.into(),
        None => built(&["--features", "distributed"]),
    })
}

/// A data folder with a configuration beside it.
pub fn stage(configuration: &str) -> Stage {
    let stage = Stage::of(binary());
    stage.configure(configuration);
    stage
}

/// The samples of recorded data.
pub fn sample(name: &str) -> String {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crates/octocity/tests/samples");
    samples.join(name).to_string_lossy().into_owned()
}

/// What a command said, and how it ended.
pub struct Ran {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    /// The last line of standard output.
    #[track_caller]
    pub fn json(&self) -> Value {
        let last = self.stdout.lines().last().unwrap_or_default();
        serde_json::from_str(last).unwrap_or_else(|error| panic!("{error}: {last} ({})", self.stderr))
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }
}

pub fn run(stage: &Stage, arguments: &[&str]) -> Ran {
    stage.command(arguments).into()
}
