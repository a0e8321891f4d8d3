//! A server and logs on it.

use std::sync::Arc;
use std::time::Duration;

use octocity_adapters::clock::new_command_id;
use octocity_adapters::eventstoredb::{EventStoreLog, EventStoreOptions};
use octocity_eventstoredb_double::{Double, Options};
use octocity_log::EventLog;
use octocity_log::contract::Storage;
use tempfile::TempDir;
use tokio::runtime::Handle;
use tokio::task::block_in_place;

pub const ANY_PORT: &str = "127.0.0.1:0";

pub struct Served {
    double: Option<Double>,
    connection_string: String,
    namespace: String,
    _folder: TempDir,
}

impl Served {
    /// On the real server, if one is named: each test in streams of its own.
    pub fn start() -> Self {
        match std::env::var("OCTOCITY_TEST_EVENTSTOREDB") {
            Ok(connection_string) => Self {
                double: None,
                connection_string,
                namespace: format!("test-{}.", new_command_id()),
                _folder: TempDir::new().unwrap(),
            },
            Err(_) => Self::double(),
        }
    }

    pub fn double() -> Self {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("events");
        let double = Double::start(ANY_PORT.parse().unwrap(), &file, Options::default());
        let double = block_in_place(|| Handle::current().block_on(double)).unwrap();
        let connection_string = double.connection_string();
        Self { double: Some(double), connection_string, namespace: String::new(), _folder: folder }
    }

    pub fn server(&self) -> &Double {
        self.double.as_ref().unwrap()
    }

    pub fn log(&self) -> Arc<EventStoreLog> {
        let options = EventStoreOptions { namespace: self.namespace.clone(), ..quick() };
        let log = EventStoreLog::open(&self.connection_string, options);
        Arc::new(block_in_place(|| Handle::current().block_on(log)).unwrap())
    }
}

/// Patience enough for a server next door.
pub fn quick() -> EventStoreOptions {
    EventStoreOptions {
        deadline: Duration::from_secs(5),
        attempts: 5,
        first_pause: Duration::from_millis(20),
        longest_pause: Duration::from_millis(200),
        ..EventStoreOptions::default()
    }
}

impl Storage for Served {
    fn open(&self) -> Arc<dyn EventLog> {
        self.log()
    }

    fn forgets(&self) -> bool {
        false
    }
}
