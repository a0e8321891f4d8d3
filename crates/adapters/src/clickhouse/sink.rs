//! Tells ClickHouse the facts of a log, block by block.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use clickhouse::Row;
use octocity_domain::FacilityId;
use octocity_log::{LogId, Page, Position, Retry, Tail, decode};
use octocity_projections::analytics::{Fact, News, facts};
use octocity_projections::view::EventRecord;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::Instant;
use uuid::Uuid;

use super::fault::{Fault, OpenError};
use super::rows::{MovementRow, PaymentRow, SessionRow, VisitRow};
use super::schema;
use super::server::ClickHouse;
use crate::outage::Outage;

const PAGE: usize = 4_096;
const DAY_MILLIS: i64 = 86_400_000;
/// How many days are made anew by one statement: it stays well below the longest text that ClickHouse parses.
const DAYS_AT_ONCE: usize = 2_000;
/// For how long a checkpoint may be ahead of what this process has heard of the log's head: its predecessor heard more.
const HEAR: Duration = Duration::from_secs(3);
/// The pauses while ClickHouse is down, each twice the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

#[derive(Clone, Copy, Debug)]
pub struct SinkOptions {
    /// How many facts are written at once, at least, as long as there are as many.
    pub block_facts: usize,
    /// How long a fact may wait for others.
    pub wait: Duration,
}

impl Default for SinkOptions {
    fn default() -> Self {
        Self { block_facts: 50_000, wait: Duration::from_secs(2) }
    }
}

/// The one that writes the facts of one log. Runs in one place at a time; two would write the same rows.
pub struct AnalyticsSink {
    server: ClickHouse,
    log: LogId,
    epoch: u32,
    options: SinkOptions,
    /// Its checkpoint is taken up. After a fault it is not known what is written.
    has_begun: bool,
    /// The one that the facts are written into.
    database: Uuid,
    /// For how many days facts are kept as things stand: for ever until all is told for the first time, as the sums of
    /// days long past are made of their facts.
    days_kept: Option<u32>,
    /// Up to where all is written.
    written: watch::Sender<Position>,
    outage: Outage,
    /// Up to where facts are taken.
    taken: Position,
    facts: Vec<Fact>,
    unread: Vec<Unread>,
    rows: u64,
    /// Since when the oldest of them waits.
    since: Option<Instant>,
}

#[derive(Row, Deserialize)]
struct CheckpointRow {
    #[serde(with = "clickhouse::serde::uuid")]
    log: Uuid,
    epoch: u32,
    position: u64,
}

/// Which database this is, whatever its name is by now.
#[derive(Row, Deserialize)]
struct Identity {
    #[serde(with = "clickhouse::serde::uuid")]
    uuid: Uuid,
}

/// An event that could not be read.
#[derive(Clone, Row, Serialize)]
struct Unread {
    stream: String,
    revision: u64,
    event_type: String,
    error: String,
}

impl AnalyticsSink {
    /// For the facts of one log. Nothing is asked yet.
    pub fn new(server: ClickHouse, tail: &dyn Tail, options: SinkOptions) -> Self {
        let (log, epoch, taken) = (tail.id(), tail.epoch(), Position::default());
        let (written, facts, unread) = (watch::Sender::new(taken), Vec::new(), Vec::new());
        Self {
            server,
            log,
            epoch,
            options,
            has_begun: false,
            database: Uuid::nil(),
            days_kept: None,
            written,
            outage: Outage::default(),
            taken,
            facts,
            unread,
            rows: 0,
            since: None,
        }
    }

    /// Makes what is needed, and takes up the checkpoint. That of an earlier epoch of this log counts as none: its facts
    /// are told again, and are the same rows.
    pub async fn begin(&mut self, tail: &dyn Tail) -> Result<(), OpenError> {
        self.server.prepare().await?;
        let place = self.server.place.clone();
        let unusable = |fault: Fault| OpenError::Unusable { place: place.clone(), reason: fault.to_string() };
        // Before the checkpoint, so that it is of this one or of a later one.
        self.database = identity(&self.server).await.map_err(unusable)?;
        let days_kept = schema::days_kept(&self.server).await;
        self.days_kept = days_kept.map_err(|error| OpenError::of(&place, &error))?;
        let known = known(&self.server, self.log, self.epoch).await?;
        let written = known.iter().find(|known| known.epoch == self.epoch).map_or(0, |known| known.position);
        let mut head = tail.head();
        let heard = tokio::time::timeout(HEAR, head.wait_for(|head| head.0 >= written)).await;
        if !matches!(heard, Ok(Ok(_))) {
            return Err(OpenError::AheadOfLog { place });
        }
        self.taken = Position(written);
        self.written.send_replace(self.taken);
        self.facts.clear();
        self.unread.clear();
        self.since = None;
        self.has_begun = true;
        Ok(())
    }

    /// Up to where the answers tell of the log.
    pub fn written(&self) -> watch::Receiver<Position> {
        self.written.subscribe()
    }

    /// While ClickHouse does not take them.
    pub fn outage(&self) -> Outage {
        self.outage.clone()
    }

    /// How many rows of facts this one wrote.
    pub const fn rows(&self) -> u64 {
        self.rows
    }

    /// Takes the facts of the events after those that were taken before. Those of an event that a view skips, too: a fact
    /// is no fold, and nothing later rests on it.
    pub fn take(&mut self, page: &Page) {
        for recorded in &page.events {
            let (stream, revision) = (recorded.stream, recorded.revision);
            match decode(stream.category, &recorded.event_type, recorded.version, &recorded.data) {
                Ok(event) => {
                    let record = EventRecord { event: &event, stream, revision, meta: &recorded.meta };
                    facts(&record, &mut self.facts);
                }
                // Facts of later events do not rest on it.
                Err(error) => {
                    let stream = stream.to_string();
                    tracing::error!(stream, revision, %error, "an event cannot be read; figures lack it");
                    let (event_type, error) = (recorded.event_type.to_string(), error.to_string());
                    self.unread.push(Unread { stream, revision, event_type, error });
                }
            }
        }
        self.taken = page.next;
        self.since.get_or_insert_with(Instant::now);
    }

    /// Writes what was taken: facts, then the sums of their days, then the checkpoint.
    pub async fn write(&mut self) -> Result<(), Fault> {
        let told = &self.facts;
        self.server.insert("movements", told.iter().filter_map(MovementRow::of)).await?;
        self.server.insert("visits", told.iter().filter_map(VisitRow::of)).await?;
        self.server.insert("sessions", told.iter().filter_map(SessionRow::of)).await?;
        self.server.insert("payments", told.iter().filter_map(PaymentRow::of)).await?;
        self.server.insert("unread", self.unread.iter().cloned()).await?;
        self.sum_days().await?;
        self.write_checkpoint().await?;
        self.rows += self.facts.len() as u64;
        self.written.send_replace(self.taken);
        self.facts.clear();
        self.unread.clear();
        self.since = None;
        Ok(())
    }

    /// Only into the database whose facts were written: the one that took its place lacks some of them.
    async fn write_checkpoint(&self) -> Result<(), Fault> {
        let Self { log, epoch, database, taken, .. } = self;
        let sql = format!(
            "INSERT INTO checkpoints SELECT toUUID('{}'), toUInt32({epoch}), toUInt64({}) FROM system.databases WHERE name \
             = currentDatabase() AND uuid = '{database}'",
            log.0, taken.0
        );
        self.server.execute(&sql).await?;
        match identity(&self.server).await? == *database {
            true => Ok(()),
            false => Err(Fault::Switched),
        }
    }

    /// Lets facts expire as configured, once all is told and summed.
    async fn let_expire(&mut self) -> Result<(), Fault> {
        if self.days_kept != self.server.keep_days && *self.written.borrow() == self.taken {
            schema::set_time_to_live(&self.server).await?;
            self.days_kept = self.server.keep_days;
        }
        Ok(())
    }

    /// Makes the sums of the days in which something of this block happened anew. A day whose facts have begun to
    /// expire keeps the sum that it has, or none: what comes so late (or was imported) is missing there until all facts
    /// are told anew, as nobody can tell it from what the sum holds already.
    async fn sum_days(&self) -> Result<(), Fault> {
        let mut days = BTreeSet::<(FacilityId, i64)>::new();
        for fact in &self.facts {
            if let News::Movement { movement, .. } = &fact.news {
                days.insert((fact.facility, movement.at.millis().div_euclid(DAY_MILLIS)));
            }
        }
        let days: Vec<_> = days.into_iter().collect();
        let kept = self.days_kept.map_or_else(String::new, |days| {
            format!(" AND toDate32(happened_at) > toDate32(toTimeZone(now(), 'UTC')) - {days}")
        });
        for days in days.chunks(DAYS_AT_ONCE) {
            let pairs: Vec<_> =
                days.iter().map(|(facility, day)| format!("('{facility}',toDate32({day}))")).collect();
            let sql = format!(
                "INSERT INTO pool_days SELECT facility, pool, toDate32(happened_at) AS day, sum(movements.change), \
                 countIf(passing = 'ENTRY'), countIf(passing = 'EXIT'), countIf(passing = 'REFUSAL') FROM movements \
                 FINAL WHERE (facility, toDate32(happened_at)) IN ({}){kept} GROUP BY facility, pool, day",
                pairs.join(",")
            );
            self.server.execute(&sql).await?;
        }
        Ok(())
    }

    /// Writes all there is up to the head as it is now or later.
    pub async fn catch_up(&mut self, tail: &dyn Tail) -> Result<Position, Fault> {
        self.read_on(tail).await?;
        if *self.written.borrow() < self.taken {
            self.write().await?;
        }
        self.let_expire().await?;
        Ok(self.taken)
    }

    /// Takes up to the head, and writes whatever is a whole block or has waited long enough.
    async fn read_on(&mut self, tail: &dyn Tail) -> Result<(), Fault> {
        if !self.has_begun {
            self.begin(tail).await?;
        }
        loop {
            if self.facts.len() >= self.options.block_facts || self.waits() == Some(Duration::ZERO) {
                self.write().await?;
            }
            let head = *tail.head().borrow();
            if self.taken >= head {
                return self.let_expire().await;
            }
            let page = tail.read_after(self.taken, PAGE).await?;
            if page.next <= self.taken {
                return self.let_expire().await;
            }
            self.take(&page);
        }
    }

    /// How long the oldest fact may still wait.
    fn waits(&self) -> Option<Duration> {
        self.since.map(|since| self.options.wait.saturating_sub(since.elapsed()))
    }

    /// Follows until `shutdown` is true or its sender is gone. A fault is logged when it begins and when it is over; the
    /// pauses between grow up to a bound, and afterwards the checkpoint is taken up again. One that does not pass is
    /// returned.
    pub async fn run(
        mut self,
        tail: Arc<dyn Tail>,
        mut shutdown: watch::Receiver<bool>,
    ) -> Result<(), OpenError> {
        let mut head = tail.head();
        let mut retry = Retry::new(FIRST_PAUSE, LONGEST_PAUSE);
        while !*shutdown.borrow() {
            head.borrow_and_update();
            let read = tokio::select! {
                read = self.read_on(&*tail) => read,
                // What is not written is told again by the next one.
                _ = shutdown.wait_for(|stop| *stop) => return Ok(()),
            };
            match read {
                Ok(()) => {
                    self.outage.is_over();
                    if retry.is_over() {
                        tracing::info!("figures go on");
                    }
                }
                Err(Fault::Switched) => {
                    self.has_begun = false;
                    tracing::info!("figures go on in the database that took the place of the one before");
                    continue;
                }
                Err(Fault::Open(error)) if !error.is_transient() => return Err(error),
                Err(error) => {
                    self.has_begun = false;
                    if !matches!(error, Fault::Log(_)) {
                        self.outage.begins();
                    }
                    if retry.begins() {
                        tracing::error!(%error, "figures stand still; they are tried again");
                    }
                }
            }
            let (waits, pause) = (self.waits(), retry.pause());
            let next = async {
                match (pause, waits) {
                    (Some(pause), _) => tokio::time::sleep(pause).await,
                    // Full or due it is written; until then more may come.
                    (None, Some(waits)) => {
                        let _ = tokio::time::timeout(waits, head.changed()).await;
                    }
                    (None, None) if head.changed().await.is_err() => std::future::pending().await,
                    (None, None) => {}
                }
            };
            tokio::select! {
                biased;
                () = next => {}
                gone = shutdown.changed() => if gone.is_err() { return Ok(()) },
            }
        }
        Ok(())
    }
}

async fn identity(server: &ClickHouse) -> Result<Uuid, Fault> {
    let asked = "SELECT uuid FROM system.databases WHERE name = currentDatabase()";
    let known = server.all::<Identity>(asked).await?;
    known.first().map(|known| known.uuid).ok_or_else(|| Fault::ClickHouse("the database is gone".to_owned()))
}

async fn checkpoints(server: &ClickHouse) -> Result<Vec<CheckpointRow>, Fault> {
    server.all("SELECT log, epoch, position FROM checkpoints FINAL").await
}

/// The checkpoints there are, if they are of this log and of no later epoch.
async fn known(server: &ClickHouse, log: LogId, epoch: u32) -> Result<Vec<CheckpointRow>, OpenError> {
    let place = server.place.clone();
    let unusable = |fault: Fault| OpenError::Unusable { place: place.clone(), reason: fault.to_string() };
    let known = checkpoints(server).await.map_err(unusable)?;
    match known.iter().find(|known| known.log != log.0 || known.epoch > epoch) {
        Some(other) => Err(OpenError::OtherLog { place, found: LogId(other.log), own: log }),
        None => Ok(known),
    }
}

/// Refuses a database that tells of another log.
pub(super) async fn check_log(server: &ClickHouse, log: LogId, epoch: u32) -> Result<(), OpenError> {
    known(server, log, epoch).await.map(drop)
}

/// Up to where a database knows the log of this tail.
pub(super) async fn position_of(server: &ClickHouse, tail: &dyn Tail) -> Result<Position, Fault> {
    let known = checkpoints(server).await?;
    let ours = known.iter().find(|known| (known.log, known.epoch) == (tail.id().0, tail.epoch()));
    Ok(Position(ours.map_or(0, |known| known.position)))
}
