//! A process that outlives the command which started it, known by its pidfile.

use std::fs::OpenOptions;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::home::Home;

/// How long it may take to end in peace.
const STOP: Duration = Duration::from_secs(30);

fn pidfile(home: &Home) -> PathBuf {
    home.path("pid")
}

/// The process, if it lives. A pid that now is another program's is nobody's: ours name their folder.
pub fn running(home: &Home) -> Option<u32> {
    let pid: u32 = std::fs::read_to_string(pidfile(home)).ok()?.trim().parse().ok()?;
    let command = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let ours = String::from_utf8_lossy(&command).contains(&*home.folder.to_string_lossy());
    ours.then_some(pid)
}

/// Its words go to the log; the terminal's Ctrl-C does not reach it.
pub fn start(home: &Home, mut command: Command) -> Result<(), String> {
    let log = || OpenOptions::new().create(true).append(true).open(home.log());
    let child = command
        .stdin(Stdio::null())
        .stdout(log().map_err(|error| home.fault(&error))?)
        .stderr(log().map_err(|error| home.fault(&error))?)
        .process_group(0)
        .spawn()
        .map_err(|error| format!("{} cannot be started: {error}", command.get_program().display()))?;
    std::fs::write(pidfile(home), child.id().to_string()).map_err(|error| home.fault(&error))
}

/// Asks it to end, and makes it end where it does not.
pub fn stop(home: &Home) -> Result<(), String> {
    let begun = Instant::now();
    let mut asked = None;
    while let Some(pid) = running(home) {
        let signal = if begun.elapsed() < STOP { "-TERM" } else { "-KILL" };
        if asked != Some(signal) {
            let sent = Command::new("kill").args([signal, &pid.to_string()]).status();
            sent.map_err(|error| format!("kill cannot be started: {error}"))?;
            asked = Some(signal);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let _ = std::fs::remove_file(pidfile(home));
    Ok(())
}
