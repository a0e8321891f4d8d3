//! Taking over what processes remembered elsewhere.

use deadpool_postgres::Transaction;
use octocity_commands::process_store::{ProcessStoreError, Step};
use octocity_domain::Timestamp;
use tokio_postgres::Row;

use super::fault::Fault;
use super::processes::{
    CHECKPOINTS, GATEWAY_CALLS, PARKED, PostgresProcessStore, checkpoint_of, parked_of, plan, write_step,
};
use crate::process_state::{ProcessState, StoredEffect};

/// How many rows go in one statement.
const ROWS: usize = 10_000;

impl PostgresProcessStore {
    /// Takes over all of it where nothing is remembered here yet: at once, or nothing. Says whether it is here, as it was
    /// read again and compared: also where it came here before.
    pub async fn take_over(&self, state: &ProcessState) -> Result<bool, ProcessStoreError> {
        let taken = self.database.once(async {
            let mut client = self.database.client().await?;
            let transaction = client.transaction().await?;
            let lock = "LOCK TABLE process_checkpoints, outbox, parked_streams, gateway_calls";
            transaction.batch_execute(lock).await?;
            if read(&transaction).await? == ProcessState::default() {
                write(&transaction, state).await?;
            }
            let is_here = read(&transaction).await? == *state;
            match is_here {
                true => transaction.commit().await?,
                false => transaction.rollback().await?,
            }
            Ok(is_here)
        });
        Ok(taken.await?)
    }
}

async fn read(transaction: &Transaction<'_>) -> Result<ProcessState, Fault> {
    let outbox =
        "SELECT id, process, subject, facility, due, correlation, effect FROM outbox ORDER BY planned";
    let outbox = transaction.query(outbox, &[]).await?;
    let checkpoints = transaction.query(CHECKPOINTS, &[]).await?;
    let parked = transaction.query(PARKED, &[]).await?;
    let calls = transaction.query(GATEWAY_CALLS, &[]).await?;
    Ok(ProcessState::new(
        checkpoints.iter().map(checkpoint_of).collect(),
        outbox.iter().map(stored_effect).collect(),
        parked.iter().map(parked_of).collect::<Result<_, _>>()?,
        calls.iter().map(|row| (row.get(0), row.get(1))).collect(),
    ))
}

async fn write(transaction: &Transaction<'_>, state: &ProcessState) -> Result<(), Fault> {
    let ProcessState { checkpoints, outbox, parked, gateway_calls } = state;
    let step = Step { checkpoints: checkpoints.clone(), parked: parked.clone(), ..Step::default() };
    write_step(transaction, &step, &[]).await?;
    for some in outbox.chunks(ROWS) {
        plan(transaction, some).await?;
    }
    let insert = "INSERT INTO gateway_calls SELECT * FROM unnest($1::TEXT[], $2::TEXT[])";
    for some in gateway_calls.chunks(ROWS) {
        let (keys, calls): (Vec<&str>, Vec<&str>) = some.iter().map(|(key, call)| (&**key, &**call)).unzip();
        transaction.execute(insert, &[&keys, &calls]).await?;
    }
    Ok(())
}

fn stored_effect(row: &Row) -> StoredEffect {
    StoredEffect {
        id: row.get(0),
        process: row.get(1),
        subject: row.get(2),
        facility: row.get(3),
        due: Timestamp::from_millis(row.get(4)),
        correlation: row.get(5),
        effect: row.get(6),
    }
}
