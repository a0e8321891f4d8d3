//! The facts told anew into a database beside the live one.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use octocity_adapters::clickhouse::{Fault, Retelling, TableRows};
use octocity_log::{LogError, LogId, Page, Position, Tail};
use octocity_projections::Step;
use tokio::sync::watch;

use super::Retold;
use super::clickhouse::{failure, server};
use crate::config::ClickHouseConfig;
use crate::failure::Failure;

/// How often it is told how far it is.
const LOOK: Duration = Duration::from_millis(250);

/// Puts them in the place of the live ones; these are kept, or dropped.
pub async fn tell_anew(
    config: &ClickHouseConfig,
    tail: Arc<dyn Tail>,
    keep: bool,
    on_step: impl FnMut(Step),
) -> Result<Retold, Failure> {
    let retelling = Retelling::new(server(config)?);
    let tail = Counted::of(tail);
    let mut sink = retelling.begin(&tail).await.map_err(|error| failure(&error))?;
    let written = sink.written();
    let work = async {
        sink.catch_up(&tail).await?;
        let tables = retelling.compare().await?;
        Ok((retelling.switch(&mut sink, &tail).await?, tables))
    };
    let (switched, tables) = watched(work, &tail, written, on_step).await?;
    if !switched {
        return Err(Failure::fault(
            "The live facts went on faster than the new ones; run this again when there is less traffic, and it goes on \
             where it was.",
        ));
    }
    if !keep {
        retelling.forget_kept().await.map_err(|error| failure(&error))?;
    }
    let tables = tables.into_iter().map(|TableRows { table, live, new }| (table, live, new)).collect();
    Ok(Retold { tables })
}

/// Lets what was kept and the live facts change places.
pub async fn go_back(
    config: &ClickHouseConfig,
    tail: Arc<dyn Tail>,
    on_step: impl FnMut(Step),
) -> Result<Retold, Failure> {
    let retelling = Retelling::new(server(config)?);
    let tail = Counted::of(tail);
    let end = watch::Sender::new(*tail.tail.head().borrow());
    match watched(retelling.back(&tail), &tail, end.subscribe(), on_step).await? {
        true => Ok(Retold { tables: Vec::new() }),
        false => Err(Failure::data(
            "No facts are kept; there is a way back only after octocity rebuild analytics --blue-green.",
        )),
    }
}

/// Does the work, and tells meanwhile how far it is.
async fn watched<T>(
    work: impl Future<Output = Result<T, Fault>>,
    tail: &Counted,
    written: watch::Receiver<Position>,
    mut on_step: impl FnMut(Step),
) -> Result<T, Failure> {
    let mut work = pin!(work);
    loop {
        let done = tokio::time::timeout(LOOK, &mut work).await;
        let (position, head) = (*written.borrow(), *tail.head().borrow());
        on_step(Step { events: tail.events.swap(0, Ordering::Relaxed), position, head });
        match done {
            Err(_) => {}
            Ok(Ok(done)) => return Ok(done),
            Ok(Err(Fault::Open(error))) => return Err(failure(&error)),
            Ok(Err(fault)) => return Err(Failure::fault(format!("{fault}."))),
        }
    }
}

/// Counts the events that are read.
struct Counted {
    tail: Arc<dyn Tail>,
    events: AtomicUsize,
}

impl Counted {
    fn of(tail: Arc<dyn Tail>) -> Self {
        Self { tail, events: AtomicUsize::new(0) }
    }
}

#[async_trait]
impl Tail for Counted {
    fn id(&self) -> LogId {
        self.tail.id()
    }
    fn epoch(&self) -> u32 {
        self.tail.epoch()
    }
    fn head(&self) -> watch::Receiver<Position> {
        self.tail.head()
    }
    async fn read_after(&self, after: Position, limit: usize) -> Result<Page, LogError> {
        let page = self.tail.read_after(after, limit).await?;
        self.events.fetch_add(page.events.len(), Ordering::Relaxed);
        Ok(page)
    }
}
