//! The log's head: follows what everybody appends.

use std::sync::Arc;

use octocity_log::Position;
use tokio::sync::watch;

use super::EventStoreOptions;
use super::record::REFUSED;
use super::subscription::Subscriber;
use crate::counters::Counters;

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

/// Follows for ever. A subscription that ends, with an error or without, is opened again after a pause that grows until
/// one has told something: then the server is there again, whatever became of the last append.
pub async fn follow(
    head: Head,
    subscriber: Subscriber,
    prefixes: Vec<String>,
    options: EventStoreOptions,
    counters: Arc<Counters>,
) {
    let mut pause = options.first_pause;
    for attempt in 0.. {
        let reason = match subscriber.subscribe(attempt, head.get().0, &prefixes).await {
            Err(status) => status.message().to_owned(),
            Ok(mut told) => loop {
                match told.message().await {
                    Ok(Some(told)) => {
                        pause = options.first_pause;
                        counters.set_failure(None);
                        if let Some((event_type, position)) = told.event()
                            && event_type != REFUSED
                        {
                            head.raise(Position(position));
                        }
                    }
                    Ok(None) => break "the server ended it".to_owned(),
                    Err(status) => break status.message().to_owned(),
                }
            },
        };
        tracing::warn!(reason, "the subscription to EventStoreDB is cut and is opened again");
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(options.longest_pause);
    }
}
