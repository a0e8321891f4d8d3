//! The ledger of a stream, which is its own records, and the search in it.
//!
//! The newest entries are in memory. An older id is searched for where ids of its height begin: every record says the
//! highest id before it, and that never falls, so the place is found by halves, in some 20 reads of one record. From
//! there `SLACK` records are read at once. What is not there was *late* when it was appended (an import of history
//! after years of life, a device that was cut off for hours), or is new: late ids are noted by the hour of their time
//! in streams of their own, before they are appended, and one of these is read. So a lookup costs the same however long
//! the stream is, and no id is ever forgotten, late or not.
//!
//! - A note may name an append that never came to be: the record that it names decides.
//! - One id far in the future (a device's clock that is years ahead) makes all that follow late until its time
//!   has come: slower by a note and a search each, and still right.

use std::collections::{BTreeMap, BTreeSet};

use octocity_domain::CommandId;
use octocity_log::{LedgerEntry, LogError, StreamId};

use super::late::hour;
use super::record;
use super::streams::{Start, Streams};
use super::tail::{SLACK, Tail, WINDOW};

/// How many records are read at once.
const PAGE: usize = 1000;

/// A stretch of records that was read.
struct Stretch {
    entries: BTreeMap<CommandId, LedgerEntry>,
    /// Up to this id, whatever is not late stands within the stretch. None: the stream ends in it.
    covered: Option<CommandId>,
}

impl Streams {
    /// The tail as it is in the store now.
    pub async fn refresh(&self, stream: StreamId, known: Option<Tail>) -> Result<Tail, LogError> {
        let (name, remembered) = (self.name(stream), self.remembered(stream));
        let tail = match known {
            None => Tail::load(self.records(&name, Start::End, WINDOW).await?)?,
            Some(mut tail) => loop {
                let records = self.records(&name, Start::Forth(tail.next.record), PAGE).await?;
                records.iter().try_for_each(|record| tail.add(record))?;
                if records.len() < PAGE {
                    break tail;
                }
            },
        };
        remembered.ends(tail.next);
        Ok(tail)
    }

    /// What the ledger has of these ids.
    pub async fn lookup(
        &self,
        stream: StreamId,
        tail: &Tail,
        ids: impl Iterator<Item = CommandId>,
    ) -> Result<BTreeMap<CommandId, LedgerEntry>, LogError> {
        let (mut found, mut older) = (BTreeMap::new(), BTreeSet::new());
        for id in ids {
            match tail.lookup(id) {
                Some(entry) => found.extend(entry.map(|entry| (id, entry.clone()))),
                None => {
                    older.insert(id);
                }
            }
        }
        let mut stretch: Option<Stretch> = None;
        let mut missing = BTreeSet::new();
        // In rising order one stretch serves neighbours.
        for id in older {
            let covers = |read: &Stretch| read.covered.is_none_or(|covered| id <= covered);
            let read = match stretch.take().filter(covers) {
                Some(read) => read,
                None => self.stretch_for(stream, tail, id).await?,
            };
            match read.entries.get(&id) {
                Some(entry) => found.extend([(id, entry.clone())]),
                None => {
                    missing.insert(id);
                }
            }
            stretch = Some(read);
        }
        self.add_late(stream, &missing, &mut found).await?;
        Ok(found)
    }

    /// The records that have this id, if it was not late.
    async fn stretch_for(&self, stream: StreamId, tail: &Tail, id: CommandId) -> Result<Stretch, LogError> {
        let name = self.name(stream);
        // The last record with a ceiling below the id: the first one has none at all.
        let (mut low, mut high) = (0, tail.next.record);
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            let ceiling = match self.record(&name, middle).await? {
                Some(record) => record::stand(&record)?.0.ceiling,
                None => None,
            };
            if ceiling < Some(id) { low = middle } else { high = middle }
        }
        let count = 2 * SLACK as usize + 1;
        let records = self.records(&name, Start::Forth(low), count).await?;
        let mut stretch = Stretch { entries: BTreeMap::new(), covered: None };
        for (number, record) in records.iter().enumerate() {
            let (stand, entries) = record::stand(record)?;
            if records.len() == count && number as u64 == SLACK {
                stretch.covered = stand.ceiling.max(Some(id));
            }
            stretch.entries.extend(entries.into_iter().map(|entry| (entry.command_id, entry)));
        }
        Ok(stretch)
    }

    async fn add_late(
        &self,
        stream: StreamId,
        ids: &BTreeSet<CommandId>,
        found: &mut BTreeMap<CommandId, LedgerEntry>,
    ) -> Result<(), LogError> {
        let name = self.name(stream);
        let hours: BTreeSet<u64> = ids.iter().map(|id| hour(*id)).collect();
        for hour in hours {
            for (id, record) in self.noted(stream, hour).await? {
                if ids.contains(&id)
                    && !found.contains_key(&id)
                    && let Some(record) = self.record(&name, record).await?
                {
                    let entries = record::stand(&record)?.1.into_iter();
                    found.extend(entries.filter(|entry| entry.command_id == id).map(|entry| (id, entry)));
                }
            }
        }
        Ok(())
    }
}
