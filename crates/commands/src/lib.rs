//! The shell round `decide`: stream actors, the ledger of command ids, facts, processes and deadlines.

mod actor;
mod backoff;
mod batch;
#[cfg(any(test, feature = "testing"))]
pub mod contract;
mod effects;
pub mod executor;
mod facts;
mod follow_up;
pub mod gateway;
mod gateway_calls;
pub mod handler;
mod ledger;
pub mod memory_processes;
pub mod process_store;
mod reacting;
mod streams;
pub mod submission;

pub use executor::{Executor, ExecutorError, Progress};
pub use gateway::{GatewayRequest, IdempotencyKey, PaymentGateway};
pub use handler::{Handler, HandlerOptions};
pub use memory_processes::MemoryProcessStore;
pub use process_store::{
    Checkpoint, Misplaced, OutboxChange, ParkedStream, ProcessStore, ProcessStoreError, Step,
};
pub use submission::{Clock, CommandError, Outcome, Reply, Submission};
