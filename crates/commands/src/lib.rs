//! The shell round `decide`: stream actors, the ledger of command ids, facts, processes and deadlines.

mod actor;
mod batch;
pub mod handler;
mod ledger;
mod streams;
pub mod submission;

pub use handler::{Handler, HandlerOptions};
pub use submission::{Clock, CommandError, Outcome, Reply, Submission};
