//! The shell round `decide`: stream actors, the ledger of command ids, facts, processes and deadlines.

pub mod handler;
pub mod submission;

pub use handler::{Handler, HandlerOptions};
pub use submission::{Clock, CommandError, Outcome, Reply, Submission};
