//! In place of the migrations where this octocity was built without the services.

pub mod eventstoredb {
    use serde_json::{Map, Value};

    use crate::config::{Config, EventStoreConfig};
    use crate::failure::Failure;
    use crate::output::Output;

    pub async fn run(_: &Config, _: &EventStoreConfig, _: Output) -> Result<Map<String, Value>, Failure> {
        Err(Failure::usage(
            "This octocity was built without EventStoreDB; build it with --features distributed to bring a log there.",
        ))
    }
}

pub mod postgres {
    use serde_json::Value;

    use crate::config::{Config, PostgresConfig};
    use crate::failure::Failure;
    use crate::output::Output;

    pub async fn run(_: &Config, _: &PostgresConfig, _: Output) -> Result<Value, Failure> {
        Err(Failure::usage(
            "This octocity was built without PostgreSQL; build it with --features distributed to bring process state \
             there.",
        ))
    }
}
