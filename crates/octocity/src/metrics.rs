//! Whether the server is ready, and what it counts, in Prometheus' text format (version 0.0.4).

use std::collections::HashMap;
use std::fmt::{Display, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use async_trait::async_trait;
use octocity_api::{Probes, Readiness};
use octocity_commands::{Clock, Progress};
use octocity_log::{EventLog, LogError, Position};
use octocity_projections::ReadModels;
use octocity_projections::payments::queries::unresolved;
use tokio::sync::watch;

use crate::analytics::TellingVitals;
use crate::kafka::{ReaderVitals, RelayVitals};
use crate::node::Node;
use crate::output::resident_bytes;
use crate::processing::Standing;

/// So many effects may be due from moment to moment while traffic flows; more are a backlog.
const DUE_IN_TRAFFIC: usize = 64;

/// The parts of the process, where it has them.
pub struct Parts {
    pub served: Option<ReadModels>,
    pub live: Option<ReaderVitals>,
    pub projected: Option<ReadModels>,
    pub projector: Option<ReaderVitals>,
    pub processes: Option<watch::Receiver<Standing>>,
    pub relay: Option<RelayVitals>,
    pub figures: Option<TellingVitals>,
}

impl Parts {
    /// The rows that are written or served here.
    fn models(&self) -> impl Iterator<Item = &ReadModels> {
        self.served.iter().chain(&self.projected)
    }

    /// Where effects are carried out by this process.
    fn processes(&self) -> Option<watch::Receiver<Progress>> {
        match &*self.processes.as_ref()?.borrow() {
            Standing::Works(progress) => Some(progress.clone()),
            Standing::StandsBy | Standing::Ended => None,
        }
    }

    fn have_processes_ended(&self) -> bool {
        let Some(standing) = &self.processes else { return false };
        let has_ended = standing.has_changed().is_err() || matches!(*standing.borrow(), Standing::Ended);
        has_ended || self.processes().is_some_and(|progress| progress.has_changed().is_err())
    }
}

pub struct Vitals {
    node: Arc<Node>,
    parts: Parts,
    /// The log's head that the start found.
    begun_at: Position,
    /// Set once the projections and the processes had caught up with that.
    caught_up: AtomicBool,
}

impl Vitals {
    pub fn new(node: Arc<Node>, parts: Parts) -> Self {
        let begun_at = node.head();
        Self { node, parts, begun_at, caught_up: AtomicBool::new(false) }
    }

    /// What keeps the process from doing its work, however far it had come.
    fn trouble(&self) -> Option<String> {
        let of_log = self.node.log.failure().map(|failure| match failure {
            LogError::Full(_) => "The disk is full and no command can be stored; free some space.",
            _ => "No command can be stored: the last commit failed; look for the cause in the server's log.",
        });
        let of_models = |models: &ReadModels| match models.store.is_damaged() {
            true => Some("The read models are damaged; stop the server and run octocity rebuild.".to_owned()),
            false => stands_still("read models", models.ended(), models.stats.faulty.load(Ordering::Relaxed)),
        };
        let of_readers = || {
            let readers = self.parts.live.iter().chain(&self.parts.projector);
            let relay = self.parts.relay.iter().any(RelayVitals::has_ended);
            let has_ended =
                readers.into_iter().any(ReaderVitals::has_ended) || (relay && self.parts.served.is_none());
            has_ended.then(|| {
                "What goes over Kafka has ended by a fault; look for it in the server's log.".to_owned()
            })
        };
        let of_processes = || {
            let faulty = self.parts.processes().is_some_and(|progress| progress.borrow().faulty);
            stands_still("processes", self.parts.have_processes_ended(), faulty)
        };
        of_log
            .map(str::to_owned)
            .or_else(|| self.parts.models().find_map(of_models))
            .or_else(of_readers)
            .or_else(of_processes)
    }

    fn is_catching_up(&self) -> Option<&'static str> {
        let mut models = self.parts.models();
        // A projector without partitions is behind nowhere.
        if models.any(|models| !models.progress().borrow().is_empty() && models.position() < self.begun_at) {
            return Some("read models");
        }
        let progress = *self.parts.processes()?.borrow();
        let is_behind = progress.position < self.begun_at || progress.due > DUE_IN_TRAFFIC;
        is_behind.then_some("processes")
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
        if let Some(part) = self.is_catching_up() {
            let sentence = format!("The {part} are still catching up with the log; ask again soon.");
            return Readiness::NotReady { sentence };
        }
        self.caught_up.store(true, Ordering::Relaxed);
        Readiness::Ready
    }

    async fn metrics(&self) -> String {
        let mut text = Text::default();
        self.write_log(&mut text);
        // One that projects writes the rows; one that only serves is told how far they are.
        if let Some(models) = self.parts.projected.as_ref().or(self.parts.served.as_ref()) {
            self.write_projection(models, &mut text).await;
        }
        self.write_processes(&mut text).await;
        if let Some(reader) = self.parts.projector.as_ref().or(self.parts.live.as_ref()) {
            reader.write(&mut text);
        }
        if let Some(relay) = &self.parts.relay {
            relay.write(self.lag_seconds(relay.position()).await, &mut text);
        }
        if let Some(figures) = &self.parts.figures {
            figures.write(self.lag_seconds(figures.position()).await, &mut text);
        }
        if let Some(models) = &self.parts.served {
            self.write_unresolved(models, &mut text).await;
            text.gauge("octocity_live_topics", "What subscribers listen to.", models.live.topics());
        }
        text.gauge("octocity_resident_bytes", "Memory in use.", resident_bytes());
        text.0
    }
}

impl Vitals {
    fn write_log(&self, text: &mut Text) {
        let log = self.node.log.counters();
        text.counter("octocity_commands_stored_total", "Commands answered and stored.", log.appended_entries);
        text.counter("octocity_events_appended_total", "Events appended to the log.", log.appended_events);
        text.counter("octocity_log_commits_total", "Durable commits, one sync each.", log.commits);
        text.counter("octocity_log_commits_failed_total", "Commits that failed.", log.failed_commits);
        let commit_seconds = log.last_commit_micros as f64 / 1e6;
        text.gauge("octocity_log_last_commit_seconds", "How long the last commit took.", commit_seconds);
    }

    async fn write_projection(&self, models: &ReadModels, text: &mut Text) {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let stats = &models.stats;
        text.counter(
            "octocity_projected_events_total",
            "Events folded into read models.",
            read(&stats.events),
        );
        text.counter("octocity_projected_rows_total", "Rows written to read models.", read(&stats.rows));
        text.gauge("octocity_projection_parked_keys", "Keys that stand still.", read(&stats.parked));
        self.write_lags(models, text).await;
    }

    async fn write_processes(&self, text: &mut Text) {
        let Some(standing) = &self.parts.processes else { return };
        let works = matches!(*standing.borrow(), Standing::Works(_));
        let help = "1 while this process carries effects out, 0 while it stands by.";
        text.gauge("octocity_processes_work", help, u8::from(works));
        let Some(progress) = self.parts.processes() else { return };
        let progress = *progress.borrow();
        let help = "Streams that stand still for a process.";
        text.gauge("octocity_processes_parked_streams", help, progress.parked);
        text.gauge("octocity_outbox_due", "Effects that are due and not done.", progress.due);
        if let Some(lag) = self.lag_seconds(progress.position).await {
            let help = "For how long the oldest event that the processes have not reacted to is in the log.";
            text.gauge("octocity_processes_lag_seconds", help, lag);
        }
    }

    /// By time, for only a log knows how many events lie between two of its positions.
    async fn write_lags(&self, models: &ReadModels, text: &mut Text) {
        let mut views: Vec<_> = models.progress().borrow().iter().map(|(view, at)| (*view, *at)).collect();
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
    }

    async fn lag_seconds(&self, at: Position) -> Option<i64> {
        lag_seconds(&*self.node.events(), &*self.node.clock, at).await
    }

    /// A gateway that does not answer is alarming by its age; left out where the rows cannot be read.
    async fn write_unresolved(&self, models: &ReadModels, text: &mut Text) {
        let Ok((count, since)) = unresolved(&*models.store).await else { return };
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

/// For how long the first event after `at` is in the log. None where it cannot be read: then no number is a true one.
pub async fn lag_seconds(log: &dyn EventLog, clock: &dyn Clock, at: Position) -> Option<i64> {
    let oldest = log.decided_after(at).await.ok()?;
    Some(oldest.map_or(0, |decided| clock.now().seconds_since(decided).max(0)))
}

/// The text as it grows. Writing to a String cannot fail.
#[derive(Default)]
pub struct Text(String);

impl Text {
    pub fn into_string(self) -> String {
        self.0
    }
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
