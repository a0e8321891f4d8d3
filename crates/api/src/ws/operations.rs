//! The running operations of one connection, polled in the connection's own task.

use std::collections::HashMap;

use futures_util::stream::{AbortHandle, BoxStream, SelectAll, Stream, StreamExt, abortable};

use super::message;
use crate::http::request::Prepared;
use crate::http::shared::Told;
use crate::http::transport::Transport;

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

    pub fn start(&mut self, transport: &Transport, id: String, prepared: Prepared) {
        let (answers, abort) = abortable(steps(transport, id.clone(), prepared));
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

fn steps(transport: &Transport, id: String, prepared: Prepared) -> impl Stream<Item = Step> + use<> {
    let mut answers = transport.answers(prepared);
    async_stream::stream! {
        while let Some(Told { text, refused }) = answers.next().await {
            // A response before execution began ends the operation with `error`, and no `complete` follows.
            if let Some(errors) = refused {
                yield Step::Ended { text: message::error(&id, &errors), id };
                return;
            }
            yield Step::Answered { text: message::next(&id, &text), id: id.clone() };
        }
        yield Step::Ended { text: message::complete(&id), id };
    }
}
