//! `octocity parked`: keys of read models that stand still are listed, retried, or go on behind an event that is skipped.

use clap::Subcommand;
use octocity_adapters::sqlite::folder;
use octocity_commands::{Outcome, Submission};
use octocity_domain::CommandId;
use octocity_domain::card_numbers::holds_card_number;
use octocity_domain::decider::Refusal;
use octocity_domain::operations::{SkipsCommand, SkipsRefusal};
use octocity_log::{Actor, StreamId};
use octocity_projections::{MendError, Mended, Parked, Table, mending, views};
use serde_json::{Value, json};

use crate::config::Config;
use crate::failure::Failure;
use crate::node::{Node, rows_failed};
use crate::output::Output;
use crate::rebuild::{named, standing_still};

pub const PARKED_HELP: &str = "\
A key stands still where one of its events could not be applied; where an event could not even be
read, its whole stream does, and the key is the stream's name. The others go on.

retry folds the key again from the log's beginning, and so gives what a rebuild gives: after an
upgrade that can apply the event. skip stores for ever, as an event of the log, that the view passes
over the event at which the key stands still, and then retries it; every rebuild honours it.
Figures of ClickHouse have its facts all the same: they are told by event, and are no view.

With [postgres] and the log in EventStoreDB they run beside the servers. On a data folder no server
may run meanwhile; it does the same by GraphQL: status, retryParkedKeys, skipParkedEvent.
Exit code 5 while keys stand still; each is named with the reason.
With --json: {\"mended\":[{\"view\":…,\"key\":…},…],\"parked\":[{\"view\":…,\"key\":…,\"stream\":…,
\"revision\":…,\"event_type\":…,\"error\":…},…]}";

#[derive(Clone, Debug, Subcommand)]
pub enum ParkedKeys {
    /// Name the keys that stand still, with their events and the reasons
    List {
        /// Only those of this view [default: all]
        #[arg(long, value_name = "VIEW")]
        view: Option<String>,
    },
    /// Take up keys that stand still
    Retry {
        /// The view
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        view: Option<String>,
        /// The key, as list names it [default: all of the view]
        key: Option<String>,
        /// All keys of all views
        #[arg(long)]
        all: bool,
    },
    /// Pass over the event at which a key stands still, for ever
    Skip {
        /// The view
        view: String,
        /// The key, as list names it
        key: String,
        /// Why: it is stored with the skip
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
}

pub async fn run(config: &Config, command: ParkedKeys, output: Output) -> Result<(), Failure> {
    match command {
        ParkedKeys::List { view } => {
            let tables = named(view.as_deref())?;
            list(&open(config).await?, &tables, output).await
        }
        ParkedKeys::Retry { view, key, .. } => {
            let tables = if view.is_some() { named(view.as_deref())? } else { views::tables() };
            retry(&open(config).await?, &tables, key.as_deref(), output).await
        }
        ParkedKeys::Skip { view, key, reason } => {
            let tables = named(Some(&view))?;
            if holds_card_number(&reason) {
                return Err(Failure::usage(
                    "The reason holds what looks like a payment card's number, which is never stored; leave it out.",
                ));
            }
            skip(&open(config).await?, tables[0], &key, reason, output).await
        }
    }
}

async fn open(config: &Config) -> Result<Node, Failure> {
    let keeps_files = config.eventstoredb.is_none() || config.postgres.is_none();
    if let Some(by) = folder::in_use(&config.data).filter(|_| keeps_files) {
        return Err(Failure::data(format!(
            "The data folder {} is in use by {by}; a server that runs on it does the same by GraphQL (query status, \
             mutations retryParkedKeys and skipParkedEvent), or stop it first.",
            config.data.display()
        )));
    }
    let node = Node::open_existing(config).await?;
    node.ensure_rows().await?;
    Ok(node)
}

/// No tables stands for all of them.
async fn standing(node: &Node, tables: &[&'static Table]) -> Result<Vec<Parked>, Failure> {
    let views: Vec<&str> = tables.iter().map(|table| table.name).collect();
    node.rows.parked(&views).await.map_err(rows_failed)
}

async fn list(node: &Node, tables: &[&'static Table], output: Output) -> Result<(), Failure> {
    let parked = standing(node, tables).await?;
    if !parked.is_empty() {
        return Err(standing_still(&parked, output));
    }
    output.say("No key stands still.");
    output.finish(&json!({"parked": []}));
    Ok(())
}

async fn retry(
    node: &Node,
    tables: &[&'static Table],
    key: Option<&str>,
    output: Output,
) -> Result<(), Failure> {
    if let (Some(key), [table]) = (key, tables) {
        find(node, table, key).await?;
    }
    mend(node, tables, |parked| key.is_none_or(|key| parked.key == key), output).await
}

/// The event is skipped for ever; then the keys that it stopped go on.
async fn skip(
    node: &Node,
    table: &'static Table,
    key: &str,
    reason: String,
    output: Output,
) -> Result<(), Failure> {
    let parked = find(node, table, key).await?;
    let named = parked.stream.parse::<StreamId>().map_err(Failure::data)?;
    let (view, category, stream, revision) = (parked.view, named.category, named.id, parked.revision);
    let id = CommandId::from_source(
        node.clock.now(),
        "octocity parked skip",
        &format!("{view} {named} {revision}"),
    );
    let command = SkipsCommand::SkipEvent { view, category, stream, revision, reason };
    let submission = Submission::new(id, Actor::new("octocity parked"), command);
    let reply = node.handler.skip(submission).await.map_err(|error| Failure::fault(error.to_string()))?;
    match reply.outcome {
        Outcome::Accepted(_) => {
            output.say(format!("Event {revision} of {named} is skipped for {}.", table.name))
        }
        // The process that skipped it died before the key went on.
        Outcome::Refused(SkipsRefusal::EventAlreadySkipped) => {}
        Outcome::Refused(refusal) => return Err(Failure::usage(refusal.message())),
    }
    let stopped = |other: &Parked| (&other.stream, other.revision) == (&parked.stream, revision);
    mend(node, &[table], stopped, output).await
}

async fn find(node: &Node, table: &'static Table, key: &str) -> Result<Parked, Failure> {
    let parked = standing(node, &[table]).await?.into_iter().find(|parked| parked.key == key);
    parked.ok_or_else(|| {
        Failure::usage(format!(
            "No key '{key}' of {} stands still; octocity parked list names those that do.",
            table.name
        ))
    })
}

async fn mend(
    node: &Node,
    tables: &[&'static Table],
    is_asked: impl Fn(&Parked) -> bool,
    output: Output,
) -> Result<(), Failure> {
    let (mut mended, mut again) = (Vec::new(), Vec::new());
    for table in tables {
        let done =
            mending::retry(&*node.events(), &*node.rows, table, &is_asked).await.map_err(not_mended)?;
        let Mended { mended: goes_on, standing } = done;
        again.extend(standing);
        for Parked { view, key, .. } in goes_on {
            output.say(format!("{view} {key} goes on."));
            mended.push(json!({"view": view, "key": key}));
        }
    }
    if !again.is_empty() {
        return Err(standing_still(&again, output).with("mended", Value::Array(mended)));
    }
    output.say(format!("{} key(s) go on.", mended.len()));
    output.finish(&json!({"mended": mended, "parked": []}));
    Ok(())
}

fn not_mended(error: MendError) -> Failure {
    match error {
        MendError::Busy(_) | MendError::LogBehind(_) => Failure::fault(format!("{error}.")),
        MendError::NotOfThisLog(_) => Failure::data(format!("{error}.")),
        MendError::Store(error) => rows_failed(error),
    }
}
