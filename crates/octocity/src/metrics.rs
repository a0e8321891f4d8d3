//! Whether the server is ready, and what it counts, in Prometheus' text format (version 0.0.4).

use std::collections::HashMap;
use std::fmt::{Display, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use octocity_api::{Probes, Readiness};
use octocity_commands::Progress;
use octocity_log::{LogError, Position};
use octocity_projections::ReadModels;
use octocity_projections::payments::queries::unresolved;
use tokio::sync::watch;

use crate::analytics::TellingVitals;
use crate::node::Node;
use crate::output::resident_bytes;
use crate::relay::RelayVitals;

/// So many effects may be due from moment to moment while traffic flows; more are a backlog.
const DUE_IN_TRAFFIC: usize = 64;

pub struct Vitals {
    node: Arc<Node>,
    models: ReadModels,
    processes: watch::Receiver<Progress>,
    relay: Option<RelayVitals>,
    figures: Option<TellingVitals>,
    /// The log's head that the start found.
    begun_at: Position,
    /// Set once the projections and the processes had caught up with that.
    caught_up: AtomicBool,
}

impl Vitals {
    pub fn new(
        node: Arc<Node>,
        models: ReadModels,
        processes: watch::Receiver<Progress>,
        relay: Option<RelayVitals>,
    ) -> Self {
        let begun_at = node.head();
        let caught_up = AtomicBool::new(false);
        Self { node, models, processes, relay, figures: None, begun_at, caught_up }
    }

    #[must_use]
    pub fn with_figures(self, figures: Option<TellingVitals>) -> Self {
        Self { figures, ..self }
    }
}

impl Vitals {
    /// What keeps the server from doing its work, however far it had come.
    fn trouble(&self) -> Option<String> {
        let of_log = self.node.log.failure().map(|failure| match failure {
            LogError::Full(_) => "The disk is full and no command can be stored; free some space.",
            _ => "No command can be stored: the last commit failed; look for the cause in the server's log.",
        });
        let read_models_faulty = self.models.stats.faulty.load(Ordering::Relaxed);
        let of_read_models = || match self.models.store.is_damaged() {
            true => Some("The read models are damaged; stop the server and run octocity rebuild.".to_owned()),
            false => stands_still("read models", self.models.ended(), read_models_faulty),
        };
        let processes_ended = self.processes.has_changed().is_err();
        let of_processes = || stands_still("processes", processes_ended, self.processes.borrow().faulty);
        of_log.map(str::to_owned).or_else(of_read_models).or_else(of_processes)
    }
}

fn stands_still(part: &str, ended: bool, faulty: bool) -> Option<String> {
    if ended {
        return Some(format!("The {part} have ended by a fault of ours; restart the server."));
    }
    faulty.then(|| format!("The {part} stand still after a fault; look for it in the server's log."))
}

#[async_trait]
impl Probes for Vitals {
    fn readiness(&self) -> Readiness {
        if let Some(sentence) = self.trouble() {
            return Readiness::NotReady { sentence };
        }
        if self.caught_up.load(Ordering::Relaxed) {
            return Readiness::Ready;
        }
        if self.models.position() < self.begun_at {
            let sentence = "The read models are still catching up with the log; ask again soon.".to_owned();
            return Readiness::NotReady { sentence };
        }
        let processes = *self.processes.borrow();
        if processes.position < self.begun_at || processes.due > DUE_IN_TRAFFIC {
            let sentence = "The processes are still catching up with the log; ask again soon.".to_owned();
            return Readiness::NotReady { sentence };
        }
        self.caught_up.store(true, Ordering::Relaxed);
        Readiness::Ready
    }

    async fn metrics(&self) -> String {
        let log = self.node.log.counters();
        let stats = &self.models.stats;
        let processes = *self.processes.borrow();
        let mut text = Text::default();
        text.counter("octocity_commands_stored_total", "Commands answered and stored.", log.appended_entries);
        text.counter("octocity_events_appended_total", "Events appended to the log.", log.appended_events);
        text.counter("octocity_log_commits_total", "Durable commits, one sync each.", log.commits);
        text.counter("octocity_log_commits_failed_total", "Commits that failed.", log.failed_commits);
        let commit_seconds = log.last_commit_micros as f64 / 1e6;
        text.gauge("octocity_log_last_commit_seconds", "How long the last commit took.", commit_seconds);
        let read = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        text.counter(
            "octocity_projected_events_total",
            "Events folded into read models.",
            read(&stats.events),
        );
        text.counter("octocity_projected_rows_total", "Rows written to read models.", read(&stats.rows));
        text.gauge("octocity_projection_parked_keys", "Keys that stand still.", read(&stats.parked));
        self.write_lags(&mut text).await;
        let help = "Streams that stand still for a process.";
        text.gauge("octocity_processes_parked_streams", help, processes.parked);
        text.gauge("octocity_outbox_due", "Effects that are due and not done.", processes.due);
        self.write_unresolved(&mut text).await;
        if let Some(relay) = &self.relay {
            relay.write(self.lag_seconds(relay.position()).await, &mut text);
        }
        if let Some(figures) = &self.figures {
            figures.write(self.lag_seconds(figures.position()).await, &mut text);
        }
        text.gauge("octocity_live_topics", "What subscribers listen to.", self.models.live.topics());
        text.gauge("octocity_resident_bytes", "Memory in use.", resident_bytes());
        text.0
    }
}

impl Vitals {
    /// By time, for only a log knows how many events lie between two of its positions.
    async fn write_lags(&self, text: &mut Text) {
        let mut views: Vec<_> =
            self.models.progress().borrow().iter().map(|(view, at)| (*view, *at)).collect();
        views.sort_unstable();
        // Most views are at one position.
        let mut known = HashMap::new();
        let name = "octocity_projection_lag_seconds";
        text.head(name, "gauge", "For how long the oldest event that a view has not folded is in the log.");
        for (view, at) in views {
            let lag = match known.get(&at) {
                Some(lag) => *lag,
                None => self.lag_seconds(at).await,
            };
            known.insert(at, lag);
            if let Some(lag) = lag {
                text.labelled(name, "view", view, lag);
            }
        }
        let processes = self.processes.borrow().position;
        if let Some(lag) = self.lag_seconds(processes).await {
            let help = "For how long the oldest event that the processes have not reacted to is in the log.";
            text.gauge("octocity_processes_lag_seconds", help, lag);
        }
    }

    /// None where the log cannot be read: then no number is a true one.
    async fn lag_seconds(&self, at: Position) -> Option<i64> {
        let oldest = self.node.events().decided_after(at).await.ok()?;
        Some(oldest.map_or(0, |decided| self.node.clock.now().seconds_since(decided).max(0)))
    }

    /// A gateway that does not answer is alarming by its age; left out where the rows cannot be read.
    async fn write_unresolved(&self, text: &mut Text) {
        let Ok((count, since)) = unresolved(&*self.models.store).await else { return };
        let age_seconds = since.map_or(0, |since| self.node.clock.now().seconds_since(since).max(0));
        text.gauge(
            "octocity_gateway_calls_unresolved",
            "Payments whose gateway call has no known outcome.",
            count,
        );
        text.gauge(
            "octocity_gateway_calls_unresolved_seconds",
            "How long the oldest of them has had none.",
            age_seconds,
        );
    }
}

/// The text as it grows. Writing to a String cannot fail.
#[derive(Default)]
pub struct Text(String);

impl Text {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }
    pub fn counter(&mut self, name: &str, help: &str, value: impl Display) {
        self.head(name, "counter", help);
        let _ = writeln!(self.0, "{name} {value}");
    }
    pub fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.head(name, "gauge", help);
        let _ = writeln!(self.0, "{name} {value}");
    }
    fn labelled(&mut self, name: &str, label: &str, of: &str, value: impl Display) {
        let _ = writeln!(self.0, "{name}{{{label}=\"{of}\"}} {value}");
    }
}
