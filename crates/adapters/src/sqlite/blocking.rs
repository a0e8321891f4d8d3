//! Work that waits for the disk, beside the tasks that do not.

use tokio::task::{JoinError, spawn_blocking};

/// What the work came to, unless it panicked. Where the runtime ends before the work has begun, whoever waits ends with it, and
/// is not told of a fault that there is not.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, JoinError> {
    match spawn_blocking(work).await {
        Err(ended) if ended.is_cancelled() => std::future::pending().await,
        done => done,
    }
}
