//! In place of PostgreSQL where this octocity was built without.

use std::sync::Arc;

use octocity_log::EventLog;

use super::Fault;
use super::report::Ratio;
use crate::config::PostgresConfig;

pub async fn measure(_: &Arc<dyn EventLog>, config: &PostgresConfig) -> Result<Ratio, Fault> {
    let absent = crate::stores::look_at_postgres(config).await.err();
    Err(absent.map_or_else(|| "PostgreSQL is not built in.".to_owned(), |failure| failure.message).into())
}
