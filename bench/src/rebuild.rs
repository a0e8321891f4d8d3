//! A rebuild of all views from millions of movements, beside the bare reading and the bare upserts of the same rows.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use flate2::read::MultiGzDecoder;
use octocity_tests::stage::Stage;
use octocity_tests_distributed::binary;
use serde_json::Value;
use tokio::process::Command;

use crate::Fault;
use crate::handler::last_line;
use crate::movements::{counts, imported};
use crate::quiet;
use crate::report::Report;

/// Names recorded counts, as `octocity import occupancy` takes them.
const RECORDED: &str = "OCCUPANCY_CSV";
/// What is imported where none are named: the size of Birmingham's.
const MOVEMENTS: usize = 2_200_000;
const CAR_PARKS: usize = 30;
const STEP: usize = 62;
const RATIO: f64 = 1.5;
/// A part of the history, which needs as much memory as the whole.
const PART: usize = 10;
const MEMORY_RATIO: f64 = 1.5;
/// How often it is measured at most, until other machines leave it the cores.
const TRIES: usize = 3;

pub async fn measure(report: &mut Report) -> Result<(), Fault> {
    let counts = match std::env::var_os(RECORDED) {
        Some(file) => recorded(&PathBuf::from(file))?,
        None => counts(MOVEMENTS, CAR_PARKS, STEP)?,
    };
    let (whole, part) = (imported(&counts)?, imported(&first(&counts, PART)?)?);
    let (small, many) = (rebuild(&part).await?, rebuild(&whole).await?);
    report.note(format!(
        "rebuild: at most {} MiB resident with {} events, {} MiB with {} events",
        many.peak_kib / 1024,
        many.events,
        small.peak_kib / 1024,
        small.events
    ));
    let rounds = quiet::rounds(1, TRIES, async || beside_bare(&whole).await).await?;
    let (figures, said) = (&rounds.kept[0], rounds.said());
    let figure = |name: &str| figures[name].as_f64().ok_or_else(|| format!("octocity bench lacks {name}"));
    report.note(format!(
        "rebuild of all views from {} events ({said}): {:.2} s, bare reading {:.2} s, bare upserts {:.2} s; ratio {:.2} to {:.2}; \
         octocity rebuild alone said {:.2} s",
        figures["events"],
        figure("seconds")?,
        figure("bare_reading_seconds")?,
        figure("bare_upserts_seconds")?,
        figure("ratio_min")?,
        figure("ratio_max")?,
        many.seconds
    ));
    report.at_most("rebuild of all views, of bare reading and bare upserts", figure("ratio")?, RATIO);
    let memory = many.peak_kib as f64 / small.peak_kib.max(1) as f64;
    report.at_most("rebuild's most memory, of that with a tenth of the history", memory, MEMORY_RATIO);
    Ok(())
}

/// The text of a file, plain or gzip by its name.
fn recorded(file: &Path) -> Result<Vec<u8>, Fault> {
    let mut bytes =
        std::fs::read(file).map_err(|error| format!("{RECORDED} names {}: {error}", file.display()))?;
    if file.extension().is_some_and(|extension| extension == "gz") {
        let packed = std::mem::take(&mut bytes);
        MultiGzDecoder::new(&*packed).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

/// The heading, and of each car park the first of so many equal parts of its lines.
fn first(counts: &[u8], parts: usize) -> Result<Vec<u8>, Fault> {
    let mut lines = BufReader::new(counts).lines();
    let mut text = Vec::new();
    writeln!(text, "{}", lines.next().ok_or("there are no counts")??)?;
    let mut of_each = BTreeMap::<String, Vec<String>>::new();
    for line in lines {
        let line = line?;
        let car_park = line.split(',').next().unwrap_or_default().to_owned();
        of_each.entry(car_park).or_default().push(line);
    }
    for line in of_each.values().flat_map(|lines| &lines[..lines.len() / parts]) {
        writeln!(text, "{line}")?;
    }
    Ok(text)
}

struct Rebuilt {
    events: u64,
    seconds: f64,
    peak_kib: u64,
}

async fn rebuild(stage: &Stage) -> Result<Rebuilt, Fault> {
    let mut command = Command::new(binary());
    command.args(["rebuild", "--json", "--data"]).arg(stage.data()).current_dir(stage.folder.path());
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true).spawn()?;
    let process = child.id().ok_or("the rebuild has no process")?;
    let ended = child.wait_with_output();
    tokio::pin!(ended);
    let mut peak_kib = 0;
    let output = loop {
        tokio::select! {
            output = &mut ended => break output?,
            () = tokio::time::sleep(Duration::from_millis(10)) => peak_kib = peak(process).unwrap_or(peak_kib),
        }
    };
    let said: Value = last_line(&output)?;
    let unusable = || format!("octocity rebuild said {said}");
    let events = said["events"].as_u64().ok_or_else(unusable)?;
    Ok(Rebuilt { events, seconds: said["seconds"].as_f64().ok_or_else(unusable)?, peak_kib })
}

/// The most memory that the process has had resident; None: it has ended.
fn peak(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// What `octocity bench --rebuild` reports, which takes turns with the bare stores by itself.
async fn beside_bare(stage: &Stage) -> Result<Value, Fault> {
    let mut command = Command::new(binary());
    command.args(["bench", "--rebuild", "--json", "--data"]).arg(stage.data());
    command.current_dir(stage.folder.path());
    Ok(last_line(&command.output().await?)?["rebuild"].clone())
}
