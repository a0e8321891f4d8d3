//! What processes remember goes to PostgreSQL, wherever the log is by then.

use octocity_adapters::ProcessState;
use octocity_adapters::postgres::PostgresProcessStore;
use octocity_adapters::sqlite::{DataFolder, FolderError, SqliteProcessStore, folder};
use octocity_commands::ProcessStoreError;
use octocity_log::EventLog;
use serde_json::{Value, json};

use crate::config::{Config, PostgresConfig};
use crate::failure::Failure;
use crate::node::unusable;
use crate::output::Output;
use crate::stores::{Folder, Processes, open_log, process_store, unusable_folder};

/// What was brought; null where there was nothing to bring.
pub async fn run(config: &Config, to: &PostgresConfig, output: Output) -> Result<Value, Failure> {
    let at = |name: &str| config.data.join(name);
    let file = at(folder::PROCESSES_FILE);
    if !file.exists() {
        let before = at(folder::MOVED_PROCESSES_FILE);
        if !before.exists() && !at(folder::LOG_FILE).exists() {
            return Err(unusable_folder(FolderError::Missing { dir: config.data.clone() }));
        }
        output.say(match before.exists() {
            true => "What processes remember was brought to PostgreSQL before.",
            false => "The processes of this data folder remember nothing yet.",
        });
        return Ok(Value::Null);
    }
    let (log, folder) = open_log(config, Folder::MustExist).await?;
    let folder = match folder {
        Some(folder) => folder,
        None => DataFolder::open_without_log(&config.data).map_err(unusable_folder)?,
    };
    let state = read(config, &*log.events()).await?;
    let store = process_store(to, log.events().id()).await?;
    let ProcessState { checkpoints, outbox, parked, gateway_calls } = &state;
    bring(&store, &state).await?;
    folder.set_processes_aside().map_err(unusable_folder)?;
    output.say(format!(
        "{} planned effects, {} checkpoints, {} parked streams and {} calls of the simulated gateway stand in PostgreSQL,",
        outbox.len(),
        checkpoints.len(),
        parked.len(),
        gateway_calls.len()
    ));
    output.say(format!(
        "compared row by row with {}, which is called {} now.",
        file.display(),
        folder::MOVED_PROCESSES_FILE
    ));
    Ok(json!({
        "effects": outbox.len(), "checkpoints": checkpoints.len(), "parked_streams": parked.len(),
        "gateway_calls": gateway_calls.len(),
    }))
}

/// All of the file, which is closed again.
async fn read(config: &Config, log: &dyn EventLog) -> Result<ProcessState, Failure> {
    let file = config.data.join(folder::PROCESSES_FILE);
    let state = SqliteProcessStore::open(&file).map_err(unusable)?.state().await;
    let state = state.map_err(|error| Failure::data(format!("{error}; run octocity doctor.")))?;
    let misplaced = state.checkpoints.iter().try_for_each(|checkpoint| checkpoint.check(log));
    misplaced.map_err(|misplaced| Failure::data(Processes::InFile(file).misplaced(misplaced)))?;
    Ok(state)
}

async fn bring(store: &PostgresProcessStore, state: &ProcessState) -> Result<(), Failure> {
    let stopped = |error: ProcessStoreError| {
        Failure::fault(format!("The migration stopped: {error}. Start it again; nothing was changed."))
    };
    let Some(_lease) = store.lease().await.map_err(stopped)? else {
        return Err(Failure::data(
            "Another octocity carries out what processes remember in this schema of PostgreSQL; stop it, and start the \
             migration again.",
        ));
    };
    match store.take_over(state).await.map_err(stopped)? {
        true => Ok(()),
        false => Err(Failure::data(
            "PostgreSQL holds other process state already, and nothing was changed; name another schema under \
             [postgres].",
        )),
    }
}
