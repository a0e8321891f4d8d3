//! What goes wrong, on demand.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tonic::metadata::MetadataMap;
use tonic::{Code, Status};

/// What befalls one append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppendFault {
    /// Nothing is stored: `UNAVAILABLE`.
    Unavailable,
    /// All is stored, and the answer is `UNAVAILABLE`, as where the connection breaks.
    AnswerLost,
    /// All is stored, and the answer is the server's own "Operation timed out".
    TimedOutAfter,
    /// All is stored, and no answer comes before the caller's deadline.
    Silence,
}

/// How a subscription ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// With status OK, as when a server is shut down in order.
    Clean,
    /// With `UNAVAILABLE`.
    Unavailable,
}

pub struct Faults {
    inner: Mutex<Inner>,
    cuts: watch::Sender<Option<Cut>>,
    hushed: watch::Sender<bool>,
}

#[derive(Default)]
struct Inner {
    appends: VecDeque<Option<AppendFault>>,
    failing_reads: usize,
    /// Where the leader is, if this node is none.
    leader: Option<(String, u16)>,
    subscriptions: usize,
    reads: usize,
}

impl Default for Faults {
    fn default() -> Self {
        Self { inner: Mutex::default(), cuts: watch::Sender::new(None), hushed: watch::Sender::new(false) }
    }
}

impl Faults {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next appends meet these in turn; None lets one pass.
    pub fn appends(&self, faults: impl IntoIterator<Item = Option<AppendFault>>) {
        self.inner().appends.extend(faults);
    }

    /// The next `count` reads fail with `UNAVAILABLE`.
    pub fn fail_reads(&self, count: usize) {
        self.inner().failing_reads = count;
    }

    /// From now on this node is a follower of that one; None: it leads again.
    pub fn follow(&self, leader: Option<(&str, u16)>) {
        self.inner().leader = leader.map(|(host, port)| (host.to_owned(), port));
    }

    /// Ends every subscription that is open now.
    pub fn cut_subscriptions(&self, cut: Cut) {
        self.cuts.send_replace(Some(cut));
    }

    /// From now on subscriptions stay open and tell nothing, or tell again.
    pub fn hush(&self, hushed: bool) {
        self.hushed.send_replace(hushed);
    }

    /// How many subscriptions were opened.
    pub fn subscriptions(&self) -> usize {
        self.inner().subscriptions
    }

    /// How many reads and subscriptions were asked for.
    pub fn reads(&self) -> usize {
        self.inner().reads
    }

    pub(crate) async fn speak(&self) {
        // Its sender is this.
        let _ = self.hushed.subscribe().wait_for(|hushed| !hushed).await;
    }

    pub(crate) fn next_append(&self) -> Option<AppendFault> {
        self.inner().appends.pop_front().flatten()
    }

    pub(crate) fn read(&self) -> Result<(), Status> {
        let mut inner = self.inner();
        inner.reads += 1;
        match inner.failing_reads {
            0 => Ok(()),
            left => {
                inner.failing_reads = left - 1;
                Err(unavailable())
            }
        }
    }

    pub(crate) fn subscribed(&self) -> watch::Receiver<Option<Cut>> {
        self.inner().subscriptions += 1;
        let mut cuts = self.cuts.subscribe();
        cuts.mark_unchanged();
        cuts
    }

    /// A caller who needs the leader is told where it is. Writes always need it.
    pub(crate) fn leads(&self, metadata: &MetadataMap, writes: bool) -> Result<(), Status> {
        let required = writes || metadata.get("requires-leader").is_some_and(|value| value == "true");
        match &self.inner().leader {
            Some((host, port)) if required => Err(not_leader(host, *port)),
            _ => Ok(()),
        }
    }
}

pub(crate) fn unavailable() -> Status {
    Status::unavailable("Server Is Not Ready")
}

fn not_leader(host: &str, port: u16) -> Status {
    let mut trailers = MetadataMap::new();
    trailers.insert("exception", tonic::metadata::MetadataValue::from_static("not-leader"));
    if let Ok(host) = host.parse() {
        trailers.insert("leader-endpoint-host", host);
    }
    trailers.insert("leader-endpoint-port", u64::from(port).into());
    Status::with_metadata(Code::NotFound, "Leader info available", trailers)
}
