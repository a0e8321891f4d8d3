//! Whether somebody publishes the log to Kafka.

use super::Findings;
use super::contents::Contents;
use crate::config::KafkaConfig;
use crate::failure::Failure;

impl Contents<'_> {
    pub async fn look_at_topic(&self, kafka: &KafkaConfig, findings: &mut Findings) -> Result<(), Failure> {
        let published = match crate::kafka::published(kafka, &*self.node.events()).await {
            Ok(published) => published,
            Err(failure) => {
                findings.wrong("relay", failure.message);
                return Ok(());
            }
        };
        match self.oldest_after(published).await? {
            None => findings.well("relay", "all of the log is on Kafka"),
            Some(since) if self.is_left(since) => findings.wrong(
                "relay",
                format!(
                    "the log's topic lacks what was decided since {since}; start octocity serve --role relay, or, where one \
                     runs, look in its log for what it waits for."
                ),
            ),
            Some(since) => findings.well("relay", format!("the log's topic lacks what was decided since {since}")),
        }
        Ok(())
    }
}
