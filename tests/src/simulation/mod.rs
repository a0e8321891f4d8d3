//! # The whole under a seed
//!
//! Drivers, attendants, cameras and payers on memory adapters, with a virtual clock and a seeded scheduler.
//!
//! - **step**: one choice of the scheduler: somebody sends something, time passes, a node works on, a fault, a crash.
//! - **node**: a handler with its processes and projections, on a runtime of its own; a crash drops it as it stands.
//! - **disturbed**: a log that is slow, so that a crash falls before or after an append as chance has it.
//! - **oracle**: recounts the log by itself, and says which invariant an event contradicts.

pub mod city;
pub mod clock;
pub mod disturbed;
pub mod disturbed_stores;
pub mod node;
pub mod oracle;
pub mod order;
pub mod random;
pub mod traffic;
pub mod watchers;
pub mod whole;
