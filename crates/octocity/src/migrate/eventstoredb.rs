//! The migration to EventStoreDB.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use octocity_adapters::eventstoredb::{Begun, Migrated, Migration, MigrationError};
use octocity_adapters::sqlite::{DataFolder, SqliteLog, SqliteLogOptions, folder};
use octocity_commands::{Checkpoint, ProcessStore, ProcessStoreError, Step};
use octocity_log::{EventLog, Position};
use serde_json::{Map, Value, json};

use crate::config::{Config, EventStoreConfig};
use crate::failure::Failure;
use crate::node::unusable;
use crate::output::Output;
use crate::progress::Progress;
use crate::stores::{Processes, Stores, eventstoredb_failure, eventstoredb_options, unusable_folder};

/// So many positions before the log's end have their own place in the new epoch: subscribers who were there when the
/// server stopped go on exactly behind what they were told.
const LAST: u64 = 256;

pub async fn run(
    config: &Config,
    to: &EventStoreConfig,
    output: Output,
) -> Result<Map<String, Value>, Failure> {
    let begun = Instant::now();
    let folder = DataFolder::open_to_migrate(&config.data).map_err(unusable_folder)?;
    let log = SqliteLog::open(&folder.log(), SqliteLogOptions::default()).map_err(unusable)?;
    let log = Arc::new(log);
    let migration = Migration::begin(&to.url, eventstoredb_options(to), log.clone()).await;
    let migrated = match migration.map_err(failure)? {
        Begun::Done(migrated) => {
            mark(&folder)?;
            migrated
        }
        Begun::Under(migration) => bring(config, &folder, &log, migration).await?,
    };
    let Migrated { events, commands, hash, .. } = migrated;
    let epoch = log.epoch() + 1;
    output.say(format!(
        "{events} events and {commands} answered commands stand in EventStoreDB as epoch {epoch},"
    ));
    output.say(format!("compared with {}: hash {hash} on both sides.", folder.log().display()));
    output.say(format!(
        "log.db stays as it was, and is refused from now on; deleting {} takes that back.",
        folder::MIGRATED_FILE
    ));
    let done = [
        ("log", json!(log.id().0)),
        ("epoch", json!(epoch)),
        ("events", json!(events)),
        ("commands", json!(commands)),
        ("hash", json!(hash)),
        ("seconds", json!(begun.elapsed().as_secs_f64())),
    ];
    Ok(done.map(|(name, value)| (name.to_owned(), value)).into_iter().collect())
}

async fn bring(
    config: &Config,
    folder: &DataFolder,
    log: &Arc<SqliteLog>,
    mut migration: Migration,
) -> Result<Migrated, Failure> {
    let processes = processes(config, log).await?;
    let head = *log.head().borrow();
    let (rest, cuts) = (log.ledger(migration.reached()), processes.cuts(head));
    let mut copying = Told::new("brought", migration.reached().unwrap_or_default(), head);
    migration.copy(rest, &cuts, |position| copying.tell(position)).await.map_err(failure)?;
    copying.progress.done();
    // Each event is read on both sides.
    let mut comparing = Told::new("compared on both sides", Position::default(), Position(2 * head.0));
    let compared = |events| comparing.tell(Position(events));
    let migrated = migration.verify(log.ledger(None), compared).await.map_err(failure)?;
    comparing.progress.done();
    let moved = processes.moved(log, &migration)?;
    // From here on nobody writes log.db; then processes go on in the new epoch; then others may open it.
    mark(folder)?;
    moved.commit().await?;
    migration.finish(migrated.clone()).await.map_err(failure)?;
    Ok(migrated)
}

/// The positions of a file's log count its events.
struct Told {
    progress: Progress,
    last: Position,
    head: Position,
}

impl Told {
    fn new(of: &'static str, last: Position, head: Position) -> Self {
        Self { progress: Progress::new(of, head), last, head }
    }

    fn tell(&mut self, position: Position) {
        let events = (position.0 - self.last.0) as usize;
        self.progress.step(octocity_projections::Step { events, position, head: self.head });
        self.last = position;
    }
}

fn mark(folder: &DataFolder) -> Result<(), Failure> {
    folder.mark_migrated("EventStoreDB").map_err(unusable_folder)
}

/// What processes remember, and how far each has reacted in the log that is brought over.
struct Reacted {
    store: Option<Arc<dyn ProcessStore>>,
    checkpoints: Vec<Checkpoint>,
}

async fn processes(config: &Config, log: &Arc<SqliteLog>) -> Result<Reacted, Failure> {
    let file = config.data.join(folder::PROCESSES_FILE);
    let processes = match &config.postgres {
        _ if file.exists() => Processes::InFile(file),
        Some(_) => Stores::open(config, log.id()).await?.processes,
        None => return Ok(Reacted { store: None, checkpoints: Vec::new() }),
    };
    let (store, _) = processes.open()?;
    let mut checkpoints = store.checkpoints().await.map_err(unreadable)?;
    let new_epoch = log.epoch() + 1;
    // Those of the new epoch are of a run that was stopped just before its end.
    checkpoints.retain(|known| (known.log, known.epoch) != (log.id(), new_epoch));
    let misplaced = checkpoints.iter().try_for_each(|checkpoint| checkpoint.check(&**log));
    misplaced.map_err(|misplaced| Failure::data(processes.misplaced(misplaced)))?;
    Ok(Reacted { store: Some(store), checkpoints })
}

impl Reacted {
    fn cuts(&self, head: Position) -> BTreeSet<Position> {
        let last = (head.0.saturating_sub(LAST)..=head.0).map(Position);
        self.checkpoints.iter().map(|checkpoint| checkpoint.position).chain(last).collect()
    }

    /// Each where it was, by the new epoch's positions.
    fn moved(self, log: &SqliteLog, migration: &Migration) -> Result<Self, Failure> {
        let moved = self.checkpoints.into_iter().map(|checkpoint| {
            let position = migration.here(checkpoint.position).ok_or_else(|| {
                Failure::data(
                    "A server ran between two runs of the migration, and its processes are elsewhere now; begin anew \
                     in another namespace.",
                )
            })?;
            Ok(Checkpoint { epoch: log.epoch() + 1, position, ..checkpoint })
        });
        Ok(Self { store: self.store, checkpoints: moved.collect::<Result<_, Failure>>()? })
    }

    async fn commit(self) -> Result<(), Failure> {
        match self.store {
            Some(store) if !self.checkpoints.is_empty() => {
                let step = Step { checkpoints: self.checkpoints, ..Step::default() };
                store.commit(step).await.map_err(unreadable)
            }
            _ => Ok(()),
        }
    }
}

fn unreadable(error: ProcessStoreError) -> Failure {
    Failure::data(format!("{error}; run octocity doctor."))
}

fn failure(error: MigrationError) -> Failure {
    match error {
        MigrationError::Open(error) => eventstoredb_failure(&error),
        MigrationError::Log(_) => Failure::fault(error.to_string()),
        _ => Failure::data(error.to_string()),
    }
}
