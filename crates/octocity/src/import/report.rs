//! What was not clean in an import, row by row and in sum. Nothing personal stands in it.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use crate::failure::Failure;
use crate::output::Output;

/// Why a row is in the report. The names are written to files that others read: they stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dirt {
    /// Not of the format.
    Malformed,
    /// The last line has no end and is not of the format.
    Truncated,
    /// A time that cannot be: not in the calendar, skipped by the clock change, or after the news of it.
    ImpossibleTime,
    /// A count below 0.
    Negative,
    /// The same car park and time as an earlier row.
    Repeated,
    /// An earlier time than the row before it of the same car park.
    OutOfOrder,
    /// More vehicles than places. It was applied.
    OverCapacity,
    /// The system refused it; the reason says why.
    Refused,
}

impl Dirt {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Truncated => "truncated",
            Self::ImpossibleTime => "impossible_time",
            Self::Negative => "negative",
            Self::Repeated => "repeated",
            Self::OutOfOrder => "out_of_order",
            Self::OverCapacity => "over_capacity",
            Self::Refused => "refused",
        }
    }
}

/// What is wrong with one line, before it is known which line it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    pub dirt: Dirt,
    pub reason: String,
}

impl Complaint {
    pub fn new(dirt: Dirt, reason: impl Into<String>) -> Self {
        Self { dirt, reason: reason.into() }
    }
}

pub struct Report {
    file: Option<csv::Writer<File>>,
    counts: BTreeMap<Dirt, u64>,
}

impl Report {
    /// `input`: the file that is imported.
    pub fn try_new(path: Option<&Path>, input: &Path) -> Result<Self, Failure> {
        let Some(path) = path else { return Ok(Self { file: None, counts: BTreeMap::new() }) };
        if path.canonicalize().is_ok_and(|path| input.canonicalize().is_ok_and(|input| input == path)) {
            return Err(Failure::usage("--report names the file that is imported; name another."));
        }
        let unwritable = |error: String| {
            Failure::usage(format!("{} cannot be written: {error}; correct --report.", path.display()))
        };
        let file = File::create(path).map_err(|error| unwritable(error.to_string()))?;
        let mut writer = csv::Writer::from_writer(file);
        writer
            .write_record(["line", "kind", "reason", "text"])
            .map_err(|error| unwritable(error.to_string()))?;
        Ok(Self { file: Some(writer), counts: BTreeMap::new() })
    }

    /// `text`: the line without anything personal.
    pub fn row(&mut self, line: u64, complaint: &Complaint, text: &str) -> Result<(), Failure> {
        *self.counts.entry(complaint.dirt).or_default() += 1;
        let Some(writer) = &mut self.file else { return Ok(()) };
        let number = line.to_string();
        writer.write_record([&number, complaint.dirt.as_str(), &complaint.reason, text]).map_err(Self::full)
    }

    pub fn reported(&self) -> u64 {
        self.counts.values().sum()
    }

    pub fn by_kind(&self) -> BTreeMap<&'static str, u64> {
        self.counts.iter().map(|(dirt, count)| (dirt.as_str(), *count)).collect()
    }

    pub fn finish(&mut self, output: Output) -> Result<(), Failure> {
        for (kind, count) in self.by_kind() {
            output.say(format!("  reported {kind}: {count}"));
        }
        match &mut self.file {
            Some(writer) => writer.flush().map_err(|error| Self::full(error.into())),
            None => Ok(()),
        }
    }

    fn full(error: csv::Error) -> Failure {
        Failure::fault(format!("The report cannot be written: {error}; make room and import again."))
    }
}

/// The outline of a line that nobody could read: digits as 9, letters as x, so that nothing personal is left.
pub fn outline(text: &str) -> String {
    let masked = text.chars().map(|c| match c {
        '0'..='9' => '9',
        c if c.is_alphabetic() => 'x',
        c if c.is_ascii_punctuation() || c == ' ' => c,
        _ => '?',
    });
    masked.take(120).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outline_tells_nobody() {
        assert_eq!(outline("2016-05-26;Müller B-XY 7\u{1}"), "9999-99-99;xxxxxx x-xx 9?");
    }

    #[test]
    fn rows_are_counted_by_kind_and_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.csv");
        let mut report = Report::try_new(Some(&path), folder.path()).unwrap();
        report.row(3, &Complaint::new(Dirt::Negative, "a count of -1"), "A,10,-1,x").unwrap();
        report.row(9, &Complaint::new(Dirt::Malformed, "3 fields"), "a,b,c").unwrap();
        report.finish(Output { json: false }).unwrap();
        assert_eq!(report.reported(), 2);
        let written = std::fs::read_to_string(&path).unwrap();
        assert_eq!(written.lines().count(), 3);
        assert!(written.contains("3,negative,a count of -1,\"A,10,-1,x\""), "{written}");
    }
}
