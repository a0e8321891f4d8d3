//! Brings the rows to the log's head: reads and decodes each event once, folds it into every view, and commits
//! the changed rows with the checkpoints, batch by batch.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use octocity_log::{EventLog, Position, Retry, Tail, partitions_of};
use tokio::sync::watch;

use crate::ahead::{Ahead, Read, Reader};
use crate::analytics::RowFigures;
use crate::live::Live;
use crate::models::{Progress, ReadModels, Stats};
use crate::rest::Pace;
use crate::row::Table;
use crate::skips;
use crate::store::{Batch, Checkpoint, RowStore, StoreError};
use crate::track::{Part, Track, fold};
use crate::underway::{Made, UnderWay};
use crate::views;

#[derive(Clone, Copy, Debug)]
pub struct EngineOptions {
    /// How many events of a partition are folded into one commit at most. Fewer are, when fewer wait.
    pub batch_events: usize,
    /// How long the engine rests at the log's head after a batch, at least (`rest.rs`). None: it does not.
    pub rest: Option<Duration>,
    /// The longest pause after a fault before the engine tries again; the first one is short.
    pub retry_seconds: u64,
    /// Whether what the log says of its head is the newest there is: a checkpoint ahead of it is then of a log that was
    /// put back. Where several processes share the log, another may have seen more of it.
    pub sole_owner: bool,
    /// Whether a view that is stored in another form is made anew at the start ([`RowStore::reform`]), or refused. Later it is
    /// refused in either case: another writer wants it so.
    pub reforms: bool,
}

impl Default for EngineOptions {
    fn default() -> Self {
        let rest = Some(Duration::from_millis(2));
        Self { batch_events: 4_096, rest, retry_seconds: 5, sole_owner: true, reforms: true }
    }
}

/// The first pause after a fault.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// Every so many steps the views that are furthest behind have their turn, however busy the live ones are.
const TURN: u64 = 4;

/// The writer of the read models, in some partitions of the log or in all of them. Where two write one partition, one is
/// refused and takes up what the other wrote.
pub struct Engine {
    log: Arc<dyn EventLog>,
    tails: BTreeMap<i32, Arc<dyn Tail>>,
    models: ReadModels,
    tracks: Vec<Track>,
    progress: watch::Sender<Progress>,
    options: EngineOptions,
    /// It is not known what is written: since the last fault, or of partitions that were just taken up.
    faulty: bool,
    steps: u64,
    /// Whether the log is read on while a batch is folded: not where what was read once is let go of.
    reads_ahead: bool,
    ahead: Ahead,
    /// Whether what was read last went up to the log's head.
    at_head: bool,
    /// What is folded and not yet known to be stored.
    underway: Option<UnderWay>,
}

/// How far a rebuild or catching up is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// How many events were folded in this step.
    pub events: usize,
    /// Up to where the view that is furthest behind is now.
    pub position: Position,
    pub head: Position,
}

impl Engine {
    /// Folds the whole log, in as many partitions as the store has. See [`Engine::of_partitions`].
    pub async fn open(
        log: Arc<dyn EventLog>,
        store: Arc<dyn RowStore>,
        options: EngineOptions,
    ) -> Result<Self, StoreError> {
        let tails = partitions_of(&log, store.partitions());
        let mut engine = Self::of_partitions(log, tails, store, options).await?;
        engine.reads_ahead = true;
        Ok(engine)
    }

    /// Every view. See [`Engine::of_views`].
    pub async fn of_partitions(
        log: Arc<dyn EventLog>,
        tails: BTreeMap<i32, Arc<dyn Tail>>,
        store: Arc<dyn RowStore>,
        options: EngineOptions,
    ) -> Result<Self, StoreError> {
        Self::of_views(&views::tables(), log, tails, store, options).await
    }

    /// Makes the tables and takes up the checkpoints. A view whose checkpoint is not of this log and epoch, or ahead of it
    /// (its rows outlived a log that was put back), starts anew.
    pub async fn of_views(
        tables: &[&'static Table],
        log: Arc<dyn EventLog>,
        tails: BTreeMap<i32, Arc<dyn Tail>>,
        store: Arc<dyn RowStore>,
        options: EngineOptions,
    ) -> Result<Self, StoreError> {
        let track =
            |projector| Track { projector, checkpoints: BTreeMap::new(), generations: BTreeMap::new() };
        let named = views::all().into_iter().filter(|view| tables.contains(&view.table()));
        let tracks = named.map(track).collect::<Vec<_>>();
        if options.reforms {
            store.reform(tables).await?;
        }
        let (progress, receiver) = watch::channel(Progress::new());
        let stats = Arc::new(Stats::default());
        let figures = Arc::new(RowFigures::new(Arc::clone(&store)));
        let live = Arc::new(Live::default());
        let models = ReadModels { store, figures, live, progress: receiver, fresh: None, stats };
        let mut engine = Self {
            log,
            tails,
            models,
            tracks,
            progress,
            options,
            faulty: false,
            steps: 0,
            reads_ahead: false,
            ahead: Ahead::new(),
            at_head: false,
            underway: None,
        };
        engine.restart().await?;
        Ok(engine)
    }

    /// Goes on with these partitions instead of those it had.
    pub fn take_up(&mut self, tails: BTreeMap<i32, Arc<dyn Tail>>) {
        self.tails = tails;
        self.faulty = true;
    }

    pub fn models(&self) -> ReadModels {
        self.models.clone()
    }

    /// Takes up what the store says, and nothing else: also after a fault, when it is not known what was written.
    async fn restart(&mut self) -> Result<(), StoreError> {
        // It is over, however it ended, before what is stored is looked at.
        let _ = self.settle().await;
        self.ahead.clear();
        let known = self.checkpoints_of_this_log().await?;
        // In this order: a table that changes after this does so in a next generation, in which nothing is written here
        // before it was looked at again.
        let tables = self.tracks.iter().map(|track| track.projector.table()).collect::<Vec<_>>();
        self.models.store.ensure(&tables).await?;
        let mut changed = Vec::new();
        for track in &mut self.tracks {
            let view = track.projector.table().name;
            let at = |partition: i32| {
                known.iter().find(|at| (at.view.as_str(), at.partition) == (view, partition))
            };
            track.checkpoints.clear();
            let before = std::mem::take(&mut track.generations);
            for partition in self.tails.keys().copied() {
                let at = at(partition);
                track.checkpoints.insert(partition, at.map(|at| at.position).unwrap_or_default());
                track.generations.insert(partition, at.map(|at| at.generation).unwrap_or_default());
            }
            let is_new = |(partition, generation): (&i32, &u32)| {
                before.get(partition).is_some_and(|before| before != generation)
            };
            if track.generations.iter().any(is_new) {
                changed.push((track.projector.table(), track.position()));
            }
        }
        let mut skipped = skips::read(&*self.log).await?;
        let parked = self.models.store.parked(&[]).await?;
        self.models.stats.parked.store(parked.len() as u64, Ordering::Relaxed);
        let mut keys = HashMap::<&str, HashSet<String>>::new();
        for parked in &parked {
            keys.entry(&parked.view).or_default().insert(parked.key.clone());
        }
        for track in &mut self.tracks {
            let view = track.projector.table().name;
            let skipped = skipped.remove(view).unwrap_or_default();
            track.projector.restart(keys.remove(view).unwrap_or_default(), skipped);
        }
        self.faulty = false;
        self.progress.send_replace(self.reached());
        // Rows that changed otherwise than by folding on: who follows them reads them again.
        for (table, position) in changed {
            self.models.live.publish_all(table, position);
        }
        Ok(())
    }

    /// What is stored, after views that are not of this log were reset.
    async fn checkpoints_of_this_log(&mut self) -> Result<Vec<Checkpoint>, StoreError> {
        let store = &self.models.store;
        let known = store.checkpoints().await?;
        let strange =
            known.iter().filter(|known| !self.is_of_this_log(known)).map(|known| known.view.as_str());
        let strange = strange.collect::<BTreeSet<_>>();
        let tables = self.tracks.iter().map(|track| track.projector.table());
        let tables = tables.filter(|table| strange.contains(table.name)).collect::<Vec<_>>();
        if tables.is_empty() {
            return Ok(known);
        }
        for table in tables {
            tracing::warn!(view = table.name, "a read model is not of this log; it is rebuilt");
            store.reset(table).await?;
        }
        store.checkpoints().await
    }

    fn is_of_this_log(&self, known: &Checkpoint) -> bool {
        if known.position == Position::default() {
            return true;
        }
        let is_ahead = |tail: &Arc<dyn Tail>| known.position > *tail.head().borrow();
        let ahead = self.options.sole_owner && self.tails.get(&known.partition).is_some_and(is_ahead);
        (known.log, known.epoch) == (self.log.id(), self.log.epoch()) && !ahead
    }

    /// Folds until every view is at the log's head as it is now or later. `on_step` is told of
    /// every batch, which may still be being stored.
    pub async fn catch_up(&mut self, mut on_step: impl FnMut(Step)) -> Result<Position, StoreError> {
        loop {
            if self.faulty {
                self.restart().await?;
            }
            match self.step().await {
                Ok(Some(step)) => on_step(step),
                Ok(None) => return Ok(self.models.position()),
                Err(StoreError::Overtaken(view)) => {
                    tracing::debug!(
                        view,
                        "another process has written this view; its checkpoint is taken up"
                    );
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Forgets the rows of these views (all of them if none is named) and folds them anew from the log.
    pub async fn rebuild(
        &mut self,
        tables: &[&'static Table],
        on_step: impl FnMut(Step),
    ) -> Result<Position, StoreError> {
        let _ = self.settle().await;
        for track in &self.tracks {
            let table = track.projector.table();
            if tables.is_empty() || tables.contains(&table) {
                self.models.store.reset(table).await?;
            }
        }
        self.restart().await?;
        self.catch_up(on_step).await
    }

    /// Follows the log until `shutdown` is true or its sender is gone. A fault is tried again until it is over, and
    /// logged when it begins and when it is over.
    pub async fn run(mut self, mut shutdown: watch::Receiver<bool>) {
        // All partitions are of one log.
        let Some(mut head) = self.tails.values().next().map(|tail| tail.head()) else { return };
        let longest = Duration::from_secs(self.options.retry_seconds);
        let mut retry = Retry::new(FIRST_PAUSE.min(longest), longest);
        while !*shutdown.borrow() {
            head.borrow_and_update();
            match self.follow(&shutdown).await {
                Ok(()) if retry.is_over() => tracing::info!("the read models go on"),
                Err(error) if retry.begins() => {
                    tracing::error!(%error, "the read models stand still; they are tried again");
                }
                _ => {}
            }
            let pause = retry.pause();
            self.models.stats.faulty.store(pause.is_some(), Ordering::Relaxed);
            let next = async {
                match pause {
                    Some(pause) => tokio::time::sleep(pause).await,
                    None if head.changed().await.is_err() => std::future::pending().await,
                    None => {}
                }
            };
            tokio::select! {
                // In this order, so that a simulated run can be run again.
                biased;
                () = next => {}
                gone = shutdown.changed() => if gone.is_err() { return },
            }
        }
    }

    /// To the log's head as it is now, unless it is told to stop before.
    async fn follow(&mut self, shutdown: &watch::Receiver<bool>) -> Result<(), StoreError> {
        while !*shutdown.borrow() {
            if self.faulty {
                self.restart().await?;
            }
            let pace = Pace::begin();
            match self.step().await {
                Ok(Some(step)) => {
                    if let Some(least) = self.options.rest.filter(|_| self.rests()) {
                        pace.rest(least, step.events).await;
                    }
                }
                Err(StoreError::Overtaken(_)) => {}
                Ok(None) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        self.settle().await
    }

    /// At the log's head as it was when the batch was read, where no view is behind the others and nothing is under way.
    fn rests(&self) -> bool {
        let mut tracks = self.tracks.iter().map(|track| &track.checkpoints);
        let first = tracks.next();
        self.at_head && self.underway.is_none() && tracks.all(|checkpoints| Some(checkpoints) == first)
    }

    /// One batch for the views that are furthest ahead of those behind the head: what is live stays live while
    /// another view is rebuilt, which goes on too. None: all are at the head.
    async fn step(&mut self) -> Result<Option<Step>, StoreError> {
        let read = self.read().await;
        if !read.as_ref().is_ok_and(|parts| !parts.is_empty()) {
            // Nobody waits for what is stored until the log can be read again.
            self.settle().await?;
        }
        let parts = read?;
        if parts.is_empty() {
            return Ok(None);
        }
        let log = (self.log.id(), self.log.epoch());
        let folded = fold(&mut self.tracks, &parts, &*self.models.store, log).await;
        let events = parts.iter().map(|part| part.events.len()).sum::<usize>();
        // More waits, most likely, where a page is full: it is folded while this one is stored.
        let goes_on = self.reads_ahead && events >= self.options.batch_events;
        let stored = match folded {
            Ok(batch) => self.store(batch, &parts, goes_on).await,
            Err(error) => Err(error),
        };
        self.faulty = stored.is_err();
        stored?;
        self.ahead
            .retain(|(partition, at), _| self.tracks.iter().any(|track| track.stands_at(*partition, *at)));
        self.models.stats.events.fetch_add(events as u64, Ordering::Relaxed);
        let position = self.tracks.iter().map(Track::position).min().unwrap_or_default();
        let head = self.tails.values().map(|tail| *tail.head().borrow()).max().unwrap_or_default();
        Ok(Some(Step { events, position, head }))
    }

    async fn read(&mut self) -> Result<Vec<Part>, StoreError> {
        self.steps += 1;
        self.at_head = true;
        let is_turn = self.steps.is_multiple_of(TURN);
        let mut parts = Vec::new();
        for (partition, tail) in &self.tails {
            let head = *tail.head().borrow();
            let stands = self.tracks.iter().filter_map(|track| track.checkpoints.get(partition));
            let stands = stands.copied().collect::<BTreeSet<_>>();
            let mut behind = stands.range(..head);
            let Some(after) = (if is_turn { behind.next() } else { behind.next_back() }) else { continue };
            let limit = self.options.batch_events;
            let mut reader = self.ahead.remove(&(*partition, *after));
            let ahead = if let Some(reader) = &mut reader { reader.page().await } else { None };
            let mut page = match ahead {
                Some(page) => page,
                None => {
                    let page = Read::of(tail.read_after(*after, limit).await?);
                    // Where the log is cut into partitions, each page of it is read once for all of them.
                    let goes_on = self.reads_ahead && self.tails.len() == 1 && page.events.len() >= limit;
                    reader = goes_on.then(|| Reader::behind(page.next, Arc::clone(tail), limit));
                    page
                }
            };
            self.ahead.extend(reader.map(|reader| ((*partition, page.next), reader)));
            // Not beyond where others stand, so that from there on all are folded together.
            if let Some(joined) = stands.range((Excluded(after), Unbounded)).next() {
                page.events.retain(|event| event.recorded.position <= *joined);
                page.next = page.next.min(*joined);
            }
            self.at_head &= page.next >= head;
            if page.next > *after {
                parts.push(Part {
                    partition: *partition,
                    after: *after,
                    next: page.next,
                    events: page.events,
                });
            }
        }
        Ok(parts)
    }

    /// Begins to store what was folded, once what was folded before it is stored; waits for its end unless more is to be
    /// folded meanwhile.
    async fn store(&mut self, batch: Batch, parts: &[Part], goes_on: bool) -> Result<(), StoreError> {
        self.settle().await?;
        for track in &mut self.tracks {
            for part in parts {
                if track.stands_at(part.partition, part.after) {
                    track.checkpoints.insert(part.partition, part.next);
                }
            }
        }
        let next = parts.iter().map(|part| part.next).max().unwrap_or_default();
        let (store, batch) = (Arc::clone(&self.models.store), Arc::new(batch));
        let made = Made { batch, reached: self.reached(), next };
        if goes_on {
            self.underway = Some(UnderWay::begin(store, made));
            return Ok(());
        }
        let ended = store.commit(Arc::clone(&made.batch)).await;
        self.stored(&made, ended)
    }

    /// Waits until what was folded is stored.
    async fn settle(&mut self) -> Result<(), StoreError> {
        let Some(underway) = &mut self.underway else { return Ok(()) };
        let ended = underway.end().await;
        let made = self.underway.take().map(|underway| underway.made);
        made.map_or(Ok(()), |made| self.stored(&made, ended))
    }

    /// Tells of what is stored.
    fn stored(&mut self, made: &Made, ended: Result<(), StoreError>) -> Result<(), StoreError> {
        self.faulty |= ended.is_err();
        ended?;
        self.count(&made.batch);
        self.progress.send_replace(made.reached.clone());
        for writes in &made.batch.writes {
            let rows = writes.upserts.iter().chain(&writes.deletes).map(Vec::as_slice);
            self.models.live.publish(writes.table, rows, made.next);
        }
        Ok(())
    }

    fn count(&self, batch: &Batch) {
        let stats = &self.models.stats;
        let rows: usize = batch.writes.iter().map(|writes| writes.upserts.len() + writes.deletes.len()).sum();
        stats.rows.fetch_add(rows as u64, Ordering::Relaxed);
        stats.commits.fetch_add(1, Ordering::Relaxed);
        stats.parked.fetch_add(batch.parked.len() as u64, Ordering::Relaxed);
        for parked in &batch.parked {
            tracing::error!(
                view = parked.view,
                stream = parked.stream,
                revision = parked.revision,
                event_type = parked.event_type,
                error = parked.error,
                "an event cannot be applied; its key stands still until it is mended: octocity parked"
            );
        }
    }

    /// How far each view is.
    fn reached(&self) -> Progress {
        // Who has no partition is not behind.
        let tracks = self.tracks.iter().filter(|track| !track.checkpoints.is_empty());
        tracks.map(|track| (track.projector.table().name, track.position())).collect()
    }
}
