//! Who is told when rows change. A state subscriber reloads its rows with their checkpoint; changes that come
//! faster than it reads merge into one, and the last always arrives.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use octocity_domain::FacilityId;
use octocity_log::Position;
use tokio::sync::watch;

use crate::row::{Field, Key, Row, Table, Value};

type Topics = HashMap<&'static str, HashMap<Vec<Value>, watch::Sender<Position>>>;

/// The topics that somebody listens to: (table, prefix of the key).
#[derive(Default)]
pub struct Live {
    topics: Mutex<Topics>,
    /// How many topics there are: publishing costs one load while it is 0.
    count: AtomicUsize,
}

impl Live {
    /// Any row of the table.
    pub fn all<R: Row>(self: &Arc<Self>) -> Subscription {
        self.subscribe(R::TABLE, Vec::new())
    }
    /// The rows of one facility: every table's key begins with it.
    pub fn facility<R: Row>(self: &Arc<Self>, facility: FacilityId) -> Subscription {
        self.subscribe(R::TABLE, vec![facility.to_value()])
    }
    pub fn row<R: Row>(self: &Arc<Self>, key: &R::Key) -> Subscription {
        self.subscribe(R::TABLE, key.to_values())
    }

    fn subscribe(self: &Arc<Self>, table: &'static Table, prefix: Vec<Value>) -> Subscription {
        let mut topics = self.lock();
        let of_table = topics.entry(table.name).or_default();
        let receiver = match of_table.get(&prefix) {
            Some(topic) => topic.subscribe(),
            None => {
                let (topic, receiver) = watch::channel(Position::default());
                of_table.insert(prefix.clone(), topic);
                self.count.fetch_add(1, Ordering::Release);
                receiver
            }
        };
        drop(topics);
        Subscription { receiver, live: Arc::clone(self), table, prefix }
    }

    /// How many topics somebody listens to.
    pub fn topics(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    pub fn is_idle(&self) -> bool {
        self.count.load(Ordering::Acquire) == 0
    }

    /// Tells the subscribers of these rows (whole rows or keys) that they changed at `position`.
    pub(crate) fn publish<'a>(
        &self,
        table: &'static Table,
        rows: impl Iterator<Item = &'a [Value]>,
        position: Position,
    ) {
        self.publish_but(table, rows, position, |_| false);
    }

    /// The same, but not to the subscribers of a facility of which `knows` says that they know.
    pub(crate) fn publish_but<'a>(
        &self,
        table: &'static Table,
        rows: impl Iterator<Item = &'a [Value]>,
        position: Position,
        knows: impl Fn(&Value) -> bool,
    ) {
        if self.is_idle() {
            return;
        }
        let topics = self.lock();
        let Some(of_table) = topics.get(table.name) else { return };
        let mut told = HashSet::<&[Value]>::new();
        let mut tell = |prefix: &'a [Value]| {
            if let Some(topic) = of_table.get(prefix)
                && told.insert(prefix)
            {
                topic.send_replace(position);
            }
        };
        let mut any = false;
        for row in rows {
            any = true;
            if of_table.contains_key(&row[..1]) && !knows(&row[0]) {
                tell(&row[..1]);
            }
            if table.key_columns > 1 {
                tell(&row[..table.key_columns]);
            }
        }
        if any {
            tell(&[]);
        }
    }

    /// Tells the subscribers of a facility's rows, and no others.
    pub(crate) fn publish_facility(&self, table: &'static Table, facility: FacilityId, position: Position) {
        let topics = self.lock();
        let of_table = topics.get(table.name);
        if let Some(topic) = of_table.and_then(|topics| topics.get(&[facility.to_value()][..])) {
            topic.send_replace(position);
        }
    }

    /// The facilities whose rows somebody listens to.
    pub(crate) fn facilities(&self, table: &'static Table) -> Vec<FacilityId> {
        let topics = self.lock();
        let prefixes = topics.get(table.name).into_iter().flat_map(HashMap::keys);
        let facility = |prefix: &Vec<Value>| match &prefix[..] {
            [facility] => FacilityId::from_value(facility.clone()).ok(),
            _ => None,
        };
        prefixes.filter_map(facility).collect()
    }

    /// Tells all who listen to this table, wherever they stood: rows changed that no event of now changed.
    pub(crate) fn publish_all(&self, table: &'static Table, position: Position) {
        for topic in self.lock().get(table.name).into_iter().flat_map(HashMap::values) {
            topic.send_replace(position);
        }
    }

    fn leave(&self, table: &'static Table, prefix: &[Value]) {
        let mut topics = self.lock();
        let Some(of_table) = topics.get_mut(table.name) else { return };
        // The one that leaves still counts.
        if of_table.get(prefix).is_some_and(|topic| topic.receiver_count() <= 1) {
            of_table.remove(prefix);
            self.count.fetch_sub(1, Ordering::Release);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Topics> {
        // The map is whole between any two statements that could panic.
        self.topics.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One listener at one topic. Subscribe first, then read the rows, then wait: so nothing is missed.
pub struct Subscription {
    receiver: watch::Receiver<Position>,
    live: Arc<Live>,
    table: &'static Table,
    prefix: Vec<Value>,
}

impl Subscription {
    /// Waits for the next change and says its position; changes in between are merged. None: the engine is gone.
    pub async fn changed(&mut self) -> Option<Position> {
        self.receiver.changed().await.ok()?;
        Some(*self.receiver.borrow_and_update())
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.live.leave(self.table, &self.prefix);
    }
}
