//! The log on Kafka: a relay that publishes it, and readers for whoever follows it there.
//!
//! - **log topic**: internal; every stored event byte for byte, keyed by facility, and watermarks. Ours read this.
//! - **events topic**: public; what others are told, as CloudEvents. Nothing of ours reads it.
//! - **relay**: reads the log on and publishes each batch in one transaction, to both topics. Of several, one leads.
//! - **projector**: builds the read models, as a member of a group; the topic's partitions are shared among them.
//! - **watermark**: that everything up to a position stands in a partition; at the end of every transaction, on every
//!   partition, so that a quiet one makes progress, too. The last one is where the next relay resumes.
//!
//! Invariants: of each key every event stands in the log topic once, in the log's order, whatever dies when; no key
//! changes its partition.

mod assignment;
mod fault;
mod handover;
mod hearing;
mod live;
mod options;
mod projector;
mod publisher;
mod reader;
mod record;
mod relay;
mod scanner;
mod scratch;
mod sequence;
mod topics;

pub use fault::KafkaFault;
pub use live::LiveReader;
pub use options::KafkaOptions;
pub use projector::Projector;
pub use reader::{Batch, Checkpoints, Reader, ReaderOptions, ReaderStats};
pub use record::Watermark;
pub use relay::{Relay, RelayOptions, RelayStats, Standing};
pub use scratch::Scratch;
pub use topics::{check_log, look, prepare, published};

/// Runs what waits for a broker where it holds up nobody else.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, KafkaFault> + Send + 'static,
) -> Result<T, KafkaFault> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|stopped| Err(KafkaFault::Unavailable(stopped.to_string())))
}
