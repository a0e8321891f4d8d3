//! At which node calls are made, and what is asked again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use octocity_log::LogError;
use thiserror::Error;
use tonic::Status;

use super::EventStoreOptions;
use super::fault::{Fault, REFUSED, fault};
use super::node::{Node, no_answer};
use super::nodes::Nodes;
use super::wire::{AppendReq, Expected, Proposed, ReadReq, Record};
use crate::clock::shortened;

/// Why a log cannot be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    #[error(
        "The connection string of EventStoreDB cannot be read; it has the form \
         esdb://USER:PASSWORD@HOST:2113?tls=true, with several hosts between commas."
    )]
    Settings,
    #[error(
        "EventStoreDB is to be trusted unseen (tlsVerifyCert=false); name its certificate by tlsCaFile instead."
    )]
    Unverified,
    #[error("{0} cannot be read as a certificate or key; check the paths in the connection string.")]
    Certificate(String),
    #[error(
        "EventStoreDB at {hosts} cannot be reached ({reason}); check that it runs, that the connection string names \
         it, and that it speaks TLS or has tls=false there."
    )]
    Unreachable { hosts: String, reason: String },
    #[error(
        "The certificate of EventStoreDB at {hosts} is not trusted ({reason}); name who signed it by tlsCaFile in the \
         connection string, and each host as its certificate does."
    )]
    Untrusted { hosts: String, reason: String },
    #[error("EventStoreDB at {hosts} refuses the user; check user and password.")]
    Refused { hosts: String },
    #[error("EventStoreDB at {hosts} is older than 22.10, and does not tell positions; upgrade it.")]
    Old { hosts: String },
    #[error(
        "The log in EventStoreDB at {hosts} was written by a newer version of Octocity (its form is {found}, this \
         one knows {known}); upgrade Octocity or name another namespace."
    )]
    Newer { hosts: String, found: u32, known: u32 },
    #[error(
        "A migration into EventStoreDB at {hosts} is not finished; finish it by octocity migrate --to eventstoredb."
    )]
    Unfinished { hosts: String },
    #[error(
        "EventStoreDB at {hosts} holds a stream {stream} that is not Octocity's; name another namespace."
    )]
    Foreign { hosts: String, stream: String },
}

/// The node that calls are made at.
struct Current {
    /// Rises with each change.
    number: u64,
    node: Node,
    /// How many of the named ones were turned to.
    turns: usize,
}

pub struct Connection {
    pub nodes: Nodes,
    pub options: EventStoreOptions,
    current: Mutex<Current>,
    /// Whether the last call was not answered: it is logged when that begins and when it is over.
    is_away: AtomicBool,
}

impl Connection {
    pub fn new(nodes: Nodes, options: EventStoreOptions) -> Self {
        let current = Current { number: 0, node: nodes.in_turn(0), turns: 1 };
        Self { nodes, options, current: Mutex::new(current), is_away: AtomicBool::new(false) }
    }

    /// The position of the last of the records, 0 where it is not said. None: something else stands there.
    pub async fn append(
        &self,
        stream: &str,
        expected: Expected,
        records: &[Proposed],
    ) -> Result<Option<u64>, LogError> {
        let append = |node: Node| async move {
            match node.append(self.options.deadline, AppendReq::all(stream, expected, records)).await {
                Ok(answer) => {
                    Ok(answer.success.map(|done| done.position.map_or(0, |position| position.commit)))
                }
                // Some of its records stand there, which only another batch can have brought.
                Err(status) if status.message() == "Invalid Transaction" => Ok(None),
                Err(status) => Err(status),
            }
        };
        self.call(append).await
    }

    pub async fn read(&self, read: ReadReq) -> Result<Vec<Record>, LogError> {
        let read = &read;
        let records = |node: Node| async move {
            let mut records = Vec::new();
            node.read(self.options.deadline, read.clone(), &mut records).await.map(|()| records)
        };
        self.call(records).await
    }

    pub fn hosts(&self) -> String {
        self.nodes.hosts().join(",")
    }

    /// The fault of the first call, as whoever configures it is told.
    pub fn open_error(&self, error: LogError) -> OpenError {
        let (hosts, reason) = (self.hosts(), error.to_string());
        match error {
            LogError::Unavailable(reason) if reason == REFUSED => OpenError::Refused { hosts },
            // As rustls says it.
            LogError::Unavailable(reason) if reason.starts_with("invalid peer certificate") => {
                OpenError::Untrusted { hosts, reason }
            }
            LogError::Unavailable(reason) => OpenError::Unreachable { hosts, reason },
            _ => OpenError::Unreachable { hosts, reason },
        }
    }

    fn lock(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes calls at the leader, or, where none is named, at the next of the named nodes; unless another call has
    /// turned to one since.
    fn turn(&self, seen: u64, leader: Option<&str>) {
        let mut current = self.lock();
        if current.number != seen {
            return;
        }
        current.number += 1;
        if let Some(leader) = leader.and_then(|leader| self.nodes.at(leader)) {
            current.node = leader;
            return;
        }
        current.node = self.nodes.in_turn(current.turns);
        current.turns += 1;
    }

    /// What the call answers, asked again with growing pauses while the fault is a passing one, but not for long: a car
    /// stands at the gate, and whoever is told of the fault may ask again under the same id.
    pub async fn call<T, F>(&self, call: impl Fn(Node) -> F) -> Result<T, LogError>
    where
        F: Future<Output = Result<T, Status>>,
    {
        let (begun, longest) = (Instant::now(), 2 * self.options.deadline);
        let mut pause = self.options.first_pause;
        let (mut attempt, mut is_sent_on) = (1, false);
        loop {
            let (number, node) = {
                let current = self.lock();
                (current.number, current.node.clone())
            };
            // The way to the node may be silent; what it answers itself at the deadline says more.
            let longest_call = self.options.deadline + Duration::from_secs(1);
            let answer = tokio::time::timeout(longest_call, call(node)).await;
            let reason = match answer.map_err(|_| no_answer()).flatten().map_err(fault) {
                Ok(answer) => {
                    if self.is_away.swap(false, Ordering::Relaxed) {
                        tracing::info!("EventStoreDB answers again");
                    }
                    return Ok(answer);
                }
                Err(Fault::Final(error)) => return Err(error),
                Err(Fault::Busy(reason)) => reason,
                Err(Fault::Away(reason)) => {
                    self.turn(number, None);
                    reason
                }
                Err(Fault::NotLeader(leader)) => {
                    self.turn(number, Some(&leader));
                    if !std::mem::replace(&mut is_sent_on, true) {
                        continue;
                    }
                    format!("{leader} is said to lead and does not")
                }
            };
            if attempt >= self.options.attempts || begun.elapsed() >= longest {
                return Err(LogError::Unavailable(reason));
            }
            if !self.is_away.swap(true, Ordering::Relaxed) {
                tracing::warn!(reason, "EventStoreDB did not answer and is asked again");
            }
            tokio::time::sleep(shortened(pause)).await;
            pause = (pause * 2).min(self.options.longest_pause);
            attempt += 1;
        }
    }
}
