//! The calls that are made at a node of EventStoreDB.
//!
//! They are made without EventStoreDB's own client. It leaves Nagle's algorithm on, so that the second of the two small
//! writes of a call waits until the first is acknowledged, 40 ms later; and where a server that shuts down in order
//! ends a subscription, it asks the ended stream again and again without a pause.

use std::time::Duration;

use prost::Message;
use tonic::client::Grpc;
use tonic::codec::ProstCodec;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::codegen::tokio_stream;
use tonic::metadata::{AsciiMetadataValue, MetadataMap};
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status, Streaming};

use super::wire::{AppendReq, AppendResp, Filter, ReadReq, ReadResp, Record};

/// As large as EventStoreDB's own clients take them.
const LARGEST_MESSAGE: usize = 17 * 1024 * 1024;
/// How long the answer to a subscription may take.
const ANSWER: Duration = Duration::from_secs(10);

/// It is connected to when it is first called, and again where the connection broke; calls share the connection.
#[derive(Clone)]
pub struct Node {
    channel: Channel,
    /// Said with every call.
    headers: MetadataMap,
}

impl Node {
    pub fn new(endpoint: &Endpoint, headers: MetadataMap) -> Self {
        Self { channel: endpoint.connect_lazy(), headers }
    }

    /// What the leader says to records for a stream.
    pub async fn append(&self, deadline: Duration, append: Vec<AppendReq>) -> Result<AppendResp, Status> {
        let request = self.at_leader(deadline, tokio_stream::iter(append));
        let path = PathAndQuery::from_static("/event_store.client.streams.Streams/Append");
        let answer = self.ready().await?.client_streaming(request, path, codec()).await;
        answer.map(tonic::Response::into_inner)
    }

    /// Adds the records that the leader answers, one by one: those that came before a fault count.
    pub async fn read(
        &self,
        deadline: Duration,
        read: ReadReq,
        records: &mut Vec<Record>,
    ) -> Result<(), Status> {
        let mut answer = self.ask(self.at_leader(deadline, read)).await?;
        while let Some(message) = answer.message().await? {
            records.extend(message.record());
        }
        // An answer that was cut off on the way ends, too, but without them: what it lacks is not the log's end.
        match answer.trailers().await? {
            Some(_) => Ok(()),
            None => Err(Status::unavailable("its answer was cut off")),
        }
    }

    /// All records of `$all` after this position, also those that come later; any node tells them.
    pub async fn subscribe(&self, after: u64, filter: Filter) -> Result<Streaming<ReadResp>, Status> {
        let answer = self.ask(self.request(ReadReq::subscription(after, filter)));
        tokio::time::timeout(ANSWER, answer).await.map_err(|_| no_answer()).flatten()
    }

    async fn ask(&self, request: Request<ReadReq>) -> Result<Streaming<ReadResp>, Status> {
        let path = PathAndQuery::from_static("/event_store.client.streams.Streams/Read");
        let answer = self.ready().await?.server_streaming(request, path, codec()).await;
        answer.map(tonic::Response::into_inner)
    }

    async fn ready(&self) -> Result<Grpc<Channel>, Status> {
        let mut calls = Grpc::new(self.channel.clone()).max_decoding_message_size(LARGEST_MESSAGE);
        calls.ready().await.map_err(|error| Status::from_error(error.into()))?;
        Ok(calls)
    }

    fn at_leader<T>(&self, deadline: Duration, message: T) -> Request<T> {
        let mut request = self.request(message);
        request.metadata_mut().insert("requires-leader", AsciiMetadataValue::from_static("true"));
        request.set_timeout(deadline);
        request
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        *request.metadata_mut() = self.headers.clone();
        request
    }
}

fn codec<E: Message, D: Message + Default>() -> ProstCodec<E, D> {
    ProstCodec::default()
}

pub fn no_answer() -> Status {
    Status::deadline_exceeded("no answer in time")
}
