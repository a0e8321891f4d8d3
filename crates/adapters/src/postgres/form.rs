//! The schema's tables: made, brought up to date, or left alone.

use std::sync::Arc;

use deadpool_postgres::{Client, Transaction};
use octocity_log::LogId;
use uuid::Uuid;

use super::connection::Place;
use super::fault::{Fault, OpenError};

/// Each brings the form from its number to the next; the first one makes it. One that was released never changes.
pub const MIGRATIONS: [&str; 3] = [
    include_str!("../../../../schema/postgres/1.sql"),
    include_str!("../../../../schema/postgres/2.sql"),
    include_str!("../../../../schema/postgres/3.sql"),
];

/// Storage format. One row.
const FORM: &str = "CREATE TABLE form (version INT NOT NULL, log UUID)";
/// Two nodes that start at once do this in turn. Any number of ours does.
const LOCK: &str = "SELECT pg_advisory_xact_lock(5733921)";

/// All of it in one transaction, or nothing.
pub async fn prepare(mut client: Client, place: &Arc<Place>, migrations: &[&str]) -> Result<(), OpenError> {
    let faulty = |fault: Fault| OpenError::of(place, &fault);
    let transaction = client.transaction().await.map_err(|error| faulty(error.into()))?;
    let (found, known) = migrate(&transaction, place, migrations).await?;
    transaction.commit().await.map_err(|error| faulty(error.into()))?;
    if found > 0 && found < known {
        tracing::info!(from = found, to = known, "the tables in PostgreSQL were migrated");
    }
    Ok(())
}

/// Whether [`prepare`] would do, all of which is taken back; and from which version to which.
pub async fn look(
    mut client: Client,
    place: &Arc<Place>,
    migrations: &[&str],
) -> Result<(i32, i32), OpenError> {
    let faulty = |fault: Fault| OpenError::of(place, &fault);
    let transaction = client.transaction().await.map_err(|error| faulty(error.into()))?;
    let versions = migrate(&transaction, place, migrations).await?;
    transaction.rollback().await.map_err(|error| faulty(error.into()))?;
    Ok(versions)
}

/// From which version to which.
async fn migrate(
    transaction: &Transaction<'_>,
    place: &Arc<Place>,
    migrations: &[&str],
) -> Result<(i32, i32), OpenError> {
    let known = i32::try_from(migrations.len()).unwrap_or(i32::MAX);
    let faulty = |fault: Fault| OpenError::of(place, &fault);
    transaction.batch_execute(LOCK).await.map_err(|error| faulty(error.into()))?;
    let found = match found(transaction, place).await.map_err(faulty)? {
        Found::Foreign => return Err(OpenError::Foreign { place: Arc::clone(place) }),
        Found::Form(found) if found > known => {
            return Err(OpenError::Newer { place: Arc::clone(place), found, known });
        }
        Found::Form(found) => found,
    };
    let migrate = async {
        for migration in &migrations[usize::try_from(found).unwrap_or(0)..] {
            transaction.batch_execute(migration).await?;
        }
        transaction.execute("UPDATE form SET version = $1", &[&known]).await
    };
    migrate.await.map_err(|error| faulty(error.into()))?;
    Ok((found, known))
}

enum Found {
    /// Its version; 0 where nothing was there.
    Form(i32),
    Foreign,
}

async fn found(transaction: &Transaction<'_>, place: &Place) -> Result<Found, Fault> {
    let asked = "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1),
        EXISTS (SELECT FROM pg_tables WHERE schemaname = $1),
        EXISTS (SELECT FROM pg_tables WHERE schemaname = $1 AND tablename = 'form')";
    let row = transaction.query_one(asked, &[&place.schema]).await?;
    let (schema, tables, form): (bool, bool, bool) = (row.get(0), row.get(1), row.get(2));
    match (schema, tables, form) {
        (_, _, true) => Ok(Found::Form(transaction.query_one("SELECT version FROM form", &[]).await?.get(0))),
        (_, true, false) => Ok(Found::Foreign),
        (_, false, false) => {
            if !schema {
                transaction.batch_execute(&format!("CREATE SCHEMA {}", place.schema)).await?;
            }
            transaction.batch_execute(FORM).await?;
            transaction.batch_execute("INSERT INTO form (version) VALUES (0)").await?;
            Ok(Found::Form(0))
        }
    }
}

/// The log that this schema belongs to: the given one, if it had none.
pub async fn bind(client: &Client, log: LogId) -> Result<LogId, Fault> {
    let bind = "UPDATE form SET log = coalesce(log, $1) RETURNING log";
    let bound: Uuid = client.query_one(bind, &[&log.0]).await?.get(0);
    Ok(LogId(bound))
}
