//! The running operations of one connection, polled in the connection's own task.

use std::collections::HashMap;

use async_graphql::Response;
use async_graphql::parser::types::OperationType;
use futures_util::stream::{AbortHandle, BoxStream, SelectAll, StreamExt, abortable};

use super::message;
use crate::http::response::body;
use crate::http::transport::{Ready, Transport};

#[derive(Default)]
pub struct Operations {
    running: SelectAll<BoxStream<'static, Step>>,
    aborts: HashMap<String, AbortHandle>,
}

/// What an operation did.
enum Step {
    Answered {
        id: String,
        text: String,
    },
    /// Its last message; nothing follows.
    Ended {
        id: String,
        text: String,
    },
}

impl Operations {
    pub fn has(&self, id: &str) -> bool {
        self.aborts.contains_key(id)
    }
    pub fn count(&self) -> usize {
        self.aborts.len()
    }

    pub fn start(&mut self, transport: &Transport, id: String, ready: Ready) {
        let (answers, abort) = abortable(steps(transport, id.clone(), ready));
        self.running.push(answers.boxed());
        self.aborts.insert(id, abort);
    }

    /// The client wants no more of it.
    pub fn stop(&mut self, id: &str) {
        if let Some(abort) = self.aborts.remove(id) {
            abort.abort();
        }
    }

    /// The next message of any operation; pending while there is none.
    pub async fn next(&mut self) -> String {
        loop {
            match self.running.next().await {
                Some(Step::Answered { id, text }) if self.aborts.contains_key(&id) => return text,
                Some(Step::Ended { id, text }) if self.aborts.remove(&id).is_some() => return text,
                Some(_) => {}
                None => std::future::pending().await,
            }
        }
    }
}

fn steps(transport: &Transport, id: String, ready: Ready) -> BoxStream<'static, Step> {
    let Ready { request, begun, operation } = ready;
    let mut answers = match operation {
        OperationType::Subscription => transport.executor.stream(request),
        OperationType::Query | OperationType::Mutation => {
            let executor = transport.executor.clone();
            futures_util::stream::once(async move { executor.execute(request).await }).boxed()
        }
    };
    async_stream::stream! {
        while let Some(mut answer) = answers.next().await {
            // A response before execution began ends the operation with `error`, and no `complete` follows.
            let text = body(&mut answer, begun.get());
            if !begun.get() {
                yield ended_by(id, &answer);
                return;
            }
            yield Step::Answered { text: message::next(&id, &text), id: id.clone() };
        }
        yield Step::Ended { text: message::complete(&id), id };
    }
    .boxed()
}

fn ended_by(id: String, answer: &Response) -> Step {
    Step::Ended { text: message::error(&id, &answer.errors), id }
}
