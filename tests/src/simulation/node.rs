//! One process of the system: a runtime of its own, so that a crash drops everything that is under way.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use octocity_commands::{
    Clock, CommandError, Executor, Handler, HandlerOptions, PaymentGateway, ProcessStore,
};
use octocity_domain::{CommandId, FacilityId};
use octocity_log::{EventLog, SnapshotStore};
use octocity_projections::{Engine, EngineOptions, ReadModels, RowStore};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;

use super::order::{Answer, Order};
use super::watchers::Watched;

/// What a node stands on, and what outlives it.
#[derive(Clone)]
pub struct Ground {
    pub log: Arc<dyn EventLog>,
    pub snapshots: Arc<dyn SnapshotStore>,
    pub clock: Arc<dyn Clock>,
    pub rows: Arc<dyn RowStore>,
    pub processes: Arc<dyn ProcessStore>,
    pub gateway: Arc<dyn PaymentGateway>,
    pub watched: Watched,
    pub facilities: Vec<FacilityId>,
}

/// What came back for the command of that number.
pub struct Returned {
    pub number: usize,
    /// The body was not the one first sent under this id.
    pub altered: bool,
    pub result: Result<(Answer, bool), CommandError>,
}

pub struct Node {
    handler: Arc<Handler>,
    /// Of the node that keeps the read models and runs the processes.
    keeper: Option<Keeper>,
    returned: Arc<Mutex<Vec<Returned>>>,
    // The last to be dropped: with it everything that is under way stops where it stands.
    runtime: Runtime,
}

struct Keeper {
    models: ReadModels,
    executor: Arc<Executor>,
    /// Nobody is told to stop: a crash tells nobody.
    _stop: watch::Sender<bool>,
}

/// Everything small, so that windows, snapshots and evictions are met within a few hundred steps.
pub fn options() -> HandlerOptions {
    HandlerOptions {
        queue: 64,
        ledger_window: 8,
        snapshot_every: 16,
        idle_seconds: 300,
        live_streams: 8,
        sole_owner: false,
        // Time passes there only where it is told to.
        processes_rest: None,
        ..HandlerOptions::default()
    }
}

impl Node {
    /// A node that takes commands; `keeps` also keeps the read models, runs the processes and serves subscribers.
    pub fn start(ground: &Ground, keeps: bool) -> Self {
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
        let runtime = runtime.expect("a runtime");
        let (log, snapshots) = (Arc::clone(&ground.log), Arc::clone(&ground.snapshots));
        let handler = Handler::new(log, Some(snapshots), Arc::clone(&ground.clock), options());
        let keeper = keeps.then(|| runtime.block_on(Keeper::start(ground, &handler)));
        Self { handler, keeper, returned: Arc::default(), runtime }
    }

    /// Whether this node has projected, reacted to and carried out all that the log has.
    pub fn is_idle(&self) -> bool {
        self.keeper.as_ref().is_none_or(|keeper| {
            let progress = *keeper.executor.progress().borrow();
            progress.is_idle() && keeper.models.position() >= progress.head
        })
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

impl Keeper {
    async fn start(ground: &Ground, handler: &Arc<Handler>) -> Self {
        let options = EngineOptions { batch_events: 5, rest: None, ..EngineOptions::default() };
        let engine = Engine::open(Arc::clone(&ground.log), Arc::clone(&ground.rows), options).await;
        let engine = engine.expect("the memory store opens");
        let models = engine.models();
        let (stop, stopped) = watch::channel(false);
        let executor =
            Executor::new(Arc::clone(handler), Arc::clone(&ground.processes), Arc::clone(&ground.gateway));
        tokio::spawn(engine.run(stopped.clone()));
        tokio::spawn(Arc::clone(&executor).run(stopped));
        for facility in &ground.facilities {
            tokio::spawn(ground.watched.clone().watch_state(models.clone(), *facility));
            tokio::spawn(ground.watched.clone().watch_events(Arc::clone(&ground.log), *facility));
        }
        Self { models, executor, _stop: stop }
    }
}
