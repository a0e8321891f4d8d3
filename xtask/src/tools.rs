//! What the steps need to be there, and how to get what is not.

use std::path::Path;

use crate::process::{command, output, succeeds};
use crate::score::{Score, Verdict, of_faults};

/// What the pinned graphql-ws asks for.
const NODE_MAJOR: u32 = 20;

/// What an installation of a judge can fail for.
pub const JUDGES_NEED: &str = "are Node.js 20 with npm, and Python 3.10 with venv, installed?";

struct Tool {
    name: &'static str,
    how: &'static str,
    present: fn(&Path) -> bool,
}

const TOOLS: [Tool; 6] = [
    Tool { name: "rustfmt", how: "rustup component add rustfmt", present: rustfmt },
    Tool { name: "clippy", how: "rustup component add clippy", present: clippy },
    Tool {
        name: "a C compiler (cc)",
        how: "install gcc or clang, for example: apt-get install gcc libc6-dev",
        present: |root| runs(root, "cc", &["--version"]),
    },
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

pub fn check(root: &Path) -> Verdict {
    let lacking: Vec<String> = TOOLS
        .iter()
        .filter(|tool| !(tool.present)(root))
        .map(|tool| format!("lacking: {}. To get it: {}", tool.name, tool.how))
        .collect();
    if lacking.is_empty() {
        return Ok(Score { passed: TOOLS.len() as u32, failed: 0 });
    }
    of_faults(&lacking)
}
