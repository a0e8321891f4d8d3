//! Projected events per second into the configured PostgreSQL, beside bare upserts of the same rows.

use std::sync::Arc;

use octocity_adapters::postgres::Scratch;
use octocity_log::EventLog;

use super::projection::{Recorded, project};
use super::report::Ratio;
use super::{Fault, ROUNDS};
use crate::config::PostgresConfig;
use crate::stores::options;

pub async fn measure(log: &Arc<dyn EventLog>, config: &PostgresConfig) -> Result<Ratio, Fault> {
    let options = options(config);
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let scratch = Scratch::make(&options).await?;
        let store = Arc::new(Recorded::new(Arc::new(scratch.rows())));
        let projected = project(log, &store).await;
        let (tables, batches) = store.taken();
        scratch.remove().await?;
        let (events, seconds) = projected?;
        let scratch = Scratch::make(&options).await?;
        let bare = scratch.bare(&tables, &batches).await;
        scratch.remove().await?;
        rounds.push((events as f64 / seconds, events as f64 / bare?.as_secs_f64()));
    }
    Ok(Ratio::of(&rounds))
}
