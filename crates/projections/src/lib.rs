//! What people read: pure folds of the log into rows, and the engine that keeps the rows at the log's head.
//!
//! - **view**: a pure fold of events into the rows of one table; a **row** belongs to one key.
//! - **checkpoint**: the position up to which a view's rows say what the log says.
//! - **parked**: a key whose event could not be applied; it stands still alone, the others go on.
//! - **mend**: to fold such a key again from the log's beginning, once its event can be applied or is skipped.
//! - **feed**: tells subscribers of changes where another process writes the rows.
//! - **green**, **blue**: rows of a view beside the live ones: made anew, and kept from before a switch.
//! - **late news**: an event that happened before others that the log has already; it changes the past.
//!
//! Invariants: rows are a function of the log, however it was cut into batches and however often it was
//! replayed; rows and checkpoint change in one transaction; a row holds no position and no recording time.

pub(crate) mod ahead;
pub mod analytics;
pub mod blue_green;
#[cfg(any(test, feature = "testing"))]
pub mod contract;
pub mod engine;
pub mod facilities;
pub mod feed;
mod fresh;
pub mod hash;
pub mod live;
pub mod memory;
pub mod mending;
pub mod models;
pub mod parking;
pub mod payments;
pub(crate) mod projector;
pub mod query;
pub mod reservations;
mod rest;
pub mod row;
pub mod sessions;
pub mod skips;
pub mod store;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub(crate) mod track;
pub(crate) mod underway;
pub mod view;
pub mod views;

pub use blue_green::{BlueGreen, Comparison, Renewal, RenewalError};
pub use engine::{Engine, EngineOptions, Step};
pub use feed::Feed;
pub use hash::{TableHash, hash_all};
pub use live::{Live, Subscription};
pub use memory::{CommitFault, MemoryRows};
pub use mending::{MendError, Mended};
pub use models::{Progress, ReadModels, Stats, ViewStanding};
pub use query::{Query, Rows};
pub use row::{Column, Field, Json, Kind, Row, RowError, Table, Value};
pub use store::{
    Batch, Checkpoint, Direction, Filter, Move, Parked, RowStore, Select, Selected, StoreError, TableWrites,
};
