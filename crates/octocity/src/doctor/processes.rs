//! Whether the processes are of this log, and somebody carries them out.

use std::time::Duration;

use octocity_commands::{Checkpoint, ParkedStream, ProcessStore, ProcessStoreError};

use super::Findings;
use super::contents::Contents;
use crate::failure::Failure;
use crate::lost_processes;

/// How long it is waited for the log to tell of its newest events.
const HEAR: Duration = Duration::from_secs(10);
/// How many effects that are due are looked at.
const DUE: usize = 1_000;

impl Contents<'_> {
    pub async fn look_at_processes(&self, findings: &mut Findings) -> Result<(), Failure> {
        let (node, unreadable) = (self.node, |error: ProcessStoreError| Failure::data(error.to_string()));
        if let Err(lost) = lost_processes::check(node).await {
            findings.wrong("processes", lost.message);
            return Ok(());
        }
        if !node.processes.exist() {
            findings.well("processes", "none yet; octocity serve begins them at the log's end");
            return Ok(());
        }
        let (store, _) = node.processes.open()?;
        for parked in store.parked().await.map_err(unreadable)? {
            let ParkedStream { process, stream, revision, event_type, error } = parked;
            findings.wrong(
                format!("process {process}"),
                format!(
                    "{stream} stands still at {revision} ({event_type}: {error}); run a version that reads it, and \
                     it goes on."
                ),
            );
        }
        let checkpoints = store.checkpoints().await.map_err(unreadable)?;
        self.hear_of(&checkpoints).await;
        match checkpoints.iter().try_for_each(|checkpoint| checkpoint.check(&*node.events())) {
            Err(misplaced) => findings.wrong("processes", node.processes.misplaced(misplaced)),
            Ok(()) => self.look_at_work(&*store, &checkpoints, findings).await?,
        }
        Ok(())
    }

    /// Where others append, whoever reacts may have heard of more than this process just now.
    async fn hear_of(&self, checkpoints: &[Checkpoint]) {
        let furthest = checkpoints.iter().map(|checkpoint| checkpoint.position).max().unwrap_or_default();
        if self.node.is_shared {
            let mut head = self.node.events().head();
            // In vain: that is what is wrong, and told below.
            let _ = tokio::time::timeout(HEAR, head.wait_for(|head| *head >= furthest)).await;
        }
    }

    /// Whether somebody reacts, and carries out what is due.
    async fn look_at_work(
        &self,
        store: &dyn ProcessStore,
        checkpoints: &[Checkpoint],
        findings: &mut Findings,
    ) -> Result<(), Failure> {
        let due = store.due(self.node.clock.now(), DUE, &[]).await;
        let due = due.map_err(|error| Failure::data(error.to_string()))?;
        let unseen = match checkpoints.iter().map(|checkpoint| checkpoint.position).min() {
            Some(position) => self.oldest_after(position).await?,
            None => None,
        };
        let start = "start octocity serve --role processes, or look in the log of the one that runs.";
        if let Some(since) = unseen.filter(|since| self.is_left(*since)) {
            findings
                .wrong("processes", format!("nobody has reacted to what was decided since {since}; {start}"));
        } else if let Some(since) =
            due.iter().map(|planned| planned.due).min().filter(|since| self.is_left(*since))
        {
            let count = due.len();
            findings
                .wrong("processes", format!("{count} effect(s) are due, the oldest since {since}; {start}"));
        } else {
            let found = format!("{} effect(s) due; octocity serve carries them out", due.len());
            findings.well("processes", found);
        }
        Ok(())
    }
}
