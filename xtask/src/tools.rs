//! What the steps need to be there, and how to get what is not.

use std::path::Path;

use crate::process::{command, output, succeeds};
use crate::score::{Score, Verdict, of_faults};
use crate::services::debian;

/// What the pinned graphql-ws asks for.
const NODE_MAJOR: u32 = 20;

/// What an installation of a judge can fail for.
pub const JUDGES_NEED: &str = "are Node.js 20 with npm, and Python 3.10 with venv, installed?";

struct Tool {
    name: &'static str,
    how: &'static str,
    present: fn(&Path) -> bool,
}

const C_COMPILER: Tool = Tool {
    name: "a C compiler (cc)",
    how: "install gcc or clang, for example: apt-get install gcc libc6-dev",
    present: |root| runs(root, "cc", &["--version"]),
};

const TOOLS: [Tool; 6] = [
    Tool { name: "rustfmt", how: "rustup component add rustfmt", present: rustfmt },
    Tool { name: "clippy", how: "rustup component add clippy", present: clippy },
    C_COMPILER,
    Tool {
        name: "Node.js 20 or newer",
        how: "see nodejs.org, or your system's package nodejs",
        present: node,
    },
    Tool {
        name: "npm",
        how: "it comes with Node.js; on Debian: apt-get install npm",
        present: |root| runs(root, "npm", &["--version"]),
    },
    Tool {
        name: "Python 3.10 or newer with venv",
        how: "for example: apt-get install python3 python3-venv",
        present: |root| {
            let asked = "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))";
            runs(root, "python3", &["-c", asked])
        },
    },
];

/// Kafka's client is built from its C source, with the C++ one beside it.
const OF_DISTRIBUTED: [Tool; 3] = [
    C_COMPILER,
    Tool {
        name: "a C++ compiler (c++)",
        how: "for example: apt-get install g++",
        present: |root| debian::got("g++", || runs(root, "c++", &["--version"])),
    },
    Tool {
        name: "make",
        how: "for example: apt-get install make",
        present: |root| debian::got("make", || runs(root, "make", &["--version"])),
    },
];

fn runs(root: &Path, program: &str, arguments: &[&str]) -> bool {
    output(command(program, arguments, root)).is_some()
}

fn rustfmt(root: &Path) -> bool {
    runs(root, "cargo", &["fmt", "--version"]) || component(root, "rustfmt")
}

fn clippy(root: &Path) -> bool {
    runs(root, "cargo", &["clippy", "--version"]) || component(root, "clippy")
}

/// Installs what rustup knows how to.
fn component(root: &Path, name: &str) -> bool {
    succeeds(command("rustup", &["component", "add", name], root)).unwrap_or(false)
}

fn node(root: &Path) -> bool {
    let version = output(command("node", &["--version"], root)).unwrap_or_default();
    let major = version.trim().trim_start_matches('v').split('.').next().and_then(|text| text.parse().ok());
    major.is_some_and(|major: u32| major >= NODE_MAJOR)
}

fn lacking(root: &Path, tools: &[Tool]) -> Vec<String> {
    let lacking = tools.iter().filter(|tool| !(tool.present)(root));
    lacking.map(|tool| format!("lacking: {}. To get it: {}", tool.name, tool.how)).collect()
}

/// What building the distributed runtime needs.
pub fn check_distributed(root: &Path) -> Result<(), String> {
    let lacking = lacking(root, &OF_DISTRIBUTED);
    if lacking.is_empty() { Ok(()) } else { Err(lacking.join("\n")) }
}

pub fn check(root: &Path) -> Verdict {
    let lacking = lacking(root, &TOOLS);
    if lacking.is_empty() {
        return Ok(Score { passed: TOOLS.len() as u32, failed: 0 });
    }
    of_faults(&lacking)
}
