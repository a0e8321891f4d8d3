//! `octocity import ...` from the command line to the last line.

use std::time::Instant;

use serde_json::{Map, json};

use super::feed::Feed;
use super::gates::GateImport;
use super::lines::Lines;
use super::occupancy::OccupancyImport;
use super::report::Report;
use super::to_review::ToReview;
use crate::args::{GateFormat, GatesArgs, OccupancyArgs};
use crate::config::Config;
use crate::failure::Failure;
use crate::following::Following;
use crate::node::Node;
use crate::output::{Output, progress, spinner};
use crate::processing;

pub async fn gates(config: &Config, args: &GatesArgs, output: Output) -> Result<(), Failure> {
    let GateFormat::Aps = args.format;
    let begun = Instant::now();
    let lines = Lines::open(&args.file)?;
    let node = Node::open(config).await?;
    let begins = processing::are_to_begin(&node).await?;
    let following = Following::of_engine(node.passing_engine().await?);
    let feed = Feed::new(node.handler.clone(), "import-gates");
    let report = Report::try_new(args.report.report.as_deref(), &args.file)?;
    let bar = spinner("lines");
    let mut import = GateImport::try_new(feed, &node.events(), args, report).await?;
    let read = import.run(lines, || bar.inc(1)).await;
    end(&node, following, begins).await?;
    bar.finish_and_clear();
    output.say(format!("Imported {} into {}", args.file.display(), args.facility));
    import.report().finish(output)?;
    import.periods.say(output);
    read?;
    let review = ToReview::of(&*node.rows, import.facility()).await?;
    review.say(output);
    let mut more = Map::new();
    more.insert("reported_by_kind".to_owned(), json!(import.report().by_kind()));
    more.insert("facility_id".to_owned(), json!(import.facility().to_string()));
    more.insert("visits_to_review".to_owned(), json!(review.visits));
    more.insert("unmatched_exits".to_owned(), json!(review.unmatched_exits));
    more.insert("periods".to_owned(), import.periods.to_json());
    more.insert("mean_difference".to_owned(), json!(import.periods.mean_difference()));
    import.summary.finish(&args.file, begun.elapsed(), more, output)
}

pub async fn occupancy(config: &Config, args: &OccupancyArgs, output: Output) -> Result<(), Failure> {
    let begun = Instant::now();
    let lines = Lines::open(&args.file)?;
    let node = Node::open(config).await?;
    let begins = processing::are_to_begin(&node).await?;
    let following = Following::of_engine(node.passing_engine().await?);
    let feed = Feed::new(node.handler.clone(), "import-occupancy");
    let report = Report::try_new(args.report.report.as_deref(), &args.file)?;
    let bar = progress(0, "passages");
    let mut import = OccupancyImport::try_new(feed, node.events(), args, report, bar.clone())?;
    let read = import.run(lines).await;
    let sent = begun.elapsed();
    bar.set_message("bringing the read models to the log's head");
    end(&node, following, begins).await?;
    bar.finish_and_clear();
    output.say(format!("Imported {}", args.file.display()));
    import.report().finish(output)?;
    read?;
    let mut more = Map::new();
    more.insert("reported_by_kind".to_owned(), json!(import.report().by_kind()));
    more.insert("seconds_until_sent".to_owned(), json!(sent.as_secs_f64()));
    import.summary.finish(&args.file, begun.elapsed(), more, output)
}

/// Brings the read models to the log's head. Processes that no event concerned before the import begin behind it: else the first
/// start would look through all of it for traffic that they should know.
async fn end(node: &Node, following: Following, begins: bool) -> Result<(), Failure> {
    following.until(node.head(), |_| {}).await;
    following.stop().await?;
    match begins {
        true => processing::begin(node).await,
        false => Ok(()),
    }
}
