//! For benchmarks: topics for the time of a measurement.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::fault::KafkaFault;
use super::options::KafkaOptions;
use super::topics;

pub struct Scratch {
    options: Arc<KafkaOptions>,
}

impl Scratch {
    /// Empty topics of its own beside those that the options name, with a relay and a group of their own.
    pub async fn make(options: &KafkaOptions) -> Result<Self, KafkaFault> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let own =
            format!("octocity-scratch-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let options = Arc::new(KafkaOptions {
            log_topic: format!("{own}.log"),
            events_topic: format!("{own}.events"),
            relay: own.clone(),
            group: own,
            create_topics: true,
            ..options.clone()
        });
        topics::prepare(&options).await?;
        Ok(Self { options })
    }

    pub fn options(&self) -> KafkaOptions {
        (*self.options).clone()
    }

    pub async fn remove(self) -> Result<(), KafkaFault> {
        topics::remove(&self.options).await
    }
}
