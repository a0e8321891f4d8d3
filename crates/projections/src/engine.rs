//! Brings the rows to the log's head: reads and decodes each event once, folds it into every view, and commits
//! the changed rows with the checkpoints, batch by batch.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use octocity_log::{EventLog, Position};
use tokio::sync::watch;

use crate::analytics::RowFigures;
use crate::live::Live;
use crate::models::{Progress, ReadModels, Stats};
use crate::projector::{Decoded, Folded, Projector};
use crate::row::Table;
use crate::store::{Batch, Checkpoint, RowStore, StoreError};
use crate::views;

#[derive(Clone, Copy, Debug)]
pub struct EngineOptions {
    /// How many events are folded into one commit at most. Fewer are, when fewer wait.
    pub batch_events: usize,
    /// How long the engine pauses after a fault before it tries again.
    pub retry_seconds: u64,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self { batch_events: 4_096, retry_seconds: 1 }
    }
}

/// One view with its checkpoint.
struct Track {
    projector: Box<dyn Projector>,
    checkpoint: Position,
}

/// The one writer of the read models. Runs in one place at a time.
pub struct Engine {
    log: Arc<dyn EventLog>,
    models: ReadModels,
    tracks: Vec<Track>,
    progress: watch::Sender<Progress>,
    options: EngineOptions,
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
    /// Makes the tables and takes up the checkpoints. A view whose checkpoint is not of this log, or ahead of it (its
    /// rows outlived a log that was put back), starts anew.
    pub async fn open(
        log: Arc<dyn EventLog>,
        store: Arc<dyn RowStore>,
        options: EngineOptions,
    ) -> Result<Self, StoreError> {
        let tracks =
            views::all().into_iter().map(|projector| Track { projector, checkpoint: Position::default() });
        let tracks = tracks.collect::<Vec<_>>();
        let tables = tracks.iter().map(|track| track.projector.table()).collect::<Vec<_>>();
        store.ensure(&tables).await?;
        let (progress, receiver) = watch::channel(Progress::new());
        let stats = Arc::new(Stats::default());
        let figures = Arc::new(RowFigures::new(Arc::clone(&store)));
        let live = Arc::new(Live::default());
        let models = ReadModels { store, figures, live, progress: receiver, stats };
        let mut engine = Self { log, models, tracks, progress, options };
        engine.restart().await?;
        Ok(engine)
    }

    pub fn models(&self) -> ReadModels {
        self.models.clone()
    }

    /// Takes up what the store says, and nothing else: also after a fault, when it is not known what was written.
    async fn restart(&mut self) -> Result<(), StoreError> {
        let head = *self.log.head().borrow();
        let known = self.models.store.checkpoints().await?;
        let known = known.iter().map(|known| (known.view.as_str(), known)).collect::<HashMap<_, _>>();
        for track in &mut self.tracks {
            let table = track.projector.table();
            let of_this_log = |known: &&&Checkpoint| {
                known.log == self.log.id() && known.epoch == self.log.epoch() && known.position <= head
            };
            match known.get(table.name) {
                Some(checkpoint) if of_this_log(&checkpoint) => track.checkpoint = checkpoint.position,
                Some(_) => {
                    tracing::warn!(view = table.name, "a read model is not of this log; it is rebuilt");
                    self.models.store.reset(table).await?;
                    track.checkpoint = Position::default();
                }
                None => track.checkpoint = Position::default(),
            }
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
        self.announce();
        Ok(())
    }

    /// Folds until every view is at the log's head as it is now or later. `on_step` is told after every commit.
    pub async fn catch_up(&mut self, mut on_step: impl FnMut(Step)) -> Result<Position, StoreError> {
        while let Some(step) = self.step().await? {
            on_step(step);
        }
        Ok(self.models.position())
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
        let mut head = self.log.head();
        let mut faulty = false;
        while !*shutdown.borrow() {
            head.borrow_and_update();
            let caught_up = match faulty {
                true => match self.restart().await {
                    Ok(()) => self.follow(&shutdown).await,
                    Err(error) => Err(error),
                },
                false => self.follow(&shutdown).await,
            };
            let pause = match caught_up {
                Ok(()) => None,
                Err(error) => {
                    if !faulty {
                        tracing::error!(%error, "the read models stand still; they are tried again");
                    }
                    Some(Duration::from_secs(self.options.retry_seconds))
                }
            };
            faulty = pause.is_some();
            self.models.stats.faulty.store(faulty, Ordering::Relaxed);
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

    async fn follow(&mut self, shutdown: &watch::Receiver<bool>) -> Result<(), StoreError> {
        while !*shutdown.borrow() && self.step().await?.is_some() {}
        Ok(())
    }

    /// One batch for the views that are furthest ahead of those behind the head: what is live stays live while
    /// another view is rebuilt. None: all are at the head.
    async fn step(&mut self) -> Result<Option<Step>, StoreError> {
        let head = *self.log.head().borrow();
        let behind = self.tracks.iter().map(|track| track.checkpoint).filter(|checkpoint| *checkpoint < head);
        let Some(after) = behind.max() else { return Ok(None) };
        let page = self.log.read_all(after, self.options.batch_events, &[], &[]).await?;
        if page.next <= after {
            return Ok(None);
        }
        let decoded = page.events.into_iter().map(Decoded::of).collect::<Vec<_>>();
        self.fold(after, page.next, &decoded).await?;
        self.models.stats.events.fetch_add(decoded.len() as u64, Ordering::Relaxed);
        let position = self.tracks.iter().map(|track| track.checkpoint).min().unwrap_or(page.next);
        Ok(Some(Step { events: decoded.len(), position, head }))
    }

    /// Folds the events into the views that are at `after`, and brings these to `next`.
    async fn fold(&mut self, after: Position, next: Position, events: &[Decoded]) -> Result<(), StoreError> {
        let mut batch = Batch { after, ..Batch::default() };
        for track in self.tracks.iter_mut().filter(|track| track.checkpoint == after) {
            track.projector.prepare(&*self.models.store, events).await?;
            let Folded { writes, parked } = track.projector.fold(events);
            batch.checkpoints.push(Checkpoint {
                view: track.projector.table().name.to_owned(),
                log: self.log.id(),
                epoch: self.log.epoch(),
                position: next,
            });
            if !writes.upserts.is_empty() || !writes.deletes.is_empty() {
                batch.writes.push(writes);
            }
            batch.parked.extend(parked);
        }
        let batch = Arc::new(batch);
        self.models.store.commit(Arc::clone(&batch)).await?;
        self.tracks
            .iter_mut()
            .filter(|track| track.checkpoint == after)
            .for_each(|track| track.checkpoint = next);
        self.count(&batch);
        self.announce();
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
        let progress = self.tracks.iter().map(|track| (track.projector.table().name, track.checkpoint));
        self.progress.send_replace(progress.collect());
    }
}
