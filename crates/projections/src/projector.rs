//! What the engine drives: one view with its cached rows and the keys that stand still.
//! A [mend](crate::mending) drives it for some keys only.

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;
use octocity_domain::{Category, Event};
use octocity_log::{DecodeError, RecordedEvent, StreamId, decode};

use crate::row::{Key, Row, Table, Value};
use crate::skips::Skipped;
use crate::store::{Parked, RowStore, StoreError, TableWrites};
use crate::view::{EventRecord, View, key_text};

/// How many rows a view keeps between batches. A batch itself may need more.
const CACHED_ROWS_AT_MOST: usize = 8_192;

/// An event of the log, decoded once for all views.
pub(crate) struct Decoded {
    pub recorded: RecordedEvent,
    pub event: Result<Event, DecodeError>,
}

impl Decoded {
    pub fn of(recorded: RecordedEvent) -> Self {
        let category = recorded.stream.category;
        let event = decode(category, &recorded.event_type, recorded.version, &recorded.data);
        Self { recorded, event }
    }

    /// The event as a view sees it, if it is of these categories and could be read.
    pub fn record(&self, categories: &[Category]) -> Option<EventRecord<'_>> {
        let Self { recorded, event } = self;
        let event = event.as_ref().ok().filter(|_| categories.contains(&recorded.stream.category))?;
        let (stream, revision, meta) = (recorded.stream, recorded.revision, &recorded.meta);
        Some(EventRecord { event, stream, revision, meta })
    }
}

/// What folding a batch came to.
pub(crate) struct Folded {
    pub writes: TableWrites,
    pub parked: Vec<Parked>,
}

/// One view, whatever its row type: called once per batch, not per event.
#[async_trait]
pub(crate) trait Projector: Send {
    fn table(&self) -> &'static Table;
    /// The streams it reads.
    fn categories(&self) -> &'static [Category];
    /// Adds the keys of the rows that the event may change.
    fn keys(&mut self, decoded: &Decoded, keys: &mut Vec<Vec<Value>>);
    /// Forgets what is cached, stands still at these keys, and passes these events over, from now on.
    fn restart(&mut self, parked: HashSet<String>, skipped: Skipped);
    /// The keys that are folded and no others, where a view can do with some of a facility's rows: it begins with none.
    fn narrow(&mut self) -> Option<&mut Only> {
        None
    }
    /// Loads the rows that the events concern and that are not cached.
    async fn prepare(&mut self, store: &dyn RowStore, events: &[&Decoded]) -> Result<(), StoreError>;
    fn fold(&mut self, events: &[&Decoded]) -> Folded;
}

/// The keys that a mend folds, and no others.
#[derive(Default)]
pub(crate) struct Only {
    /// As text, with their values as soon as an event concerned them.
    keys: HashMap<String, Option<Vec<Value>>>,
    /// Keys whose events were passed over.
    passed: HashSet<String>,
    /// One of these has joined since.
    lacks: bool,
}

impl Only {
    pub fn add(&mut self, key: String) {
        if !self.keys.contains_key(&key) {
            self.lacks |= self.passed.contains(&key);
            self.keys.insert(key, None);
        }
    }

    /// Whether what was folded lacks events of keys that joined later: then it is to be folded anew.
    pub fn begins_anew(&mut self) -> bool {
        if self.lacks {
            self.passed.clear();
        }
        std::mem::take(&mut self.lacks)
    }

    pub fn has(&self, key: &str) -> bool {
        self.keys.contains_key(key)
    }

    /// Those that an event concerned.
    pub fn values(&self) -> impl Iterator<Item = &Vec<Value>> {
        self.keys.values().flatten()
    }

    /// Leaves the keys that are folded: all of them where they are folded jointly with one.
    fn narrow<K: Key>(&mut self, keys: &mut Vec<K>, jointly: bool) {
        if jointly && keys.iter().any(|key| self.has(&key_text(key))) {
            keys.iter().for_each(|key| self.add(key_text(key)));
        }
        keys.retain(|key| {
            let text = key_text(key);
            match self.keys.get_mut(&text) {
                Some(values) => {
                    values.get_or_insert_with(|| key.to_values());
                    true
                }
                None => {
                    self.passed.insert(text);
                    false
                }
            }
        });
    }
}

/// The keys and streams of one view that stand still, and the events that it passes over.
pub(crate) struct StandingStill {
    view: &'static str,
    keys: HashSet<String>,
    skipped: HashSet<(StreamId, u64)>,
    new: Vec<Parked>,
}

impl StandingStill {
    pub fn new(view: &'static str) -> Self {
        Self { view, keys: HashSet::new(), skipped: Skipped::new(), new: Vec::new() }
    }

    pub fn restart(&mut self, keys: HashSet<String>, skipped: Skipped) {
        self.keys = keys;
        self.skipped = skipped;
        self.new.clear();
    }

    /// The event, if this view reads it and its stream goes on; an event that cannot be read stops its stream.
    pub fn admit<'a>(&mut self, decoded: &'a Decoded, categories: &[Category]) -> Option<EventRecord<'a>> {
        let recorded = &decoded.recorded;
        if !categories.contains(&recorded.stream.category) {
            return None;
        }
        if !self.keys.is_empty() && self.keys.contains(&recorded.stream.to_string()) {
            return None;
        }
        if !self.skipped.is_empty() && self.skipped.contains(&(recorded.stream, recorded.revision)) {
            return None;
        }
        if let Err(error) = &decoded.event {
            self.park(recorded.stream.to_string(), recorded, error.to_string());
        }
        decoded.record(categories)
    }

    pub fn has(&self, key: &impl Key) -> bool {
        !self.keys.is_empty() && self.keys.contains(&key_text(key))
    }

    pub fn park(&mut self, key: String, recorded: &RecordedEvent, error: String) {
        self.keys.insert(key.clone());
        self.new.push(Parked {
            view: self.view.to_owned(),
            key,
            stream: recorded.stream.to_string(),
            revision: recorded.revision,
            event_type: recorded.event_type.to_string(),
            error,
        });
    }

    pub fn take_new(&mut self) -> Vec<Parked> {
        std::mem::take(&mut self.new)
    }
}

struct Cached<R> {
    row: Option<R>,
    dirty: bool,
    /// The batch that last asked for it.
    used_in: u64,
}

type KeyOf<V> = <<V as View>::Row as Row>::Key;

/// Drives a [`View`].
pub(crate) struct Fold<V: View> {
    cache: HashMap<KeyOf<V>, Cached<V::Row>>,
    standing: StandingStill,
    dirty: Vec<KeyOf<V>>,
    keys: Vec<KeyOf<V>>,
    only: Option<Only>,
    batch: u64,
}

impl<V: View> Fold<V> {
    pub fn new() -> Self {
        Self {
            cache: HashMap::new(),
            standing: StandingStill::new(V::Row::TABLE.name),
            dirty: Vec::new(),
            keys: Vec::new(),
            only: None,
            batch: 0,
        }
    }

    /// The keys of the event's rows that are folded here. Whether only jointly.
    fn concern(&mut self, record: &EventRecord) -> bool {
        self.keys.clear();
        V::keys(record, &mut self.keys);
        let jointly = self.keys.len() > 1 && V::is_joint(record);
        if let Some(only) = &mut self.only {
            only.narrow(&mut self.keys, jointly);
        }
        jointly && !self.keys.is_empty()
    }

    fn apply(&mut self, record: &EventRecord, recorded: &RecordedEvent) {
        if self.concern(record) {
            return self.apply_joint(record, recorded);
        }
        let keys = std::mem::take(&mut self.keys);
        for key in &keys {
            if self.standing.has(key) {
                continue;
            }
            let Some(cached) = self.cache.get_mut(key) else { continue };
            debug_assert!(
                cached.row.is_none() || !V::begins(record, key),
                "an event begins a row that is there"
            );
            match V::apply(&mut cached.row, key, record) {
                Ok(()) => {
                    if !std::mem::replace(&mut cached.dirty, true) {
                        self.dirty.push(key.clone());
                    }
                }
                Err(error) => self.standing.park(key_text(key), recorded, error.to_string()),
            }
        }
        self.keys = keys;
    }

    fn apply_joint(&mut self, record: &EventRecord, recorded: &RecordedEvent) {
        let keys = std::mem::take(&mut self.keys);
        let row_of = |key: &KeyOf<V>| self.cache.get(key).and_then(|cached| cached.row.clone());
        let mut rows = keys.iter().map(|key| (key.clone(), row_of(key))).collect::<Vec<_>>();
        let folded = match keys.iter().any(|key| self.standing.has(key)) {
            true => Err("another row that the event concerns stands still".to_owned()),
            false => V::apply_joint(&mut rows, record).map_err(|error| error.to_string()),
        };
        for (key, row) in rows {
            match &folded {
                Ok(()) => {
                    let clean = !self.cache.get(&key).is_some_and(|cached| cached.dirty);
                    self.cache.insert(key.clone(), Cached { row, dirty: true, used_in: self.batch });
                    if clean {
                        self.dirty.push(key);
                    }
                }
                Err(_) if self.standing.has(&key) => {}
                Err(error) => self.standing.park(key_text(&key), recorded, error.clone()),
            }
        }
        self.keys = keys;
    }

    fn take_writes(&mut self) -> TableWrites {
        let mut writes = TableWrites { table: V::Row::TABLE, upserts: Vec::new(), deletes: Vec::new() };
        for key in self.dirty.drain(..) {
            let Some(cached) = self.cache.get_mut(&key) else { continue };
            cached.dirty = false;
            match &cached.row {
                Some(row) => writes.upserts.push(row.to_values()),
                None => writes.deletes.push(key.to_values()),
            }
        }
        if self.cache.len() > CACHED_ROWS_AT_MOST {
            // What is being written now is not loaded again before it is written.
            let batch = self.batch;
            self.cache.retain(|_, cached| cached.used_in == batch);
        }
        writes
    }
}

#[async_trait]
impl<V: View> Projector for Fold<V> {
    fn table(&self) -> &'static Table {
        V::Row::TABLE
    }

    fn categories(&self) -> &'static [Category] {
        V::CATEGORIES
    }

    fn keys(&mut self, decoded: &Decoded, keys: &mut Vec<Vec<Value>>) {
        let Some(record) = decoded.record(V::CATEGORIES) else { return };
        self.keys.clear();
        V::keys(&record, &mut self.keys);
        keys.extend(self.keys.drain(..).map(|key| key.to_values()));
    }

    fn restart(&mut self, parked: HashSet<String>, skipped: Skipped) {
        self.cache.clear();
        self.dirty.clear();
        self.standing.restart(parked, skipped);
    }

    fn narrow(&mut self) -> Option<&mut Only> {
        Some(self.only.get_or_insert_default())
    }

    async fn prepare(&mut self, store: &dyn RowStore, events: &[&Decoded]) -> Result<(), StoreError> {
        self.batch += 1;
        let mut missing = Vec::<Vec<Value>>::new();
        for decoded in events {
            let Some(record) = decoded.record(V::CATEGORIES) else { continue };
            self.concern(&record);
            for key in self.keys.drain(..) {
                if let Some(cached) = self.cache.get_mut(&key) {
                    cached.used_in = self.batch;
                    continue;
                }
                if !V::begins(&record, &key) {
                    missing.push(key.to_values());
                }
                self.cache.insert(key, Cached { row: None, dirty: false, used_in: self.batch });
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        for values in store.load(V::Row::TABLE, missing).await? {
            let row = V::Row::from_values(values)?;
            self.cache.insert(row.key(), Cached { row: Some(row), dirty: false, used_in: self.batch });
        }
        Ok(())
    }

    fn fold(&mut self, events: &[&Decoded]) -> Folded {
        for decoded in events {
            if let Some(record) = self.standing.admit(decoded, V::CATEGORIES) {
                self.apply(&record, &decoded.recorded);
            }
        }
        Folded { writes: self.take_writes(), parked: self.standing.take_new() }
    }
}
