//! A store that answers late, or not at all.

use std::sync::Arc;

use async_trait::async_trait;

use crate::store::{Batch, Checkpoint, Parked, RowStore, Select, Selected, StoreError};
use crate::{Table, Value};

/// What is met on the way to a store.
#[async_trait]
pub trait Way: Send + Sync + 'static {
    /// Before a batch is stored: if it fails, nothing is.
    async fn writes(&self) -> Result<(), StoreError> {
        Ok(())
    }
    /// Before anything is read but by a writer.
    async fn reads(&self) -> Result<(), StoreError> {
        Ok(())
    }
    /// Before rows that were read are told.
    async fn tells(&self) {}
}

/// A store at the end of a way.
pub struct Behind<W>(pub W, pub Arc<dyn RowStore>);

#[async_trait]
impl<W: Way> RowStore for Behind<W> {
    fn partitions(&self) -> i32 {
        self.1.partitions()
    }
    async fn ensure(&self, tables: &[&'static Table]) -> Result<(), StoreError> {
        self.1.ensure(tables).await
    }
    async fn reform(&self, tables: &[&'static Table]) -> Result<(), StoreError> {
        self.1.reform(tables).await
    }
    async fn load(
        &self,
        table: &'static Table,
        keys: Vec<Vec<Value>>,
    ) -> Result<Vec<Vec<Value>>, StoreError> {
        self.1.load(table, keys).await
    }
    async fn commit(&self, batch: Arc<Batch>) -> Result<(), StoreError> {
        self.0.writes().await?;
        self.1.commit(batch).await
    }
    async fn select(&self, select: Select) -> Result<Selected, StoreError> {
        self.0.reads().await?;
        let selected = self.1.select(select).await;
        self.0.tells().await;
        selected
    }
    async fn checkpoints(&self) -> Result<Vec<Checkpoint>, StoreError> {
        self.0.reads().await?;
        self.1.checkpoints().await
    }
    async fn parked(&self, views: &[&str]) -> Result<Vec<Parked>, StoreError> {
        self.0.reads().await?;
        self.1.parked(views).await
    }
    async fn reset(&self, table: &'static Table) -> Result<(), StoreError> {
        self.1.reset(table).await
    }
}
