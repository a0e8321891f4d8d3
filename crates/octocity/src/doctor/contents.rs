//! What is stored: whether it is whole, and whether somebody works on it.

use octocity_adapters::sqlite::folder;
use octocity_domain::Timestamp;
use octocity_log::Position;
use octocity_projections::{Parked, views};

use super::{Findings, history};
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
                Some(since) if self.is_left(since) => findings.wrong(of, self.not_folded(since)),
                Some(since) => findings.well(of, format!("behind the log: not folded since {since}")),
            }
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
            "its rows lack what was decided since {since}; start {writer}, or, where one runs, look in its log for what it \
             waits for{why}."
        )
    }
}
