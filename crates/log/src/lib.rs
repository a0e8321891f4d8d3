//! The event log as everything else sees it: envelopes, positions, the codec, and the port that stores them.

pub mod capped;
pub mod codec;
#[cfg(any(test, feature = "testing"))]
pub mod contract;
pub mod envelope;
pub mod memory;
pub mod partitions;
pub mod port;
pub mod position;
pub mod recent;
pub mod retry;
pub mod tail;
pub mod upcast;

pub use capped::Capped;
pub use codec::{DecodeError, decode, decode_for, encode, json_fault};
pub use envelope::{Actor, EventMeta, LedgerEntry, NewEvent, Origin, RecordedEvent, StreamId};
pub use memory::{Fault, MemoryLog, MemorySnapshots};
pub use partitions::{partition_of, partitions_of};
pub use port::{
    Append, AppendError, Appended, EventLog, Expected, LedgerWindow, LogError, Page, Snapshot, SnapshotStore,
};
pub use position::{LogId, Position, Token};
pub use recent::Recent;
pub use retry::Retry;
pub use tail::{Tail, WholeLog};
pub use upcast::current_version;
