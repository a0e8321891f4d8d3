//! The shell round `decide`: stream actors, the ledger of command ids, facts, processes and deadlines.

mod actor;
mod batch;
mod effects;
mod facts;
mod follow_up;
pub mod handler;
mod ledger;
mod needs;
mod streams;
pub mod submission;

pub use handler::{Handler, HandlerOptions};
pub use submission::{Clock, CommandError, Outcome, Reply, Submission};
