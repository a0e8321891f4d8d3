//! The live streams of one aggregate: an actor for each, started on demand and ended when idle.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use octocity_domain::{Decider, FacilityId};
use octocity_log::{EventLog, LogError, SnapshotStore, StreamId};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::actor::{Actor, Answer, Message, Queued, Unanswered};
use crate::handler::HandlerOptions;
use crate::ledger::body_hash;
use crate::submission::{Clock, CommandError, Submission};

/// What every actor works with.
pub(crate) struct Environment {
    pub log: Arc<dyn EventLog>,
    pub snapshots: Option<Arc<dyn SnapshotStore>>,
    pub clock: Arc<dyn Clock>,
    pub options: HandlerOptions,
}

pub(crate) struct Streams<D: Decider> {
    environment: Arc<Environment>,
    live: Mutex<Live<D>>,
}

struct Live<D: Decider> {
    actors: HashMap<Uuid, Slot<D>>,
    /// Actors that take no more but may still be appending: a successor loads its state after they ended.
    leaving: HashMap<Uuid, JoinHandle<()>>,
    /// Counts the uses, to tell which actors were not used for longest.
    uses: u64,
}

struct Slot<D: Decider> {
    inbox: mpsc::Sender<Message<D>>,
    actor: JoinHandle<()>,
    last_use: u64,
}

impl<D: Decider> Streams<D> {
    pub fn new(environment: Arc<Environment>) -> Self {
        let live = Live { actors: HashMap::new(), leaving: HashMap::new(), uses: 0 };
        Self { environment, live: Mutex::new(live) }
    }

    /// Decides a command on the stream's state; returns when what it rests on is durable.
    pub async fn decide(
        &self,
        id: Uuid,
        key: FacilityId,
        submission: Submission<D::Command>,
        facts: D::Facts,
    ) -> Result<Answer<D>, Unanswered> {
        let answer = self.queue(id, key, submission, facts)?;
        answer.await.unwrap_or_else(|_| Err(stopped().into()))
    }

    /// Hands a command to the stream's actor. Commands are decided in the order in which this returned.
    pub fn queue(
        &self,
        id: Uuid,
        key: FacilityId,
        submission: Submission<D::Command>,
        facts: D::Facts,
    ) -> Result<oneshot::Receiver<Result<Answer<D>, Unanswered>>, CommandError> {
        let body_hash = body_hash(&submission.command).map_err(|_| CommandError::IdInvalid)?;
        let (reply, answer) = oneshot::channel();
        self.send(id, Message::Decide(Box::new(Queued { submission, key, facts, body_hash, reply })))?;
        Ok(answer)
    }

    /// What `look` makes of the stream's durable state, with the number of events in it.
    pub async fn read<T: Send + 'static>(
        &self,
        id: Uuid,
        look: impl FnOnce(&D::State) -> T + Send + 'static,
    ) -> Result<(T, u64), CommandError> {
        let (reply, answer) = oneshot::channel();
        let read = move |state: Result<(&D::State, u64), LogError>| {
            // A reader who went away needs no answer.
            let _ = reply.send(state.map(|(state, revision)| (look(state), revision)));
        };
        self.send(id, Message::Read(Box::new(read)))?;
        answer.await.unwrap_or_else(|_| Err(stopped())).map_err(CommandError::Log)
    }

    fn send(&self, id: Uuid, message: Message<D>) -> Result<(), CommandError> {
        let live = &mut *self.live.lock().unwrap_or_else(PoisonError::into_inner);
        live.uses += 1;
        let uses = live.uses;
        let mut message = message;
        // An actor that has just gone idle refuses; a new one takes over.
        for _ in 0..2 {
            let slot = live.actors.entry(id).or_insert_with(|| self.start(id, live.leaving.remove(&id)));
            slot.last_use = uses;
            match slot.inbox.try_send(message) {
                Ok(()) => break,
                Err(mpsc::error::TrySendError::Full(_)) => return Err(CommandError::Busy),
                Err(mpsc::error::TrySendError::Closed(refused)) => {
                    live.leaving.extend(live.actors.remove(&id).map(|slot| (id, slot.actor)));
                    message = refused;
                }
            }
        }
        if live.actors.len() > self.environment.options.live_streams {
            live.evict(self.environment.options.queue);
        }
        Ok(())
    }

    fn start(&self, id: Uuid, predecessor: Option<JoinHandle<()>>) -> Slot<D> {
        let (inbox, messages) = mpsc::channel(self.environment.options.queue);
        let stream = StreamId::new(D::CATEGORY, id);
        let actor = Actor::new(stream, Arc::clone(&self.environment), messages);
        let actor = tokio::spawn(async move {
            if let Some(predecessor) = predecessor {
                // One that panicked has ended too.
                let _ = predecessor.await;
            }
            actor.run().await;
        });
        Slot { inbox, actor, last_use: 0 }
    }
}

impl<D: Decider> Live<D> {
    /// Lets go of the half that was not used for longest. One that is at work finishes before a successor begins.
    fn evict(&mut self, queue: usize) {
        let mut uses: Vec<u64> = self.actors.values().map(|slot| slot.last_use).collect();
        let half = uses.len() / 2;
        let (_, median, _) = uses.select_nth_unstable(half);
        let median = *median;
        self.leaving.retain(|_, actor| !actor.is_finished());
        let idle = |_: &Uuid, slot: &mut Slot<D>| slot.last_use < median && slot.inbox.capacity() == queue;
        self.leaving.extend(self.actors.extract_if(idle).map(|(id, slot)| (id, slot.actor)));
    }
}

pub(crate) fn stopped() -> LogError {
    LogError::Unavailable("the stream's actor ended before it answered".to_owned())
}
