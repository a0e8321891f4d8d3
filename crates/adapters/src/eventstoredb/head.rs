//! The log's head: follows what everybody appends.

use std::sync::Arc;
use std::time::Duration;

use octocity_log::{LogError, Position, Retry};
use tokio::sync::watch;

use super::connection::Connection;
use super::fault::reason;
use super::record;
use super::streams::Streams;
use super::wire::Filter;
use crate::clock::shortened;
use crate::counters::Counters;
use crate::outage::Outage;

/// How soon a server that told nothing since a call failed is asked again.
const LOOK: Duration = Duration::from_secs(5);

/// The last event known to be durable. It never goes back.
#[derive(Clone)]
pub struct Head(Arc<watch::Sender<Position>>);

impl Head {
    pub fn new(position: Position) -> Self {
        Self(Arc::new(watch::Sender::new(position)))
    }

    pub fn get(&self) -> Position {
        *self.0.borrow()
    }

    pub fn subscribe(&self) -> watch::Receiver<Position> {
        self.0.subscribe()
    }

    /// EventStoreDB makes events durable in their order: where one can be read, so can all before it.
    pub fn raise(&self, position: Position) {
        self.0.send_if_modified(|head| {
            let rises = position > *head;
            *head = position.max(*head);
            rises
        });
    }
}

/// Follows for ever, from behind the first position. A subscription that ends, with an error or without, is opened again
/// after a pause that grows until one has told something: then the server is there again, whatever became of the last append.
/// Begin and end are logged.
pub async fn follow(
    (head, first): (Head, Position),
    streams: Arc<Streams>,
    (counters, silence): (Arc<Counters>, Outage),
) {
    let Connection { nodes, options, .. } = &streams.connection;
    let mut retry = Retry::new(options.first_pause, options.longest_pause);
    // Not the head: that goes on by itself with what this node appends, and what the others did before must be told, too.
    let mut position = first;
    for attempt in 0.. {
        let filter = Filter::by_stream(streams.prefixes(&[]));
        let reason = match nodes.in_turn(attempt).subscribe(position.0, filter).await {
            Err(status) => reason(&status),
            Ok(mut told) => {
                streams.told.begin(position);
                loop {
                    let message = match tokio::time::timeout(LOOK, told.message()).await {
                        Ok(message) => message,
                        // A node that is not ready is sent no commands: whether it is there again must show otherwise.
                        Err(_) if matches!(counters.failure(), Some(LogError::Unavailable(_))) => {
                            break "a call was not answered".to_owned();
                        }
                        Err(_) => continue,
                    };
                    match message {
                        Ok(Some(told)) => {
                            if retry.is_over() {
                                tracing::info!("EventStoreDB tells what is appended again");
                            }
                            silence.is_over();
                            counters.set_failure(None);
                            let Some(record) = told.record() else { continue };
                            let event = record::is_event(&record).then_some(Position(record.commit_position));
                            streams.hear(record);
                            event.inspect(|event| head.raise(*event));
                        }
                        Ok(None) => break "the server ended it".to_owned(),
                        Err(status) => break reason(&status),
                    }
                }
            }
        };
        position = streams.told.cut(position);
        silence.begins();
        if retry.begins() {
            tracing::warn!(reason, "the subscription to EventStoreDB is cut and is opened again");
        }
        tokio::time::sleep(shortened(retry.pause().unwrap_or_default())).await;
    }
}
