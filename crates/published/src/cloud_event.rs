//! CloudEvents 1.0 in the binary mode of its Kafka protocol binding (1.0.2): the attributes are headers, the value is
//! the fact as JSON.

use octocity_log::{Origin, RecordedEvent};

use crate::Published;

/// The headers of every message, in this order. `ce_origin` is an extension: `imported` marks history that was
/// brought in from a record, which is no news.
pub const HEADERS: [&str; 8] =
    ["ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time", "ce_subject", "ce_origin", "content-type"];

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloudEvent {
    /// The values of [`HEADERS`].
    pub headers: [String; HEADERS.len()],
    pub data: Vec<u8>,
}

impl CloudEvent {
    /// `source`: the URI of this system, as configured. The id is made of stream and revision, which never change,
    /// so that an event published again has the same source and id: by these a consumer knows a double.
    pub fn try_new(
        published: &Published,
        of: &RecordedEvent,
        source: &str,
    ) -> Result<Self, serde_json::Error> {
        let origin = match of.meta.origin {
            Origin::Live => "live",
            Origin::Imported => "imported",
        };
        let headers = [
            "1.0".to_owned(),
            format!("{}@{}", of.stream, of.revision),
            source.to_owned(),
            published.fact.event_type().to_owned(),
            of.meta.happened_at.to_string(),
            published.subject.to_string(),
            origin.to_owned(),
            "application/json".to_owned(),
        ];
        Ok(Self { headers, data: serde_json::to_vec(&published.fact)? })
    }
}
