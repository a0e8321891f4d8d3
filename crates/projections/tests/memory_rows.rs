//! The memory row store keeps the contract.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;

use octocity_projections::contract::Storage;
use octocity_projections::{MemoryRows, RowStore};

/// A restart loses nothing: every handle is of the same rows.
struct Memory(Arc<MemoryRows>);

impl Storage for Memory {
    fn open(&self) -> Arc<dyn RowStore> {
        self.0.clone()
    }
}

octocity_projections::row_store_contract!(Memory(Arc::new(MemoryRows::new())));

#[tokio::test]
async fn writers_share_partitions() {
    octocity_projections::contract::keeps_a_checkpoint_for_each_partition(&|number| {
        Arc::new(MemoryRows::of_partitions(number))
    })
    .await;
}
