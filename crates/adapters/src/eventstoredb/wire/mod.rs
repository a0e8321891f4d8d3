//! The messages of EventStoreDB's service `Streams`, by their numbers in its `streams.proto` and `shared.proto`; of each
//! what is said or heard here. The cases of a `oneof` stand side by side, of which at most one is said.

mod append;
mod read;

pub use append::{AppendReq, AppendResp, Expected, Proposed};
pub use read::{Filter, ReadReq, ReadResp, Record};

#[derive(Clone, PartialEq, prost::Message)]
pub struct StreamName {
    #[prost(string, tag = "3")]
    name: String,
}

impl StreamName {
    fn new(name: &str) -> Option<Self> {
        Some(Self { name: name.to_owned() })
    }
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct Position {
    #[prost(uint64, tag = "1")]
    pub commit: u64,
    #[prost(uint64, tag = "2")]
    prepare: u64,
}

impl Position {
    fn at(position: u64) -> Self {
        Self { commit: position, prepare: position }
    }
}
