//! `octocity rebuild` and `octocity hash`: read models made anew, and what they say.

mod analytics;
mod blue_green;
mod report;

use std::sync::Arc;
use std::time::Instant;

use octocity_projections::{Parked, Table, hash_all, views};
use serde_json::{Value, json};

use crate::args::RebuildArgs;
use crate::config::Config;
use crate::failure::Failure;
use crate::node::{Node, rows_failed};
use crate::output::{Output, progress};
use crate::progress::Progress;

pub async fn run(config: &Config, args: &RebuildArgs, output: Output) -> Result<(), Failure> {
    match args.view.as_deref() {
        Some(analytics::NAME) => analytics::run(config, args, output).await,
        _ if args.blue_green || args.back => blue_green::run(config, args, output).await,
        view => in_place(config, view, output).await,
    }
}

/// Forgets the rows of one view, or of all, and folds them anew.
async fn in_place(config: &Config, view: Option<&str>, output: Output) -> Result<(), Failure> {
    let tables = named(view)?;
    let node = match view {
        Some(_) => Node::open_existing(config).await?,
        None => Node::open_to_rebuild(config).await?,
    };
    let begun = Instant::now();
    let mut engine = node.engine().await?;
    let mut progress = Progress::new(tables.first().map_or("all views", |table| table.name), node.head());
    engine.rebuild(&tables, |step| progress.step(step)).await.map_err(rows_failed)?;
    progress.done();
    let events = progress.events;
    let seconds = begun.elapsed().as_secs_f64();
    let what = view.map_or_else(|| "all views".to_owned(), |view| format!("the view '{view}'"));
    output.say(format!("Rebuilt {what} from {events} events in {seconds:.1} s."));
    let views = names(&tables);
    let parked = node.rows.parked(&views).await.map_err(rows_failed)?;
    if !parked.is_empty() {
        let stands_still = standing_still(&parked, output);
        return Err(stands_still
            .with("views", json!(views))
            .with("events", json!(events))
            .with("seconds", json!(seconds)));
    }
    output.finish(&json!({"views": views, "events": events, "seconds": seconds, "parked": []}));
    Ok(())
}

/// Says which keys could not be brought to the log's head, and why.
pub fn standing_still(parked: &[Parked], output: Output) -> Failure {
    let mut list = Vec::new();
    for Parked { view, key, stream, revision, event_type, error } in parked {
        output.say(format!(
            "{view} {key} stands still at event {revision} of {stream} ({event_type}): {error}"
        ));
        list.push(json!({"view": view, "key": key, "stream": stream, "revision": revision,
            "event_type": event_type, "error": error}));
    }
    let failure = Failure::found(format!(
        "{} key(s) stand still, each at an event that cannot be applied; octocity parked --help says how they go on.",
        parked.len()
    ));
    failure.with("parked", Value::Array(list))
}

pub fn named(view: Option<&str>) -> Result<Vec<&'static Table>, Failure> {
    let Some(view) = view else { return Ok(Vec::new()) };
    let table = views::table(view).ok_or_else(|| {
        let known = names(&[]).join(", ");
        Failure::usage(format!(
            "No view is called '{view}'; there are {known}, and, in ClickHouse, analytics."
        ))
    })?;
    Ok(vec![table])
}

/// No tables stands for all of them.
fn names(tables: &[&'static Table]) -> Vec<&'static str> {
    let tables = if tables.is_empty() { views::tables() } else { tables.to_vec() };
    let mut names: Vec<_> = tables.iter().map(|table| table.name).collect();
    names.sort_unstable();
    names
}

/// Brings the read models to the log's head, and hashes what they say.
pub async fn hash(config: &Config, output: Output) -> Result<(), Failure> {
    let node = Node::open_existing(config).await?;
    let mut engine = node.passing_engine().await?;
    let bar = progress(node.head().0, "positions");
    engine.catch_up(|step| bar.set_position(step.position.0)).await.map_err(rows_failed)?;
    bar.finish_and_clear();
    let mut hashes = hash_all(&*Arc::clone(&node.rows)).await.map_err(rows_failed)?;
    hashes.sort_by_key(|table| table.table);
    for table in &hashes {
        output.say(format!("{:<24} {:>10} rows  {}", table.table, table.rows, table.hash));
    }
    let tables =
        hashes.iter().map(|table| json!({"name": table.table, "rows": table.rows, "hash": table.hash}));
    output.finish(&json!({"tables": tables.collect::<Vec<_>>()}));
    Ok(())
}
