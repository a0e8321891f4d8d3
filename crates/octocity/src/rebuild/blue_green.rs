//! A view made anew beside the live one, compared with it, and put in its place; and the way back.

use std::time::Instant;

use octocity_projections::blue_green::{BlueGreen, Comparison, Difference};
use octocity_projections::{EngineOptions, Renewal, RenewalError, Table};
use serde_json::{Map, Value, json};

use super::report::Report;
use super::{names, standing_still};
use crate::args::RebuildArgs;
use crate::config::Config;
use crate::failure::Failure;
use crate::node::{Node, rows_failed};
use crate::output::Output;
use crate::progress::Progress;
use crate::stores;

pub async fn run(config: &Config, args: &RebuildArgs, output: Output) -> Result<(), Failure> {
    let table = named(args)?;
    let mut report = Report::try_new(table, args.report.clone())?;
    let node = Node::open_existing(config).await?;
    let stores = stores::blue_green(config, &node).await?;
    let mut work = Work {
        table,
        renewal: Renewal::new(node.events(), &*stores, table, EngineOptions::default()),
        stores: &*stores,
        progress: Progress::new(table.name, node.head()),
        begun: Instant::now(),
        output,
    };
    match args.back {
        true => work.back().await,
        false => work.renew(args.compare_only, &mut report).await,
    }
}

fn named(args: &RebuildArgs) -> Result<&'static Table, Failure> {
    match &super::named(args.view.as_deref())?[..] {
        [table] => Ok(table),
        _ => Err(Failure::usage(format!(
            "Name the view, as octocity rebuild VIEW {}; there are {}.",
            if args.back { "--back" } else { "--blue-green" },
            names(&[]).join(", ")
        ))),
    }
}

struct Work<'a> {
    table: &'static Table,
    renewal: Renewal<'a>,
    stores: &'a dyn BlueGreen,
    progress: Progress,
    begun: Instant,
    output: Output,
}

impl Work<'_> {
    async fn back(&mut self) -> Result<(), Failure> {
        self.renewal.back(|step| self.progress.step(step)).await.map_err(failure)?;
        self.say("The rows that were kept are live again; those that were live are kept instead.");
        self.output.finish(&self.said(true));
        Ok(())
    }

    async fn renew(&mut self, compare_only: bool, report: &mut Report) -> Result<(), Failure> {
        self.renewal.build(|step| self.progress.step(step)).await.map_err(failure)?;
        let mut told = |difference: &Difference| report.row(difference);
        let compared = self.renewal.compare(|step| self.progress.step(step), &mut told).await;
        let compared = compared.map_err(failure)?;
        report.finish()?;
        let stands_still = compared.newly_parked().next().is_some();
        let switches = !compare_only && !stands_still;
        match switches {
            true => self.renewal.switch(|step| self.progress.step(step)).await.map_err(failure)?,
            false => self.stores.forget_green(self.table).await.map_err(rows_failed)?,
        }
        self.say(if switches { "The new rows are live." } else { "Nothing was switched." });
        self.tell(&compared);
        let mut said = self.said(switches);
        said.extend(counts(&compared));
        if stands_still {
            let parked: Vec<_> = compared.newly_parked().cloned().collect();
            return Err(with(standing_still(&parked, self.output), said));
        }
        if compare_only && (compared.differences() > 0 || compared.form_changed) {
            return Err(with(Failure::found("The rows built anew are not those that are live."), said));
        }
        self.output.finish(&said);
        Ok(())
    }

    fn say(&self, outcome: &str) {
        self.progress.done();
        let (events, seconds) = (self.progress.events, self.begun.elapsed().as_secs_f64());
        self.output.say(format!("{outcome} {events} events were folded, in {seconds:.1} s."));
    }

    fn said(&self, switched: bool) -> Map<String, Value> {
        let mut said = Map::new();
        said.insert("view".to_owned(), json!(self.table.name));
        said.insert("switched".to_owned(), json!(switched));
        said.insert("events".to_owned(), json!(self.progress.events));
        said.insert("seconds".to_owned(), json!(self.begun.elapsed().as_secs_f64()));
        said
    }

    fn tell(&self, compared: &Comparison) {
        let Comparison { live_rows, new_rows, only_live, only_new, differing, columns, .. } = compared;
        self.output.say(match compared.form_changed {
            true => "The live rows are in the form of another version; no row was compared.".to_owned(),
            false => format!(
                "Of {live_rows} rows that were live and {new_rows} new ones, {only_live} are only live, {only_new} only \
                 new, {differing} differ."
            ),
        });
        for (column, rows) in columns {
            self.output.say(format!("  in the column {column}: {rows}"));
        }
        for (whose, parked) in [("live", &compared.live_parked), ("new", &compared.new_parked)] {
            for key in parked {
                self.output.say(format!("  stands still in the {whose} rows: {}", key.key));
            }
        }
    }
}

fn counts(compared: &Comparison) -> Map<String, Value> {
    let keys = |parked: &[octocity_projections::Parked]| {
        parked.iter().map(|parked| parked.key.clone()).collect::<Vec<_>>()
    };
    let counts = json!({
        "form_changed": compared.form_changed,
        "live_rows": compared.live_rows,
        "new_rows": compared.new_rows,
        "only_live": compared.only_live,
        "only_new": compared.only_new,
        "differing": compared.differing,
        "columns": compared.columns,
        "live_parked": keys(&compared.live_parked),
        "new_parked": keys(&compared.new_parked),
    });
    match counts {
        Value::Object(counts) => counts,
        _ => Map::new(),
    }
}

fn with(mut failure: Failure, said: Map<String, Value>) -> Failure {
    failure.more.extend(said);
    failure
}

fn failure(error: RenewalError) -> Failure {
    match error {
        RenewalError::Store(error) => rows_failed(error),
        RenewalError::Behind(_) | RenewalError::Busy(_) | RenewalError::Changed(_) => {
            Failure::fault(error.to_string())
        }
        _ => Failure::data(error.to_string()),
    }
}
