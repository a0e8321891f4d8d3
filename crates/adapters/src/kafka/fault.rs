//! What can go wrong with Kafka: each is one sentence that says what to do, under a stable code.

use octocity_log::LogError;
use octocity_projections::StoreError;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use thiserror::Error;

#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum KafkaFault {
    #[error("no Kafka broker answers at '{brokers}' ({reason}); start one there or correct 'brokers'")]
    Unreachable { brokers: String, reason: String },
    #[error("Kafka at '{brokers}' does not let us in ({reason}); correct the options under 'client'")]
    Credentials { brokers: String, reason: String },
    #[error("the option {option} is not taken: {reason}; correct or remove it")]
    Option { option: String, reason: String },
    #[error(
        "Kafka has no topic '{topic}'; make it with {partitions} partitions, or set 'create_topics = true'"
    )]
    TopicUnknown { topic: String, partitions: i32 },
    #[error("the topic '{topic}' could not be made ({reason}); make it by hand or correct 'replication'")]
    TopicNotMade { topic: String, reason: String },
    #[error(
        "the topic '{topic}' has {found} partitions, fewer than the {configured} that are configured; add the rest"
    )]
    TooFewPartitions { topic: String, found: i32, configured: i32 },
    #[error(
        "the topic '{topic}' was written with 'partitions = {written}', and {configured} are configured; set it back, or \
         keys would move to other partitions and lose their order"
    )]
    PartitionsDiffer { topic: String, written: i32, configured: i32 },
    #[error(
        "the topic '{topic}' has the records of a log, which are not for others; configure another 'events_topic'"
    )]
    EventsTopic { topic: String },
    #[error("the topic '{topic}' is of log {found}, and not of {ours}; configure other topics for this log")]
    OtherLog { topic: String, found: String, ours: String },
    #[error(
        "the topic '{topic}' is ahead of the log; put the log back in its newest state, or wait until it has caught up"
    )]
    AheadOfLog { topic: String },
    #[error(
        "the topic '{topic}' has forgotten how far it was written; configure new topics, which are filled from the log"
    )]
    WatermarksLost { topic: String },
    #[error("the topic '{topic}' has forgotten what follows this position; rebuild from the log")]
    TooOld { topic: String },
    #[error(
        "neither topic nor log has revision {revision} of {stream}; put the log back in its newest state"
    )]
    Gap { stream: String, revision: u64 },
    #[error(
        "offset {offset} of partition {partition} of the topic '{topic}' was not written by a relay ({reason}); keep others \
         from writing to it"
    )]
    Foreign { topic: String, partition: i32, offset: i64, reason: String },
    #[error("another relay has taken over")]
    Fenced,
    #[error("Kafka cannot be read or written just now: {0}")]
    Unavailable(String),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Rows(#[from] StoreError),
}

impl KafkaFault {
    /// Stable for programs.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "KAFKA_UNREACHABLE",
            Self::Credentials { .. } => "KAFKA_CREDENTIALS",
            Self::Option { .. } => "KAFKA_OPTION",
            Self::TopicUnknown { .. } => "KAFKA_TOPIC_UNKNOWN",
            Self::TopicNotMade { .. } => "KAFKA_TOPIC_NOT_MADE",
            Self::TooFewPartitions { .. } => "KAFKA_TOO_FEW_PARTITIONS",
            Self::PartitionsDiffer { .. } => "KAFKA_PARTITIONS_DIFFER",
            Self::EventsTopic { .. } => "KAFKA_EVENTS_TOPIC",
            Self::OtherLog { .. } => "KAFKA_OTHER_LOG",
            Self::AheadOfLog { .. } => "KAFKA_AHEAD_OF_LOG",
            Self::WatermarksLost { .. } => "KAFKA_WATERMARKS_LOST",
            Self::TooOld { .. } => "KAFKA_TOO_OLD",
            Self::Gap { .. } => "KAFKA_GAP",
            Self::Foreign { .. } => "KAFKA_FOREIGN_RECORD",
            Self::Fenced => "KAFKA_FENCED",
            Self::Unavailable(_) => "KAFKA_UNAVAILABLE",
            Self::Log(_) => "LOG_UNAVAILABLE",
            Self::Rows(_) => "ROWS_UNAVAILABLE",
        }
    }

    /// Whether the same may succeed later, without anybody's doing.
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::AheadOfLog { .. }
            | Self::Gap { .. }
            | Self::Fenced
            | Self::Unavailable(_) => true,
            Self::Log(fault) => !matches!(fault, LogError::Damaged(_)),
            Self::Rows(fault) => {
                !matches!(fault, StoreError::OtherForm(_) | StoreError::OtherPartitions { .. })
            }
            _ => false,
        }
    }
}

/// That the broker knows a younger producer with our transactional id.
const fn is_fenced(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::Fenced | RDKafkaErrorCode::ProducerFenced | RDKafkaErrorCode::InvalidProducerEpoch
    )
}

impl From<KafkaError> for KafkaFault {
    fn from(error: KafkaError) -> Self {
        let code = match &error {
            KafkaError::Transaction(inner) => Some(inner.code()),
            other => other.rdkafka_error_code(),
        };
        match error {
            KafkaError::ClientConfig(_, reason, option, _) => Self::Option { option, reason },
            // librdkafka names the option in its sentence.
            KafkaError::ClientCreation(reason) => {
                Self::Option { option: "under 'client'".to_owned(), reason }
            }
            _ if code.is_some_and(is_fenced) => Self::Fenced,
            other => Self::Unavailable(other.to_string()),
        }
    }
}
