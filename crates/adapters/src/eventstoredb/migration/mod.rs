//! Filling an empty store with a log that comes from elsewhere, as its next epoch. Ids, revisions and the ledger stay;
//! positions are new.
//!
//! - **page**: a stretch of the old log. All of it stands here before the next one begins, and a record of the stream
//!   `octocity-log` then says how far that is: a migration that was killed goes on from there.
//! - **lane**: one facility's part of a page, in its order; several lanes go at once.
//! - **piece**: what of a lane follows one another in one stream: one append.

mod bring;
mod fingerprint;
mod lanes;

use std::collections::BTreeSet;
use std::sync::Arc;

use octocity_log::{EventLog, LedgerEntry, LogError, Page, Position, StreamId};
use thiserror::Error;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::all::Wanted;
use super::connection::{Connection, OpenError};
use super::identity::{Identity, LogMigrating, MIGRATING, Migrated, Standing};
use super::record;
use super::streams::{Start, Streams};
use super::{EventStoreOptions, connect};
use fingerprint::Fingerprint;
use lanes::{Piece, lanes};

/// How many events of the old log make a page.
const PAGE: usize = 4096;
/// How many lanes go at once.
const AT_ONCE: usize = 32;

/// A ledger in the order of its log.
pub type Entries = mpsc::Receiver<Result<(StreamId, LedgerEntry), LogError>>;

#[derive(Debug, Error)]
pub enum MigrationError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error("The migration stopped: {0}. Start it again: it goes on where it was.")]
    Log(#[from] LogError),
    #[error("EventStoreDB at {hosts} holds another log; name another namespace.")]
    OtherLog { hosts: String },
    #[error(
        "The log was brought to EventStoreDB at {hosts} before, and has been written since; go on with one of the \
         two, or name another namespace to bring it there again."
    )]
    GoneOn { hosts: String },
    #[error(
        "An event of {stream} is more than EventStoreDB takes in one append (1 MiB): this log cannot be brought there."
    )]
    TooLarge { stream: String },
    #[error("Somebody else writes to {stream} in EventStoreDB; stop that, and start the migration again.")]
    Rival { stream: String },
    #[error(
        "What stands in EventStoreDB is not what the log says ({found} there, {wanted} here); begin anew in another \
         namespace."
    )]
    Differs { wanted: String, found: String },
}

pub enum Begun {
    Under(Migration),
    /// It was done before.
    Done(Migrated),
}

pub struct Migration {
    streams: Arc<Streams>,
    source: Arc<dyn EventLog>,
    /// How many records of `octocity-log` there are.
    records: u64,
    /// Where pages end, in the old log and here.
    reached: Vec<(Position, Position)>,
}

impl Migration {
    /// Begins, or goes on where an earlier one stopped. The source must not be written meanwhile.
    pub async fn begin(
        connection_string: &str,
        options: EventStoreOptions,
        source: Arc<dyn EventLog>,
    ) -> Result<Begun, MigrationError> {
        let first = connect(connection_string, &options)?;
        let (ours, hosts) = ((source.id(), source.epoch() + 1), first.connection.hosts());
        let standing = first.standing().await?;
        let connection = Connection::new(first.connection.nodes, options);
        let streams = Arc::new(Streams::new(connection));
        let mut migration = Self { streams, source, records: 0, reached: Vec::new() };
        match standing {
            Standing::Empty => migration.note(None).await?,
            Standing::Migrating { id, epoch } if (id, epoch) == ours => migration.read_notes().await?,
            Standing::Open(Identity { id, epoch, migrated: Some(migrated) }) if (id, epoch) == ours => {
                let head = *migration.source.head().borrow();
                let is_all = migrated.from == head.0;
                return if is_all {
                    Ok(Begun::Done(migrated))
                } else {
                    Err(MigrationError::GoneOn { hosts })
                };
            }
            Standing::Open(_) | Standing::Migrating { .. } => return Err(MigrationError::OtherLog { hosts }),
        }
        Ok(Begun::Under(migration))
    }

    pub fn hosts(&self) -> String {
        self.streams.connection.hosts()
    }

    /// Up to where the old log is here. None: nothing is yet.
    pub fn reached(&self) -> Option<Position> {
        self.reached.last().map(|(old, _)| *old)
    }

    /// Where an end of a page is here.
    pub fn here(&self, old: Position) -> Option<Position> {
        let is_start = old == Position::default();
        let found = self.reached.iter().find(|(reached, _)| *reached == old).map(|(_, here)| *here);
        found.or(is_start.then_some(old))
    }

    /// Copies what is not here yet. `entries`: the ledger from behind `reached`. Pages end at `cuts` too, so that each
    /// of these has its place here.
    pub async fn copy(
        &mut self,
        mut entries: Entries,
        cuts: &BTreeSet<Position>,
        mut told: impl FnMut(Position),
    ) -> Result<(), MigrationError> {
        let mut next = entries.recv().await.transpose()?;
        loop {
            let after = self.reached().unwrap_or_default();
            let page = cut(self.source.read_all(after, PAGE, &[], &[]).await?, after, cuts);
            let mut ledger = Vec::new();
            while let Some(entry) = next.take_if(|(_, entry)| entry.position <= page.next) {
                ledger.push(entry);
                next = entries.recv().await.transpose()?;
            }
            if page.next <= after && ledger.is_empty() {
                return Ok(());
            }
            let here = self.write(page.events, ledger).await?;
            self.note(Some((page.next, here))).await?;
            told(page.next);
        }
    }

    /// Brings a page; says where its end is here.
    async fn write(
        &self,
        events: Vec<octocity_log::RecordedEvent>,
        ledger: Vec<(StreamId, LedgerEntry)>,
    ) -> Result<Position, MigrationError> {
        let mut here = self.reached.last().map_or(Position::default(), |(_, here)| *here);
        let mut running: JoinSet<Result<Position, MigrationError>> = JoinSet::new();
        for lane in lanes(events, ledger) {
            if running.len() >= AT_ONCE {
                here = here.max(joined(&mut running).await?.unwrap_or_default());
            }
            running.spawn(bring_all(Arc::clone(&self.streams), lane));
        }
        while let Some(position) = joined(&mut running).await? {
            here = here.max(position);
        }
        Ok(here)
    }

    async fn note(&mut self, reached: Option<(Position, Position)>) -> Result<(), MigrationError> {
        let record = LogMigrating::new(self.source.id(), self.source.epoch() + 1, reached);
        match self.streams.note_identity(MIGRATING, &record, self.records).await? {
            true => self.reached.extend(reached),
            false => return Err(MigrationError::Rival { stream: self.streams.identity_name() }),
        }
        self.records += 1;
        Ok(())
    }

    async fn read_notes(&mut self) -> Result<(), MigrationError> {
        (self.reached, self.records) = self.streams.pages().await?;
        Ok(())
    }

    /// Reads both logs through and compares them. `entries`: the whole ledger of the old one. `told`: how many events were
    /// read so far, here and there together.
    pub async fn verify(
        &self,
        mut entries: Entries,
        mut told: impl FnMut(u64),
    ) -> Result<Migrated, MigrationError> {
        let (mut wanted, mut at) = (Fingerprint::default(), Position::default());
        loop {
            let page = self.source.read_all(at, PAGE, &[], &[]).await?;
            page.events.iter().for_each(|event| wanted.add_event(event));
            if page.next <= at {
                break;
            }
            at = page.next;
            told(wanted.events);
        }
        while let Some(entry) = entries.recv().await {
            let (stream, entry) = entry?;
            wanted.add_entry(stream, &entry);
        }
        let found = self.found(|found| told(wanted.events + found)).await?;
        if found != wanted {
            return Err(MigrationError::Differs { wanted: wanted.to_string(), found: found.to_string() });
        }
        let to = self.reached.last().map_or(Position::default(), |(_, here)| *here);
        let Fingerprint { events, commands, .. } = found;
        Ok(Migrated { from: at.0, to: to.0, events, commands, hash: found.hash() })
    }

    async fn found(&self, mut told: impl FnMut(u64)) -> Result<Fingerprint, MigrationError> {
        let mut found = Fingerprint::default();
        let mut after = Position::default();
        loop {
            let all = Wanted { categories: &[], event_types: &[] };
            let page = self.streams.find_all(after, PAGE, all).await?;
            for record in page.records {
                after = record::position(&record)?;
                let Some(stream) = self.streams.parse(record.stream()) else { continue };
                record::stand(&record)?.1.iter().for_each(|entry| found.add_entry(stream, entry));
                if record::is_event(&record) {
                    found.add_event(&record::event(stream, record)?);
                }
            }
            told(found.events);
            if page.at_end {
                return Ok(found);
            }
        }
    }

    /// Opens the log here, in its new epoch.
    pub async fn finish(self, migrated: Migrated) -> Result<(), MigrationError> {
        let (id, epoch) = (self.source.id(), self.source.epoch() + 1);
        let identity = Identity { id, epoch, migrated: Some(migrated) };
        match self.streams.open_as(identity, self.records).await? {
            true => Ok(()),
            false => Err(MigrationError::Rival { stream: self.streams.identity_name() }),
        }
    }
}

impl Streams {
    /// Where the pages of the migration that filled this log end, in the old log and here; and how many records of
    /// `octocity-log` there are.
    pub async fn pages(&self) -> Result<(Vec<(Position, Position)>, u64), OpenError> {
        let (name, mut pages, mut count) = (self.identity_name(), Vec::new(), 0);
        loop {
            let records = self.records(&name, Start::Forth(count), PAGE).await;
            let records = records.map_err(|error| self.connection.open_error(error))?;
            for record in records.iter().filter(|record| record.event_type() == MIGRATING) {
                let LogMigrating { reached, .. } = self.read_identity(record)?;
                pages.extend(reached.map(|(old, here)| (Position(old), Position(here))));
            }
            count += records.len() as u64;
            if records.len() < PAGE {
                return Ok((pages, count));
            }
        }
    }
}

/// Up to the first of the cuts within it.
fn cut(mut page: Page, after: Position, cuts: &BTreeSet<Position>) -> Page {
    if let Some(cut) = cuts.range(Position(after.0 + 1)..).next().filter(|cut| **cut < page.next) {
        page.events.retain(|event| event.position <= *cut);
        page.next = *cut;
    }
    page
}

async fn bring_all(streams: Arc<Streams>, lane: Vec<Piece>) -> Result<Position, MigrationError> {
    let mut here = Position::default();
    for piece in lane {
        here = here.max(streams.bring(piece).await?);
    }
    Ok(here)
}

/// What the next one that ends says. None: none runs.
async fn joined(
    running: &mut JoinSet<Result<Position, MigrationError>>,
) -> Result<Option<Position>, MigrationError> {
    match running.join_next().await {
        None => Ok(None),
        Some(Ok(position)) => position.map(Some),
        Some(Err(error)) => Err(LogError::Unavailable(error.to_string()).into()),
    }
}
