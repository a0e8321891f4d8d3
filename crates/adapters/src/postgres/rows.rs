//! The read models.
//!
//! Written with `synchronous_commit = off`: a commit does not wait for the disk. After a crash of the server, or a
//! failover, rows and checkpoints agree, but the newest commits may be gone; a writer that goes on from them is told so
//! ([`StoreError::Overtaken`]), and folds them again from the log.

use std::sync::Arc;

use async_trait::async_trait;
use deadpool_postgres::Transaction;
use futures_util::future::try_join_all;
use octocity_log::{LogId, Position};
use octocity_projections::{
    Batch, Checkpoint, Column, Kind, Parked, RowStore, Select, Selected, StoreError, Table, TableWrites,
    Value,
};
use tokio_postgres::types::ToSql;
use tokio_postgres::{IsolationLevel, Row};

use super::bulk::{Bound, arrays, borrowed, delete, load, upsert};
use super::database::Database;
use super::fault::Fault;
use crate::sql::{self, Dialect::Postgres};

/// Readers of the rows of several nodes, and of their one writer.
pub struct PostgresRows(Database);

impl PostgresRows {
    pub const fn new(database: Database) -> Self {
        Self(database)
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
        log: LogId(row.get(1)),
        epoch: row.get::<_, i64>(2).unsigned_abs() as u32,
        position: Position(row.get::<_, i64>(3).cast_unsigned()),
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

/// Moves the checkpoints on, and holds them until the transaction ends. The view that did not stand where the
/// batch begins, if one did not: somebody else moved it, and is done.
async fn move_checkpoints(transaction: &Transaction<'_>, batch: &Batch) -> Result<Option<String>, Fault> {
    let begins = batch.after == Position::default();
    let sql = match begins {
        true => {
            "INSERT INTO checkpoints (view, log, epoch, position) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING"
        }
        false => {
            "UPDATE checkpoints SET position = $4 WHERE view = $1 AND log = $2 AND epoch = $3 AND position = $5"
        }
    };
    let after = batch.after.0.cast_signed();
    // Always in the same order, so that two writers wait for each other in turn.
    let mut checkpoints = batch.checkpoints.iter().collect::<Vec<_>>();
    checkpoints.sort_by_key(|checkpoint| &checkpoint.view);
    for Checkpoint { view, log, epoch, position } in checkpoints {
        let (epoch, position) = (i64::from(*epoch), position.0.cast_signed());
        let values: [&(dyn ToSql + Sync); 5] = [view, &log.0, &epoch, &position, &after];
        let moved = execute(transaction, sql, if begins { &values[..4] } else { &values }).await?;
        if moved == 0 {
            return Ok(Some(view.clone()));
        }
    }
    Ok(None)
}

/// The view that is not where the batch begins, if there is one; then nothing is written.
async fn write_batch(transaction: Transaction<'_>, batch: &Batch) -> Result<Option<String>, Fault> {
    transaction.batch_execute("SET LOCAL synchronous_commit = off").await?;
    if let Some(overtaken) = move_checkpoints(&transaction, batch).await? {
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

/// Whether it had to be made.
async fn ensure_table(transaction: &Transaction<'_>, table: &Table) -> Result<bool, Fault> {
    let definition = sql::create(Postgres, table);
    let known = "SELECT definition FROM read_models WHERE name = $1";
    let known = transaction.query_opt(known, &[&table.name]).await?.map(|row| row.get::<_, String>(0));
    if known.is_some_and(|known| known == definition) {
        return Ok(false);
    }
    transaction.batch_execute(&format!("DROP TABLE IF EXISTS {};{definition}", table.name)).await?;
    let remember = "INSERT INTO read_models (name, definition) VALUES ($1, $2)
        ON CONFLICT (name) DO UPDATE SET definition = excluded.definition";
    transaction.execute(remember, &[&table.name, &definition]).await?;
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
    select: &Select,
    statement: &sql::Statement,
    count: &sql::Statement,
) -> Result<Selected, Fault> {
    let position = async {
        let place = "SELECT position FROM checkpoints WHERE view = $1";
        let place = transaction.prepare_cached(place).await?;
        let row = transaction.query_opt(&place, &[&select.table.name]).await?;
        Ok::<_, Fault>(row.map_or(0, |row| row.get::<_, i64>(0).cast_unsigned()))
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
    async fn ensure(&self, tables: &[&'static Table]) -> Result<(), StoreError> {
        let made = self.0.once(async {
            let mut client = self.0.client().await?;
            let transaction = client.transaction().await?;
            // Two nodes that start at once do this in turn.
            transaction.batch_execute("LOCK TABLE read_models").await?;
            let mut made = false;
            for table in tables {
                made |= ensure_table(&transaction, table).await?;
            }
            transaction.commit().await?;
            Ok(made)
        });
        if made.await? {
            self.0.forget_statements();
        }
        Ok(())
    }

    async fn load(
        &self,
        table: &'static Table,
        keys: Vec<Vec<Value>>,
    ) -> Result<Vec<Vec<Value>>, StoreError> {
        let rows = self.0.read(|| async {
            let client = self.0.client().await?;
            let keys = arrays(table.key(), &keys);
            let statement = client.prepare_cached(&load(table)).await?;
            let rows = client.query(&statement, &borrowed(&keys)).await?;
            rows.iter().map(|row| values_of(row, table.columns)).collect()
        });
        Ok(rows.await?)
    }

    async fn commit(&self, batch: Arc<Batch>) -> Result<(), StoreError> {
        let written =
            self.0.once(async { write_batch(self.0.client().await?.transaction().await?, &batch).await });
        match written.await? {
            None => Ok(()),
            Some(view) => Err(StoreError::Overtaken(view)),
        }
    }

    async fn select(&self, select: Select) -> Result<Selected, StoreError> {
        let (statement, count) = (sql::select(Postgres, &select)?, sql::count(Postgres, &select)?);
        let selected = self.0.read(|| async {
            let mut client = self.0.client().await?;
            let snapshot = client.build_transaction().isolation_level(IsolationLevel::RepeatableRead);
            run_select(snapshot.read_only(true).start().await?, &select, &statement, &count).await
        });
        Ok(selected.await?)
    }

    async fn checkpoints(&self) -> Result<Vec<Checkpoint>, StoreError> {
        let known = self.0.read(|| async {
            let client = self.0.client().await?;
            let rows = client.query("SELECT view, log, epoch, position FROM checkpoints", &[]).await?;
            Ok(rows.iter().map(checkpoint_of).collect())
        });
        Ok(known.await?)
    }

    async fn parked(&self, views: &[&str]) -> Result<Vec<Parked>, StoreError> {
        let parked = self.0.read(|| async {
            let client = self.0.client().await?;
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
        let reset = self.0.once(async {
            let mut client = self.0.client().await?;
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
