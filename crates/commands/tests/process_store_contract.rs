//! The contract of the process store, on the one in memory.

use std::sync::Arc;

use octocity_commands::contract::ProcessStorage;
use octocity_commands::{MemoryProcessStore, ProcessStore, process_store_contract};

struct Memory(MemoryProcessStore);

impl ProcessStorage for Memory {
    fn open(&self) -> Arc<dyn ProcessStore> {
        Arc::new(self.0.clone())
    }
}

process_store_contract!(Memory(MemoryProcessStore::default()));
