//! What is live on a node whose rows another process writes: follows the events by itself, and tells subscribers of a
//! change as soon as the stored rows have it. It writes nothing.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use octocity_log::{Position, Tail};
use tokio::sync::watch;

use crate::analytics::RowFigures;
use crate::live::Live;
use crate::models::{Progress, ReadModels, Stats};
use crate::projector::{Decoded, Projector};
use crate::row::{Table, Value};
use crate::store::{RowStore, StoreError};
use crate::views;

const PAGE: usize = 1_024;
/// How soon the stored checkpoints are looked at again while they are behind.
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// At every how manieth look it is looked which keys stand still.
const LOOKS_FOR_PARKED: u32 = 16;
/// How long it pauses after a fault.
const TRY_AGAIN: Duration = Duration::from_secs(1);
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
    looks: u32,
}

impl Feed {
    /// Takes up where the stored rows are: what they have already nobody need be told of.
    pub async fn open(tail: Arc<dyn Tail>, store: Arc<dyn RowStore>) -> Result<Self, StoreError> {
        let (progress, receiver) = watch::channel(Progress::new());
        let (live, stats) = (Arc::new(Live::default()), Arc::new(Stats::default()));
        let figures = Arc::new(RowFigures::new(Arc::clone(&store)));
        let models = ReadModels { store, figures, live, progress: receiver, stats };
        let (projectors, waiting) = (views::all(), VecDeque::new());
        let (after, looks) = (Position::default(), 0);
        let mut feed = Self { tail, models, progress, projectors, after, waiting, looks };
        feed.look().await?;
        feed.after = feed.models.position();
        Ok(feed)
    }

    pub fn models(&self) -> ReadModels {
        self.models.clone()
    }

    /// Follows until `shutdown` is true or its sender is gone. A fault is logged when it begins, and tried again until
    /// it is over.
    pub async fn run(mut self, mut shutdown: watch::Receiver<bool>) {
        let mut head = self.tail.head();
        let mut faulty = false;
        while !*shutdown.borrow() {
            head.borrow_and_update();
            let pause = match self.turn().await {
                Ok(()) => {
                    faulty = false;
                    self.models.stats.faulty.store(false, Ordering::Relaxed);
                    self.is_behind(*head.borrow()).then_some(LOOK_AGAIN)
                }
                Err(error) => {
                    if !faulty {
                        tracing::error!(%error, "subscribers are told nothing just now; it is tried again");
                    }
                    faulty = true;
                    self.models.stats.faulty.store(true, Ordering::Relaxed);
                    Some(TRY_AGAIN)
                }
            };
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

    async fn turn(&mut self) -> Result<(), StoreError> {
        if !self.models.live.is_idle() {
            self.read_on().await?;
        }
        self.look().await?;
        self.look_at_parked().await?;
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

    /// How many keys the projectors found to stand still, so that queries on them say so.
    async fn look_at_parked(&mut self) -> Result<(), StoreError> {
        if self.looks.is_multiple_of(LOOKS_FOR_PARKED) {
            let parked = self.models.store.parked(&[]).await?;
            self.models.stats.parked.store(parked.len() as u64, Ordering::Relaxed);
        }
        self.looks = self.looks.wrapping_add(1);
        Ok(())
    }

    /// How far the stored rows are. Checkpoints of another log say nothing of this one.
    async fn look(&mut self) -> Result<(), StoreError> {
        let known = self.models.store.checkpoints().await?;
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
