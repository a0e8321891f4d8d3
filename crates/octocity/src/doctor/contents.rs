//! What is stored: whether it is whole, and whether somebody works on it.

use octocity_adapters::sqlite::folder;
use octocity_domain::Timestamp;
use octocity_log::Position;
use octocity_projections::{Parked, StoreError, views};

use super::{Findings, history};
use crate::analytics;
use crate::config::{Config, KafkaConfig};
use crate::failure::Failure;
use crate::node::{Node, rows_failed};

/// Where somebody works, what is older is done.
const BEHIND_SECONDS: i64 = 60;

/// `kafka`: where it can be used.
pub async fn look_at_contents(config: &Config, kafka: Option<&KafkaConfig>, findings: &mut Findings) {
    if let Err(failure) = contents(config, kafka, findings).await {
        findings.wrong("contents", failure.message);
    }
}

async fn contents(
    config: &Config,
    kafka: Option<&KafkaConfig>,
    findings: &mut Findings,
) -> Result<(), Failure> {
    // A folder without a log holds nothing yet, and is not given one by a look.
    if config.eventstoredb.is_none() && !config.data.join(folder::LOG_FILE).exists() {
        return Ok(());
    }
    let node = Node::open(config).await?;
    findings.well("log", format!("head at {}", node.head().0));
    history::look_at_history(&node.log, findings).await?;
    if let Some(clickhouse) = &config.clickhouse {
        let log = node.events();
        if let Err(failure) = analytics::check_log(clickhouse, log.id(), log.epoch()).await {
            findings.wrong("ClickHouse", failure.message);
        }
    }
    let contents = Contents { node: &node, config };
    if let Some(kafka) = kafka.filter(|_| contents.is_worked_on()) {
        contents.look_at_topic(kafka, findings).await?;
    }
    contents.look_at_views(findings).await?;
    contents.look_at_processes(findings).await
}

pub struct Contents<'a> {
    pub node: &'a Node,
    config: &'a Config,
}

impl Contents<'_> {
    /// Whether processes are to run meanwhile: what is in a data folder is looked at only while none does.
    fn is_worked_on(&self) -> bool {
        self.node.folder.is_none()
    }

    /// When the oldest event after this position was decided.
    pub async fn oldest_after(&self, position: Position) -> Result<Option<Timestamp>, Failure> {
        let oldest = self.node.events().decided_after(position).await;
        oldest.map_err(|error| history::unreadable(self.node.log.name(), &error))
    }

    /// Whether nobody works on what waits since then.
    pub fn is_left(&self, since: Timestamp) -> bool {
        self.is_worked_on() && self.node.clock.now().seconds_since(since) > BEHIND_SECONDS
    }

    async fn look_at_views(&self, findings: &mut Findings) -> Result<(), Failure> {
        let stored = self.node.rows.checkpoints().await.map_err(rows_failed)?;
        let own = self.node.rows.partitions();
        if let Some(other) = stored.iter().find(|checkpoint| checkpoint.partition >= own) {
            let view = other.view.clone();
            let stored = stored.iter().filter(|checkpoint| checkpoint.view == view).count() as i32;
            let differ = StoreError::OtherPartitions { view, stored, own };
            findings.wrong("views", format!("{differ}; without that table there is 1."));
            return Ok(());
        }
        let mut left = Vec::new();
        for table in views::tables() {
            let of_view: Vec<_> = stored.iter().filter(|checkpoint| checkpoint.view == table.name).collect();
            if of_view.is_empty() && !self.is_worked_on() {
                continue;
            }
            let of = format!("view {}", table.name);
            if !of_view.iter().all(|checkpoint| self.is_of_log(checkpoint)) {
                findings.wrong(of, "it is of another log, or ahead of this one; run octocity rebuild.");
                continue;
            }
            let is_whole = of_view.len() == self.node.rows.partitions().unsigned_abs() as usize;
            let positions = of_view.iter().map(|checkpoint| checkpoint.position);
            // A partition without a checkpoint is at the log's beginning.
            let position = positions.min().filter(|_| is_whole).unwrap_or_default();
            match self.oldest_after(position).await? {
                None => findings.well(of, "at the log's head"),
                Some(since) if self.is_left(since) => left.push((since, table.name)),
                Some(since) => findings.well(of, format!("behind the log: not folded since {since}")),
            }
        }
        // Most likely for one cause.
        if let Some(since) = left.iter().map(|(since, _)| *since).min() {
            let names = left.iter().map(|(_, name)| *name).collect::<Vec<_>>().join(", ");
            findings.wrong(format!("views {names}"), self.not_folded(since));
        }
        for parked in self.node.rows.parked(&[]).await.map_err(rows_failed)? {
            let Parked { view, stream, revision, event_type, error, .. } = parked;
            findings.wrong(
                format!("view {view}"),
                format!("a key stands still at {stream} {revision} ({event_type}: {error}); run octocity parked retry {view}, or see \
                     octocity parked --help."),
            );
        }
        Ok(())
    }

    fn is_of_log(&self, checkpoint: &octocity_projections::Checkpoint) -> bool {
        let events = self.node.events();
        let begins = checkpoint.position == Position::default();
        let is_ours = begins || (checkpoint.log == events.id() && checkpoint.epoch == events.epoch());
        // Of a log that others append to, they may have heard more than this process.
        is_ours && (checkpoint.position <= self.node.head() || self.node.is_shared)
    }

    fn not_folded(&self, since: Timestamp) -> String {
        let (writer, why) = match &self.config.kafka {
            Some(_) => ("octocity serve --role projector", ", and whether a relay publishes"),
            None => ("octocity serve", ""),
        };
        format!(
            "their rows lack what was decided since {since}; start {writer}, or, where one runs, look in its log for what it \
             waits for{why}."
        )
    }
}
