//! How Kafka is reached and which topics are ours, and what each kind of client is made with.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;

use super::fault::KafkaFault;

/// How long a broker may take to answer one question.
pub(super) const ANSWER: Duration = Duration::from_secs(10);
/// How long a transaction may stay open: so long, at most, does a relay that died hold up the readers.
const TRANSACTION: Duration = Duration::from_secs(30);
/// The largest record: an event of a facility with tens of thousands of spots.
pub(super) const RECORD_MAX_BYTES: usize = 16 * 1024 * 1024;

/// What we set ourselves, because order and exactness rest on it.
const OURS: [&str; 14] = [
    "acks",
    "auto.offset.reset",
    "bootstrap.servers",
    "enable.auto.commit",
    "enable.idempotence",
    "enable.partition.eof",
    "group.id",
    "isolation.level",
    "max.in.flight.requests.per.connection",
    "message.max.bytes",
    "message.timeout.ms",
    "request.required.acks",
    "transaction.timeout.ms",
    "transactional.id",
];

#[derive(Clone, PartialEq, Eq)]
pub struct KafkaOptions {
    /// `host:port`, several with commas between.
    pub brokers: String,
    /// The internal topic: every stored event, byte for byte.
    pub log_topic: String,
    /// The public topic: CloudEvents.
    pub events_topic: String,
    /// Over how many partitions keys are spread, in both topics. Fixed for the topics' life.
    pub partitions: i32,
    /// How many brokers hold a copy, where the topics are made.
    pub replication: i32,
    /// How long records are kept, where the topics are made. Older ones are read from the log.
    pub retention_hours: u32,
    /// Whether topics that are missing are made.
    pub create_topics: bool,
    /// The transactional id that all relays of this log share: by it the younger fences the older. Before it is changed
    /// all of them must have been stopped for half a minute.
    pub relay: String,
    /// The `ce_source` of what is published: a URI of this system.
    pub source: String,
    /// Options of librdkafka, for TLS and SASL.
    pub client: BTreeMap<String, String>,
    /// The group of the projectors that write one set of read models.
    pub group: String,
}

impl fmt::Debug for KafkaOptions {
    /// The options of the client stay unsaid: one of them is a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaOptions")
            .field("brokers", &self.brokers)
            .field("log_topic", &self.log_topic)
            .finish_non_exhaustive()
    }
}

impl Default for KafkaOptions {
    fn default() -> Self {
        Self {
            brokers: "localhost:9092".to_owned(),
            log_topic: "octocity.log".to_owned(),
            events_topic: "octocity.events".to_owned(),
            partitions: 12,
            replication: 1,
            retention_hours: 7 * 24,
            create_topics: true,
            relay: "octocity.log-relay".to_owned(),
            source: "/octocity".to_owned(),
            client: BTreeMap::new(),
            group: "octocity.log-projectors".to_owned(),
        }
    }
}

impl KafkaOptions {
    pub(super) fn retention(&self) -> Duration {
        Duration::from_secs(3_600 * u64::from(self.retention_hours))
    }

    /// What can be judged without asking a broker.
    pub fn check(&self) -> Result<(), KafkaFault> {
        let refuse = |option: &str, reason: &str| {
            Err(KafkaFault::Option { option: format!("'{option}'"), reason: reason.to_owned() })
        };
        if self.partitions < 1 {
            return refuse("partitions", "at least one is needed");
        }
        if self.replication < 1 || self.replication > i32::from(i16::MAX) {
            return refuse("replication", "at least one copy is needed");
        }
        if self.log_topic == self.events_topic {
            return refuse("events_topic", "it is the topic of the log, too");
        }
        match self.client.keys().find(|name| OURS.contains(&name.as_str())) {
            Some(name) => refuse(name, "octocity sets it itself"),
            None => Ok(()),
        }
    }

    fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set_log_level(RDKafkaLogLevel::Warning);
        for (name, value) in &self.client {
            config.set(name, value);
        }
        config.set("bootstrap.servers", &self.brokers);
        config
    }

    pub(super) fn producer(&self) -> ClientConfig {
        let mut config = self.config();
        let transaction_ms = TRANSACTION.as_millis().to_string();
        config
            .set("transactional.id", &self.relay)
            .set("transaction.timeout.ms", &transaction_ms)
            .set("message.timeout.ms", &transaction_ms)
            .set("message.max.bytes", RECORD_MAX_BYTES.to_string())
            .set("compression.type", "lz4")
            .set("linger.ms", "1");
        config
    }

    /// Without a group of its own it still needs the name of one, which it never joins.
    pub(super) fn consumer(&self, group: Option<&str>) -> ClientConfig {
        let mut config = self.config();
        config
            .set("group.id", group.unwrap_or("octocity"))
            .set("enable.auto.commit", "false")
            .set("isolation.level", "read_committed")
            // Where to begin is always said; an offset that is gone is a fault, and nothing is skipped.
            .set("auto.offset.reset", "error")
            .set("fetch.wait.max.ms", "100")
            // A member that died gives its partitions away after this.
            .set("session.timeout.ms", "10000");
        config
    }

    /// For looking at single records.
    pub(super) fn scanner(&self) -> ClientConfig {
        let mut config = self.consumer(None);
        config
            .set("enable.partition.eof", "true")
            .set("max.partition.fetch.bytes", "65536")
            // A question does not wait for news that the one before it might bring.
            .set("fetch.wait.max.ms", "5");
        config
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_exactness_rests_on_cannot_be_configured() {
        let with = |name: &str, value: &str| KafkaOptions {
            client: BTreeMap::from([(name.to_owned(), value.to_owned())]),
            ..KafkaOptions::default()
        };
        assert_eq!(with("security.protocol", "ssl").check(), Ok(()));
        let told = with("isolation.level", "read_uncommitted").check().unwrap_err().to_string();
        assert_eq!(
            told,
            "the option 'isolation.level' is not taken: octocity sets it itself; correct or remove it"
        );
        assert!(KafkaOptions { partitions: 0, ..KafkaOptions::default() }.check().is_err());
        let one_topic = KafkaOptions { events_topic: "octocity.log".to_owned(), ..KafkaOptions::default() };
        assert!(one_topic.check().is_err());
    }
}
