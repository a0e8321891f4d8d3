//! The facts of analysts' figures told anew, beside the live ones, and put in their place.

use std::sync::Arc;
use std::time::Instant;

use octocity_log::{Tail, WholeLog};
use serde_json::{Value, json};

use crate::analytics::{self, Retold};
use crate::args::RebuildArgs;
use crate::config::Config;
use crate::failure::Failure;
use crate::output::Output;
use crate::progress::Progress;
use crate::stores::{Folder, open_log};

/// What stands for them where a view is named.
pub const NAME: &str = "analytics";

pub async fn run(config: &Config, args: &RebuildArgs, output: Output) -> Result<(), Failure> {
    let Some(clickhouse) = &config.clickhouse else {
        return Err(Failure::usage(
            "Analysts' figures are made of the read models, as the configuration has no table [clickhouse]; rebuild these.",
        ));
    };
    if args.compare_only || args.report.is_some() {
        return Err(Failure::usage(
            "Facts in ClickHouse are compared by their number alone; leave out --compare-only and --report.",
        ));
    }
    let (log, _folder) = open_log(config, Folder::MustExist).await?;
    let tail: Arc<dyn Tail> = Arc::new(WholeLog(log.events()));
    let head = *tail.head().borrow();
    let (begun, mut progress) = (Instant::now(), Progress::new(NAME, head));
    let Retold { tables } = match args.back {
        true => analytics::go_back(clickhouse, tail, |step| progress.step(step)).await?,
        false => analytics::tell_anew(clickhouse, tail, args.blue_green, |step| progress.step(step)).await?,
    };
    progress.done();
    let (events, seconds) = (progress.events, begun.elapsed().as_secs_f64());
    let outcome =
        if args.back { "The facts that were kept are live again" } else { "The new facts are live" };
    output.say(format!("{outcome}; {events} events were read, in {seconds:.1} s."));
    for (table, live, new) in &tables {
        output.say(format!("  {table:<10} {live:>12} rows were live, {new:>12} are new"));
    }
    let tables: Vec<Value> = tables
        .iter()
        .map(|(table, live, new)| json!({"name": table, "live_rows": live, "new_rows": new}))
        .collect();
    output.finish(
        &json!({"view": NAME, "switched": true, "events": events, "seconds": seconds, "tables": tables}),
    );
    Ok(())
}
