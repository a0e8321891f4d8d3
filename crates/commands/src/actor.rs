//! One live stream: decides the queued commands in turn and appends them as one batch.

use std::sync::Arc;
use std::time::Duration;

use octocity_domain::{Decider, FacilityId, Moment};
use octocity_log::{LogError, RecordedEvent, Snapshot, StreamId, decode_for};
use tokio::sync::{mpsc, oneshot};

use crate::batch::{Draft, Setback};
use crate::ledger::Window;
use crate::streams::Environment;
use crate::submission::{CommandError, Reply, Submission};

/// How many commands are appended together at most.
const BATCH: usize = 1024;
/// How many events are loaded at a time.
const PAGE: usize = 2048;
/// How often a batch is decided anew when another owner of the stream was faster. That one has the stream in memory, and this
/// one reads it anew each time: so it loses as long as commands wait there.
const ATTEMPTS: u32 = 25;
/// So many of them follow at once; each later one leaves the other so much longer to be done.
const AT_ONCE: u32 = 5;
const PAUSE: Duration = Duration::from_millis(2);

/// A reply with what the handler needs besides: where its first event stands in the stream.
pub(crate) struct Answer<D: Decider> {
    pub reply: Reply<D::Event, D::Refusal>,
    pub first_revision: u64,
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Unanswered {
    Error(CommandError),
    /// The facts were about something else than what the state would decide on: read them again.
    FactsStale,
}

impl From<CommandError> for Unanswered {
    fn from(error: CommandError) -> Self {
        Self::Error(error)
    }
}
impl From<LogError> for Unanswered {
    fn from(error: LogError) -> Self {
        Self::Error(CommandError::Log(error))
    }
}

pub(crate) struct Queued<D: Decider> {
    pub submission: Submission<D::Command>,
    pub key: FacilityId,
    pub facts: D::Facts,
    pub body_hash: [u8; 16],
    pub reply: oneshot::Sender<Result<Answer<D>, Unanswered>>,
}

type Read<D> = dyn FnOnce(Result<(&<D as Decider>::State, u64), LogError>) + Send;

pub(crate) enum Message<D: Decider> {
    Decide(Box<Queued<D>>),
    Read(Box<Read<D>>),
}

/// The state as of a revision. It may run ahead of the disk only while an append is under way.
pub(crate) struct Cached<D: Decider> {
    pub state: D::State,
    pub next_revision: u64,
    pub window: Window,
    snapshot_revision: u64,
}

pub(crate) struct Actor<D: Decider> {
    stream: StreamId,
    environment: Arc<Environment>,
    inbox: mpsc::Receiver<Message<D>>,
    cached: Option<Cached<D>>,
}

impl<D: Decider> Actor<D> {
    pub fn new(stream: StreamId, environment: Arc<Environment>, inbox: mpsc::Receiver<Message<D>>) -> Self {
        Self { stream, environment, inbox, cached: None }
    }

    pub async fn run(mut self) {
        let idle = Duration::from_secs(self.environment.options.idle_seconds);
        let mut messages = Vec::new();
        loop {
            match tokio::time::timeout(idle, self.inbox.recv_many(&mut messages, BATCH)).await {
                Ok(0) => return,
                Ok(_) => {}
                // What was sent meanwhile is still received; then the inbox ends.
                Err(_) => {
                    self.inbox.close();
                    continue;
                }
            }
            let mut reads = Vec::new();
            let mut commands = Vec::with_capacity(messages.len());
            for message in messages.drain(..) {
                match message {
                    Message::Decide(queued) => commands.push(queued),
                    Message::Read(read) => reads.push(read),
                }
            }
            if !commands.is_empty() {
                self.decide_all(commands).await;
            }
            if !reads.is_empty() {
                self.read_all(reads).await;
            }
        }
    }

    /// After the append: a state is read only when it is durable. One look at the log's head serves all: each of them had
    /// asked before it.
    async fn read_all(&mut self, reads: Vec<Box<Read<D>>>) {
        match self.load_at_head().await {
            Ok(cached) => {
                for read in reads {
                    read(Ok((&cached.state, cached.next_revision)));
                }
            }
            Err(error) => {
                let error = self.fault(error);
                for read in reads {
                    read(Err(error.clone()));
                }
            }
        }
    }

    async fn decide_all(&mut self, commands: Vec<Box<Queued<D>>>) {
        for attempt in 0..ATTEMPTS {
            if attempt > AT_ONCE {
                tokio::time::sleep(PAUSE * (attempt - AT_ONCE)).await;
            }
            match self.attempt(&commands).await {
                Ok(answers) => {
                    for (queued, answer) in commands.into_iter().zip(answers) {
                        // A sender who went away asks again under the same id.
                        let _ = queued.reply.send(answer);
                    }
                    self.snapshot();
                    return;
                }
                Err(Setback::Overtaken) => self.cached = None,
                Err(Setback::TooLarge) => {
                    self.cached = None;
                    return match <[_; 1]>::try_from(commands) {
                        Ok([queued]) => drop(queued.reply.send(Err(CommandError::TooLarge.into()))),
                        Err(commands) => self.decide_each(commands).await,
                    };
                }
                Err(Setback::Fault(error)) => {
                    self.cached = None;
                    let error = self.fault(error);
                    for queued in commands {
                        let _ = queued.reply.send(Err(error.clone().into()));
                    }
                    return;
                }
            }
        }
        tracing::warn!(stream = %self.stream, "another owner of the stream was faster each time");
        for queued in commands {
            let _ = queued.reply.send(Err(CommandError::Busy.into()));
        }
    }

    /// Each as a batch of its own, so that only the one that is too large is told so.
    async fn decide_each(&mut self, commands: Vec<Box<Queued<D>>>) {
        for queued in commands {
            Box::pin(self.decide_all(vec![queued])).await;
        }
    }

    async fn attempt(
        &mut self,
        commands: &[Box<Queued<D>>],
    ) -> Result<Vec<Result<Answer<D>, Unanswered>>, Setback> {
        let stream = self.stream;
        let environment = Arc::clone(&self.environment);
        let cached = self.load().await.map_err(Setback::Fault)?;
        Draft::decide(stream, &environment, cached, commands).await?.append(&environment, cached).await
    }

    /// The cached state, or the snapshot and the events since.
    async fn load(&mut self) -> Result<&mut Cached<D>, LogError> {
        let cached = match self.cached.take() {
            Some(cached) => cached,
            None => load(self.stream, &self.environment).await?,
        };
        Ok(self.cached.insert(cached))
    }

    /// Where others append too, a cached state may be behind. (A decision on one is caught by its expected revision.)
    async fn load_at_head(&mut self) -> Result<&mut Cached<D>, LogError> {
        if !self.environment.options.sole_owner
            && let Some(cached) = &self.cached
            && !self.environment.log.read_stream(self.stream, cached.next_revision, 1).await?.is_empty()
        {
            self.cached = None;
        }
        self.load().await
    }

    /// Whoever asked logs that it failed; which stream it was is for who looks closer.
    fn fault(&self, error: LogError) -> LogError {
        tracing::debug!(stream = %self.stream, %error, "a stream could not be loaded or appended to");
        error
    }

    /// Written off the append path; losing it costs only the time to fold again.
    fn snapshot(&mut self) {
        let every = self.environment.options.snapshot_every;
        let (Some(store), Some(cached)) = (&self.environment.snapshots, &mut self.cached) else { return };
        if cached.next_revision < cached.snapshot_revision + every {
            return;
        }
        cached.snapshot_revision = cached.next_revision;
        let (stream, store, next_revision) = (self.stream, Arc::clone(store), cached.next_revision);
        let state = cached.state.clone();
        tokio::spawn(async move {
            let saved = match serde_json::to_vec(&state) {
                Ok(state) => {
                    let snapshot = Snapshot { next_revision, version: D::SNAPSHOT_VERSION, state };
                    store.save(stream, snapshot).await.map_err(|error| error.to_string())
                }
                Err(error) => Err(error.to_string()),
            };
            if let Err(error) = saved {
                tracing::warn!(%stream, error, "a snapshot could not be saved");
            }
        });
    }
}

async fn load<D: Decider>(stream: StreamId, environment: &Environment) -> Result<Cached<D>, LogError> {
    let (mut state, mut next_revision) = load_snapshot::<D>(stream, environment).await;
    let mut tail = environment.log.read_stream(stream, next_revision, PAGE).await?;
    if tail.is_empty() && next_revision > 0 && is_ahead(stream, environment, next_revision).await? {
        // The log was put back to an older copy: the snapshot is of events that are gone.
        (state, next_revision) = (D::State::default(), 0);
        tail = environment.log.read_stream(stream, 0, PAGE).await?;
    }
    let snapshot_revision = next_revision;
    loop {
        let read = tail.len();
        for event in &tail {
            let moment = Moment { happened_at: event.meta.happened_at, decided_at: event.meta.decided_at };
            D::evolve(&mut state, &decoded::<D>(event)?, moment);
        }
        next_revision += read as u64;
        if read < PAGE {
            break;
        }
        tail = environment.log.read_stream(stream, next_revision, PAGE).await?;
    }
    let limit = environment.options.ledger_window;
    let window = Window::new(environment.log.ledger_window(stream, limit).await?, limit);
    Ok(Cached { state, next_revision, window, snapshot_revision })
}

async fn is_ahead(stream: StreamId, environment: &Environment, revision: u64) -> Result<bool, LogError> {
    Ok(environment.log.read_stream(stream, revision - 1, 1).await?.is_empty())
}

/// A snapshot that cannot be read is ignored: it is a cache.
async fn load_snapshot<D: Decider>(stream: StreamId, environment: &Environment) -> (D::State, u64) {
    let empty = (D::State::default(), 0);
    let Some(store) = &environment.snapshots else { return empty };
    match store.load(stream).await {
        Ok(Some(snapshot)) if snapshot.version == D::SNAPSHOT_VERSION => {
            match serde_json::from_slice(&snapshot.state) {
                Ok(state) => (state, snapshot.next_revision),
                Err(error) => {
                    let error = octocity_log::json_fault(&error);
                    tracing::warn!(%stream, error, "a snapshot could not be read, and is ignored");
                    empty
                }
            }
        }
        Ok(_) => empty,
        Err(error) => {
            tracing::warn!(%stream, %error, "a snapshot could not be loaded, and is ignored");
            empty
        }
    }
}

pub(crate) fn decoded<D: Decider>(event: &RecordedEvent) -> Result<D::Event, LogError> {
    decode_for::<D>(&event.event_type, event.version, &event.data)
        .map_err(|error| LogError::Damaged(error.to_string()))
}
