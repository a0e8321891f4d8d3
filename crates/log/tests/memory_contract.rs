//! The memory adapter under the log's contract.

use std::sync::Arc;

use octocity_log::contract::Storage;
use octocity_log::{EventLog, MemoryLog};

struct Memory(MemoryLog);

impl Storage for Memory {
    fn open(&self) -> Arc<dyn EventLog> {
        Arc::new(self.0.clone())
    }
}

octocity_log::log_contract!(Memory(MemoryLog::default()));
