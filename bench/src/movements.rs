//! A past: what passed at gates before a server starts.

use std::io::Write;

use octocity_tests::stage::Stage;
use octocity_tests_distributed::stage;

use crate::Fault;

/// Counts of car parks that fill and empty, with so many passages in all and at most `step` between two counts. As those
/// of Birmingham they are half an hour apart, by day.
pub fn counts(events: usize, car_parks: usize, step: usize) -> Result<Vec<u8>, Fault> {
    const A_DAY: usize = 18;
    let mut text = Vec::new();
    writeln!(text, "SystemCodeNumber,Capacity,Occupancy,LastUpdated")?;
    let step = step.min(events / car_parks);
    // A car park's first count is where it begins: nothing has passed by then.
    let rows = car_parks + events / step;
    for row in 0..rows {
        let (park, turn) = (row % car_parks, row / car_parks);
        let inside = if turn % 2 == 1 { step } else { 0 };
        let (days, turn) = (turn / A_DAY, turn % A_DAY);
        // Days that every month has.
        let (month, day) = (1 + days / 28, 1 + days % 28);
        let (hour, minute) = (8 + turn / 2, turn % 2 * 30);
        writeln!(text, "PARK{park:03},1000,{inside},2016-{month:02}-{day:02} {hour:02}:{minute:02}:00")?;
    }
    Ok(text)
}

/// A data folder whose log holds the passages that lead from count to count.
pub fn imported(counts: &[u8]) -> Result<Stage, Fault> {
    let stage = stage("");
    let file = stage.folder.path().join("counts.csv");
    std::fs::write(&file, counts)?;
    let output = stage.command(&["import", "occupancy", &file.to_string_lossy()]);
    match output.status.success() {
        true => Ok(stage),
        false => Err(format!("no history was made: {}", String::from_utf8_lossy(&output.stderr)).into()),
    }
}
