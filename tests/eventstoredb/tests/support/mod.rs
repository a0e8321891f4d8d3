//! A server on a file of its own, and its client.

#![allow(dead_code, reason = "not every test uses all of it")]

use std::net::SocketAddr;

use eventstore::{
    AppendToStreamOptions, Client, EventData, ReadAllOptions, ReadStream, ReadStreamOptions, RecordedEvent,
    StreamPosition, StreamState, WriteResult,
};
use octocity_eventstoredb_double::{Double, Options};
use tempfile::TempDir;
use uuid::Uuid;

pub const ANY_PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

pub struct Server {
    pub double: Double,
    pub client: Client,
    _folder: TempDir,
}

impl Server {
    pub async fn start() -> Self {
        Self::start_with(None).await
    }

    pub async fn start_with(credentials: Option<(&str, &str)>) -> Self {
        let folder = TempDir::new().unwrap();
        let credentials = credentials.map(|(user, password)| (user.to_owned(), password.to_owned()));
        let file = folder.path().join("events");
        let double = Double::start(ANY_PORT, &file, Options { credentials }).await.unwrap();
        let client = client(&double.connection_string());
        Self { double, client, _folder: folder }
    }

    pub async fn client_of(&self, user: &str) -> Client {
        client(&format!("esdb://{user}{}?tls=false", self.double.address()))
    }

    pub async fn read(&self, stream: &str, from: u64, count: usize) -> Vec<RecordedEvent> {
        let options = ReadStreamOptions::default().position(StreamPosition::Position(from)).max_count(count);
        self.read_with(stream, &options).await
    }

    pub async fn read_with(&self, stream: &str, options: &ReadStreamOptions) -> Vec<RecordedEvent> {
        all_of(self.client.read_stream(stream, options).await.unwrap()).await
    }

    pub async fn read_all(&self, options: &ReadAllOptions) -> Vec<RecordedEvent> {
        all_of(self.client.read_all(options).await.unwrap()).await
    }
}

async fn all_of(mut read: ReadStream) -> Vec<RecordedEvent> {
    let mut events = Vec::new();
    while let Some(event) = read.next().await.unwrap() {
        events.push(event.event.unwrap());
    }
    events
}

pub fn client(connection_string: &str) -> Client {
    Client::new(connection_string.parse().unwrap()).unwrap()
}

pub fn id(number: u64) -> Uuid {
    Uuid::from_u128(u128::from(number) + 1)
}

pub fn event(number: u64, event_type: &str) -> EventData {
    EventData::json(event_type, &number).unwrap().id(id(number))
}

pub fn expecting(state: StreamState) -> AppendToStreamOptions {
    AppendToStreamOptions::default().stream_state(state)
}

pub async fn append(
    server: &Server,
    stream: &str,
    state: StreamState,
    events: Vec<EventData>,
) -> eventstore::Result<WriteResult> {
    server.client.append_to_stream(stream, &expecting(state), events).await
}

pub fn types(events: &[RecordedEvent]) -> Vec<&str> {
    events.iter().map(|event| event.event_type.as_str()).collect()
}
