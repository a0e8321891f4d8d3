//! Running other programs: their output is shown as it comes, and read.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

/// A command with its arguments, in a folder.
pub fn command(program: &str, arguments: &[&str], folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder);
    // What cargo says of this package by running it. Some build scripts look at it (ring's), and all that stands on them would be
    // built anew whenever `cargo build` by hand and one of these steps take turns.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
    command
}

/// Runs it to its end, showing everything and handing each line of its standard output to `each`.
pub fn watch(mut command: Command, mut each: impl FnMut(&str)) -> Result<bool, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("{name} cannot be started: {error}"))?;
    let output = child.stdout.take().ok_or("the output is not piped")?;
    for line in BufReader::new(output).lines() {
        let line = line.map_err(|error| format!("{name}: its output cannot be read: {error}"))?;
        println!("{line}");
        each(&line);
    }
    let status = child.wait().map_err(|error| format!("{name}: {error}"))?;
    Ok(status.success())
}

/// Runs it and says whether it went well.
pub fn succeeds(command: Command) -> Result<bool, String> {
    watch(command, |_| {})
}

/// Its standard output where it went well; nothing of it is shown.
pub fn output(mut command: Command) -> Option<String> {
    let output = command.stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}
