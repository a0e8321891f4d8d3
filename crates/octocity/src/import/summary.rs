//! What an import did, as its last line says it.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::output::{Output, peak_rss_bytes};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Rows of the file, without a heading.
    pub lines: u64,
    /// Commands sent through the handler.
    pub commands: u64,
    pub events_added: u64,
    /// Rows whose news was known already.
    pub duplicates: u64,
    /// Rows of the report; one that was applied all the same (over capacity) counts here too.
    pub reported: u64,
}

impl Summary {
    /// The documented keys first, in their order; `more` after them.
    pub fn finish(self, took: Duration, more: Map<String, Value>, output: Output) {
        let seconds = took.as_secs_f64();
        let rate = self.commands as f64 / seconds.max(0.001);
        output.say(format!(
            "{} lines, {} commands, {} events added, {} duplicates, {} reported; {seconds:.1} s, {rate:.0} commands/s",
            self.lines, self.commands, self.events_added, self.duplicates, self.reported
        ));
        output.finish(&LastLine {
            summary: self,
            seconds: rounded(seconds),
            commands_per_second: rounded(rate),
            peak_rss_bytes: peak_rss_bytes(),
            more,
        });
    }
}

fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

/// Others script this: names stay, new ones come after.
#[derive(Serialize)]
struct LastLine {
    #[serde(flatten)]
    summary: Summary,
    seconds: f64,
    commands_per_second: f64,
    peak_rss_bytes: u64,
    #[serde(flatten)]
    more: Map<String, Value>,
}
