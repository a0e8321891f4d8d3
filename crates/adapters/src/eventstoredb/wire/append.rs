//! Appends.

use std::collections::HashMap;

use prost::bytes::Bytes;
use uuid::Uuid;

use super::{Position, StreamName};

/// First the options come, then one message for each record.
#[derive(Clone, PartialEq, prost::Message)]
pub struct AppendReq {
    #[prost(message, optional, tag = "1")]
    options: Option<AppendOptions>,
    #[prost(message, optional, tag = "2")]
    proposed: Option<Proposed>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct AppendOptions {
    #[prost(message, optional, tag = "1")]
    stream: Option<StreamName>,
    #[prost(uint64, optional, tag = "2")]
    revision: Option<u64>,
    #[prost(message, optional, tag = "3")]
    no_stream: Option<()>,
    #[prost(message, optional, tag = "4")]
    any: Option<()>,
}

/// A record that is to be stored.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Proposed {
    #[prost(message, optional, tag = "1")]
    id: Option<RecordId>,
    #[prost(map = "string, string", tag = "2")]
    properties: HashMap<String, String>,
    #[prost(bytes = "bytes", tag = "3")]
    metadata: Bytes,
    #[prost(bytes = "bytes", tag = "4")]
    data: Bytes,
}

#[derive(Clone, PartialEq, prost::Message)]
struct RecordId {
    #[prost(message, optional, tag = "1")]
    structured: Option<Halves>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Halves {
    #[prost(int64, tag = "1")]
    most_significant: i64,
    #[prost(int64, tag = "2")]
    least_significant: i64,
}

impl Proposed {
    /// Data and metadata are JSON.
    pub fn new(id: Uuid, event_type: &str, metadata: Vec<u8>, data: Vec<u8>) -> Self {
        let (most, least) = id.as_u64_pair();
        let halves = Halves { most_significant: most.cast_signed(), least_significant: least.cast_signed() };
        let properties = [("type", event_type), ("content-type", "application/json")];
        Self {
            id: Some(RecordId { structured: Some(halves) }),
            properties: properties.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            metadata: metadata.into(),
            data: data.into(),
        }
    }
}

/// How many records a stream is to have when something is appended.
#[derive(Clone, Copy)]
pub enum Expected {
    Records(u64),
    Any,
}

impl AppendReq {
    pub fn all(stream: &str, expected: Expected, records: &[Proposed]) -> Vec<Self> {
        let options = AppendOptions {
            stream: StreamName::new(stream),
            revision: match expected {
                Expected::Records(records) => records.checked_sub(1),
                Expected::Any => None,
            },
            no_stream: matches!(expected, Expected::Records(0)).then_some(()),
            any: matches!(expected, Expected::Any).then_some(()),
        };
        let options = Self { options: Some(options), proposed: None };
        let records = records.iter().map(|record| Self { options: None, proposed: Some(record.clone()) });
        std::iter::once(options).chain(records).collect()
    }
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct AppendResp {
    /// None: the stream does not have as many records as expected.
    #[prost(message, optional, tag = "1")]
    pub success: Option<Success>,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct Success {
    /// To a repeated batch it may name none.
    #[prost(message, optional, tag = "3")]
    pub position: Option<Position>,
}
