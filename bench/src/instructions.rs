//! How many instructions the hot functions take, as callgrind counts them: a figure that no other work on the machine moves.

use std::process::Stdio;

use tokio::process::Command;

use crate::Fault;
use crate::hot;
use crate::report::Report;

/// The word that makes this program call one hot function so many times, and nothing else.
pub const CALL: &str = "call";
const CALLS: u64 = 2_000;

pub async fn measure(report: &mut Report) -> Result<(), Fault> {
    for hot in hot::all()? {
        // What it takes to start and to get ready is in both.
        let (once, twice) = (counted(hot.name, CALLS).await?, counted(hot.name, 2 * CALLS).await?);
        let more = twice.checked_sub(once).ok_or("callgrind counted less for twice the calls")?;
        report.note(format!("{}: {} instructions a call", hot.name, more / CALLS));
    }
    Ok(())
}

/// What [`CALL`] does.
pub fn call(name: &str, times: &str) -> Result<(), Fault> {
    let times: u64 = times.parse()?;
    let unknown = || format!("there is no hot function {name}");
    let mut hot = hot::all()?.into_iter().find(|hot| hot.name == name).ok_or_else(unknown)?;
    match (0..times).all(|_| (hot.call)()) {
        true => Ok(()),
        false => Err(format!("{name} did not do what it is called for").into()),
    }
}

async fn counted(name: &str, times: u64) -> Result<u64, Fault> {
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(std::env::current_exe()?);
    command.args([CALL, name, &times.to_string()]).stdin(Stdio::null());
    let output = command.output().await.map_err(|error| {
        format!("valgrind cannot be started ({error}); install it, or name the measurements without it")
    })?;
    let said = String::from_utf8_lossy(&output.stderr);
    let count = said.lines().find_map(|line| line.split_once("Collected : ")?.1.trim().parse().ok());
    Ok(count.filter(|_| output.status.success()).ok_or_else(|| format!("callgrind did not count: {said}"))?)
}
