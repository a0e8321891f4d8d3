//! `octocity import occupancy`: counts of many car parks, each car park in order, the car parks side by side.

use std::collections::HashMap;
use std::sync::Arc;

use indicatif::ProgressBar;
use jiff::tz::TimeZone;
use octocity_domain::time::Zone;
use octocity_domain::{Currency, PoolId};
use octocity_log::EventLog;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;

use super::car_park::CarPark;
use super::counts::{Count, is_header};
use super::feed::{Feed, Garage, facility_id, settings};
use super::lines::{Line, Lines, Text};
use super::report::{Complaint, Report, outline};
use super::sorter::{Sorted, Sorter, Step};
use super::summary::Summary;
use crate::args::OccupancyArgs;
use crate::failure::Failure;

/// How many rows, of some 100 bytes each, may wait to be sent.
const ROWS_WAITING: usize = 500_000;
/// How many car parks send at once: each one a row's passages at a time.
const SENDING: usize = 16;

struct Waiting {
    step: Step,
    _place: OwnedSemaphorePermit,
}

pub struct OccupancyImport {
    feed: Feed,
    log: Arc<dyn EventLog>,
    pool: PoolId,
    zone: Zone,
    rules: TimeZone,
    currency: Currency,
    pub summary: Summary,
    report: Report,
    bar: ProgressBar,
    queues: HashMap<String, mpsc::UnboundedSender<Waiting>>,
    waiting: Arc<Semaphore>,
    sending: Arc<Semaphore>,
    at_work: JoinSet<Result<Summary, Failure>>,
}

impl OccupancyImport {
    pub fn try_new(
        feed: Feed,
        log: Arc<dyn EventLog>,
        args: &OccupancyArgs,
        report: Report,
        bar: ProgressBar,
    ) -> Result<Self, Failure> {
        let (pool, zone, currency) = settings(&args.pool, &args.zone, &args.currency)?;
        Ok(Self {
            feed,
            log,
            pool,
            rules: zone.rules(),
            zone,
            currency,
            summary: Summary::default(),
            report,
            bar,
            queues: HashMap::new(),
            waiting: Arc::new(Semaphore::new(ROWS_WAITING)),
            sending: Arc::new(Semaphore::new(SENDING)),
            at_work: JoinSet::new(),
        })
    }

    /// Reads all rows. Where the file cannot be read to its end, what was read is sent before the failure.
    pub async fn run(&mut self, mut lines: Lines) -> Result<(), Failure> {
        let mut sorter = Sorter::default();
        let read = loop {
            match lines.next() {
                Ok(Some(line)) if is_header(&line) => {}
                Ok(Some(line)) => self.row(line, &mut sorter).await?,
                Ok(None) => break Ok(()),
                Err(failure) => break Err(failure),
            }
        };
        self.queues.clear();
        while let Some(ended) = self.at_work.join_next().await {
            self.ended(ended)?;
        }
        self.summary.reported = self.report.reported();
        read
    }

    pub const fn report(&mut self) -> &mut Report {
        &mut self.report
    }

    async fn row(&mut self, line: Line, sorter: &mut Sorter) -> Result<(), Failure> {
        self.summary.lines += 1;
        let row = match Count::parse(&line, &self.rules) {
            Ok(row) => row,
            Err(complaint) => return self.complain(&line, &complaint),
        };
        let step = match sorter.sort(&row) {
            Sorted::Dirty(complaint) => return self.complain(&line, &complaint),
            Sorted::Clean { step, over_capacity: None } => step,
            Sorted::Clean { step, over_capacity: Some(complaint) } => {
                self.complain(&line, &complaint)?;
                step
            }
        };
        self.summary.usable += 1;
        self.bar.inc_length(u64::from(step.passages()));
        // A car park that failed takes no more: its failure is found here rather than at the end.
        while let Some(ended) = self.at_work.try_join_next() {
            self.ended(ended)?;
        }
        let place = Arc::clone(&self.waiting).acquire_owned().await;
        let place = place.map_err(|_| Failure::fault("The import's queue was closed; import again."))?;
        let waiting = Waiting { step, _place: place };
        if let Some(queue) = self.queues.get(&row.car_park) {
            // Its receiver ends early only on a failure, which is joined above or at the end.
            let _ = queue.send(waiting);
            return Ok(());
        }
        let queue = self.begin(&row);
        let _ = queue.send(waiting);
        self.queues.insert(row.car_park, queue);
        Ok(())
    }

    fn begin(&mut self, row: &Count) -> mpsc::UnboundedSender<Waiting> {
        let (queue, steps) = mpsc::unbounded_channel();
        let garage = Garage {
            facility: facility_id("occupancy", &row.car_park),
            name: row.car_park.clone(),
            zone: self.zone.clone(),
            currency: self.currency,
            pool: self.pool,
            places: Some(row.capacity),
        };
        let worker = Worker {
            feed: self.feed.clone(),
            log: Arc::clone(&self.log),
            sending: Arc::clone(&self.sending),
            bar: self.bar.clone(),
        };
        self.at_work.spawn(worker.run(garage, steps));
        queue
    }

    fn ended(
        &mut self,
        ended: Result<Result<Summary, Failure>, tokio::task::JoinError>,
    ) -> Result<(), Failure> {
        let done =
            ended.map_err(|error| Failure::fault(format!("A part of the import broke off: {error}.")))??;
        self.summary.commands += done.commands;
        self.summary.events_added += done.events_added;
        self.summary.duplicates += done.duplicates;
        Ok(())
    }

    /// A count of vehicles says nothing of a person, but an unreadable line may be of another file.
    fn complain(&mut self, line: &Line, complaint: &Complaint) -> Result<(), Failure> {
        let text = match &line.text {
            Text::Whole(text) if Count::parse(line, &self.rules).is_ok() => text.clone(),
            Text::Whole(text) => outline(text),
            Text::TooLong | Text::NotUtf8 => String::new(),
        };
        self.report.row(line.number, complaint, &text)
    }
}

/// One car park's sender.
struct Worker {
    feed: Feed,
    log: Arc<dyn EventLog>,
    sending: Arc<Semaphore>,
    bar: ProgressBar,
}

impl Worker {
    async fn run(
        self,
        garage: Garage,
        mut steps: mpsc::UnboundedReceiver<Waiting>,
    ) -> Result<Summary, Failure> {
        let mut summary = Summary::default();
        let mut car_park = CarPark::try_new(self.feed.clone(), &self.log, garage).await?;
        car_park.register(&mut summary).await?;
        while let Some(waiting) = steps.recv().await {
            let turn = self.sending.acquire().await;
            let _turn = turn.map_err(|_| Failure::fault("The import's queue was closed; import again."))?;
            let orders = car_park.orders(&waiting.step).await?;
            let passages = u64::from(waiting.step.passages());
            self.bar.inc(u64::from(orders.stored_passages));
            let rest = passages - u64::from(orders.stored_passages);
            car_park.send(orders, &mut summary).await?;
            self.bar.inc(rest);
        }
        Ok(summary)
    }
}
