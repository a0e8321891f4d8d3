//! # Operations
//!
//! What operators of the system decide about the log itself, for ever and for every node.
//!
//! - **view**: a read model, by the name of its table.
//! - **skip**: the decision that one event is not applied to one view, because it cannot be.
//!
//! Invariants: a skip is itself an event, so that every rebuild, on any engine, honours it; it is never taken back; an
//! event is skipped for a view at most once.

pub mod skips;

pub use skips::{SKIPS, Skips, SkipsCommand, SkipsEvent, SkipsRefusal, SkipsState};
