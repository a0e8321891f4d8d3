//! What a command prints: words for people, one last JSON line for scripts, progress for terminals.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use serde_json::json;

use crate::failure::Failure;

/// Standard output, with `--json` or without.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    pub json: bool,
}

impl Output {
    /// A line for people.
    pub fn say(self, line: impl AsRef<str>) {
        // A closed pipe (`octocity hash | head`) is the reader's choice, not a fault.
        let _ = writeln!(std::io::stdout(), "{}", line.as_ref());
    }

    /// The last line, only with `--json`.
    pub fn finish(self, value: &impl Serialize) {
        if self.json {
            self.say(
                serde_json::to_string(value)
                    .unwrap_or_else(|error| json!({"error": error.to_string()}).to_string()),
            );
        }
    }

    pub fn fail(self, failure: &Failure) {
        let _ = writeln!(std::io::stderr(), "octocity: {failure}");
        let mut last = failure.more.clone();
        let code = failure.kind.exit_code();
        last.insert("error".to_owned(), json!({"exit_code": code, "message": failure.message}));
        self.finish(&last);
    }
}

/// A bar on standard error, with rate and time left; hidden where that is no terminal.
pub fn progress(length: u64, unit: &str) -> ProgressBar {
    let template =
        format!("{{bar:30}} {{human_pos}}/{{human_len}} {unit}  {{per_sec}}  {{eta}} left  {{msg}}");
    styled(Some(length), &template)
}

/// The same where nobody knows how much there is.
pub fn spinner(unit: &str) -> ProgressBar {
    styled(None, &format!("{{spinner}} {{human_pos}} {unit}  {{per_sec}}  {{elapsed}}  {{msg}}"))
}

fn styled(length: Option<u64>, template: &str) -> ProgressBar {
    let terminal = std::io::stderr().is_terminal();
    let target = match terminal {
        true => ProgressDrawTarget::stderr_with_hz(8),
        false => ProgressDrawTarget::hidden(),
    };
    let bar = ProgressBar::with_draw_target(length, target);
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    if terminal {
        bar.enable_steady_tick(Duration::from_millis(250));
    }
    bar
}

/// The most memory this process ever held, in bytes; 0 where the system does not say.
pub fn peak_rss_bytes() -> u64 {
    status_bytes("VmHWM:")
}

/// The memory this process holds, in bytes; 0 where the system does not say.
pub fn resident_bytes() -> u64 {
    status_bytes("VmRSS:")
}

/// A line of `/proc/self/status` (proc(5)).
fn status_bytes(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kibibytes = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
    kibibytes.unwrap_or(0) * 1024
}

#[cfg(test)]
mod tests {
    #[cfg(target_os = "linux")]
    #[test]
    fn the_peak_of_memory_is_known() {
        assert!(super::peak_rss_bytes() > 1024 * 1024);
    }
}
