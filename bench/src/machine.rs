//! What the figures are of: a machine with its disk, and a commit.

use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::Fault;
use crate::latencies::Latencies;

const PAGE: [u8; 4096] = [0x5A; 4096];
/// What is written again and again, as a write-ahead log is.
const PAGES: u64 = 1_024;
const LASTING: Duration = Duration::from_secs(3);
/// Between two writes.
const PAUSE: Duration = Duration::from_millis(2);

pub fn said() -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let model = of("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown model".to_owned());
    let memory = of("/proc/meminfo", "MemTotal").and_then(|kib| kib.strip_suffix(" kB")?.parse().ok());
    let gib =
        memory.map_or_else(|| "unknown".to_owned(), |kib: f64| format!("{:.0} GiB", kib / 1024.0 / 1024.0));
    format!(
        "{cores} cores ({model}), memory {gib}, commit {}",
        commit().unwrap_or_else(|| "unknown".to_owned())
    )
}

/// A field of one of Linux's own files.
fn of(file: &str, field: &str) -> Option<String> {
    let text = std::fs::read_to_string(file).ok()?;
    let fields = text.lines().filter_map(|line| line.split_once(':'));
    fields.into_iter().find(|(name, _)| name.trim() == field).map(|(_, value)| value.trim().to_owned())
}

fn commit() -> Option<String> {
    // "-dirty" where the folder holds more than was committed.
    let output =
        Command::new("git").args(["describe", "--always", "--dirty", "--exclude=*"]).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// How long the disk below a folder takes to store a page for good when it has nothing else to do: whatever is stored before it is
/// answered takes as long, and now and then a disk stands still.
pub fn synced_writes(folder: &Path) -> Result<Latencies, Fault> {
    let file = tempfile::tempfile_in(folder)?;
    for page in 0..PAGES {
        file.write_all_at(&PAGE, page * PAGE.len() as u64)?;
    }
    file.sync_all()?;
    let (begun, mut latencies) = (Instant::now(), Latencies::default());
    for page in (0..PAGES).cycle() {
        if begun.elapsed() > LASTING {
            break;
        }
        let write = Instant::now();
        file.write_all_at(&PAGE, page * PAGE.len() as u64)?;
        file.sync_data()?;
        latencies.record(write.elapsed());
        std::thread::sleep(PAUSE);
    }
    Ok(latencies)
}
