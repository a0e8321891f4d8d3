//! The read models.
//!
//! Written with `synchronous_commit = off`: a commit does not wait for the disk. After a crash of the server, or a
//! failover, rows and checkpoints agree, but the newest commits may be gone; a writer that goes on from them is told so
//! ([`StoreError::Overtaken`]), and folds them again from the log.

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use deadpool_postgres::Transaction;
use futures_util::future::try_join_all;
use octocity_log::{LogId, Position};
use octocity_projections::{
    Batch, Checkpoint, Column, Kind, Move, Parked, RowStore, Select, Selected, StoreError, Table,
    TableWrites, Value,
};
use tokio_postgres::types::ToSql;
use tokio_postgres::{IsolationLevel, Row};
use uuid::Uuid;

use super::bulk::{Bound, arrays, borrowed, delete, load, upsert};
use super::database::Database;
use super::fault::Fault;
use crate::sql::{self, Dialect::Postgres};

const FIRST_CHECKPOINTS: &str = "INSERT INTO checkpoints (view, partition, log, epoch, position)
    SELECT view, partition, log, epoch, position
    FROM unnest($1::TEXT[], $2::INT[], $3::UUID[], $4::BIGINT[], $5::BIGINT[], $6::BIGINT[])
        AS m (view, partition, log, epoch, position, after)
    ORDER BY view, partition
    ON CONFLICT DO NOTHING RETURNING view, partition";
/// Locked in one order, so that two writers wait for each other in turn.
const FURTHER_CHECKPOINTS: &str = "WITH m AS (
        SELECT * FROM unnest($1::TEXT[], $2::INT[], $3::UUID[], $4::BIGINT[], $5::BIGINT[], $6::BIGINT[])
            AS m (view, partition, log, epoch, position, after)),
    held AS MATERIALIZED (
        SELECT c.view, c.partition, m.position FROM checkpoints c
        JOIN m ON (c.view, c.partition, c.log, c.epoch, c.position) = (m.view, m.partition, m.log, m.epoch, m.after)
        ORDER BY c.view, c.partition FOR UPDATE OF c)
    UPDATE checkpoints c SET position = held.position FROM held
    WHERE c.view = held.view AND c.partition = held.partition RETURNING c.view, c.partition";

/// Readers of the rows of several nodes, and of their writers.
pub struct PostgresRows {
    database: Database,
    partitions: i32,
}

impl PostgresRows {
    /// One writer.
    pub const fn new(database: Database) -> Self {
        Self::of_partitions(database, 1)
    }

    /// Writers that share so many partitions.
    pub const fn of_partitions(database: Database, partitions: i32) -> Self {
        Self { database, partitions }
    }
}

fn values_of(row: &Row, columns: &[Column]) -> Result<Vec<Value>, Fault> {
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

fn checkpoint_of(row: &Row) -> Checkpoint {
    Checkpoint {
        view: row.get(0),
        partition: row.get(1),
        log: LogId(row.get(2)),
        epoch: row.get::<_, i64>(3).unsigned_abs() as u32,
        position: Position(row.get::<_, i64>(4).cast_unsigned()),
    }
}

async fn execute(
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
    let (first, further): (Vec<&Move>, Vec<&Move>) =
        moves.iter().partition(|one| one.after == Position::default());
    for (sql, moves) in [(FIRST_CHECKPOINTS, first), (FURTHER_CHECKPOINTS, further)] {
        if moves.is_empty() {
            continue;
        }
        let views: Vec<&str> = moves.iter().map(|one| one.to.view.as_str()).collect();
        let partitions: Vec<i32> = moves.iter().map(|one| one.to.partition).collect();
        let logs: Vec<Uuid> = moves.iter().map(|one| one.to.log.0).collect();
        let epochs: Vec<i64> = moves.iter().map(|one| i64::from(one.to.epoch)).collect();
        let positions: Vec<i64> = moves.iter().map(|one| one.to.position.0.cast_signed()).collect();
        let afters: Vec<i64> = moves.iter().map(|one| one.after.0.cast_signed()).collect();
        let statement = transaction.prepare_cached(sql).await?;
        let values: [&(dyn ToSql + Sync); 6] = [&views, &partitions, &logs, &epochs, &positions, &afters];
        let moved = transaction.query(&statement, &values).await?;
        let moved: HashSet<(&str, i32)> = moved.iter().map(|row| (row.get(0), row.get(1))).collect();
        let stays = moves.iter().find(|one| !moved.contains(&(one.to.view.as_str(), one.to.partition)));
        if let Some(stays) = stays {
            return Ok(Some(stays.to.view.clone()));
        }
    }
    Ok(None)
}

/// The view that is not where the batch begins, if there is one; then nothing is written.
async fn write_batch(transaction: Transaction<'_>, batch: &Batch) -> Result<Option<String>, Fault> {
    transaction.batch_execute("SET LOCAL synchronous_commit = off").await?;
    if let Some(overtaken) = move_checkpoints(&transaction, &batch.moves).await? {
        transaction.rollback().await?;
        return Ok(Some(overtaken));
    }
    // Sent one after the other without waiting for answers in between.
    try_join_all(batch.writes.iter().map(|writes| write_table(&transaction, writes))).await?;
    for parked in &batch.parked {
        park(&transaction, parked).await?;
    }
    transaction.commit().await?;
    Ok(None)
}

async fn forget_view(transaction: &Transaction<'_>, view: &str) -> Result<(), Fault> {
    execute(transaction, "DELETE FROM checkpoints WHERE view = $1", &[&view]).await?;
    execute(transaction, "DELETE FROM parked WHERE view = $1", &[&view]).await?;
    Ok(())
}

/// Lets a view go on with another number of partitions, where all it had are at one position.
async fn cut_anew(
    transaction: &Transaction<'_>,
    view: &str,
    written: i32,
    partitions: i32,
) -> Result<bool, Fault> {
    let places = "SELECT log, epoch, position, count(*) FROM checkpoints WHERE view = $1 GROUP BY 1, 2, 3";
    let places = transaction.query(places, &[&view]).await?;
    let place = match &places[..] {
        [] => None,
        [place] if place.get::<_, i64>(3) == i64::from(written) => Some(place),
        _ => return Ok(false),
    };
    if let Some(place) = place {
        let (log, epoch, position): (Uuid, i64, i64) = (place.get(0), place.get(1), place.get(2));
        transaction.execute("DELETE FROM checkpoints WHERE view = $1", &[&view]).await?;
        let insert = "INSERT INTO checkpoints (view, partition, log, epoch, position)
            SELECT $1, partition, $2, $3, $4 FROM generate_series(0, $5 - 1) AS partition";
        transaction.execute(insert, &[&view, &log, &epoch, &position, &partitions]).await?;
    }
    let remember = "UPDATE read_models SET partitions = $2 WHERE name = $1";
    transaction.execute(remember, &[&view, &partitions]).await?;
    Ok(true)
}

/// Whether it had to be made.
async fn ensure_table(transaction: &Transaction<'_>, table: &Table, partitions: i32) -> Result<bool, Fault> {
    let definition = sql::create(Postgres, table);
    let known = "SELECT definition, partitions FROM read_models WHERE name = $1";
    let known = transaction.query_opt(known, &[&table.name]).await?;
    let known = known.map(|row| (row.get::<_, String>(0), row.get::<_, i32>(1)));
    if let Some((_, written)) = known.filter(|(known, _)| *known == definition)
        && (written == partitions || cut_anew(transaction, table.name, written, partitions).await?)
    {
        return Ok(false);
    }
    transaction.batch_execute(&format!("DROP TABLE IF EXISTS {};{definition}", table.name)).await?;
    let remember = "INSERT INTO read_models (name, definition, partitions) VALUES ($1, $2, $3)
        ON CONFLICT (name) DO UPDATE SET definition = excluded.definition, partitions = excluded.partitions";
    transaction.execute(remember, &[&table.name, &definition, &partitions]).await?;
    forget_view(transaction, table.name).await?;
    Ok(true)
}

async fn query(transaction: &Transaction<'_>, statement: &sql::Statement) -> Result<Vec<Row>, Fault> {
    let values = statement.values.iter().map(Bound).collect::<Vec<_>>();
    let values = values.iter().map(|value| value as &(dyn ToSql + Sync)).collect::<Vec<_>>();
    let prepared = transaction.prepare_cached(&statement.sql).await?;
    Ok(transaction.query(&prepared, &values).await?)
}

/// Everything as of one moment. Sent at once: one way to the server and back, after that of the beginning.
async fn run_select(
    transaction: Transaction<'_>,
    partitions: i32,
    select: &Select,
    statement: &sql::Statement,
    count: &sql::Statement,
) -> Result<Selected, Fault> {
    let position = async {
        // A partition without a checkpoint is at the log's beginning.
        let place =
            "SELECT CASE count(*) WHEN $2 THEN min(position) ELSE 0 END FROM checkpoints WHERE view = $1";
        let place = transaction.prepare_cached(place).await?;
        let row = transaction.query_one(&place, &[&select.table.name, &i64::from(partitions)]).await?;
        Ok::<_, Fault>(row.get::<_, i64>(0).cast_unsigned())
    };
    let total = async {
        match select.count {
            true => {
                Ok(query(&transaction, count).await?.first().map(|row| row.get::<_, i64>(0).unsigned_abs()))
            }
            false => Ok(None),
        }
    };
    let (position, rows, total) = tokio::try_join!(position, query(&transaction, statement), total)?;
    transaction.commit().await?;
    let has_more = rows.len() > select.limit;
    let rows = rows.iter().take(select.limit).map(|row| values_of(row, select.table.columns));
    let mut rows = rows.collect::<Result<Vec<_>, _>>()?;
    if select.from_end {
        rows.reverse();
    }
    Ok(Selected { rows, position: Position(position), has_more, total })
}

#[async_trait]
impl RowStore for PostgresRows {
    fn partitions(&self) -> i32 {
        self.partitions
    }

    async fn ensure(&self, tables: &[&'static Table]) -> Result<(), StoreError> {
        let made = self.database.once(async {
            let mut client = self.database.client().await?;
            let transaction = client.transaction().await?;
            // Two nodes that start at once do this in turn.
            transaction.batch_execute("LOCK TABLE read_models").await?;
            let mut made = false;
            for table in tables {
                made |= ensure_table(&transaction, table, self.partitions).await?;
            }
            transaction.commit().await?;
            Ok(made)
        });
        if made.await? {
            self.database.forget_statements();
        }
        Ok(())
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
        Ok(rows.await?)
    }

    async fn commit(&self, batch: Arc<Batch>) -> Result<(), StoreError> {
        let written = self
            .database
            .once(async { write_batch(self.database.client().await?.transaction().await?, &batch).await });
        match written.await? {
            None => Ok(()),
            Some(view) => Err(StoreError::Overtaken(view)),
        }
    }

    async fn select(&self, select: Select) -> Result<Selected, StoreError> {
        let (statement, count) = (sql::select(Postgres, &select)?, sql::count(Postgres, &select)?);
        let selected = self.database.read(|| async {
            let mut client = self.database.client().await?;
            let snapshot = client.build_transaction().isolation_level(IsolationLevel::RepeatableRead);
            let snapshot = snapshot.read_only(true).start().await?;
            run_select(snapshot, self.partitions, &select, &statement, &count).await
        });
        Ok(selected.await?)
    }

    async fn checkpoints(&self) -> Result<Vec<Checkpoint>, StoreError> {
        let known = self.database.read(|| async {
            let client = self.database.client().await?;
            let all = "SELECT view, partition, log, epoch, position FROM checkpoints";
            let rows = client.query(all, &[]).await?;
            Ok(rows.iter().map(checkpoint_of).collect())
        });
        Ok(known.await?)
    }

    async fn parked(&self, views: &[&str]) -> Result<Vec<Parked>, StoreError> {
        let parked = self.database.read(|| async {
            let client = self.database.client().await?;
            let select = "SELECT view, key, stream, revision, event_type, error FROM parked
                WHERE cardinality($1::TEXT[]) = 0 OR view = ANY ($1) ORDER BY view, key";
            let rows = client.query(select, &[&views]).await?;
            let parked = rows.iter().map(|row| Parked {
                view: row.get(0),
                key: row.get(1),
                stream: row.get(2),
                revision: row.get::<_, i64>(3).cast_unsigned(),
                event_type: row.get(4),
                error: row.get(5),
            });
            Ok(parked.collect())
        });
        Ok(parked.await?)
    }

    async fn reset(&self, table: &'static Table) -> Result<(), StoreError> {
        let reset = self.database.once(async {
            let mut client = self.database.client().await?;
            let transaction = client.transaction().await?;
            // The checkpoint first: whoever writes the view is done before, or begins after.
            forget_view(&transaction, table.name).await?;
            // Not TRUNCATE, which empties the table under readers of an older moment.
            transaction.batch_execute(&format!("DELETE FROM {}", table.name)).await?;
            Ok(transaction.commit().await?)
        });
        Ok(reset.await?)
    }
}
