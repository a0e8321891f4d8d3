//! What every transport shares: the schema, who is let in, the limits, and the end of the server.

use std::net::SocketAddr;
use std::sync::Arc;

use async_graphql::parser::types::OperationType;
use futures_util::stream::{self, BoxStream, StreamExt};
use octocity_log::Actor;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::executor::Executor;
use super::operation::States;
use super::request::{Parameters, Prepared};
use super::shared::{Shared, Told};
use crate::auth::Auth;
use crate::faults::{Code, coded};
use crate::limits::{Documents, Limits};

pub struct Transport {
    pub executor: Arc<dyn Executor>,
    pub auth: Auth,
    pub limits: Limits,
    /// Whether only clients under the machine's own names are served: those of an open server that no other machine
    /// reaches.
    pub only_here: bool,
    /// Becomes true when the server stops: streams end then, so that nothing waits for their readers.
    pub closing: watch::Receiver<bool>,
    streams: Arc<Semaphore>,
    states: States,
    shared: Shared,
    documents: Documents,
}

/// The header `x-octocity-after`: a position that every query of the request waits for.
#[derive(Clone, Debug)]
pub struct AfterHeader(pub String);

impl Transport {
    pub fn new(
        executor: Arc<dyn Executor>,
        states: States,
        auth: Auth,
        limits: Limits,
        listen: SocketAddr,
        closing: watch::Receiver<bool>,
    ) -> Arc<Self> {
        let streams = Arc::new(Semaphore::new(limits.streams));
        let only_here = auth.is_open() && listen.ip().is_loopback();
        let (shared, documents) = (Shared::default(), Documents::new(limits));
        Arc::new(Self { executor, auth, limits, only_here, closing, streams, states, shared, documents })
    }

    /// A place for one more open stream, given back when it is dropped.
    pub fn stream_place(&self) -> Option<OwnedSemaphorePermit> {
        self.streams.clone().try_acquire_owned().ok()
    }

    pub fn prepare(
        &self,
        parameters: Parameters,
        actor: Actor,
        after: Option<AfterHeader>,
    ) -> Result<Prepared, Box<async_graphql::ServerError>> {
        parameters.prepare(&self.documents, self.states, actor, after)
    }

    /// What it comes to: of a subscription many answers, of others one.
    pub fn answers(&self, prepared: Prepared) -> BoxStream<'static, Told> {
        let Prepared { asked, operation, question } = prepared;
        let executor = Arc::clone(&self.executor);
        let ask = move || match operation {
            OperationType::Subscription => executor.stream(asked).map(Told::of).boxed(),
            OperationType::Query | OperationType::Mutation => {
                stream::once(async move { Told::of(executor.execute(asked).await) }).boxed()
            }
        };
        match question {
            Some(question) => self.shared.answers(question, ask),
            None => ask(),
        }
    }
}

/// Resolves when the server stops; never, if whoever would say so is gone.
pub async fn closed(mut closing: watch::Receiver<bool>) {
    if closing.wait_for(|closing| *closing).await.is_err() {
        std::future::pending::<()>().await;
    }
}

pub const TOO_MANY_STREAMS: &str = "Too many subscriptions are open; close some, or try again later.";

/// No more subscription fits.
pub fn too_many_streams() -> Box<async_graphql::ServerError> {
    coded(Code::TooManyStreams, TOO_MANY_STREAMS)
}
