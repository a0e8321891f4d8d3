//! The server that stands for EventStoreDB, with its faults at hand.

use std::net::SocketAddr;

use octocity_adapters::eventstoredb::{EventStoreLog, EventStoreOptions};
use octocity_eventstoredb_double::{Double, Faults, Options};
use octocity_log::RecordedEvent;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::load;

/// The table of the configuration that names a server.
pub fn table(url: &str) -> String {
    format!("[eventstoredb]\nurl = {url:?}\n")
}

pub struct EventStoreDb {
    double: Double,
    runtime: Runtime,
    folder: TempDir,
}

impl EventStoreDb {
    pub fn start() -> Self {
        Self::with(Options::default())
    }

    pub fn with(options: Options) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let runtime = Runtime::new().unwrap();
        let listen: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let file = folder.path().join("events");
        let double = runtime.block_on(Double::start(listen, &file, options)).unwrap();
        Self { double, runtime, folder }
    }

    /// Another node of the same cluster: the same events, faults of its own.
    pub fn another_node(&self) -> Double {
        self.runtime.block_on(self.double.another_node()).unwrap()
    }

    /// All events of the log in it.
    pub fn events(&self) -> Vec<RecordedEvent> {
        self.runtime.block_on(async {
            let log = EventStoreLog::open(&self.url(), EventStoreOptions::default()).await.unwrap();
            load::events(&log).await
        })
    }

    pub fn address(&self) -> SocketAddr {
        self.double.address()
    }

    pub fn url(&self) -> String {
        self.double.connection_string()
    }

    pub fn faults(&self) -> &Faults {
        self.double.faults()
    }

    /// How large its file is.
    pub fn stored_bytes(&self) -> u64 {
        std::fs::metadata(self.folder.path().join("events")).map_or(0, |file| file.len())
    }

    /// The table that names it.
    pub fn table(&self) -> String {
        table(&self.url())
    }

    pub fn block_on<T>(&self, what: impl Future<Output = T>) -> T {
        self.runtime.block_on(what)
    }
}
