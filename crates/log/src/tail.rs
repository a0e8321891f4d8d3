//! What followers read: the log itself, or what brings it to them another way, with the same positions.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::watch;

use crate::port::{EventLog, LogError, Page};
use crate::position::{LogId, Position};

/// Events in order, read on from a position. In order per key at least; each of them once.
#[async_trait]
pub trait Tail: Send + Sync + 'static {
    fn id(&self) -> LogId;
    fn epoch(&self) -> u32;
    /// Up to where it can be read.
    fn head(&self) -> watch::Receiver<Position>;
    /// The events after `after`, at most `limit`, and from where to read on.
    async fn read_after(&self, after: Position, limit: usize) -> Result<Page, LogError>;
}

/// The log itself.
pub struct WholeLog(pub Arc<dyn EventLog>);

#[async_trait]
impl Tail for WholeLog {
    fn id(&self) -> LogId {
        self.0.id()
    }
    fn epoch(&self) -> u32 {
        self.0.epoch()
    }
    fn head(&self) -> watch::Receiver<Position> {
        self.0.head()
    }
    async fn read_after(&self, after: Position, limit: usize) -> Result<Page, LogError> {
        self.0.read_all(after, limit, &[], &[]).await
    }
}
