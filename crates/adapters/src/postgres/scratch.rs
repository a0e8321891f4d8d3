//! For benchmarks: a schema for the time of a measurement, and the limit that the server itself sets.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use octocity_projections::{Batch, RowStore, StoreError, Table, TableWrites};

use super::bulk::{arrays, borrowed, upsert};
use super::connection::PostgresOptions;
use super::database::Database;
use super::fault::{Fault, OpenError};
use super::rows::PostgresRows;

pub struct Scratch {
    database: Database,
    schema: String,
}

impl Scratch {
    /// An empty schema of its own beside the one that the options name.
    pub async fn make(options: &PostgresOptions) -> Result<Self, OpenError> {
        let schema = format!("octocity_scratch_{}", std::process::id());
        let options = PostgresOptions { schema: schema.clone(), ..options.clone() };
        Ok(Self { database: Database::open(&options).await?, schema })
    }

    pub fn rows(&self, partitions: i32) -> PostgresRows {
        PostgresRows::of_partitions(self.database.clone(), partitions)
    }

    /// How long the server takes for the same rows in the same transactions, upserted by UNNEST, and nothing else: no
    /// reading, folding or checkpoint.
    pub async fn bare(
        &self,
        tables: &[&'static Table],
        batches: &[Arc<Batch>],
    ) -> Result<Duration, StoreError> {
        self.rows(1).ensure(tables).await?;
        let bare = async {
            let mut client = self.database.client().await?;
            let begun = Instant::now();
            for batch in batches {
                let transaction = client.transaction().await?;
                transaction.batch_execute("SET LOCAL synchronous_commit = off").await?;
                let one = async |TableWrites { table, upserts, .. }: &TableWrites| {
                    let statement = transaction.prepare_cached(&upsert(table)).await?;
                    transaction.execute(&statement, &borrowed(&arrays(table.columns, upserts))).await
                };
                try_join_all(batch.writes.iter().map(one)).await?;
                transaction.commit().await?;
            }
            Ok::<_, Fault>(begun.elapsed())
        };
        Ok(bare.await?)
    }

    pub async fn remove(self) -> Result<(), StoreError> {
        let remove = async {
            let drop = format!("DROP SCHEMA {} CASCADE", self.schema);
            Ok::<_, Fault>(self.database.client().await?.batch_execute(&drop).await?)
        };
        Ok(remove.await?)
    }
}
