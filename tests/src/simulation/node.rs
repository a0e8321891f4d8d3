//! One process of the system: a runtime of its own, so that a crash drops everything that is under way.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use octocity_commands::{CommandError, Handler, HandlerOptions};
use octocity_domain::CommandId;
use tokio::runtime::{Builder, Runtime};

use super::order::{Answer, Order};

/// What came back for the command of that number.
pub struct Returned {
    pub number: usize,
    /// The body was not the one first sent under this id.
    pub altered: bool,
    pub result: Result<(Answer, bool), CommandError>,
}

pub struct Node {
    // Before the runtime: dropped while it still runs.
    handler: Arc<Handler>,
    returned: Arc<Mutex<Vec<Returned>>>,
    runtime: Runtime,
}

/// Everything small, so that windows, snapshots and evictions are met within a few hundred steps.
pub fn options() -> HandlerOptions {
    HandlerOptions {
        queue: 64,
        ledger_window: 8,
        snapshot_every: 16,
        idle_seconds: 300,
        live_streams: 8,
        ..HandlerOptions::default()
    }
}

impl Node {
    pub fn start(build: impl FnOnce() -> Arc<Handler>) -> Self {
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
        let runtime = runtime.expect("a runtime");
        let handler = {
            let _inside = runtime.enter();
            build()
        };
        Self { handler, returned: Arc::default(), runtime }
    }

    pub fn send(&self, number: usize, id: CommandId, order: Order, altered: bool) {
        let handler = Arc::clone(&self.handler);
        let returned = Arc::clone(&self.returned);
        self.runtime.spawn(async move {
            let result = order.send(&handler, id).await;
            let mut returned = returned.lock().unwrap_or_else(PoisonError::into_inner);
            returned.push(Returned { number, altered, result });
        });
    }

    /// Lets it work on for so many turns.
    pub fn work(&self, turns: u64) {
        self.runtime.block_on(async {
            for _ in 0..turns {
                tokio::task::yield_now().await;
            }
        });
    }

    pub fn pass(&self, seconds: u64) {
        self.runtime.block_on(tokio::time::advance(Duration::from_secs(seconds)));
    }

    pub fn returned(&self) -> Vec<Returned> {
        std::mem::take(&mut self.returned.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
