//! Brings the rows to the log's head: reads and decodes each event once, folds it into every view, and commits
//! the changed rows with the checkpoints, batch by batch.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use octocity_log::{EventLog, LogId, Position, Tail, partitions_of};
use tokio::sync::watch;

use crate::analytics::RowFigures;
use crate::live::Live;
use crate::models::{Progress, ReadModels, Stats};
use crate::projector::{Decoded, Folded, Projector};
use crate::row::Table;
use crate::store::{Batch, Checkpoint, Move, RowStore, StoreError};
use crate::views;

#[derive(Clone, Copy, Debug)]
pub struct EngineOptions {
    /// How many events of a partition are folded into one commit at most. Fewer are, when fewer wait.
    pub batch_events: usize,
    /// How long the engine pauses after a fault before it tries again.
    pub retry_seconds: u64,
    /// Whether what the log says of its head is the newest there is: a checkpoint ahead of it is then of a log that was
    /// put back. Where several processes share the log, another may have seen more of it.
    pub sole_owner: bool,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self { batch_events: 4_096, retry_seconds: 1, sole_owner: true }
    }
}

/// Every so many steps the views that are furthest behind have their turn, however busy the live ones are.
const TURN: u64 = 4;

/// One view with its checkpoint in each partition.
struct Track {
    projector: Box<dyn Projector>,
    checkpoints: BTreeMap<i32, Position>,
}

impl Track {
    fn stands_at(&self, partition: i32, at: Position) -> bool {
        self.checkpoints.get(&partition) == Some(&at)
    }

    /// In the partition that is furthest behind.
    fn position(&self) -> Position {
        self.checkpoints.values().copied().min().unwrap_or_default()
    }
}

/// What is next in a partition.
struct Part {
    partition: i32,
    after: Position,
    next: Position,
    events: Vec<Decoded>,
}

/// The writer of the read models, in some partitions of the log or in all of them. Where two write one partition, one is
/// refused and takes up what the other wrote.
pub struct Engine {
    log: LogId,
    epoch: u32,
    tails: BTreeMap<i32, Arc<dyn Tail>>,
    models: ReadModels,
    tracks: Vec<Track>,
    progress: watch::Sender<Progress>,
    options: EngineOptions,
    /// It is not known what is written: since the last fault, or of partitions that were just taken up.
    faulty: bool,
    steps: u64,
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
        Self::of_partitions((log.id(), log.epoch()), tails, store, options).await
    }

    /// Makes the tables and takes up the checkpoints. A view whose checkpoint is not of this log and epoch, or ahead of it
    /// (its rows outlived a log that was put back), starts anew.
    pub async fn of_partitions(
        (log, epoch): (LogId, u32),
        tails: BTreeMap<i32, Arc<dyn Tail>>,
        store: Arc<dyn RowStore>,
        options: EngineOptions,
    ) -> Result<Self, StoreError> {
        let track = |projector| Track { projector, checkpoints: BTreeMap::new() };
        let tracks = views::all().into_iter().map(track).collect::<Vec<_>>();
        let tables = tracks.iter().map(|track| track.projector.table()).collect::<Vec<_>>();
        store.ensure(&tables).await?;
        let (progress, receiver) = watch::channel(Progress::new());
        let stats = Arc::new(Stats::default());
        let figures = Arc::new(RowFigures::new(Arc::clone(&store)));
        let live = Arc::new(Live::default());
        let models = ReadModels { store, figures, live, progress: receiver, stats };
        let mut engine =
            Self { log, epoch, tails, models, tracks, progress, options, faulty: false, steps: 0 };
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
        let known = self.models.store.checkpoints().await?;
        let mut of_view = HashMap::<&str, Vec<&Checkpoint>>::new();
        known.iter().for_each(|known| of_view.entry(&known.view).or_default().push(known));
        for index in 0..self.tracks.len() {
            let table = self.tracks[index].projector.table();
            let mut known = of_view.remove(table.name).unwrap_or_default();
            if known.iter().any(|known| !self.is_of_this_log(known)) {
                tracing::warn!(view = table.name, "a read model is not of this log; it is rebuilt");
                self.models.store.reset(table).await?;
                known.clear();
            }
            let at = |partition: i32| known.iter().find(|known| known.partition == partition);
            let position = |partition: &i32| at(*partition).map_or(Position::default(), |at| at.position);
            let checkpoints = self.tails.keys().map(|partition| (*partition, position(partition)));
            self.tracks[index].checkpoints = checkpoints.collect();
        }
        let mut parked = HashMap::<String, HashSet<String>>::new();
        let standing = self.models.store.parked(&[]).await?;
        self.models.stats.parked.store(standing.len() as u64, Ordering::Relaxed);
        for key in standing {
            parked.entry(key.view).or_default().insert(key.key);
        }
        for track in &mut self.tracks {
            let keys = parked.remove(track.projector.table().name).unwrap_or_default();
            track.projector.restart(keys);
        }
        self.faulty = false;
        self.announce();
        Ok(())
    }

    fn is_of_this_log(&self, known: &Checkpoint) -> bool {
        let is_ahead = |tail: &Arc<dyn Tail>| known.position > *tail.head().borrow();
        let ahead = self.options.sole_owner && self.tails.get(&known.partition).is_some_and(is_ahead);
        (known.log, known.epoch) == (self.log, self.epoch) && !ahead
    }

    /// Folds until every view is at the log's head as it is now or later. `on_step` is told after every commit.
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
        for track in &self.tracks {
            let table = track.projector.table();
            if tables.is_empty() || tables.contains(&table) {
                self.models.store.reset(table).await?;
            }
        }
        self.restart().await?;
        self.catch_up(on_step).await
    }

    /// Follows the log until `shutdown` is true or its sender is gone. A fault is logged when it begins, and tried
    /// again until it is over.
    pub async fn run(mut self, mut shutdown: watch::Receiver<bool>) {
        // All partitions are of one log.
        let Some(mut head) = self.tails.values().next().map(|tail| tail.head()) else { return };
        while !*shutdown.borrow() {
            head.borrow_and_update();
            let pause = match self.follow(&shutdown).await {
                Ok(()) => None,
                Err(error) => {
                    if !self.models.stats.faulty.load(Ordering::Relaxed) {
                        tracing::error!(%error, "the read models stand still; they are tried again");
                    }
                    Some(Duration::from_secs(self.options.retry_seconds))
                }
            };
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
            match self.step().await {
                Ok(Some(_)) | Err(StoreError::Overtaken(_)) => {}
                Ok(None) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// One batch for the views that are furthest ahead of those behind the head: what is live stays live while
    /// another view is rebuilt, which goes on too. None: all are at the head.
    async fn step(&mut self) -> Result<Option<Step>, StoreError> {
        let parts = self.read().await?;
        if parts.is_empty() {
            return Ok(None);
        }
        let folded = self.fold(&parts).await;
        self.faulty = folded.is_err();
        folded?;
        let events = parts.iter().map(|part| part.events.len()).sum::<usize>();
        self.models.stats.events.fetch_add(events as u64, Ordering::Relaxed);
        let position = self.tracks.iter().map(Track::position).min().unwrap_or_default();
        let head = self.tails.values().map(|tail| *tail.head().borrow()).max().unwrap_or_default();
        Ok(Some(Step { events, position, head }))
    }

    async fn read(&mut self) -> Result<Vec<Part>, StoreError> {
        self.steps += 1;
        let is_turn = self.steps.is_multiple_of(TURN);
        let mut parts = Vec::new();
        for (partition, tail) in &self.tails {
            let head = *tail.head().borrow();
            let stands = self.tracks.iter().filter_map(|track| track.checkpoints.get(partition));
            let stands = stands.copied().collect::<BTreeSet<_>>();
            let mut behind = stands.range(..head);
            let Some(after) = (if is_turn { behind.next() } else { behind.next_back() }) else { continue };
            let mut page = tail.read_after(*after, self.options.batch_events).await?;
            // Not beyond where others stand, so that from there on all are folded together.
            if let Some(joined) = stands.range((Excluded(after), Unbounded)).next() {
                page.events.retain(|event| event.position <= *joined);
                page.next = page.next.min(*joined);
            }
            if page.next > *after {
                let events = page.events.into_iter().map(Decoded::of).collect();
                parts.push(Part { partition: *partition, after: *after, next: page.next, events });
            }
        }
        Ok(parts)
    }

    /// Folds each part into the views that are where it begins, and brings these to its end.
    async fn fold(&mut self, parts: &[Part]) -> Result<(), StoreError> {
        let mut batch = Batch::default();
        for track in &mut self.tracks {
            let parts = parts.iter().filter(|part| track.stands_at(part.partition, part.after));
            let parts = parts.collect::<Vec<_>>();
            let events = parts.iter().flat_map(|part| &part.events).collect::<Vec<_>>();
            track.projector.prepare(&*self.models.store, &events).await?;
            let Folded { writes, parked } = track.projector.fold(&events);
            let view = track.projector.table().name;
            batch.moves.extend(parts.iter().map(|part| Move {
                after: part.after,
                to: Checkpoint {
                    view: view.to_owned(),
                    partition: part.partition,
                    log: self.log,
                    epoch: self.epoch,
                    position: part.next,
                },
            }));
            if !writes.upserts.is_empty() || !writes.deletes.is_empty() {
                batch.writes.push(writes);
            }
            batch.parked.extend(parked);
        }
        let batch = Arc::new(batch);
        self.models.store.commit(Arc::clone(&batch)).await?;
        for track in &mut self.tracks {
            for part in
                parts.iter().filter(|part| track.stands_at(part.partition, part.after)).collect::<Vec<_>>()
            {
                track.checkpoints.insert(part.partition, part.next);
            }
        }
        self.count(&batch);
        self.announce();
        let next = parts.iter().map(|part| part.next).max().unwrap_or_default();
        for writes in &batch.writes {
            let rows = writes.upserts.iter().chain(&writes.deletes).map(Vec::as_slice);
            self.models.live.publish(writes.table, rows, next);
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
                "an event cannot be applied; its key stands still until the view is rebuilt"
            );
        }
    }

    fn announce(&self) {
        // Who has no partition is not behind.
        let tracks = self.tracks.iter().filter(|track| !track.checkpoints.is_empty());
        let progress = tracks.map(|track| (track.projector.table().name, track.position()));
        self.progress.send_replace(progress.collect());
    }
}
