//! The process executor: tails the log, does or plans what each event makes happen, each effect once.
//!
//! - **checkpoint**: how far the processes have reacted. It becomes durable together with what they planned.
//! - **outbox**: the effects planned and not done. A deadline is one whose time has not come. What is due at once is done
//!   before the checkpoint is written, and gets there only where it calls outside, waits behind another or meets a fault.
//! - **backoff**: a fault is tried again, later each time; effects of the same subject wait behind it.
//! - **parked**: a stream with an event that a process cannot react to stands still for it; all others go on.
//!
//! A crash anywhere is harmless: what was planned is run again under the same ids, which has no second effect.
//! A process that is new starts at the head of the log. Where nothing goes into the outbox, checkpoints are written once a
//! second: others see that somebody reads on, and thousands of passages cost one commit. After a restart the last of them
//! are read again, and what they made happen is done again, under the same ids.

use std::collections::{HashMap, HashSet};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use octocity_domain::process::{PROCESSES, Planned, Process};
use octocity_domain::{CommandId, Timestamp};
use octocity_log::{EventLog, LogError, Position, Retry};
use thiserror::Error;
use tokio::sync::{Mutex, watch};
use tokio::task::{self, JoinError, JoinSet};
use uuid::Uuid;

use crate::backoff::Backoffs;
use crate::gateway::PaymentGateway;
use crate::handler::Handler;
use crate::process_store::{Checkpoint, Misplaced, ProcessStore, ProcessStoreError, Step};
use crate::reacting::{StandingStill, by_subject, event_types};
use crate::submission::{Clock, CommandError};

/// How many events are read at a time.
pub(crate) const PAGE: usize = 1024;
/// How many effects are looked at a time; planning waits while so many are due.
const DUE: usize = 1024;
/// How many subjects' effects run at the same time.
pub(crate) const AT_ONCE: usize = 64;
/// After how long a checkpoint is written though nothing went into the outbox: whoever looks at what is stored sees by it
/// that somebody reads on.
const QUIET_SECONDS: i64 = 1;
/// The longest wait before the outbox is looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// The longest pause while the log or the outbox is away.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Why the executor stopped for a moment.
#[derive(Debug, Error)]
pub enum ExecutorError {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Store(#[from] ProcessStoreError),
    #[error(transparent)]
    Misplaced(#[from] Misplaced),
}

/// How far the processes are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// False until the log and the outbox were looked at for the first time.
    pub started: bool,
    /// All events up to here have been reacted to.
    pub position: Position,
    /// How many effects were due when it was last looked, and are not done yet.
    pub due: usize,
    /// How many subjects' effects are under way or wait after a fault.
    pub waiting: usize,
    /// The log's head when it was last looked.
    pub head: Position,
    /// How many streams stand still for a process: it cannot react to an event of theirs.
    pub parked: usize,
    /// The log or the outbox could not be read or written when it was last tried.
    pub faulty: bool,
}

impl Progress {
    /// Whether everything was reacted to, and nothing is due.
    pub fn is_idle(&self) -> bool {
        self.started && self.position >= self.head && self.due == 0 && self.waiting == 0
    }
}

pub struct Executor {
    handler: Arc<Handler>,
    pub(crate) log: Arc<dyn EventLog>,
    pub(crate) store: Arc<dyn ProcessStore>,
    pub(crate) gateway: Arc<dyn PaymentGateway>,
    pub(crate) clock: Arc<dyn Clock>,
    tail: Mutex<Option<Tail>>,
    backoff: Mutex<Backoffs>,
    progress: watch::Sender<Progress>,
}

/// Where each of [`PROCESSES`] stands.
struct Tail {
    positions: Vec<Position>,
    /// What the store says of them: behind them, where nothing went into the outbox.
    written: Vec<Checkpoint>,
    standing: StandingStill,
    written_at: Timestamp,
}

impl Executor {
    pub fn new(
        handler: Arc<Handler>,
        store: Arc<dyn ProcessStore>,
        gateway: Arc<dyn PaymentGateway>,
    ) -> Arc<Self> {
        let (log, clock) = (Arc::clone(&handler.environment.log), Arc::clone(&handler.environment.clock));
        let (tail, backoff) = (Mutex::new(None), Mutex::new(Backoffs::default()));
        let progress = watch::Sender::new(Progress::default());
        Arc::new(Self { handler, log, store, gateway, clock, tail, backoff, progress })
    }

    pub(crate) fn handler(&self) -> &Handler {
        &self.handler
    }

    /// For readiness, and for those who wait until all is done.
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    /// When the next deadline is due: for whoever drives time by hand.
    pub async fn next_due(&self) -> Result<Option<Timestamp>, ExecutorError> {
        Ok(self.store.next_due(self.clock.now()).await?)
    }

    /// Loads the checkpoints; a process without one starts at the log's head, and that is written at once. Streams
    /// that stood still go on where they can.
    pub async fn start(&self) -> Result<(), ExecutorError> {
        let mut tail = self.tail.lock().await;
        if tail.is_some() {
            return Ok(());
        }
        let head = *self.log.head().borrow();
        let known = self.store.checkpoints().await?;
        known.iter().try_for_each(|checkpoint| checkpoint.check(&*self.log))?;
        let known: HashMap<String, Position> =
            known.into_iter().map(|at| (at.process, at.position)).collect();
        let at = |process: &Process| known.get(process.name).copied().unwrap_or(head);
        let positions: Vec<Position> = PROCESSES.iter().map(at).collect();
        let written = self.checkpoints(&positions);
        if PROCESSES.iter().any(|process| !known.contains_key(process.name)) {
            let step = Step { checkpoints: written.clone(), ..Step::default() };
            self.store.commit(step).await?;
        }
        let standing = self.take_up(&positions).await?;
        *tail = Some(Tail { positions, written, standing, written_at: self.clock.now() });
        Ok(())
    }

    /// Runs until it is dropped or `stop` turns true; a fault is tried again until it is over, and logged when it begins
    /// and when it is over.
    pub async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let mut head = self.log.head();
        let mut running = Running::default();
        let mut retry = Retry::new(LOOK_AGAIN, LONGEST_PAUSE);
        while !*stop.borrow() {
            let told = *head.borrow_and_update();
            let turned = self.turn(&mut running).await;
            match &turned {
                Ok(_) if retry.is_over() => tracing::info!("the processes go on"),
                Err(error) if retry.begins() => {
                    tracing::error!(%error, "the processes stand still; they go on by themselves");
                    self.progress.send_modify(|progress| progress.faulty = true);
                }
                _ => {}
            }
            if let Ok(true) = turned {
                let is_behind = running.backlog || self.progress.borrow().position < told;
                if let Some(rest) = self.handler.environment.options.processes_rest.filter(|_| !is_behind) {
                    tokio::time::sleep(rest).await;
                }
                continue;
            }
            tokio::select! {
                // In this order, so that a simulated run can be run again.
                biased;
                _ = head.changed() => {}
                Some(finished) = running.tasks.join_next() => self.finish(&mut running, vec![finished]).await,
                () = tokio::time::sleep(retry.pause().unwrap_or(LOOK_AGAIN)) => {}
                _ = stop.changed() => {}
            }
        }
        // What is under way ends; what it did is found done after the next start, under the same ids.
        while let Some(finished) = running.tasks.join_next().await {
            self.finish(&mut running, vec![finished]).await;
        }
        self.leave().await;
    }

    /// Whoever looks at the store while nobody runs sees how far this came.
    async fn leave(&self) {
        let held = self.tail.lock().await;
        let Some(tail) = held.as_ref() else { return };
        let (from, checkpoints) = (tail.written.clone(), self.checkpoints(&tail.positions));
        if from != checkpoints
            && let Err(error) = self.store.commit(Step { from, checkpoints, ..Step::default() }).await
        {
            tracing::warn!(%error, "the last events are reacted to again after the next start, under the same ids");
        }
    }

    /// Reacts to everything in the log and runs everything due, until nothing is left to do now: for tests, and for
    /// whoever drives time by hand.
    pub async fn run_until_idle(self: &Arc<Self>) -> Result<(), ExecutorError> {
        let mut running = Running::default();
        loop {
            let busy = match self.turn(&mut running).await {
                Ok(busy) => busy,
                Err(error) => {
                    while let Some(finished) = running.tasks.join_next().await {
                        self.finish(&mut running, vec![finished]).await;
                    }
                    return Err(error);
                }
            };
            match running.tasks.join_next().await {
                Some(finished) => self.finish(&mut running, vec![finished]).await,
                None if busy => {}
                None => return Ok(()),
            }
        }
    }

    /// One page of the log, and a look at the outbox. Says whether there may be more to do at once.
    async fn turn(self: &Arc<Self>, running: &mut Running) -> Result<bool, ExecutorError> {
        self.start().await?;
        let finished = std::iter::from_fn(|| running.tasks.try_join_next()).collect();
        self.finish(running, finished).await;
        // Events first: they may cancel what is due. A fault there does not hold up what was planned before.
        let reacted = if running.backlog { Ok(0) } else { self.react(self.busy(running).await).await };
        let waiting = self.waiting(running).await;
        running.left = None;
        let due = self.store.due(self.clock.now(), DUE, &waiting).await?;
        running.backlog = due.len() >= DUE;
        let (due_count, started) = (due.len(), self.begin(running, due));
        // What was planned for these was not among what is due.
        running.left.get_or_insert_default().extend(&waiting);
        let (position, parked) = self.reached().await;
        let head = *self.log.head().borrow();
        let read = reacted?;
        let waiting = waiting.len();
        let (due, faulty) = (due_count, running.unforgotten);
        let progress = Progress { started: true, position, due, waiting, head, parked, faulty };
        self.progress.send_replace(progress);
        Ok(read > 0 || started > 0)
    }

    /// The subjects whose effects are not to be started now: under way, or in a backoff.
    async fn waiting(&self, running: &Running) -> Vec<Uuid> {
        let backoff = self.backoff.lock().await;
        backoff.waiting(self.clock.now()).chain(running.subjects.values().copied()).collect()
    }

    /// The subjects of which something is to be done before anything else. None: the outbox has not been looked at, and all goes
    /// through it.
    async fn busy(&self, running: &Running) -> Option<HashSet<Uuid>> {
        let mut busy = running.left.clone()?;
        busy.extend(running.subjects.values());
        busy.extend(self.backoff.lock().await.known());
        Some(busy)
    }

    fn checkpoints(&self, positions: &[Position]) -> Vec<Checkpoint> {
        let (log, epoch) = (self.log.id(), self.log.epoch());
        let of = |(process, position): (&Process, &Position)| Checkpoint {
            process: process.name.to_owned(),
            log,
            epoch,
            position: *position,
        };
        PROCESSES.iter().zip(positions).map(of).collect()
    }

    /// Up to where all have reacted, but for so many streams that stand still.
    async fn reached(&self) -> (Position, usize) {
        let tail = self.tail.lock().await;
        let Some(tail) = tail.as_ref() else { return Default::default() };
        (tail.positions.iter().copied().min().unwrap_or_default(), tail.standing.len())
    }

    /// Does or plans what the next page of events makes happen; says how far it read.
    async fn react(&self, busy: Option<HashSet<Uuid>>) -> Result<usize, ExecutorError> {
        let mut held = self.tail.lock().await;
        let Some(tail) = held.as_mut() else { return Ok(0) };
        let from = tail.positions.iter().copied().min().unwrap_or_default();
        let page = self.log.read_all(from, PAGE, &[], &event_types()).await?;
        let (mut step, mut standing) = (Step::default(), tail.standing.clone());
        for event in &page.events {
            for (process, position) in PROCESSES.iter().zip(&tail.positions) {
                if event.position > *position {
                    standing.react(process, event, &mut step);
                }
            }
        }
        if let Some(busy) = busy {
            self.act(&mut step, busy).await;
        }
        // A page may end behind the log's head, among what others keep in the same store. Whoever starts after this one
        // hears of no head there, and would take such a checkpoint for one of another log.
        let last = page.events.last().map_or(from, |event| event.position);
        let next = page.next.min(last.max(*self.log.head().borrow()));
        let reached: Vec<Position> = tail.positions.iter().map(|at| (*at).max(next)).collect();
        let (written, now) = (self.checkpoints(&reached), self.clock.now());
        // Also where the clock went back.
        let is_time =
            !(0..QUIET_SECONDS).contains(&now.seconds_since(tail.written_at)) && written != tail.written;
        if step != Step::default() || is_time {
            (step.from, step.checkpoints) = (tail.written.clone(), written.clone());
            if let Err(error) = self.commit(step).await {
                // It may have been done: where to go on from is read anew.
                *held = None;
                return Err(error);
            }
            (tail.written, tail.written_at) = (written, now);
        }
        (tail.positions, tail.standing) = (reached, standing);
        Ok(page.events.len())
    }

    /// Starts the effects whose subjects are free; those of one subject run in the order they were planned.
    fn begin(self: &Arc<Self>, running: &mut Running, due: Vec<Planned>) -> usize {
        let room = AT_ONCE.saturating_sub(running.subjects.len());
        let mut by_subject = by_subject(due);
        let left = by_subject.split_off(room.min(by_subject.len()));
        let started = by_subject.len();
        for (subject, effects) in by_subject {
            let executor = Arc::clone(self);
            let task = running.tasks.spawn(async move { executor.carry_out(subject, effects).await });
            running.subjects.insert(task.id(), subject);
        }
        running.left = Some(left.into_iter().map(|(subject, _)| subject).collect());
        started
    }

    pub(crate) async fn carry_out(&self, subject: Uuid, effects: Vec<Planned>) -> Finished {
        let mut finished = Finished { subject, done: Vec::new(), fault: None };
        for planned in effects {
            // Nothing that an effect changes outlives it half done: what it shares is behind locks or in the log.
            let carried_out = AssertUnwindSafe(self.carry_out_one(&planned)).catch_unwind().await;
            let fault = match carried_out {
                Ok(Ok(())) => {
                    finished.done.push(planned.id);
                    continue;
                }
                Ok(Err(error)) => Fault::Error(error),
                Err(_) => Fault::Panic,
            };
            finished.fault = Some((planned, fault));
            break;
        }
        finished
    }

    /// Forgets what is done, and lets what met a fault wait.
    async fn finish(&self, running: &mut Running, finished: Vec<Result<Finished, JoinError>>) {
        let mut done = Vec::new();
        for ended in finished {
            match ended {
                Ok(ended) => {
                    running.subjects.retain(|_, subject| *subject != ended.subject);
                    self.note(&ended).await;
                    done.extend(ended.done);
                }
                Err(error) => {
                    // Nothing of the subject is known to be done, and all is tried again.
                    let subject = running.subjects.remove(&error.id());
                    tracing::error!(?subject, "effects ended abnormally, and are tried again later");
                    if let Some(subject) = subject {
                        self.back_off(subject).await;
                    }
                }
            }
        }
        if done.is_empty() {
            return;
        }
        let forgotten = self.store.done(&done).await;
        let was_unforgotten = std::mem::replace(&mut running.unforgotten, forgotten.is_err());
        if let (Err(error), false) = (forgotten, was_unforgotten) {
            tracing::error!(%error, "done effects could not be forgotten; they are run again, without effect");
        }
    }

    pub(crate) async fn note(&self, ended: &Finished) {
        let Some((planned, fault)) = &ended.fault else {
            self.backoff.lock().await.over(ended.subject);
            return;
        };
        let (process, effect, id, subject) =
            (&planned.process, planned.effect.name(), planned.id, ended.subject);
        let is_first = self.back_off(ended.subject).await;
        match fault {
            Fault::Error(error) if is_first => {
                tracing::warn!(%process, effect, %id, %subject, %error, "an effect is tried again until it is done");
            }
            Fault::Error(error) => {
                tracing::debug!(%process, effect, %id, %subject, %error, "an effect is tried again later");
            }
            Fault::Panic => {
                tracing::error!(%process, effect, %id, %subject, "an effect panicked, and is tried again later");
            }
        }
    }

    /// Whether it is the first fault of its trouble.
    async fn back_off(&self, subject: Uuid) -> bool {
        self.backoff.lock().await.fault(subject, self.clock.now())
    }
}

/// The effects that are under way, and whose.
#[derive(Default)]
struct Running {
    tasks: JoinSet<Finished>,
    subjects: HashMap<task::Id, Uuid>,
    /// So many are due that nothing more is planned for now.
    backlog: bool,
    /// Of whom something may have been due in the outbox when it was last looked, and was not started. (A deadline that falls
    /// due between two looks may be overtaken: it is told so late as often.) None: it was not looked.
    left: Option<HashSet<Uuid>>,
    /// The last effects that were done are still in the outbox.
    unforgotten: bool,
}

/// What came of one subject's effects.
pub(crate) struct Finished {
    subject: Uuid,
    pub done: Vec<CommandId>,
    fault: Option<(Planned, Fault)>,
}

/// Why an effect is not known to be done.
enum Fault {
    Error(CommandError),
    /// What it said may hold personal data, and is kept nowhere.
    Panic,
}
