//! What librdkafka says aside: kept for the sentence that we say ourselves, and out of our log, where it would repeat
//! itself with every attempt.

use std::sync::{Mutex, PoisonError};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::fault::KafkaFault;

#[derive(Default)]
pub(super) struct Hearing {
    last: Mutex<Option<(RDKafkaErrorCode, String)>>,
}

impl Hearing {
    pub fn heard(&self, error: &KafkaError, reason: &str) {
        if let Some(code) = error.rdkafka_error_code() {
            let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
            // That we are not let in says more than that all brokers are down because of it.
            if !last.as_ref().is_some_and(|(known, _)| *known == RDKafkaErrorCode::Authentication) {
                *last = Some((code, reason.to_owned()));
            }
        }
    }

    /// Why nothing answers, if it is known.
    pub fn fault(&self, brokers: &str) -> Option<KafkaFault> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let (code, reason) = last.clone()?;
        let brokers = brokers.to_owned();
        Some(match code {
            RDKafkaErrorCode::Authentication | RDKafkaErrorCode::SSL => {
                KafkaFault::Credentials { brokers, reason }
            }
            _ => KafkaFault::Unreachable { brokers, reason },
        })
    }
}

pub(super) fn log(level: RDKafkaLogLevel, text: &str) {
    tracing::debug!(?level, text, "librdkafka");
}

impl ClientContext for Hearing {
    fn log(&self, level: RDKafkaLogLevel, _: &str, text: &str) {
        log(level, text);
    }
    fn error(&self, error: KafkaError, reason: &str) {
        self.heard(&error, reason);
    }
}

impl ConsumerContext for Hearing {}

impl rdkafka::producer::ProducerContext for Hearing {
    type DeliveryOpaque = ();
    /// A record that was not delivered fails its transaction: the commit says so.
    fn delivery(&self, _: &rdkafka::producer::DeliveryResult<'_>, (): ()) {}
}
