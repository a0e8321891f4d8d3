//! The read models.
//!
//! Written with `synchronous_commit = off`: a commit does not wait for the disk. After a crash of the server, or a
//! failover, rows and checkpoints agree, but the newest commits may be gone; a writer that goes on from them is told so
//! ([`StoreError::Overtaken`]), and folds them again from the log.

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use deadpool_postgres::Transaction;
use futures_util::future::{try_join, try_join_all};
use octocity_log::{LogId, Position};
use octocity_projections::{
    Batch, Checkpoint, Column, Kind, Move, Parked, RowStore, Select, Selected, StoreError, Table,
    TableWrites, Value,
};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::bulk::{Bound, arrays, borrowed, delete, load, upsert};
use super::database::Database;
use super::fault::Fault;
use super::tables;
use super::together::Together;
use crate::sql;

/// All of them.
pub const CHECKPOINTS: &str =
    "SELECT view, partition, log, epoch, position, generation FROM checkpoints ORDER BY view, partition";
/// Of these views; all of them if none is named.
pub const PARKED: &str = "SELECT view, key, stream, revision, event_type, error FROM parked
    WHERE cardinality($1::TEXT[]) = 0 OR view = ANY ($1) ORDER BY view, key";
const FIRST_CHECKPOINTS: &str = "INSERT INTO checkpoints (view, partition, log, epoch, position, generation)
    SELECT view, partition, log, epoch, position, generation
    FROM unnest($1::TEXT[], $2::INT[], $3::UUID[], $4::BIGINT[], $5::BIGINT[], $6::BIGINT[], $7::BIGINT[], $8::BIGINT[])
        AS m (view, partition, log, epoch, position, generation, after, after_generation)
    WHERE after = 0 AND after_generation = 0 ORDER BY view, partition
    ON CONFLICT DO NOTHING RETURNING view, partition";
/// Locked in one order, so that two writers wait for each other in turn. See [`Move::begins_at`].
const FURTHER_CHECKPOINTS: &str = "WITH m AS (
        SELECT * FROM
        unnest($1::TEXT[], $2::INT[], $3::UUID[], $4::BIGINT[], $5::BIGINT[], $6::BIGINT[], $7::BIGINT[], $8::BIGINT[])
            AS m (view, partition, log, epoch, position, generation, after, after_generation)),
    held AS MATERIALIZED (
        SELECT m.* FROM checkpoints c
        JOIN m ON (c.view, c.partition, c.position, c.generation)
                = (m.view, m.partition, m.after, m.after_generation)
            AND (c.position = 0 OR (c.log, c.epoch) = (m.log, m.epoch))
        ORDER BY c.view, c.partition FOR UPDATE OF c)
    UPDATE checkpoints c
    SET log = held.log, epoch = held.epoch, position = held.position, generation = held.generation FROM held
    WHERE c.view = held.view AND c.partition = held.partition RETURNING c.view, c.partition";

/// Readers of the rows of several nodes, and of their writers.
pub struct PostgresRows {
    database: Database,
    partitions: i32,
    together: Arc<Together>,
}

impl PostgresRows {
    /// One writer.
    pub fn new(database: Database) -> Self {
        Self::of_partitions(database, 1)
    }

    /// Writers that share so many partitions.
    pub fn of_partitions(database: Database, partitions: i32) -> Self {
        let together = Together::new(database.clone(), partitions);
        Self { database, partitions, together }
    }
}

pub fn values_of(row: &Row, columns: &[Column]) -> Result<Vec<Value>, Fault> {
    let value = |(index, column): (usize, &Column)| -> Result<Value, tokio_postgres::Error> {
        Ok(match column.kind {
            Kind::Int => row.try_get::<_, Option<i64>>(index)?.map(Value::Int),
            Kind::Id => row.try_get::<_, Option<_>>(index)?.map(Value::Id),
            Kind::Text => row.try_get::<_, Option<_>>(index)?.map(Value::Text),
        }
        .unwrap_or(Value::Null))
    };
    columns.iter().enumerate().map(|column| Ok(value(column)?)).collect()
}

pub fn checkpoint_of(row: &Row) -> Checkpoint {
    Checkpoint {
        view: row.get(0),
        partition: row.get(1),
        log: LogId(row.get(2)),
        epoch: row.get::<_, i64>(3).unsigned_abs() as u32,
        position: Position(row.get::<_, i64>(4).cast_unsigned()),
        generation: row.get::<_, i64>(5).unsigned_abs() as u32,
    }
}

pub fn parked_of(row: &Row) -> Parked {
    Parked {
        view: row.get(0),
        key: row.get(1),
        stream: row.get(2),
        revision: row.get::<_, i64>(3).cast_unsigned(),
        event_type: row.get(4),
        error: row.get(5),
    }
}

pub async fn execute(
    transaction: &Transaction<'_>,
    sql: &str,
    parameters: &[&(dyn ToSql + Sync)],
) -> Result<u64, Fault> {
    let statement = transaction.prepare_cached(sql).await?;
    Ok(transaction.execute(&statement, parameters).await?)
}

async fn write_table(transaction: &Transaction<'_>, writes: &TableWrites) -> Result<(), Fault> {
    let table = writes.table;
    if !writes.upserts.is_empty() {
        let values = arrays(table.columns, &writes.upserts);
        execute(transaction, &upsert(table), &borrowed(&values)).await?;
    }
    if !writes.deletes.is_empty() {
        let keys = arrays(table.key(), &writes.deletes);
        execute(transaction, &delete(table), &borrowed(&keys)).await?;
    }
    Ok(())
}

async fn park(transaction: &Transaction<'_>, parked: &Parked) -> Result<(), Fault> {
    let Parked { view, key, stream, revision, event_type, error } = parked;
    let insert = "INSERT INTO parked (view, key, stream, revision, event_type, error)
        VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING";
    let revision = revision.cast_signed();
    execute(transaction, insert, &[view, key, stream, &revision, event_type, error]).await.map(drop)
}

/// Moves the checkpoints on, and holds them until the transaction ends. A view that did not stand where its move begins,
/// if there is one: somebody else moved it, and is done.
async fn move_checkpoints(transaction: &Transaction<'_>, moves: &[Move]) -> Result<Option<String>, Fault> {
    let mut stay: Vec<&Move> = moves.iter().collect();
    if moves.iter().any(|one| one.after == Position::default()) {
        moved(transaction, FIRST_CHECKPOINTS, &mut stay).await?;
    }
    if !stay.is_empty() {
        moved(transaction, FURTHER_CHECKPOINTS, &mut stay).await?;
    }
    Ok(stay.first().map(|one| one.to.view.clone()))
}

/// Leaves those that did not move.
async fn moved(transaction: &Transaction<'_>, sql: &str, moves: &mut Vec<&Move>) -> Result<(), Fault> {
    let views: Vec<&str> = moves.iter().map(|one| one.to.view.as_str()).collect();
    let partitions: Vec<i32> = moves.iter().map(|one| one.to.partition).collect();
    let logs: Vec<Uuid> = moves.iter().map(|one| one.to.log.0).collect();
    let numbers = |of: &dyn Fn(&Move) -> i64| moves.iter().map(|one| of(one)).collect::<Vec<i64>>();
    let epochs = numbers(&|one| one.to.epoch.into());
    let positions = numbers(&|one| one.to.position.0.cast_signed());
    let generations = numbers(&|one| one.to.generation.into());
    let afters = numbers(&|one| one.after.0.cast_signed());
    let after_generations = numbers(&|one| one.generation.into());
    let values: [&(dyn ToSql + Sync); 8] =
        [&views, &partitions, &logs, &epochs, &positions, &generations, &afters, &after_generations];
    let statement = transaction.prepare_cached(sql).await?;
    let moved = transaction.query(&statement, &values).await?;
    let moved: HashSet<(&str, i32)> = moved.iter().map(|row| (row.get(0), row.get(1))).collect();
    moves.retain(|one| !moved.contains(&(one.to.view.as_str(), one.to.partition)));
    Ok(())
}

/// Why the batch does not fit what is stored, if it does not; then nothing is written.
async fn write_batch(
    transaction: Transaction<'_>,
    batch: &Batch,
    partitions: i32,
) -> Result<Option<StoreError>, Fault> {
    let set = async { Ok(transaction.batch_execute("SET LOCAL synchronous_commit = off").await?) };
    // In the order in which tables are made anew: they first, then their checkpoints.
    let ((), mut unfit) = try_join(set, tables::cut_otherwise(&transaction, batch, partitions)).await?;
    if unfit.is_none() {
        unfit = move_checkpoints(&transaction, &batch.moves).await?.map(StoreError::Overtaken);
    }
    if unfit.is_some() {
        transaction.rollback().await?;
        return Ok(unfit);
    }
    // Sent one after the other without waiting for answers in between.
    try_join_all(batch.writes.iter().map(|writes| write_table(&transaction, writes))).await?;
    for (view, key) in &batch.mended {
        let mend = "DELETE FROM parked WHERE view = $1 AND key = $2";
        execute(&transaction, mend, &[view, key]).await?;
    }
    for parked in &batch.parked {
        park(&transaction, parked).await?;
    }
    transaction.commit().await?;
    Ok(None)
}

/// What a statement of [`sql::page`] brought, or one of [`sql::Alike`] for one question.
pub fn selected(rows: &[Row], select: &Select) -> Result<Selected, Fault> {
    let columns = select.table.columns;
    let of_all = rows.first().ok_or_else(|| Fault::unreadable("a page came without its position"))?;
    let position = Position(of_all.get::<_, i64>(columns.len()).cast_unsigned());
    let total = of_all.get::<_, Option<i64>>(columns.len() + 1).map(i64::unsigned_abs);
    let values = rows.iter().map(|row| values_of(row, columns)).collect::<Result<Vec<_>, _>>()?;
    // A row has a key.
    let mut rows: Vec<_> = values.into_iter().filter(|row| row[0] != Value::Null).collect();
    let has_more = rows.len() > select.limit;
    rows.truncate(select.limit);
    if select.from_end {
        rows.reverse();
    }
    Ok(Selected { rows, position, has_more, total })
}

#[async_trait]
impl RowStore for PostgresRows {
    fn partitions(&self) -> i32 {
        self.partitions
    }

    async fn ensure(&self, tables: &[&'static Table]) -> Result<(), StoreError> {
        tables::ensure(&self.database, tables, self.partitions).await
    }

    async fn reform(&self, tables: &[&'static Table]) -> Result<(), StoreError> {
        tables::reform(&self.database, tables, self.partitions).await
    }

    async fn load(
        &self,
        table: &'static Table,
        keys: Vec<Vec<Value>>,
    ) -> Result<Vec<Vec<Value>>, StoreError> {
        let rows = self.database.read(|| async {
            let client = self.database.client().await?;
            let keys = arrays(table.key(), &keys);
            let statement = client.prepare_cached(&load(table)).await?;
            let rows = client.query(&statement, &borrowed(&keys)).await?;
            rows.iter().map(|row| values_of(row, table.columns)).collect()
        });
        rows.await.map_err(|fault| fault.about(table))
    }

    async fn commit(&self, batch: Arc<Batch>) -> Result<(), StoreError> {
        let written = self.database.once(async {
            let mut client = self.database.client().await?;
            write_batch(client.transaction().await?, &batch, self.partitions).await
        });
        written.await?.map_or(Ok(()), Err)
    }

    async fn select(&self, select: Select) -> Result<Selected, StoreError> {
        let table = select.table;
        if let Some((alike, values)) = sql::Alike::of(&select)? {
            return self.together.ask(select, alike, values).await;
        }
        let page = sql::page(&select, self.partitions)?;
        let read = self.database.read(|| async {
            let client = self.database.client().await?;
            let values = page.values.iter().map(Bound).collect::<Vec<_>>();
            let values = values.iter().map(|value| value as &(dyn ToSql + Sync)).collect::<Vec<_>>();
            // A view that is switched meanwhile is waited for; what is seen is of the moment after it.
            let prepared = client.prepare_cached(&page.sql).await?;
            selected(&client.query(&prepared, &values).await?, &select)
        });
        read.await.map_err(|fault| fault.about(table))
    }

    async fn checkpoints(&self) -> Result<Vec<Checkpoint>, StoreError> {
        let known = self.database.read(|| async {
            let client = self.database.client().await?;
            let rows = client.query(&client.prepare_cached(CHECKPOINTS).await?, &[]).await?;
            Ok(rows.iter().map(checkpoint_of).collect())
        });
        Ok(known.await?)
    }

    async fn parked(&self, views: &[&str]) -> Result<Vec<Parked>, StoreError> {
        let parked = self.database.read(|| async {
            let client = self.database.client().await?;
            let rows = client.query(&client.prepare_cached(PARKED).await?, &[&views]).await?;
            Ok(rows.iter().map(parked_of).collect())
        });
        Ok(parked.await?)
    }

    async fn reset(&self, table: &'static Table) -> Result<(), StoreError> {
        let reset = self.database.once(async {
            let mut client = self.database.client().await?;
            let transaction = client.transaction().await?;
            // The checkpoint first: whoever writes the view is done before, or begins after.
            tables::forget_view(&transaction, table.name).await?;
            // Not TRUNCATE, which empties the table under readers of an older moment.
            transaction.batch_execute(&format!("DELETE FROM {}", table.name)).await?;
            Ok(transaction.commit().await?)
        });
        Ok(reset.await?)
    }
}
