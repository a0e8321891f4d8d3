//! Reads and subscriptions.

use std::collections::HashMap;

use super::{Position, StreamName};
use crate::eventstoredb::streams::Start;

/// How many events the server looks at before it looks whether the reader is still there, or says how far it is.
const WINDOW: u32 = 1000;

#[derive(Clone, PartialEq, prost::Message)]
pub struct ReadReq {
    #[prost(message, optional, tag = "1")]
    options: Option<ReadOptions>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ReadOptions {
    #[prost(message, optional, tag = "1")]
    stream: Option<OfStream>,
    #[prost(message, optional, tag = "2")]
    all: Option<OfAll>,
    #[prost(int32, tag = "3")]
    direction: i32,
    #[prost(uint64, optional, tag = "5")]
    count: Option<u64>,
    #[prost(message, optional, tag = "6")]
    subscription: Option<()>,
    #[prost(message, optional, tag = "7")]
    filter: Option<Filter>,
    #[prost(message, optional, tag = "8")]
    no_filter: Option<()>,
    #[prost(message, optional, tag = "9")]
    uuid_option: Option<UuidOption>,
}

const BACKWARDS: i32 = 1;

#[derive(Clone, PartialEq, prost::Message)]
struct OfStream {
    #[prost(message, optional, tag = "1")]
    stream: Option<StreamName>,
    #[prost(uint64, optional, tag = "2")]
    revision: Option<u64>,
    #[prost(message, optional, tag = "4")]
    end: Option<()>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct OfAll {
    #[prost(message, optional, tag = "1")]
    position: Option<Position>,
    #[prost(message, optional, tag = "2")]
    start: Option<()>,
    #[prost(message, optional, tag = "3")]
    end: Option<()>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct UuidOption {
    #[prost(message, optional, tag = "1")]
    structured: Option<()>,
}

/// Which events of `$all` are wanted: the server looks by one of the two only.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Filter {
    #[prost(message, optional, tag = "1")]
    stream: Option<Expression>,
    #[prost(message, optional, tag = "2")]
    event_type: Option<Expression>,
    #[prost(uint32, optional, tag = "3")]
    window: Option<u32>,
    #[prost(uint32, tag = "5")]
    checkpoint_interval_multiplier: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Expression {
    #[prost(string, tag = "1")]
    regex: String,
    #[prost(string, repeated, tag = "2")]
    prefix: Vec<String>,
}

impl Filter {
    fn new(stream: Option<Expression>, event_type: Option<Expression>) -> Self {
        Self { stream, event_type, window: Some(WINDOW), checkpoint_interval_multiplier: 1 }
    }

    /// In streams whose name begins with one of these.
    pub fn by_stream(prefix: Vec<String>) -> Self {
        Self::new(Some(Expression { regex: String::new(), prefix }), None)
    }

    pub fn by_type(event_types: &[&str]) -> Self {
        let regex = format!("^(?:{})$", event_types.join("|"));
        Self::new(None, Some(Expression { regex, prefix: Vec::new() }))
    }
}

impl ReadReq {
    /// At most so many records of a stream.
    pub fn stream(name: &str, from: Start, count: usize) -> Self {
        let (revision, direction) = match from {
            Start::Forth(record) => (Some(record), 0),
            Start::Back(record) => (Some(record), BACKWARDS),
            Start::End => (None, BACKWARDS),
        };
        let end = revision.is_none().then_some(());
        let stream = OfStream { stream: StreamName::new(name), revision, end };
        Self::new(ReadOptions {
            stream: Some(stream),
            direction,
            count: Some(count as u64),
            no_filter: Some(()),
            ..ReadOptions::default()
        })
    }

    /// At most so many records of `$all`. Forwards the record at the position itself is among them, backwards it is not.
    pub fn all(from: Start, count: usize, filter: Option<Filter>) -> Self {
        let (all, direction) = match from {
            Start::Forth(position) => (OfAll::from(position), 0),
            Start::Back(position) => (OfAll::from(position), BACKWARDS),
            Start::End => (OfAll { end: Some(()), ..OfAll::default() }, BACKWARDS),
        };
        Self::new(ReadOptions {
            all: Some(all),
            direction,
            count: Some(count as u64),
            no_filter: filter.is_none().then_some(()),
            filter,
            ..ReadOptions::default()
        })
    }

    /// All records of `$all` after this position, also those that come later.
    pub fn subscription(after: u64, filter: Filter) -> Self {
        Self::new(ReadOptions {
            all: Some(OfAll::from(after)),
            subscription: Some(()),
            filter: Some(filter),
            ..ReadOptions::default()
        })
    }

    fn new(options: ReadOptions) -> Self {
        let uuid_option = Some(UuidOption { structured: Some(()) });
        Self { options: Some(ReadOptions { uuid_option, ..options }) }
    }
}

impl OfAll {
    fn from(position: u64) -> Self {
        match position {
            0 => Self { start: Some(()), ..Self::default() },
            position => Self { position: Some(Position::at(position)), ..Self::default() },
        }
    }
}

/// Confirmations, checkpoints, and that there is no such stream, come without a record.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ReadResp {
    #[prost(message, optional, tag = "1")]
    event: Option<ReadEvent>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ReadEvent {
    #[prost(message, optional, tag = "1")]
    record: Option<Record>,
}

/// A record as it is stored.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Record {
    #[prost(message, optional, tag = "2")]
    stream: Option<StreamName>,
    /// Its number in its stream.
    #[prost(uint64, tag = "3")]
    pub number: u64,
    #[prost(uint64, tag = "5")]
    pub commit_position: u64,
    #[prost(map = "string, string", tag = "6")]
    properties: HashMap<String, String>,
    #[prost(bytes = "vec", tag = "7")]
    pub metadata: Vec<u8>,
    #[prost(bytes = "vec", tag = "8")]
    pub data: Vec<u8>,
}

impl ReadResp {
    pub fn record(self) -> Option<Record> {
        self.event?.record
    }
}

impl Record {
    pub fn stream(&self) -> &str {
        self.stream.as_ref().map_or("", |stream| &stream.name)
    }

    pub fn event_type(&self) -> &str {
        self.properties.get("type").map_or("", String::as_str)
    }
}
