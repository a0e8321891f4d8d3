//! Every difference that a comparison found, in a file. It names rows and columns; values could be personal.

use std::fs::File;
use std::path::{Path, PathBuf};

use octocity_projections::Table;
use octocity_projections::blue_green::{Difference, Kind};

use crate::failure::Failure;

pub struct Report {
    table: &'static Table,
    file: Option<(PathBuf, csv::Writer<File>)>,
    /// The first fault: rows are told where none can be handed on.
    failed: Option<Failure>,
}

impl Report {
    /// No path: nothing is written.
    pub fn try_new(table: &'static Table, path: Option<PathBuf>) -> Result<Self, Failure> {
        let Some(path) = path else { return Ok(Self { table, file: None, failed: None }) };
        let file = File::create(&path).map_err(|error| {
            Failure::usage(format!("{} cannot be written: {error}; correct --report.", path.display()))
        })?;
        let mut writer = csv::Writer::from_writer(file);
        let head = writer.write_record(["view", "key", "difference", "columns"]);
        head.map_err(|error| unwritable(&path, &error))?;
        Ok(Self { table, file: Some((path, writer)), failed: None })
    }

    pub fn row(&mut self, Difference { key, kind }: &Difference) {
        let Some((path, writer)) = self.file.as_mut().filter(|_| self.failed.is_none()) else { return };
        let (difference, columns) = match kind {
            Kind::OnlyLive => ("only_live", String::new()),
            Kind::OnlyNew => ("only_new", String::new()),
            Kind::Differs(columns) => ("differs", columns.join(" ")),
        };
        let written = writer.write_record([self.table.name, key, difference, &columns]);
        self.failed = written.err().map(|error| unwritable(path, &error));
    }

    pub fn finish(&mut self) -> Result<(), Failure> {
        if let Some(failure) = self.failed.take() {
            return Err(failure);
        }
        match &mut self.file {
            Some((path, writer)) => writer.flush().map_err(|error| unwritable(path, &error.into())),
            None => Ok(()),
        }
    }
}

fn unwritable(path: &Path, error: &csv::Error) -> Failure {
    Failure::fault(format!(
        "{} cannot be written: {error}; make room, and run this again: the new rows go on where they were.",
        path.display()
    ))
}
