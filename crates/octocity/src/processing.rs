//! The processes at work: one process of several carries effects out, and another takes over when it ends.

use std::sync::Arc;
use std::time::Duration;

use octocity_adapters::gateway::{NoGateway, SimulatedGateway};
use octocity_commands::{Executor, ExecutorError, Misplaced, PaymentGateway, Progress};
use octocity_log::Retry;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::config::Gateway;
use crate::failure::Failure;
use crate::lost_processes;
use crate::node::Node;
use crate::stores::Lease;

/// How soon one that stands by asks again, and after faults at most.
const ASK_AGAIN: Duration = Duration::from_secs(1);
const ASK_AGAIN_AT_MOST: Duration = Duration::from_secs(15);
/// For how long a checkpoint may be ahead of what this process has heard of the log's head, where its predecessor
/// heard more.
const HEAR: Duration = Duration::from_secs(10);

#[derive(Clone)]
pub enum Standing {
    /// Another process carries effects out.
    StandsBy,
    Works(watch::Receiver<Progress>),
    /// A fault of ours, or of what is stored, has ended them.
    Ended,
}

pub struct Processing {
    stop: watch::Sender<bool>,
    standing: watch::Receiver<Standing>,
    task: JoinHandle<Result<(), Failure>>,
}

impl Processing {
    /// Runs until it is stopped. `from_now`: lost process state is begun anew at the log's end. What is wrong with what is
    /// stored is refused here, before any work.
    pub async fn start(node: &Arc<Node>, from_now: bool) -> Result<Self, Failure> {
        let begun = match node.processes.lease().await? {
            Some(lease) => Some((lease, executor(node, from_now).await?)),
            None => None,
        };
        let (stop, stopped) = watch::channel(false);
        let (told, standing) = watch::channel(Standing::StandsBy);
        let task = tokio::spawn(take_turns(Arc::clone(node), from_now, begun, told, stopped));
        Ok(Self { stop, standing, task })
    }

    pub fn standing(&self) -> watch::Receiver<Standing> {
        self.standing.clone()
    }

    /// Waits until they end by themselves, which only a fault makes them do.
    pub async fn ended(&mut self) {
        drop(self.standing.wait_for(|standing| matches!(standing, Standing::Ended)).await);
    }

    /// Waits for its end: what is under way ends.
    pub async fn stop(self) -> Result<(), Failure> {
        self.stop.send_replace(true);
        self.task.await.map_err(|error| Failure::fault(format!("The processes broke off: {error}.")))?
    }
}

/// A node that takes commands while no process was ever started lets the processes begin before the first of them: one
/// that is started later finds where.
pub async fn introduce(node: &Node) -> Result<(), Failure> {
    match are_to_begin(node).await? {
        true => begin(node).await,
        false => Ok(()),
    }
}

/// Whether none has begun, and there is nothing that one would have been told of.
pub async fn are_to_begin(node: &Node) -> Result<bool, Failure> {
    Ok(!lost_processes::have_begun(node).await? && !lost_processes::has_reactions(node).await?)
}

/// At the log's head.
pub async fn begin(node: &Node) -> Result<(), Failure> {
    let (store, _) = node.processes.open()?;
    let executor = Executor::new(Arc::clone(&node.handler), store, Arc::new(NoGateway));
    executor.start().await.map_err(|error| Failure::fault(format!("The processes cannot begin: {error}.")))
}

async fn take_turns(
    node: Arc<Node>,
    from_now: bool,
    mut begun: Option<(Lease, Arc<Executor>)>,
    told: watch::Sender<Standing>,
    mut stop: watch::Receiver<bool>,
) -> Result<(), Failure> {
    let mut retry = Retry::new(ASK_AGAIN, ASK_AGAIN_AT_MOST);
    while !*stop.borrow() {
        let turn = match begun.take() {
            Some(turn) => Some(turn),
            None => match take_over(&node, from_now).await {
                Ok(turn) => {
                    retry.is_over();
                    turn
                }
                Err(failure) if failure.is_fault() => {
                    if retry.begins() {
                        tracing::warn!(%failure, "the processes cannot be taken over just now; it is tried again");
                    }
                    None
                }
                Err(failure) => {
                    tracing::error!(%failure, "the processes cannot go on here");
                    told.send_replace(Standing::Ended);
                    return Err(failure);
                }
            },
        };
        let Some((lease, executor)) = turn else {
            tokio::select! {
                () = tokio::time::sleep(retry.pause().unwrap_or(ASK_AGAIN)) => {}
                _ = stop.wait_for(|stop| *stop) => {}
            }
            continue;
        };
        told.send_replace(Standing::Works(executor.progress()));
        let mut running = tokio::spawn(executor.run(stop.clone()));
        tokio::select! {
            ended = &mut running => {
                if let Err(error) = ended {
                    told.send_replace(Standing::Ended);
                    return Err(Failure::fault(format!("The processes broke off: {error}.")));
                }
            }
            () = lease.lost() => {
                // Another may carry them out already; what both do has one effect, as their ids are the same.
                running.abort();
                tracing::warn!("the lease of the processes is lost; they go on wherever it is taken");
                told.send_replace(Standing::StandsBy);
            }
        }
    }
    Ok(())
}

/// None: another process has the lease.
async fn take_over(node: &Arc<Node>, from_now: bool) -> Result<Option<(Lease, Arc<Executor>)>, Failure> {
    let Some(lease) = node.processes.lease().await? else { return Ok(None) };
    let executor = executor(node, from_now).await?;
    tracing::info!("the processes go on here");
    Ok(Some((lease, executor)))
}

async fn executor(node: &Arc<Node>, from_now: bool) -> Result<Arc<Executor>, Failure> {
    if !from_now {
        lost_processes::check(node).await?;
    }
    let (store, book) = node.processes.open()?;
    let gateway: Arc<dyn PaymentGateway> = match node.gateway {
        Some(Gateway::Simulated) => {
            Arc::new(SimulatedGateway::open(book).await.map_err(|error| node.processes.failed(error))?)
        }
        None => Arc::new(NoGateway),
    };
    let executor = Executor::new(Arc::clone(&node.handler), store, gateway);
    if node.is_shared {
        let until_heard = async {
            while let Err(ExecutorError::Misplaced(Misplaced::Ahead)) = executor.start().await {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        // In vain: what is wrong is told below.
        let _ = tokio::time::timeout(HEAR, until_heard).await;
    }
    executor.start().await.map_err(|error| match error {
        // The head may be heard later.
        ExecutorError::Misplaced(Misplaced::Ahead) if node.is_shared => {
            Failure::fault(node.processes.misplaced(Misplaced::Ahead))
        }
        ExecutorError::Misplaced(misplaced) => Failure::data(node.processes.misplaced(misplaced)),
        ExecutorError::Log(_) | ExecutorError::Store(_) => {
            Failure::fault(format!("The processes cannot start: {error}; run octocity doctor."))
        }
    })?;
    Ok(executor)
}
