//! Live, green and blue rows, each in a schema of its own; a switch moves tables between these.

use std::sync::Arc;

use async_trait::async_trait;
use deadpool_postgres::{ClientWrapper, Object, Transaction};
use octocity_log::LogId;
use octocity_projections::blue_green::{
    Beside, BlueGreen, Generations, Holds, Snapshot, Switched, may_switch, next_generation,
};
use octocity_projections::{Checkpoint, Parked, RowStore, Select, StoreError, Table, Value};
use tokio_postgres::types::ToSql;

use super::bulk::Bound;
use super::connection::PostgresOptions;
use super::database::Database;
use super::fault::{Fault, OpenError};
use super::lease::Lease;
use super::rows::{CHECKPOINTS, PARKED, PostgresRows, checkpoint_of, parked_of, values_of};
use crate::sql::{self, Dialect::Postgres};

/// What is known of a view besides its rows: in which table, and which column names the view.
const ENTRIES: [(&str, &str); 3] = [("read_models", "name"), ("checkpoints", "view"), ("parked", "view")];

/// The schemas, while this process alone makes a view anew.
pub struct PostgresBlueGreen {
    live: Database,
    green: Database,
    blue: Database,
    schemas: Schemas,
    partitions: i32,
    _lease: Lease,
}

struct Schemas {
    live: String,
    green: String,
    blue: String,
}

impl PostgresBlueGreen {
    /// Makes the schemas where they are not there yet. None: another process makes a view anew, or goes back.
    pub async fn open(
        options: &PostgresOptions,
        partitions: i32,
        log: LogId,
    ) -> Result<Option<Self>, OpenError> {
        let live = options.schema.clone();
        let schemas = Schemas { green: format!("{live}_green"), blue: format!("{live}_blue"), live };
        let open = async |schema: &String| {
            let database =
                Database::open(&PostgresOptions { schema: schema.clone(), ..options.clone() }).await?;
            database.bind(log).await?;
            Ok::<_, OpenError>(database)
        };
        let live = open(&schemas.live).await?;
        let lease = live.lease("rebuild").await;
        let Some(lease) = lease.map_err(|fault| live.open_error(&fault))? else { return Ok(None) };
        let (green, blue) = (open(&schemas.green).await?, open(&schemas.blue).await?);
        Ok(Some(Self { live, green, blue, schemas, partitions, _lease: lease }))
    }

    fn of(&self, which: Beside) -> (&Database, &String) {
        match which {
            Beside::Green => (&self.green, &self.schemas.green),
            Beside::Blue => (&self.blue, &self.schemas.blue),
        }
    }

    async fn try_switch(
        &self,
        table: &Table,
        with: Beside,
        expected: &Generations,
    ) -> Result<Switched, Fault> {
        let Schemas { live, green, blue } = &self.schemas;
        let mut client = self.live.client().await?;
        let transaction = client.transaction().await?;
        // Whoever reads the rows waits behind us meanwhile.
        transaction.batch_execute("SET LOCAL lock_timeout = '2s'").await?;
        // In the order in which tables are made anew, and batches committed.
        transaction.batch_execute("LOCK TABLE read_models").await?;
        let stands = checkpoints(&transaction, live, table).await?;
        let comes = checkpoints(&transaction, self.of(with).1, table).await?;
        let may = may_switch(&stands, &comes, expected);
        if may != Switched::Done {
            return Ok(may);
        }
        match with {
            Beside::Green => {
                pass(&transaction, table, live, blue).await?;
                pass(&transaction, table, green, live).await?;
            }
            Beside::Blue => {
                pass(&transaction, table, live, green).await?;
                pass(&transaction, table, blue, live).await?;
                pass(&transaction, table, green, blue).await?;
            }
        }
        let raise = format!("UPDATE {live}.checkpoints SET generation = $2 WHERE view = $1");
        transaction.execute(&raise, &[&table.name, &i64::from(next_generation(&stands))]).await?;
        transaction.commit().await?;
        Ok(Switched::Done)
    }
}

/// Held until the transaction ends.
async fn checkpoints(
    transaction: &Transaction<'_>,
    schema: &str,
    table: &Table,
) -> Result<Vec<Checkpoint>, Fault> {
    let held = format!(
        "SELECT view, partition, log, epoch, position, generation FROM {schema}.checkpoints WHERE view = $1
         ORDER BY partition FOR UPDATE"
    );
    Ok(transaction.query(&held, &[&table.name]).await?.iter().map(checkpoint_of).collect())
}

/// Moves all of a view to another schema, in place of what was there. Indexes go with their table.
async fn pass(transaction: &Transaction<'_>, table: &Table, from: &str, to: &str) -> Result<(), Fault> {
    let name = table.name;
    let moved = format!("DROP TABLE IF EXISTS {to}.{name}; ALTER TABLE {from}.{name} SET SCHEMA {to}");
    transaction.batch_execute(&moved).await?;
    for (entries, view) in ENTRIES {
        for sql in [
            format!("DELETE FROM {to}.{entries} WHERE {view} = $1"),
            format!("INSERT INTO {to}.{entries} SELECT * FROM {from}.{entries} WHERE {view} = $1"),
            format!("DELETE FROM {from}.{entries} WHERE {view} = $1"),
        ] {
            transaction.execute(&sql, &[&name]).await?;
        }
    }
    Ok(())
}

#[async_trait]
impl BlueGreen for PostgresBlueGreen {
    fn live(&self) -> Arc<dyn RowStore> {
        Arc::new(PostgresRows::of_partitions(self.live.clone(), self.partitions))
    }

    async fn open(&self, which: Beside) -> Result<Arc<dyn RowStore>, StoreError> {
        let (database, _) = self.of(which);
        Ok(Arc::new(PostgresRows::of_partitions(database.clone(), self.partitions)))
    }

    async fn holds(&self, which: Beside, table: &'static Table) -> Result<Holds, StoreError> {
        let (database, _) = self.of(which);
        let known = database.read(|| async {
            let known = "SELECT definition, partitions FROM read_models WHERE name = $1";
            Ok(database.client().await?.query_opt(known, &[&table.name]).await?)
        });
        Ok(match known.await? {
            None => Holds::Nothing,
            Some(known) => {
                let ours = (sql::create(Postgres, table), self.partitions);
                if (known.get(0), known.get(1)) == ours { Holds::Rows } else { Holds::OtherForm }
            }
        })
    }

    async fn snapshot(&self, table: &'static Table) -> Result<Box<dyn Snapshot>, StoreError> {
        Ok(Box::new(PostgresSnapshot::of(&self.live, table).await?))
    }

    async fn switch(
        &self,
        table: &'static Table,
        with: Beside,
        expected: &Generations,
    ) -> Result<Switched, StoreError> {
        match self.live.once(self.try_switch(table, with, expected)).await {
            Err(fault) if fault.is_lock_timeout() => Ok(Switched::Busy),
            done => {
                [&self.live, &self.green, &self.blue].into_iter().for_each(Database::forget_statements);
                Ok(done?)
            }
        }
    }

    async fn forget_green(&self, table: &'static Table) -> Result<(), StoreError> {
        let forgotten = self.green.once(async {
            let mut client = self.green.client().await?;
            let transaction = client.transaction().await?;
            transaction.batch_execute(&format!("DROP TABLE IF EXISTS {}", table.name)).await?;
            for (entries, view) in ENTRIES {
                let forget = format!("DELETE FROM {entries} WHERE {view} = $1");
                transaction.execute(&forget, &[&table.name]).await?;
            }
            Ok(transaction.commit().await?)
        });
        forgotten.await?;
        self.green.forget_statements();
        Ok(())
    }
}

/// A transaction that goes on seeing the rows as they were at its beginning. It ends with its connection.
struct PostgresSnapshot {
    client: ClientWrapper,
    table: &'static Table,
    checkpoints: Vec<Checkpoint>,
    parked: Vec<Parked>,
}

impl PostgresSnapshot {
    async fn of(database: &Database, table: &'static Table) -> Result<Self, Fault> {
        let client = Object::take(database.client().await?);
        let begin = "START TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY";
        client.batch_execute(begin).await?;
        let checkpoints = client.query(CHECKPOINTS, &[]).await?;
        let checkpoints =
            checkpoints.iter().map(checkpoint_of).filter(|known| known.view == table.name).collect();
        let parked = client.query(PARKED, &[&[table.name].as_slice()]).await?.iter().map(parked_of).collect();
        Ok(Self { client, table, checkpoints, parked })
    }
}

#[async_trait]
impl Snapshot for PostgresSnapshot {
    fn checkpoints(&self) -> &[Checkpoint] {
        &self.checkpoints
    }

    fn parked(&self) -> &[Parked] {
        &self.parked
    }

    async fn rows(&mut self, after: Option<Vec<Value>>, limit: usize) -> Result<Vec<Vec<Value>>, StoreError> {
        let select = Select { after, limit, ..Select::new(self.table) };
        let statement = sql::select(Postgres, &select)?;
        let read = async {
            let values = statement.values.iter().map(Bound).collect::<Vec<_>>();
            let values = values.iter().map(|value| value as &(dyn ToSql + Sync)).collect::<Vec<_>>();
            let prepared = self.client.prepare_cached(&statement.sql).await?;
            let rows = self.client.query(&prepared, &values).await?;
            rows.iter()
                .take(limit)
                .map(|row| values_of(row, self.table.columns))
                .collect::<Result<_, Fault>>()
        };
        Ok(read.await?)
    }
}
