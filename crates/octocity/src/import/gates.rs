//! `octocity import gates`: every line of a gate log is a passage, a duplicate, or a row of the report.

use std::sync::Arc;

use jiff::tz::TimeZone;
use octocity_domain::card_numbers::holds_card_number;
use octocity_domain::parking::{Credential, DeviceClock, Direction, ParkingCommand, ParkingEvent, Review};
use octocity_domain::{Category, CommandId, Event, FacilityId, Fact, Timestamp, VisitId};
use octocity_log::{EventLog, StreamId};

use super::aps::ApsLine;
use super::feed::{Answer, Feed, Garage, Lanes, facility_id, settings};
use super::lines::{Line, Lines, Text};
use super::periods::{HOLE_SECONDS, Periods};
use super::report::{Complaint, Dirt, Report, outline};
use super::summary::Summary;
use crate::args::GatesArgs;
use crate::failure::Failure;

const BATCH: usize = 256;
const PAGE: usize = 2048;
const RECOUNT: &str =
    "the controller's own count, at the start of the record or of a period after a hole in it";
const VOUCHES_FOR_NOBODY: &str =
    "a hole in the record: of the vehicles inside, none seen before it is vouched for any more";

pub struct GateImport {
    feed: Feed,
    garage: Garage,
    lanes: Lanes,
    zone: TimeZone,
    entry_clock_ahead_seconds: i64,
    exit_clock_ahead_seconds: i64,
    /// When the news that is stored already had reached the controller, ascending.
    stored_news: Vec<Timestamp>,
    /// When the newest line of this file was created.
    latest_news: Option<Timestamp>,
    pending: Vec<(u64, ApsLine)>,
    pub periods: Periods,
    pub summary: Summary,
    report: Report,
}

impl GateImport {
    pub async fn try_new(
        feed: Feed,
        log: &Arc<dyn EventLog>,
        args: &GatesArgs,
        report: Report,
    ) -> Result<Self, Failure> {
        let (pool, zone, currency) = settings(&args.pool, &args.zone, &args.currency)?;
        let rules = zone.rules();
        let garage = Garage {
            facility: facility_id("gates", &args.facility),
            name: args.facility.clone(),
            zone,
            currency,
            pool,
            places: args.capacity,
        };
        let (stored_news, inside) = stored(log, &garage).await?;
        Ok(Self {
            feed,
            garage,
            lanes: Lanes::try_new()?,
            zone: rules,
            entry_clock_ahead_seconds: args.entry_clock_ahead_seconds,
            exit_clock_ahead_seconds: args.exit_clock_ahead_seconds,
            stored_news,
            latest_news: None,
            pending: Vec::with_capacity(BATCH),
            periods: Periods::new(inside),
            summary: Summary::default(),
            report,
        })
    }

    /// Reads all lines. Where the file cannot be read to its end, what was read is sent before the failure.
    pub async fn run(&mut self, mut lines: Lines, tick: impl Fn()) -> Result<(), Failure> {
        let read = loop {
            match lines.next() {
                Ok(Some(line)) => self.line(line).await?,
                Ok(None) => break Ok(()),
                Err(failure) => break Err(failure),
            }
            tick();
        };
        self.flush().await?;
        self.periods.end();
        self.summary.reported = self.report.reported();
        read
    }

    pub const fn facility(&self) -> FacilityId {
        self.garage.facility
    }

    pub const fn report(&mut self) -> &mut Report {
        &mut self.report
    }

    async fn line(&mut self, line: Line) -> Result<(), Failure> {
        self.summary.lines += 1;
        let parsed = match ApsLine::parse(&line, &self.zone) {
            Ok(parsed) => parsed,
            Err(complaint) => {
                let text = match &line.text {
                    Text::Whole(text) => outline(text),
                    Text::TooLong | Text::NotUtf8 => String::new(),
                };
                return self.report.row(line.number, &complaint, &text);
            }
        };
        if self.summary.usable == 0 {
            self.summary.commands += 1;
            self.summary.events_added += self.feed.register(&self.garage).await?;
        }
        self.summary.usable += 1;
        if self.begins_period(parsed.created) {
            self.flush().await?;
            self.open_books(&parsed).await?;
        }
        self.latest_news = self.latest_news.max(Some(parsed.created));
        self.pending.push((line.number, parsed));
        if self.pending.len() == BATCH {
            self.flush().await?;
        }
        Ok(())
    }

    /// Whether no news had reached the controller for so long that its record has a hole here.
    fn begins_period(&self, created: Timestamp) -> bool {
        let recent = created.minus_seconds(HOLE_SECONDS);
        let in_file = self.latest_news.is_some_and(|latest| latest >= recent);
        let first_stored = self.stored_news.partition_point(|news| *news < recent);
        let stored = self.stored_news.get(first_stored).is_some_and(|news| *news < created);
        !in_file && !stored
    }

    /// The controller's count opens a period's books. Visits of an earlier one are given up first: their vehicles
    /// may have left in the hole, and would be counted for ever.
    async fn open_books(&mut self, first: &ApsLine) -> Result<(), Failure> {
        self.periods.begin(first.created);
        let earlier =
            self.latest_news.is_some() || self.stored_news.first().is_some_and(|news| *news < first.created);
        if earlier {
            let gone = self.count(first.created, "given-up", 0, VOUCHES_FOR_NOBODY).await?;
            self.confirm_left(first.created, gone).await?;
        }
        self.count(first.created, "counted", first.inside_before(), RECOUNT).await?;
        Ok(())
    }

    /// Sends a count, and says which visits it did not find.
    async fn count(
        &mut self,
        at: Timestamp,
        step: &str,
        counted: u32,
        reason: &str,
    ) -> Result<Vec<VisitId>, Failure> {
        let id = self.id(at, &format!("{step}|{}", at.millis()));
        let reason = reason.to_owned();
        let command =
            ParkingCommand::CorrectOccupancy { pool: self.garage.pool, counted, counted_at: at, reason };
        let answers = self.send(vec![(id, command)]).await?;
        let mut not_found = Vec::new();
        for answer in answers {
            if let Answer::Added(events) = &answer {
                self.periods.moved(events);
            }
            let (Answer::Added(events) | Answer::Known(events)) = answer else { continue };
            for Fact { event, .. } in events {
                if let ParkingEvent::OccupancyCorrected { to_review, .. } = event {
                    not_found.extend(to_review);
                }
            }
        }
        Ok(not_found)
    }

    async fn confirm_left(&mut self, at: Timestamp, visits: Vec<VisitId>) -> Result<(), Failure> {
        let confirm = |visit: VisitId| {
            let id = self.id(at, &format!("left|{}|{visit}", at.millis()));
            (id, ParkingCommand::ReviewVisit { visit, review: Review::Confirm })
        };
        let commands = visits.into_iter().map(confirm).collect();
        for answer in self.send(commands).await? {
            if let Answer::Added(events) = answer {
                self.periods.moved(&events);
            }
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), Failure> {
        let lines = std::mem::take(&mut self.pending);
        let commands = lines.iter().map(|(_, line)| self.passage(line)).collect();
        let answers = self.send(commands).await?;
        for ((number, line), answer) in lines.into_iter().zip(answers) {
            match answer {
                Answer::Added(events) => {
                    self.periods.moved(&events);
                    self.periods.compare(line.created, line.inside_after());
                }
                Answer::Known(_) | Answer::KnownOtherwise => self.summary.duplicates += 1,
                Answer::Refused { code, message } => {
                    let complaint = Complaint::new(Dirt::Refused, format!("{code}: {message}"));
                    self.report.row(number, &complaint, "")?;
                }
            }
        }
        Ok(())
    }

    /// Every line of one passage gives the same id. `received_at` is when the first line of it was created.
    fn passage(&self, line: &ApsLine) -> (CommandId, ParkingCommand) {
        let (lane, ahead_seconds, direction) = match line.direction {
            Direction::Entry => (self.lanes.entry, self.entry_clock_ahead_seconds, 0),
            Direction::Exit => (self.lanes.exit, self.exit_clock_ahead_seconds, 1),
        };
        let id = self.id(line.swipe, &format!("{direction}|{}|{}", line.card, line.swipe_text));
        let (credentials, unreadable) = seen(&line.card);
        let command = ParkingCommand::RecordPassage {
            lane,
            direction: line.direction,
            credentials,
            unreadable,
            pool: None,
            happened_at: line.swipe.minus_seconds(ahead_seconds),
            clock: DeviceClock {
                device_time: Some(line.swipe),
                received_at: Some(line.created),
                sequence: None,
            },
        };
        (id, command)
    }

    fn id(&self, at: Timestamp, key: &str) -> CommandId {
        CommandId::from_source(at, &format!("aps:{}", self.garage.facility), key)
    }

    /// The answers come back in order.
    async fn send(&mut self, commands: Vec<(CommandId, ParkingCommand)>) -> Result<Vec<Answer>, Failure> {
        if commands.is_empty() {
            return Ok(Vec::new());
        }
        self.summary.commands += commands.len() as u64;
        let answers = self.feed.send(self.garage.facility, commands).await?;
        for answer in &answers {
            if let Answer::Added(events) = answer {
                self.summary.events_added += events.len() as u64;
            }
        }
        Ok(answers)
    }
}

/// When stored news had been received, and what is inside by all of it.
async fn stored(log: &Arc<dyn EventLog>, garage: &Garage) -> Result<(Vec<Timestamp>, i64), Failure> {
    let stream = StreamId::new(Category::Parking, garage.facility.uuid());
    let unreadable = |error: String| Failure::data(format!("The log cannot be read: {error}; run doctor."));
    let (mut received, mut inside, mut from) = (Vec::new(), 0, 0);
    loop {
        let page =
            log.read_stream(stream, from, PAGE).await.map_err(|error| unreadable(error.to_string()))?;
        let Some(last) = page.last() else { break };
        from = last.revision + 1;
        for event in &page {
            let decoded =
                octocity_log::decode(Category::Parking, &event.event_type, event.version, &event.data)
                    .map_err(|error| unreadable(error.to_string()))?;
            let Event::Parking(event) = decoded else { continue };
            inside += event.inside_change().total();
            if let ParkingEvent::VehicleEntered { clock, .. } | ParkingEvent::VehicleLeft { clock, .. } =
                &event
            {
                received.extend(clock.received_at);
            }
        }
    }
    received.sort_unstable();
    Ok((received, inside))
}

/// A payment card that somebody held before the reader counts as unreadable: its number is never stored.
fn seen(card: &str) -> (Vec<Credential>, bool) {
    match holds_card_number(card) {
        true => (Vec::new(), true),
        false => (vec![Credential::Card { number: card.to_owned() }], false),
    }
}
