//! The messages of a subscription to `$all`, by their numbers in EventStoreDB's `streams.proto`.

use std::collections::HashMap;

/// After how many events that are not ours the server says how far it is.
const CHECKPOINT: u32 = 1000;

#[derive(Clone, PartialEq, prost::Message)]
pub struct ReadReq {
    #[prost(message, optional, tag = "1")]
    options: Option<Options>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Options {
    #[prost(message, optional, tag = "2")]
    all: Option<AllOptions>,
    #[prost(message, optional, tag = "6")]
    subscription: Option<()>,
    #[prost(message, optional, tag = "7")]
    filter: Option<Filter>,
    #[prost(message, optional, tag = "9")]
    uuid_option: Option<UuidOption>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct AllOptions {
    #[prost(message, optional, tag = "1")]
    position: Option<Position>,
    #[prost(message, optional, tag = "2")]
    start: Option<()>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Position {
    #[prost(uint64, tag = "1")]
    commit: u64,
    #[prost(uint64, tag = "2")]
    prepare: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Filter {
    #[prost(message, optional, tag = "1")]
    stream: Option<Expression>,
    #[prost(uint32, optional, tag = "3")]
    max: Option<u32>,
    #[prost(uint32, tag = "5")]
    checkpoint_interval_multiplier: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Expression {
    #[prost(string, repeated, tag = "2")]
    prefix: Vec<String>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct UuidOption {
    #[prost(message, optional, tag = "1")]
    structured: Option<()>,
}

/// Confirmations, checkpoints and the rest come without an event.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ReadResp {
    #[prost(message, optional, tag = "1")]
    event: Option<ReadEvent>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ReadEvent {
    #[prost(message, optional, tag = "1")]
    event: Option<Recorded>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Recorded {
    #[prost(uint64, tag = "5")]
    commit_position: u64,
    #[prost(map = "string, string", tag = "6")]
    metadata: HashMap<String, String>,
}

impl ReadResp {
    /// The type and position of the event, if this is one.
    pub fn event(&self) -> Option<(&str, u64)> {
        let event = self.event.as_ref()?.event.as_ref()?;
        Some((event.metadata.get("type")?, event.commit_position))
    }
}

impl ReadReq {
    /// A subscription to the events after this position, in streams whose name begins with one of these.
    pub fn subscription(after: u64, prefixes: &[String]) -> Self {
        Self { options: Some(options(after, prefixes)) }
    }
}

fn options(after: u64, prefixes: &[String]) -> Options {
    let all = match after {
        0 => AllOptions { position: None, start: Some(()) },
        after => AllOptions { position: Some(Position { commit: after, prepare: after }), start: None },
    };
    let filter = Filter {
        stream: Some(Expression { prefix: prefixes.to_vec() }),
        max: Some(CHECKPOINT),
        checkpoint_interval_multiplier: 1,
    };
    Options {
        all: Some(all),
        subscription: Some(()),
        filter: Some(filter),
        uuid_option: Some(UuidOption { structured: Some(()) }),
    }
}
