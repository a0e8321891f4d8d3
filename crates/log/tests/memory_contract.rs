//! The memory adapter under the log's contract.

use std::sync::Arc;

use octocity_log::contract::{Storage, keeps_the_last_snapshot_of_a_stream};
use octocity_log::{EventLog, MemoryLog, MemorySnapshots};

struct Memory(MemoryLog);

impl Storage for Memory {
    fn open(&self) -> Arc<dyn EventLog> {
        Arc::new(self.0.clone())
    }
}

octocity_log::log_contract!(Memory(MemoryLog::default()));

#[tokio::test]
async fn snapshots() {
    keeps_the_last_snapshot_of_a_stream(&MemorySnapshots::default()).await;
}
