//! What is live on a node whose rows another process writes: follows the events by itself, and tells subscribers of a
//! change as soon as the stored rows have it. It writes nothing.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use octocity_log::{Position, Retry, Tail};
use tokio::sync::watch;

use crate::analytics::RowFigures;
use crate::live::Live;
use crate::models::{Progress, ReadModels, Stats};
use crate::projector::{Decoded, Projector};
use crate::row::{Table, Value};
use crate::store::{Checkpoint, RowStore, StoreError};
use crate::views;

const PAGE: usize = 1_024;
/// How soon the stored checkpoints are looked at again while they are behind.
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// How soon it is looked again at what is stored where nothing seems to happen.
const LOOK_AT_LAST: Duration = Duration::from_secs(5);
/// The pauses after a fault, each twice the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// So many pages' changes may wait for their rows before no more are read: the projectors are behind, not we.
const WAITING_AT_MOST: usize = 256;

/// One page's changes of one table, which the stored rows do not have yet.
struct Waiting {
    position: Position,
    table: &'static Table,
    keys: Vec<Vec<Value>>,
}

/// Follows the events and the checkpoints, for one node's subscribers.
pub struct Feed {
    tail: Arc<dyn Tail>,
    models: ReadModels,
    progress: watch::Sender<Progress>,
    projectors: Vec<Box<dyn Projector>>,
    after: Position,
    waiting: VecDeque<Waiting>,
    /// What was stored at the last look.
    known: Vec<Checkpoint>,
}

impl Feed {
    /// Takes up where the stored rows are: what they have already nobody need be told of.
    pub async fn open(tail: Arc<dyn Tail>, store: Arc<dyn RowStore>) -> Result<Self, StoreError> {
        let (progress, receiver) = watch::channel(Progress::new());
        let (live, stats) = (Arc::new(Live::default()), Arc::new(Stats::default()));
        let figures = Arc::new(RowFigures::new(Arc::clone(&store)));
        let models = ReadModels { store, figures, live, progress: receiver, stats };
        let (projectors, waiting, known) = (views::all(), VecDeque::new(), Vec::new());
        let after = Position::default();
        let mut feed = Self { tail, models, progress, projectors, after, waiting, known };
        feed.look().await?;
        feed.after = feed.models.position();
        Ok(feed)
    }

    pub fn models(&self) -> ReadModels {
        self.models.clone()
    }

    /// Follows until `shutdown` is true or its sender is gone. A fault is tried again until it is over, and
    /// logged when it begins and when it is over.
    pub async fn run(mut self, mut shutdown: watch::Receiver<bool>) {
        let mut head = self.tail.head();
        let mut retry = Retry::new(FIRST_PAUSE, LONGEST_PAUSE);
        while !*shutdown.borrow() {
            head.borrow_and_update();
            let pause = match self.turn().await {
                Ok(()) => {
                    if retry.is_over() {
                        tracing::info!("subscribers are told news again");
                        self.models.stats.faulty.store(false, Ordering::Relaxed);
                    }
                    self.is_behind(*head.borrow()).then_some(LOOK_AGAIN)
                }
                Err(error) => {
                    if retry.begins() {
                        tracing::error!(%error, "subscribers are told nothing just now; it is tried again");
                        self.models.stats.faulty.store(true, Ordering::Relaxed);
                    }
                    retry.pause()
                }
            };
            let next = async {
                match pause {
                    Some(pause) => tokio::time::sleep(pause).await,
                    None => {
                        if let Ok(Err(_)) = tokio::time::timeout(LOOK_AT_LAST, head.changed()).await {
                            std::future::pending().await
                        }
                    }
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

    async fn turn(&mut self) -> Result<(), StoreError> {
        if !self.models.live.is_idle() {
            self.read_on().await?;
        }
        self.look().await?;
        // In this order: who subscribes after this reads rows that are at least as new as what was looked at.
        if self.models.live.is_idle() {
            self.waiting.clear();
            self.after = self.after.max(self.models.position());
        } else {
            self.tell();
        }
        Ok(())
    }

    /// Whether there is something to tell before the head moves again.
    fn is_behind(&self, head: Position) -> bool {
        let unread = self.after < head && !self.models.live.is_idle();
        unread || !self.waiting.is_empty() || self.models.position() < head
    }

    async fn read_on(&mut self) -> Result<(), StoreError> {
        while self.waiting.len() < WAITING_AT_MOST && self.after < *self.tail.head().borrow() {
            let page = self.tail.read_after(self.after, PAGE).await?;
            if page.next <= self.after {
                return Ok(());
            }
            let events = page.events.into_iter().map(Decoded::of).collect::<Vec<_>>();
            self.note(&events, page.next);
            self.after = page.next;
        }
        Ok(())
    }

    /// Notes which rows the events change.
    fn note(&mut self, events: &[Decoded], position: Position) {
        for projector in &mut self.projectors {
            let mut keys = Vec::new();
            events.iter().for_each(|decoded| projector.keys(decoded, &mut keys));
            if !keys.is_empty() {
                self.waiting.push_back(Waiting { position, table: projector.table(), keys });
            }
        }
    }

    /// How many keys stand still, so that queries on them say so. They begin and end with a checkpoint that moves.
    async fn look_at_parked(&mut self, known: &[Checkpoint]) -> Result<(), StoreError> {
        if known != self.known {
            let parked = self.models.store.parked(&[]).await?;
            self.models.stats.parked.store(parked.len() as u64, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Who follows rows that changed otherwise than by folding on reads them again.
    fn tell_of_generations(&self, known: &[Checkpoint]) {
        let is_new = |now: &&Checkpoint| {
            let is_it = |before: &&Checkpoint| (&before.view, before.partition) == (&now.view, now.partition);
            self.known.iter().find(is_it).is_some_and(|before| before.generation != now.generation)
        };
        let changed: HashSet<&str> = known.iter().filter(is_new).map(|now| now.view.as_str()).collect();
        for table in self.projectors.iter().map(|projector| projector.table()) {
            if changed.contains(table.name) {
                self.models.live.publish_all(table, self.after);
            }
        }
    }

    /// How far the stored rows are. Checkpoints of another log say nothing of this one.
    async fn look(&mut self) -> Result<(), StoreError> {
        let known = self.models.store.checkpoints().await?;
        // Before anybody hears that the rows are there.
        self.look_at_parked(&known).await?;
        self.tell_of_generations(&known);
        let of = |view: &'static str| {
            let this = known.iter().filter(|known| {
                known.view == view && known.log == self.tail.id() && known.epoch == self.tail.epoch()
            });
            let this: Vec<_> = this.map(|known| known.position).collect();
            let all = this.len() == self.models.store.partitions().unsigned_abs() as usize;
            // A partition without a checkpoint is at the log's beginning.
            (view, this.into_iter().min().filter(|_| all).unwrap_or_default())
        };
        let views = self.projectors.iter().map(|projector| projector.table().name);
        let progress: Progress = views.map(of).collect();
        self.progress.send_if_modified(|told| {
            let changed = *told != progress;
            *told = progress;
            changed
        });
        self.known = known;
        Ok(())
    }

    /// Tells of the changes that the stored rows have by now.
    fn tell(&mut self) {
        let progress = self.models.progress.borrow();
        let live = &self.models.live;
        self.waiting.retain(|waiting| {
            if progress.get(waiting.table.name).is_none_or(|known| *known < waiting.position) {
                return true;
            }
            live.publish(waiting.table, waiting.keys.iter().map(Vec::as_slice), waiting.position);
            false
        });
    }
}
