//! The tables of the read models: made, made anew by a writer that starts, or refused in a form that is not ours.

use deadpool_postgres::{GenericClient, Transaction};
use octocity_projections::{Batch, StoreError, Table};
use uuid::Uuid;

use super::database::Database;
use super::fault::Fault;
use super::rows::execute;
use crate::sql::{self, Dialect::Postgres};

/// A view's definition, and into how many partitions it is cut.
type Form = (String, i32);

async fn form_of(client: &impl GenericClient, table: &Table) -> Result<Option<Form>, Fault> {
    let known = "SELECT definition, partitions FROM read_models WHERE name = $1";
    let known = client.query_opt(known, &[&table.name]).await?;
    Ok(known.map(|row| (row.get(0), row.get(1))))
}

/// Why a view in this form is not ours.
fn refused(table: &Table, (definition, stored): &Form, own: i32) -> Option<StoreError> {
    let view = table.name.to_owned();
    match () {
        () if *definition != sql::create(Postgres, table) => Some(StoreError::OtherForm(view)),
        () if *stored != own => Some(StoreError::OtherPartitions { view, stored: *stored, own }),
        () => None,
    }
}

/// Those that are not there yet, unless one of the others is refused.
async fn missing(
    client: &impl GenericClient,
    tables: &[&'static Table],
    partitions: i32,
) -> Result<Result<Vec<&'static Table>, StoreError>, Fault> {
    let mut missing = Vec::new();
    for table in tables {
        match form_of(client, table).await? {
            None => missing.push(*table),
            Some(known) => {
                if let Some(refused) = refused(table, &known, partitions) {
                    return Ok(Err(refused));
                }
            }
        }
    }
    Ok(Ok(missing))
}

/// Makes those that are missing; the others must be in our form.
pub async fn ensure(
    database: &Database,
    tables: &[&'static Table],
    partitions: i32,
) -> Result<(), StoreError> {
    // Without the lock, which would hold up writers.
    let found = database.read(|| async { missing(&database.client().await?, tables, partitions).await });
    if found.await??.is_empty() {
        return Ok(());
    }
    let made = database.once(async {
        let mut client = database.client().await?;
        let transaction = client.transaction().await?;
        lock(&transaction).await?;
        // Another process may have made them meanwhile, in its form.
        let found = missing(&transaction, tables, partitions).await?;
        for table in found.iter().flatten() {
            make(&transaction, table, partitions).await?;
        }
        transaction.commit().await?;
        Ok(found)
    });
    let made = made.await?;
    database.forget_statements();
    made.map(drop)
}

/// Makes all that are not in our form.
pub async fn reform(
    database: &Database,
    tables: &[&'static Table],
    partitions: i32,
) -> Result<(), StoreError> {
    let made = database.once(async {
        let mut client = database.client().await?;
        let transaction = client.transaction().await?;
        lock(&transaction).await?;
        let mut made = false;
        for table in tables {
            made |= reform_table(&transaction, table, partitions).await?;
        }
        transaction.commit().await?;
        Ok(made)
    });
    if made.await? {
        database.forget_statements();
    }
    Ok(())
}

/// Two nodes that start at once do this in turn, and no batch is committed meanwhile.
async fn lock(transaction: &Transaction<'_>) -> Result<(), Fault> {
    Ok(transaction.batch_execute("LOCK TABLE read_models").await?)
}

/// Lets a view go on with another number of partitions, where all it had are at one position.
async fn cut_anew(
    transaction: &Transaction<'_>,
    view: &str,
    written: i32,
    partitions: i32,
) -> Result<bool, Fault> {
    let places = "SELECT log, epoch, position, max(generation) + 1, count(*) FROM checkpoints WHERE view = $1
        GROUP BY 1, 2, 3";
    let places = transaction.query(places, &[&view]).await?;
    let place = match &places[..] {
        [] => None,
        [place] if place.get::<_, i64>(4) == i64::from(written) => Some(place),
        _ => return Ok(false),
    };
    if let Some(place) = place {
        let (log, epoch, position): (Uuid, i64, i64) = (place.get(0), place.get(1), place.get(2));
        let generation: i64 = place.get(3);
        transaction.execute("DELETE FROM checkpoints WHERE view = $1", &[&view]).await?;
        let insert = "INSERT INTO checkpoints (view, partition, log, epoch, position, generation)
            SELECT $1, partition, $2, $3, $4, $5 FROM generate_series(0, $6 - 1) AS partition";
        transaction.execute(insert, &[&view, &log, &epoch, &position, &generation, &partitions]).await?;
    }
    let remember = "UPDATE read_models SET partitions = $2 WHERE name = $1";
    transaction.execute(remember, &[&view, &partitions]).await?;
    Ok(true)
}

/// Whether it had to be made.
async fn reform_table(transaction: &Transaction<'_>, table: &Table, partitions: i32) -> Result<bool, Fault> {
    if let Some(known) = form_of(transaction, table).await? {
        match refused(table, &known, partitions) {
            None => return Ok(false),
            Some(StoreError::OtherPartitions { stored, own, .. })
                if cut_anew(transaction, table.name, stored, own).await? =>
            {
                return Ok(false);
            }
            Some(_) => {}
        }
    }
    make(transaction, table, partitions).await?;
    Ok(true)
}

/// Empty, whatever was there.
async fn make(transaction: &Transaction<'_>, table: &Table, partitions: i32) -> Result<(), Fault> {
    let definition = sql::create(Postgres, table);
    transaction.batch_execute(&format!("DROP TABLE IF EXISTS {};{definition}", table.name)).await?;
    let remember = "INSERT INTO read_models (name, definition, partitions) VALUES ($1, $2, $3)
        ON CONFLICT (name) DO UPDATE SET definition = excluded.definition, partitions = excluded.partitions";
    transaction.execute(remember, &[&table.name, &definition, &partitions]).await?;
    let beyond = "DELETE FROM checkpoints WHERE view = $1 AND partition >= $2";
    transaction.execute(beyond, &[&table.name, &partitions]).await?;
    forget_view(transaction, table.name).await
}

pub async fn forget_view(transaction: &Transaction<'_>, view: &str) -> Result<(), Fault> {
    let begin = "UPDATE checkpoints SET position = 0, generation = generation + 1 WHERE view = $1";
    execute(transaction, begin, &[&view]).await?;
    execute(transaction, "DELETE FROM parked WHERE view = $1", &[&view]).await?;
    Ok(())
}

/// A view of the batch that is cut into another number of partitions. None is cut anew before the transaction ends.
pub async fn cut_otherwise(
    transaction: &Transaction<'_>,
    batch: &Batch,
    own: i32,
) -> Result<Option<StoreError>, Fault> {
    let views: Vec<&str> = batch.moves.iter().map(|one| one.to.view.as_str()).collect();
    let other = "SELECT name, partitions FROM read_models WHERE name = ANY ($1) AND partitions <> $2 LIMIT 1";
    let other = transaction.prepare_cached(other).await?;
    let other = transaction.query_opt(&other, &[&views, &own]).await?;
    Ok(other.map(|row| StoreError::OtherPartitions { view: row.get(0), stored: row.get(1), own }))
}
