//! Storing a batch while the next one is folded. What a batch writes stays in the views' memory until the next one is folded,
//! and one commit ends before another begins: rows can therefore be loaded while it is under way.

use std::sync::Arc;

use octocity_log::Position;
use tokio::task::JoinSet;

use crate::models::Progress;
use crate::store::{Batch, RowStore, StoreError};

/// What was folded.
pub(crate) struct Made {
    pub batch: Arc<Batch>,
    /// How far each view is once it is stored.
    pub reached: Progress,
    /// Behind the last event that was folded.
    pub next: Position,
}

/// A batch that is being stored.
pub(crate) struct UnderWay {
    pub made: Made,
    /// One task, which is let go of with this; what it has blocked on goes on, and finds that another was there if so.
    commit: JoinSet<Result<(), StoreError>>,
}

impl UnderWay {
    pub fn begin(store: Arc<dyn RowStore>, made: Made) -> Self {
        let (mut commit, batch) = (JoinSet::new(), Arc::clone(&made.batch));
        commit.spawn(async move { store.commit(batch).await });
        Self { made, commit }
    }

    pub async fn end(&mut self) -> Result<(), StoreError> {
        match self.commit.join_next().await {
            Some(Ok(ended)) => ended,
            // The runtime ends, and whoever waits with it.
            Some(Err(error)) if error.is_cancelled() => std::future::pending().await,
            Some(Err(error)) => Err(StoreError::Unavailable(error.to_string())),
            None => Err(StoreError::Unavailable("nobody saw how a commit ended".to_owned())),
        }
    }
}
