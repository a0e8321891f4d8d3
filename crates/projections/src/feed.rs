//! What is live on a node whose rows another process writes: follows the events by itself, and writes nothing. Who follows a
//! facility is told as soon as its rows are folded on here ([`Fresh`]); all others as soon as the stored rows have it.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use octocity_domain::FacilityId;
use octocity_log::{Position, Retry, Tail};
use tokio::sync::watch;
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::analytics::RowFigures;
use crate::fresh::{Fresh, ReadPage};
use crate::models::{Progress, ReadModels};
use crate::projector::{Decoded, Projector};
use crate::row::{Field, Table, Value};
use crate::store::{Checkpoint, RowStore, StoreError};
use crate::views;

mod hold;

const PAGE: usize = 1_024;
/// How many pages are read before it is looked at what is stored, and whether to stop.
const PAGES: usize = 16;
/// How soon the stored checkpoints are looked at again while they are behind.
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// How soon it is looked again at what is stored where nothing seems to happen.
const LOOK_AT_LAST: Duration = Duration::from_secs(5);
/// The pauses after a fault, each twice the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// So many changed keys may wait for their rows, which is some megabytes; beyond that only their tables are remembered.
const WAITING_AT_MOST: usize = 65_536;
/// How many events are kept for those who come to follow a facility before they are stored.
const RECENT_AT_MOST: usize = 16_384;

/// One page's changes of one table, which the stored rows do not have yet.
struct Waiting {
    position: Position,
    table: &'static Table,
    /// Empty: all of them, as they are made anew.
    keys: Vec<Vec<Value>>,
}

/// Follows the events and the checkpoints, for one node's subscribers.
pub struct Feed {
    tail: Arc<dyn Tail>,
    models: ReadModels,
    fresh: Arc<Fresh>,
    progress: watch::Sender<Progress>,
    projectors: Vec<Box<dyn Projector>>,
    after: Position,
    waiting: VecDeque<Waiting>,
    /// All events after `recent_since`, up to `after`.
    recent: VecDeque<ReadPage>,
    recent_since: Position,
    /// What was stored at the last look.
    known: Vec<Checkpoint>,
}

impl Feed {
    /// Takes up where the stored rows are: what they have already nobody need be told of.
    pub async fn open(tail: Arc<dyn Tail>, store: Arc<dyn RowStore>) -> Result<Self, StoreError> {
        let (progress, receiver) = watch::channel(Progress::new());
        let (live, stats, fresh) = (Arc::default(), Arc::default(), Arc::new(Fresh::default()));
        let figures = Arc::new(RowFigures::new(Arc::clone(&store)));
        let told = Some(Arc::clone(&fresh));
        let models = ReadModels { store, figures, live, progress: receiver, fresh: told, stats };
        let mut feed = Self {
            tail,
            models,
            fresh,
            progress,
            projectors: views::all(),
            after: Position::default(),
            waiting: VecDeque::new(),
            recent: VecDeque::new(),
            recent_since: Position::default(),
            known: Vec::new(),
        };
        feed.look().await?;
        feed.begin_at(feed.models.position());
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
        let mut looks = interval(LOOK_AGAIN);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut is_due = true;
        while !*shutdown.borrow() {
            head.borrow_and_update();
            let pause = match self.turn(is_due).await {
                Ok(()) => {
                    if retry.is_over() {
                        tracing::info!("subscribers are told all there is again");
                        self.models.stats.faulty.store(false, Ordering::Relaxed);
                    }
                    None
                }
                Err(error) => {
                    if retry.begins() {
                        tracing::error!(%error, "subscribers are not told all there is just now; it is tried again");
                        self.models.stats.faulty.store(true, Ordering::Relaxed);
                    }
                    retry.pause()
                }
            };
            let is_behind = self.is_behind(*head.borrow());
            let next = async {
                match pause {
                    Some(pause) => {
                        self.reading_on(tokio::time::sleep(pause)).await;
                        true
                    }
                    None => tokio::select! {
                        biased;
                        () = until_due(&mut looks, is_behind) => true,
                        Ok(()) = head.changed() => false,
                    },
                }
            };
            is_due = tokio::select! {
                // In this order, so that a simulated run can be run again.
                biased;
                is_due = next => is_due,
                gone = shutdown.changed() => {
                    if gone.is_err() {
                        return;
                    }
                    false
                }
            };
        }
    }

    /// Reads on; where it `looks`, at what is stored, too.
    async fn turn(&mut self, looks: bool) -> Result<(), StoreError> {
        if !self.models.live.is_idle() {
            self.read_on().await?;
        }
        if !looks {
            return Ok(());
        }
        self.look().await?;
        // In this order: who subscribes after this reads rows that are at least as new as what was looked at.
        let stored = self.models.position();
        if self.models.live.is_idle() && stored >= self.after {
            self.waiting.clear();
            self.begin_at(stored);
        } else {
            self.tell();
            self.hold().await?;
        }
        Ok(())
    }

    /// Reads on until something else is done: whoever follows what is folded on here waits for no store.
    async fn reading_on<T>(&mut self, other: impl Future<Output = T>) -> T {
        let mut head = self.tail.head();
        // What came since it was read last counts.
        head.mark_changed();
        tokio::pin!(other);
        loop {
            tokio::select! {
                biased;
                done = &mut other => return done,
                Ok(()) = head.changed() => {
                    // A fault shows at the next turn.
                    if !self.models.live.is_idle() && self.read_on().await.is_err() {
                        return other.await;
                    }
                }
            }
        }
    }

    fn begin_at(&mut self, position: Position) {
        (self.after, self.recent_since) = (position, position);
        self.recent.clear();
        self.fresh.forget_all();
    }

    /// Whether there is something to tell before the head moves again.
    fn is_behind(&self, head: Position) -> bool {
        let unread = self.after < head && !self.models.live.is_idle();
        unread || !self.waiting.is_empty() || self.models.position() < head
    }

    async fn read_on(&mut self) -> Result<(), StoreError> {
        for _ in 0..PAGES {
            if self.after >= *self.tail.head().borrow() {
                return Ok(());
            }
            let page = self.tail.read_after(self.after, PAGE).await?;
            if page.next <= self.after {
                return Ok(());
            }
            let events = page.events.into_iter().map(Decoded::of).collect::<Vec<_>>();
            self.note(&events, page.next);
            self.fold_on(ReadPage { events, reached: page.next });
            self.after = page.next;
        }
        Ok(())
    }

    fn waiting_keys(&self) -> usize {
        self.waiting.iter().map(|waiting| waiting.keys.len()).sum()
    }

    fn fold_on(&mut self, page: ReadPage) {
        for (table, facilities) in self.fresh.fold(&page) {
            for facility in facilities {
                self.models.live.publish_facility(table, facility, page.reached);
            }
        }
        match self.recent.back_mut() {
            Some(last) if page.events.is_empty() => last.reached = page.reached,
            None if page.events.is_empty() => self.recent_since = page.reached,
            _ => self.recent.push_back(page),
        }
        let mut events: usize = self.recent.iter().map(|page| page.events.len()).sum();
        // Those whom it would have been for are told when it is stored.
        while events > RECENT_AT_MOST
            && let Some(oldest) = self.recent.pop_front()
        {
            events -= oldest.events.len();
            self.recent_since = oldest.reached;
        }
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
        if self.waiting_keys() > WAITING_AT_MOST {
            self.merge_waiting(position);
        }
    }

    /// Forgets which keys wait: from now on all rows of their tables do, until the newest of them is stored. What was merged before
    /// keeps its own position, so that somebody is told now and then, however long the rows stay behind.
    fn merge_waiting(&mut self, position: Position) {
        let (by_keys, mut merged): (VecDeque<_>, VecDeque<_>) =
            self.waiting.drain(..).partition(|waiting| !waiting.keys.is_empty());
        let changed: HashSet<&str> = by_keys.iter().map(|waiting| waiting.table.name).collect();
        let tables = self.projectors.iter().map(|projector| projector.table());
        let changed = tables.filter(|table| changed.contains(table.name));
        merged.extend(changed.map(|table| Waiting { position, table, keys: Vec::new() }));
        self.waiting = merged;
    }

    /// How many keys stand still, so that queries on them say so. They begin and end with a checkpoint that moves.
    async fn look_at_parked(&mut self, known: &[Checkpoint]) -> Result<(), StoreError> {
        if known != self.known {
            let store = Arc::clone(&self.models.store);
            let parked = self.reading_on(async { store.parked(&[]).await }).await?;
            self.models.stats.parked.store(parked.len() as u64, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Who follows rows that changed otherwise than by folding on reads them again.
    fn tell_of_generations(&mut self, known: &[Checkpoint]) {
        let is_new = |now: &&Checkpoint| {
            let is_it = |before: &&Checkpoint| (&before.view, before.partition) == (&now.view, now.partition);
            self.known.iter().find(is_it).is_some_and(|before| before.generation != now.generation)
        };
        let changed: HashSet<&str> = known.iter().filter(is_new).map(|now| now.view.as_str()).collect();
        for table in self.projectors.iter().map(|projector| projector.table()) {
            if changed.contains(table.name) {
                self.fresh.forget(table);
                self.models.live.publish_all(table, self.after);
                // They may begin at the log's beginning: then they are told again once they are where they were.
                self.waiting.push_back(Waiting { position: self.after, table, keys: Vec::new() });
            }
        }
    }

    /// How far the stored rows are. Checkpoints of another log say nothing of this one.
    async fn look(&mut self) -> Result<(), StoreError> {
        let store = Arc::clone(&self.models.store);
        let known = self.reading_on(async { store.checkpoints().await }).await?;
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
        let (live, fresh) = (&self.models.live, &self.fresh);
        self.waiting.retain(|Waiting { position, table, keys }| {
            if progress.get(table.name).is_none_or(|known| known < position) {
                return true;
            }
            let knows = |facility: &Value| is_held(fresh, table, facility);
            match &keys[..] {
                [] => live.publish_all(table, *position),
                keys => live.publish_but(table, keys.iter().map(Vec::as_slice), *position, knows),
            }
            false
        });
    }
}

fn is_held(fresh: &Fresh, table: &'static Table, facility: &Value) -> bool {
    FacilityId::from_value(facility.clone()).is_ok_and(|facility| fresh.holds(table, facility))
}

/// Until it is time to look at what is stored.
async fn until_due(looks: &mut Interval, is_behind: bool) {
    match is_behind {
        true => drop(looks.tick().await),
        false => tokio::time::sleep(LOOK_AT_LAST).await,
    }
}
