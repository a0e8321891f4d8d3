//! The binary, run on a data folder of its own.
#![allow(dead_code)]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

pub struct Octocity {
    pub folder: TempDir,
}

pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    /// The last line of standard output.
    pub fn json(&self) -> Value {
        let last = self.stdout.lines().last().unwrap_or_default();
        serde_json::from_str(last).unwrap_or_else(|error| panic!("{error}: {last} ({})", self.stderr))
    }
    pub fn number(&self, key: &str) -> u64 {
        self.json()[key].as_u64().unwrap_or_else(|| panic!("no {key} in {}", self.json()))
    }
}

impl Octocity {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_octocity"));
        command.current_dir(self.folder.path()).args(arguments).arg("--data").arg(self.data());
        // What the tests' own environment says is no part of them.
        for (key, _) in std::env::vars().filter(|(key, _)| key.starts_with("OCTOCITY_")) {
            command.env_remove(key);
        }
        // Tests run at the same time, and the usual port may be taken.
        command.env("OCTOCITY_LISTEN", "127.0.0.1:0");
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Ran {
        ran(self.command(arguments).output().unwrap())
    }

    /// Starts the server, and stops it as soon as it serves.
    pub fn serve_once(&self) {
        let mut serve =
            self.command(&["serve", "--listen", "127.0.0.1:0"]).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(serve.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().starts_with("Ctrl-C")));
        assert!(Command::new("kill").arg(serve.id().to_string()).status().unwrap().success());
        assert_eq!(serve.wait().unwrap().code(), Some(0));
    }

    pub fn hashes(&self) -> Value {
        let ran = self.run(&["hash", "--json"]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        ran.json()["tables"].clone()
    }
}

pub fn ran(output: Output) -> Ran {
    Ran {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

pub fn sample(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/samples").join(name).to_str().unwrap().to_owned()
}
