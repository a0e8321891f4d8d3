//! The migration to EventStoreDB.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use octocity_adapters::eventstoredb::{Begun, Migrated, Migration, MigrationError};
use octocity_adapters::sqlite::{DataFolder, SqliteLog, SqliteLogOptions, folder};
use octocity_commands::{Checkpoint, ProcessStore, ProcessStoreError, Step};
use octocity_log::{EventLog, Position};
use serde_json::json;

use crate::config::{Config, EventStoreConfig};
use crate::failure::Failure;
use crate::node::unusable;
use crate::output::{Output, progress};
use crate::stores::{Processes, Stores, eventstoredb_failure, eventstoredb_options, unusable_folder};

pub async fn run(config: &Config, to: &EventStoreConfig, output: Output) -> Result<(), Failure> {
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
    output.say(
        "Cut over: start octocity serve with the same --config and --data. log.db stays as it was, and is",
    );
    output.say(format!("refused from now on; deleting {} takes that back.", folder::MIGRATED_FILE));
    output.finish(&json!({
        "log": log.id().0, "epoch": epoch, "events": events, "commands": commands, "hash": hash,
        "seconds": begun.elapsed().as_secs_f64(),
    }));
    Ok(())
}

async fn bring(
    config: &Config,
    folder: &DataFolder,
    log: &Arc<SqliteLog>,
    mut migration: Migration,
) -> Result<Migrated, Failure> {
    let processes = processes(config, log).await?;
    let bar = progress(log.head().borrow().0, "positions");
    let rest = log.ledger(migration.reached());
    let copied = migration.copy(rest, &processes.cuts(), |position| bar.set_position(position.0)).await;
    copied.map_err(failure)?;
    bar.finish_and_clear();
    let migrated = migration.verify(log.ledger(None)).await.map_err(failure)?;
    let moved = processes.moved(log, &migration)?;
    // From here on nobody writes log.db; then processes go on in the new epoch; then others may open it.
    mark(folder)?;
    moved.commit().await?;
    migration.finish(migrated.clone()).await.map_err(failure)?;
    Ok(migrated)
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
    fn cuts(&self) -> BTreeSet<Position> {
        self.checkpoints.iter().map(|checkpoint| checkpoint.position).collect()
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
