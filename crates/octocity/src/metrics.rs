//! Whether the server is ready, and what it counts, in Prometheus' text format (version 0.0.4).

use std::fmt::{Display, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use async_trait::async_trait;
use octocity_api::{Probes, Readiness};
use octocity_commands::{Clock, Progress};
use octocity_domain::Timestamp;
use octocity_log::{EventLog, LogError, Position};
use octocity_projections::payments::queries::unresolved;
use octocity_projections::{ReadModels, ViewStanding};
use tokio::sync::watch;

use crate::analytics::TellingVitals;
use crate::kafka::{ReaderVitals, RelayVitals};
use crate::node::Node;
use crate::output::resident_bytes;
use crate::processing::Standing;
use crate::stores::Log;

/// So many effects may be due from moment to moment while traffic flows; more are a backlog.
const DUE_IN_TRAFFIC: usize = 64;

const FAILED: &str = "Commits that failed, or reads of what they are decided on.";

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

    /// What keeps the process from doing its work, however far it had come. What serves commands goes on while Kafka or
    /// ClickHouse is away: no gate waits for them.
    fn trouble(&self) -> Option<String> {
        let log = &self.node.log;
        log.failure()
            .map(|failure| not_stored(log, &failure))
            .or_else(|| self.trouble_of_rows())
            .or_else(|| self.what_has_ended())
            .or_else(|| self.what_is_cut_off().filter(|_| self.parts.served.is_none()))
    }

    fn trouble_of_rows(&self) -> Option<String> {
        let of_models = |models: &ReadModels| match models.store.is_damaged() {
            true => Some("The read models are damaged; stop the server and run octocity rebuild.".to_owned()),
            false => stands_still("read models", models.ended(), models.stats.faulty.load(Ordering::Relaxed)),
        };
        let of_processes = || {
            let faulty = self.parts.processes().is_some_and(|progress| progress.borrow().faulty);
            stands_still("processes", self.parts.have_processes_ended(), faulty)
        };
        let trouble = self.parts.models().find_map(of_models).or_else(of_processes);
        let has_rows = self.parts.models().next().is_some() || self.parts.processes.is_some();
        let outage = self.node.outage.as_ref().filter(|_| has_rows);
        match outage.is_some_and(|outage| outage.lasts() || trouble.is_some() && outage.is_on()) {
            true => Some(away("PostgreSQL", "rows can be neither read nor written")),
            false => trouble,
        }
    }

    fn what_has_ended(&self) -> Option<String> {
        let Parts { served, live, projector, relay, figures, .. } = &self.parts;
        let ended = |part: &str| format!("{part} ended by a fault; look for it in the server's log.");
        // Whoever serves gates goes on with that: all nodes of a city may have the same relay.
        let alone = served.is_none();
        let readers = live.iter().chain(projector).any(ReaderVitals::has_ended);
        if readers || (alone && relay.iter().any(RelayVitals::has_ended)) {
            return Some(ended("What goes over Kafka has"));
        }
        let figures = alone && figures.iter().any(TellingVitals::has_ended);
        figures.then(|| ended("The figures in ClickHouse have"))
    }

    fn what_is_cut_off(&self) -> Option<String> {
        let Parts { projector, relay, figures, .. } = &self.parts;
        if relay.iter().any(RelayVitals::is_cut_off) {
            return Some(away("Kafka", "the relay stands still"));
        }
        if projector.iter().any(ReaderVitals::is_cut_off) {
            return Some(away("Kafka", "the projector stands still"));
        }
        let figures = figures.iter().any(TellingVitals::is_cut_off);
        figures.then(|| away("ClickHouse", "figures stand still"))
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

/// Why the log takes nothing.
pub fn not_stored(log: &Log, failure: &LogError) -> String {
    match failure {
        LogError::Full(_) => "The disk is full and no command can be stored; free some space.".to_owned(),
        LogError::Unavailable(_) if log.is_in_service() => away("EventStoreDB", "no command can be stored"),
        _ => "No command can be stored: the last commit failed; look for the cause in the server's log."
            .to_owned(),
    }
}

/// Of a service.
pub fn away(service: &str, effect: &str) -> String {
    format!(
        "{service} does not answer, and {effect}; look at {service}, and for the cause in the server's log."
    )
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

    fn held_keys(&self) -> u64 {
        self.parts.live.iter().chain(&self.parts.projector).map(ReaderVitals::held_keys).sum()
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
        text.counter("octocity_log_commits_failed_total", FAILED, log.failed_commits);
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
        if let Some(standing) = &self.parts.processes {
            let works = matches!(*standing.borrow(), Standing::Works(_));
            let help = "1 while this process carries effects out, 0 while it stands by.";
            text.gauge("octocity_processes_work", help, u8::from(works));
        }
        let position = match self.parts.processes() {
            Some(progress) => {
                let progress = *progress.borrow();
                let help = "Streams that stand still for a process.";
                text.gauge("octocity_processes_parked_streams", help, progress.parked);
                text.gauge("octocity_outbox_due", "Effects that are due and not done.", progress.due);
                Some(progress.position)
            }
            // Whoever serves tells it too: where nobody carries effects out, nobody else would.
            None if self.parts.served.is_some() || self.parts.processes.is_some() => {
                self.node.processes.position(&*self.node.events()).await
            }
            None => None,
        };
        let Some(position) = position else { return };
        if let Some(lag) = self.lag_seconds(position).await {
            let help = "For how long the oldest event that the processes have not reacted to is in the log.";
            text.gauge("octocity_processes_lag_seconds", help, lag);
        }
    }

    /// By time, for only a log knows how many events lie between two of its positions.
    async fn write_lags(&self, models: &ReadModels, text: &mut Text) {
        let name = "octocity_projection_lag_seconds";
        text.head(name, "gauge", "For how long the oldest event that a view has not folded is in the log.");
        // Where the log cannot be read, no number is a true one.
        let Ok(standings) = models.standings(&*self.node.events()).await else { return };
        for ViewStanding { view, oldest_unprocessed, .. } in standings {
            text.labelled(name, "view", view, age_seconds(&*self.node.clock, oldest_unprocessed));
        }
    }

    async fn lag_seconds(&self, at: Position) -> Option<i64> {
        lag_seconds(&*self.node.events(), &*self.node.clock, at).await
    }

    /// A gateway that does not answer is alarming by its age; left out where the rows cannot be read.
    async fn write_unresolved(&self, models: &ReadModels, text: &mut Text) {
        let Ok((count, since)) = unresolved(&*models.store).await else { return };
        let age_seconds = age_seconds(&*self.node.clock, since);
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
    Some(age_seconds(clock, log.decided_after(at).await.ok()?))
}

/// 0 where there is nothing that ages.
fn age_seconds(clock: &dyn Clock, since: Option<Timestamp>) -> i64 {
    since.map_or(0, |since| clock.now().seconds_since(since).max(0))
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
