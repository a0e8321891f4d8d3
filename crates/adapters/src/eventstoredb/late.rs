//! Notes of late command ids: for each hour of their time a stream that says which record they are to stand in.

use std::collections::BTreeMap;

use octocity_domain::{CommandId, Timestamp, derived_uuid};
use octocity_log::{LogError, StreamId};
use serde::{Deserialize, Serialize};

use super::record;
use super::streams::{Start, Streams};
use super::wire::{Expected, Proposed};

/// The type of a note of late ids. This is the storage format.
const LATE: &str = "LateCommands";
/// How many notes are read at once.
const PAGE: usize = 1000;

/// This is the storage format.
#[derive(Serialize, Deserialize)]
struct Late {
    /// Each id with the record that it is to stand in.
    ids: Vec<(CommandId, u64)>,
}

impl Streams {
    pub async fn noted(&self, stream: StreamId, hour: u64) -> Result<Vec<(CommandId, u64)>, LogError> {
        let name = self.late_name(stream, hour);
        let mut noted = Vec::new();
        let mut next = 0;
        loop {
            let records = self.records(&name, Start::Forth(next), PAGE).await?;
            for record in &records {
                let late: Late = record::data(record).map_err(|_| {
                    LogError::Damaged(format!("a note of late commands cannot be read in {name}"))
                })?;
                noted.extend(late.ids);
            }
            next += records.len() as u64;
            if records.len() < PAGE {
                return Ok(noted);
            }
        }
    }

    /// Notes late ids before they are appended, so that no crash between leaves one unnoted.
    pub async fn note_late(&self, stream: StreamId, late: Vec<(CommandId, u64)>) -> Result<(), LogError> {
        let mut hours: BTreeMap<u64, Vec<(CommandId, u64)>> = BTreeMap::new();
        for (id, record) in late {
            hours.entry(hour(id)).or_default().push((id, record));
        }
        for (hour, ids) in hours {
            let name = self.late_name(stream, hour);
            let note = serde_json::to_vec(&ids).unwrap_or_default();
            let id = derived_uuid(Timestamp::default(), &[b"late", name.as_bytes(), &note]);
            let data = serde_json::to_vec(&Late { ids })
                .map_err(|_| LogError::Damaged("a note of late commands cannot be written".to_owned()))?;
            let note = Proposed::new(id, LATE, Vec::new(), data);
            self.connection.append(&name, Expected::Any, &[note]).await?;
        }
        Ok(())
    }

    fn late_name(&self, stream: StreamId, hour: u64) -> String {
        format!("{}late-{stream}-{hour}", self.connection.options.namespace)
    }
}

/// The hour of an id's own time.
pub fn hour(id: CommandId) -> u64 {
    const MILLIS: u128 = 3_600_000;
    (id.uuid().as_u128() >> 80).div_euclid(MILLIS) as u64
}
