//! A tail that ends before the log does.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::watch;

use crate::port::{LogError, Page};
use crate::position::{LogId, Position};
use crate::tail::Tail;

/// What another tail has up to a position, and nothing after it.
pub struct Capped {
    tail: Arc<dyn Tail>,
    head: watch::Sender<Position>,
}

impl Capped {
    pub fn new(tail: Arc<dyn Tail>, cap: Position) -> Self {
        Self { tail, head: watch::Sender::new(cap) }
    }
}

#[async_trait]
impl Tail for Capped {
    fn id(&self) -> LogId {
        self.tail.id()
    }
    fn epoch(&self) -> u32 {
        self.tail.epoch()
    }
    fn head(&self) -> watch::Receiver<Position> {
        self.head.subscribe()
    }
    async fn read_after(&self, after: Position, limit: usize) -> Result<Page, LogError> {
        let cap = *self.head.borrow();
        if after >= cap {
            return Ok(Page { events: Vec::new(), next: after });
        }
        let mut page = self.tail.read_after(after, limit).await?;
        page.events.retain(|event| event.position <= cap);
        page.next = page.next.min(cap);
        Ok(page)
    }
}
