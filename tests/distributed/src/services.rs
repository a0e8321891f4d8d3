//! The services, started once for all tests of one binary; each test has a part of every one of them to itself.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use octocity_tests::stage::Stage;

use crate::broker::Broker;
use crate::engine::Engine;
use crate::eventstoredb::EventStoreDb;
use crate::own::Own;
use crate::stage;

/// What `--role all` does, but for the rows, which that would write from the log.
const ROLES: &str = "api,relay,projector,processes,analytics";
const PARTITIONS: u32 = 4;

/// All end with the process, however that ends.
struct Services {
    log: EventStoreDb,
    kafka: Broker,
    postgres: Own,
    clickhouse: Engine,
}

impl Services {
    fn shared() -> &'static Self {
        static SHARED: OnceLock<Services> = OnceLock::new();
        SHARED.get_or_init(|| Self {
            log: EventStoreDb::start(),
            kafka: Broker::start(),
            postgres: Own::start(),
            clickhouse: Engine::start(),
        })
    }

    /// A log, and rows of it.
    fn part(&self, log: u32, rows: u32) -> Stage {
        let config = format!(
            "gateway = \"simulated\"\n\
             {}namespace = \"{log}.\"\n\
             [kafka]\nbrokers = {:?}\npartitions = {PARTITIONS}\nlog_topic = \"log.{log}\"\n\
             events_topic = \"events.{log}\"\nrelay = \"relay.{log}\"\ngroup = \"projectors.{rows}\"\n\
             [postgres]\nurl = {:?}\nschema = \"city_{rows}\"\n\
             [clickhouse]\nurl = {:?}\ndatabase = \"city_{rows}\"\ncompression = false\n",
            self.log.table(),
            self.kafka.address,
            self.postgres.url(),
            self.clickhouse.url(),
        );
        stage(&config)
    }
}

/// A stage on all services, on which nothing has happened: whoever starts a server there says its roles.
pub fn anew() -> Stage {
    let number = number();
    Services::shared().part(number, number)
}

/// The same, with servers that do all there is to do, and their rows over Kafka.
pub fn on_all_services() -> Stage {
    anew().with_roles(ROLES)
}

/// Two that share the log and the topics, and have each its own rows.
pub fn on_one_log() -> [Stage; 2] {
    let log = number();
    [log, number()].map(|rows| Services::shared().part(log, rows).with_roles(ROLES))
}

fn number() -> u32 {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    NUMBER.fetch_add(1, Ordering::Relaxed)
}
