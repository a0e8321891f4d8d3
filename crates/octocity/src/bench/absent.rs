//! In place of the services where this octocity was built without.

use std::sync::Arc;

use octocity_log::EventLog;

use super::{BenchOptions, BenchReport, Fault};

pub async fn measure(
    _: &mut BenchReport,
    _: &Arc<dyn EventLog>,
    options: &BenchOptions,
    _: &impl Fn(&str),
) -> Result<(), Fault> {
    match options.postgres.is_some() || options.kafka.is_some() {
        false => Ok(()),
        true => Err("The configuration has a table [postgres] or [kafka], and this octocity was built without; build it \
             with --features distributed, or remove the table."
            .into()),
    }
}
