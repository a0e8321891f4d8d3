//! What every adapter of the log must do: one suite, run on each by [`log_contract!`](crate::log_contract).
//!
//! - **storage**: where one test's log lives; it can be opened again, as after a restart.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod append;
mod ledger;
mod read;
mod read_stream;
mod samples;
mod snapshots;

pub use append::*;
pub use ledger::*;
pub use read::*;
pub use read_stream::*;
pub use samples::*;
pub use snapshots::*;

use std::sync::Arc;

use crate::port::EventLog;

/// One test's storage. `open` closes nothing: the test has dropped the log that it opened before.
pub trait Storage: Send + Sync {
    fn open(&self) -> Arc<dyn EventLog>;

    /// Whether `prune_ledger` forgets. A log that cannot delete single records keeps all, which only answers more.
    fn forgets(&self) -> bool {
        true
    }
}

/// Runs the whole suite, each case as a test of its own, on what the expression makes: a fresh storage.
#[macro_export]
macro_rules! log_contract {
    ($storage:expr) => {
        $crate::log_contract!($storage;
            appends_under_the_expected_revision,
            refuses_another_revision,
            stores_a_batch_whole_or_not_at_all,
            refuses_a_batch_that_does_not_add_up,
            keeps_streams_apart,
            keeps_all_metadata,
            tells_a_head_that_can_be_read,
            serves_many_appenders_at_once,
            lets_one_of_two_rivals_win,
            stores_large_data,
            is_the_same_log_after_a_restart,
            reads_a_stream_forwards_and_back,
            reads_back_from_far_before_the_end,
            reads_all_in_order_in_pages,
            passes_over_what_a_filter_leaves_out,
            reads_on_from_any_position,
            says_since_when_a_reader_is_behind,
            answers_a_known_command,
            records_commands_without_events,
            looks_up_many_entries,
            keeps_a_window_of_the_newest_ids,
            forgets_old_ids_of_clients_only,
        );
    };
    ($storage:expr; $($case:ident),+ $(,)?) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $case() {
            $crate::contract::$case(&$storage).await;
        }
    )+};
}
