//! The read models' store and the payment gateway as the system meets them: slow, and failing on demand.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use octocity_commands::{GatewayRequest, IdempotencyKey, PaymentGateway};
use octocity_domain::payments::GatewayOutcome;
use octocity_projections::{
    Batch, Checkpoint, MemoryRows, Parked, RowStore, Select, Selected, StoreError, Table, Value,
};

use super::random::Random;

/// Cloned freely; all clones are one store.
#[derive(Clone)]
pub struct DisturbedRows {
    pub rows: Arc<MemoryRows>,
    pub random: Random,
    faults: Arc<AtomicUsize>,
}

impl DisturbedRows {
    pub fn new(random: Random) -> Self {
        Self { rows: Arc::default(), random, faults: Arc::default() }
    }

    /// The same store, slow by another chance.
    #[must_use]
    pub fn disturbed_by(&self, random: Random) -> Self {
        Self { random, ..self.clone() }
    }

    /// The next commits fail: some wrote nothing, some wrote all and only lost their answer.
    pub fn fail(&self, count: usize) {
        self.faults.store(count, Ordering::SeqCst);
    }
}

async fn pause(random: &Random) {
    for _ in 0..random.below(3) {
        tokio::task::yield_now().await;
    }
}

#[async_trait]
impl RowStore for DisturbedRows {
    async fn ensure(&self, tables: &[&'static Table]) -> Result<(), StoreError> {
        self.rows.ensure(tables).await
    }
    async fn reform(&self, tables: &[&'static Table]) -> Result<(), StoreError> {
        self.rows.reform(tables).await
    }
    async fn load(
        &self,
        table: &'static Table,
        keys: Vec<Vec<Value>>,
    ) -> Result<Vec<Vec<Value>>, StoreError> {
        pause(&self.random).await;
        self.rows.load(table, keys).await
    }
    async fn commit(&self, batch: Arc<Batch>) -> Result<(), StoreError> {
        pause(&self.random).await;
        let failing =
            self.faults.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if failing.is_err() {
            self.rows.commit(batch).await?;
            pause(&self.random).await;
            return Ok(());
        }
        if self.random.chance(500) {
            self.rows.commit(batch).await?;
        }
        Err(StoreError::Unavailable("a commit failed on demand".to_owned()))
    }
    async fn select(&self, select: Select) -> Result<Selected, StoreError> {
        self.rows.select(select).await
    }
    async fn checkpoints(&self) -> Result<Vec<Checkpoint>, StoreError> {
        self.rows.checkpoints().await
    }
    async fn parked(&self, views: &[&str]) -> Result<Vec<Parked>, StoreError> {
        self.rows.parked(views).await
    }
    async fn reset(&self, table: &'static Table) -> Result<(), StoreError> {
        self.rows.reset(table).await
    }
}

/// A crash may fall before the call, or after it and before its answer is recorded.
pub struct DisturbedGateway<G> {
    pub gateway: G,
    pub random: Random,
}

#[async_trait]
impl<G: PaymentGateway> PaymentGateway for DisturbedGateway<G> {
    async fn call(&self, request: GatewayRequest) -> GatewayOutcome {
        pause(&self.random).await;
        let outcome = self.gateway.call(request).await;
        pause(&self.random).await;
        outcome
    }
    async fn find(&self, key: IdempotencyKey) -> Option<GatewayOutcome> {
        pause(&self.random).await;
        self.gateway.find(key).await
    }
}
