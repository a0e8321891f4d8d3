//! What an import did, as its last line says it.

use std::path::Path;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::failure::Failure;
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
    /// Rows that say something clean, whether it was known or not.
    #[serde(skip)]
    pub usable: u64,
}

impl Summary {
    /// The documented keys first, in their order; `more` after them. A file of no use is a failure.
    pub fn finish(
        self,
        file: &Path,
        took: Duration,
        more: Map<String, Value>,
        output: Output,
    ) -> Result<(), Failure> {
        let seconds = took.as_secs_f64();
        let rate = self.commands as f64 / seconds.max(0.001);
        output.say(format!(
            "{} lines: {} usable, of which {} were known already; {} reported",
            self.lines, self.usable, self.duplicates, self.reported
        ));
        output.say(match self.events_added {
            // What is known is passed over or answered from the ledger: its rate would say nothing of storing.
            0 => format!("no event added; {seconds:.1} s"),
            added => format!(
                "{added} events added by {} commands in {seconds:.1} s, {rate:.0} commands/s",
                self.commands
            ),
        });
        let last = LastLine {
            summary: self,
            seconds: rounded(seconds),
            commands_per_second: rounded(rate),
            peak_rss_bytes: peak_rss_bytes(),
            usable: self.usable,
            more,
        };
        if self.usable > 0 {
            output.finish(&last);
            return Ok(());
        }
        let mut failure = Failure::input(format!(
            "{} has no line that can be imported; name a file of the format that --help shows.",
            file.display()
        ));
        if let Ok(Value::Object(last)) = serde_json::to_value(&last) {
            failure.more = last;
        }
        Err(failure)
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
    usable: u64,
    #[serde(flatten)]
    more: Map<String, Value>,
}
