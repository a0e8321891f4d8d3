//! What is known of a stream's end: where the next record comes to stand, and the newest entries of its ledger.

use std::collections::{BTreeMap, VecDeque};

use octocity_domain::CommandId;
use octocity_log::{LedgerEntry, LedgerWindow, LogError, Position};

use super::encode::Encoded;
use super::record;
use super::wire::Record;

/// How many records of a stream are read back, and how many entries are kept.
pub const WINDOW: usize = 4096;
/// An id that comes later than this many records after a higher one is *late*: it is noted in an index before it is
/// appended. So every other id of the ledger is found within this many records of where ids of its height begin.
/// This is the storage format: a search relies on what earlier versions noted.
pub const SLACK: u64 = 1024;
/// How often the ceiling is kept, in records.
const MARK: u64 = 64;

/// Where the next record of a stream comes to stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Next {
    /// How many records the stream has.
    pub record: u64,
    /// How many events: never more.
    pub revision: u64,
}

impl Next {
    /// As it was when this record was the last one.
    pub fn behind(last: &Record) -> Result<Self, LogError> {
        let revision = record::stand(last)?.0.revision + u64::from(record::is_event(last));
        Ok(Self { record: last.number + 1, revision })
    }
}

#[derive(Default)]
pub struct Tail {
    pub next: Next,
    /// Of the last event, or where the log was at the last record.
    pub position: Position,
    /// The highest id in the ledger.
    pub ceiling: Option<CommandId>,
    /// All entries whose id is above `below`.
    recent: BTreeMap<CommandId, LedgerEntry>,
    below: Option<CommandId>,
    /// Records with the ceiling before them, in order.
    marks: VecDeque<(u64, Option<CommandId>)>,
}

impl Tail {
    /// `newest`: the last records of the stream, the last one first.
    pub fn load(newest: Vec<Record>) -> Result<Self, LogError> {
        let mut tail = Self::default();
        for (number, record) in newest.iter().rev().enumerate() {
            if number == 0 {
                tail.below = record::stand(record)?.0.ceiling;
                tail.ceiling = tail.below;
            }
            tail.add(record)?;
        }
        Ok(tail)
    }

    /// Takes up the stream's next record.
    pub fn add(&mut self, record: &Record) -> Result<(), LogError> {
        let (stand, entries) = record::stand(record)?;
        self.mark(record.number, stand.ceiling);
        self.next = Next::behind(record)?;
        if record::is_event(record) {
            self.position = record::position(record)?;
        }
        entries.into_iter().for_each(|entry| self.know(entry));
        Ok(())
    }

    /// Takes up what was appended just now; its last event stands at `position`.
    pub fn appended(
        &mut self,
        encoded: &Encoded,
        entries: &[LedgerEntry],
        revision: u64,
        position: Position,
    ) {
        for (number, ceiling) in encoded.ceilings.iter().enumerate() {
            self.mark(self.next.record + number as u64, *ceiling);
        }
        self.next = Next { record: self.next.record + encoded.ceilings.len() as u64, revision };
        self.position = position;
        for entry in entries {
            self.know(LedgerEntry { position, ..entry.clone() });
        }
    }

    fn know(&mut self, entry: LedgerEntry) {
        self.position = self.position.max(entry.position);
        self.ceiling = self.ceiling.max(Some(entry.command_id));
        if self.below.is_some_and(|below| entry.command_id <= below) {
            return;
        }
        self.recent.insert(entry.command_id, entry);
        if self.recent.len() > WINDOW
            && let Some((lowest, _)) = self.recent.pop_first()
        {
            self.below = Some(lowest);
        }
    }

    fn mark(&mut self, record: u64, ceiling: Option<CommandId>) {
        if self.marks.back().is_none_or(|(last, _)| record >= last + MARK) {
            self.marks.push_back((record, ceiling));
        }
        while self.marks.front().is_some_and(|(first, _)| first + SLACK < record) {
            self.marks.pop_front();
        }
    }

    pub fn window(&self, limit: usize) -> LedgerWindow {
        let ids: Vec<CommandId> = self.recent.keys().rev().take(limit).copied().collect();
        let cut = self.below.is_some() || self.recent.len() > limit;
        LedgerWindow::of(ids, cut)
    }

    /// None: only the records before the tail can tell.
    pub fn lookup(&self, id: CommandId) -> Option<Option<&LedgerEntry>> {
        match self.recent.get(&id) {
            Some(entry) => Some(Some(entry)),
            None if self.below.is_none_or(|below| id > below) => Some(None),
            None => None,
        }
    }

    /// The commands of a batch that comes to stand next whose ids are late, each with its record. It may name one that
    /// is not quite late: that costs a note and nothing else.
    pub fn late(&self, encoded: &Encoded) -> Vec<(CommandId, u64)> {
        let placed = encoded.places.iter().map(|(id, place)| (*id, self.next.record + *place as u64));
        placed.filter(|(id, record)| self.floor(encoded, *record).is_some_and(|floor| *id <= floor)).collect()
    }

    /// The ceiling `SLACK` records before this one, or a higher one.
    fn floor(&self, encoded: &Encoded, record: u64) -> Option<CommandId> {
        let before = record.checked_sub(SLACK)?;
        match before.checked_sub(self.next.record) {
            Some(place) => encoded.ceilings.get(place as usize).copied().flatten(),
            None => {
                let mark = self.marks.iter().find(|(marked, _)| *marked >= before);
                mark.map_or(self.ceiling, |(_, ceiling)| *ceiling)
            }
        }
    }
}

#[cfg(test)]
mod tests;
