//! Takes up keys that stand still, once their event can be applied or is skipped: folds them again from the log's
//! beginning, beside engines that go on meanwhile.
//!
//! From the beginning, and not from where a key stopped: other streams may have changed its rows since, and only the
//! log's order gives what a rebuild gives. Rows that an event changes jointly with these are folded again too.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use octocity_domain::FacilityId;
use octocity_log::{EventLog, Position, RecordedEvent, StreamId, partition_of};
use thiserror::Error;

use crate::memory::MemoryRows;
use crate::projector::{Decoded, Folded, Only, Projector};
use crate::row::{Table, Value};
use crate::skips::{self, Skipped};
use crate::store::{Batch, Checkpoint, Filter, Move, Parked, RowStore, Select, StoreError, TableWrites};
use crate::view::values_text;
use crate::views;

const PAGE: usize = 4_096;
/// How often a mend that was overtaken by an engine folds on and tries again: each try takes as long as one commit.
const TRIES: usize = 100;
/// How long the log's head is waited for, where another process heard of it before this one.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why no key was mended. Those of other facilities may have been.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum MendError {
    #[error("the view {0} is written faster than it can be mended; try again when less is going on")]
    Busy(&'static str),
    #[error("the log cannot be read up to where the view {0} is; try again when the log is reachable")]
    LogBehind(&'static str),
    #[error("the rows of the view {0} are not of this log; run octocity rebuild {0}")]
    NotOfThisLog(&'static str),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a mend came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mended {
    /// The keys that go on.
    pub mended: Vec<Parked>,
    /// The keys that stand still again, and where.
    pub standing: Vec<Parked>,
}

/// Mends the keys of a view that `asked` is true of, facility by facility.
pub async fn retry(
    log: &dyn EventLog,
    store: &dyn RowStore,
    table: &'static Table,
    asked: impl Fn(&Parked) -> bool,
) -> Result<Mended, MendError> {
    let mut keys = BTreeMap::<FacilityId, Vec<String>>::new();
    for parked in store.parked(&[table.name]).await?.into_iter().filter(asked) {
        let event = event_of(log, &parked).await?.ok_or(MendError::NotOfThisLog(table.name))?;
        keys.entry(event.meta.key).or_default().push(parked.key);
    }
    let mut done = Mended::default();
    for (facility, keys) in keys {
        let partition = partition_of(facility, store.partitions());
        let Mended { mended, standing } = Mend { log, store, table, facility, partition }.run(&keys).await?;
        done.mended.extend(mended);
        done.standing.extend(standing);
    }
    Ok(done)
}

/// The event at which a key stands still.
async fn event_of(log: &dyn EventLog, parked: &Parked) -> Result<Option<RecordedEvent>, StoreError> {
    let Ok(stream) = parked.stream.parse::<StreamId>() else { return Ok(None) };
    Ok(log.read_stream(stream, parked.revision, 1).await?.pop())
}

/// The keys of one view and one facility, which is in one partition.
struct Mend<'a> {
    log: &'a dyn EventLog,
    store: &'a dyn RowStore,
    table: &'static Table,
    facility: FacilityId,
    partition: i32,
}

impl Mend<'_> {
    async fn run(&self, keys: &[String]) -> Result<Mended, MendError> {
        let mut fold: Option<Refold> = None;
        for _ in 0..TRIES {
            let checkpoint = self.checkpoint().await?;
            let parked = self.store.parked(&[self.table.name]).await?;
            let (asked, others): (Vec<_>, Vec<_>) =
                parked.into_iter().partition(|parked| keys.contains(&parked.key));
            if asked.is_empty() {
                return Ok(Mended::default());
            }
            // What another mend or a rebuild changed is not known here.
            let mut refold = match fold.take().filter(|fold| fold.generation == checkpoint.generation) {
                Some(known) => known,
                None => self.begin(&asked, checkpoint.generation).await?,
            };
            (refold.asked, refold.others) = (asked, others);
            self.hear_of(checkpoint.position).await?;
            refold.fold_to(self, checkpoint.position).await?;
            let (batch, mended) = refold.outcome(self, checkpoint).await?;
            match self.store.commit(Arc::new(batch)).await {
                Ok(()) => return Ok(mended),
                Err(StoreError::Overtaken(_)) => fold = Some(refold),
                Err(error) => return Err(error.into()),
            }
        }
        Err(MendError::Busy(self.table.name))
    }

    async fn checkpoint(&self) -> Result<Checkpoint, MendError> {
        let of_table =
            |known: &Checkpoint| (known.view.as_str(), known.partition) == (self.table.name, self.partition);
        let known = self.store.checkpoints().await?.into_iter().find(of_table);
        let of_log = |known: &Checkpoint| (known.log, known.epoch) == (self.log.id(), self.log.epoch());
        known.filter(of_log).ok_or(MendError::NotOfThisLog(self.table.name))
    }

    /// Nothing is read behind the head that this process has heard of, and the rows may be further by then.
    async fn hear_of(&self, to: Position) -> Result<(), MendError> {
        let mut head = self.log.head();
        match tokio::time::timeout(PATIENCE, head.wait_for(|head| *head >= to)).await {
            Ok(Ok(_)) => Ok(()),
            _ => Err(MendError::LogBehind(self.table.name)),
        }
    }

    async fn begin(&self, asked: &[Parked], generation: u32) -> Result<Refold, StoreError> {
        let skipped = skips::read(self.log).await?.remove(self.table.name).unwrap_or_default();
        let mut refold = Refold::begin(self.table, skipped, generation).await?;
        for parked in asked {
            refold.take(self.log, parked).await?;
        }
        Ok(refold)
    }
}

/// A fold of some keys into rows of its own.
struct Refold {
    projector: Box<dyn Projector>,
    rows: MemoryRows,
    skipped: Skipped,
    at: Position,
    asked: Vec<Parked>,
    /// What else stands still in the view.
    others: Vec<Parked>,
    /// What stands still again.
    standing: Vec<Parked>,
    generation: u32,
}

impl Refold {
    async fn begin(table: &'static Table, skipped: Skipped, generation: u32) -> Result<Self, StoreError> {
        let projector = views::all().into_iter().find(|projector| projector.table() == table);
        let unknown = || StoreError::Query(format!("there is no view {}", table.name));
        let mut projector = projector.ok_or_else(unknown)?;
        projector.narrow();
        let (asked, others, standing) = (Vec::new(), Vec::new(), Vec::new());
        let (rows, at) = (MemoryRows::new(), Position::default());
        Ok(Self { projector, rows, skipped, at, asked, others, standing, generation })
    }

    /// Folds this key, and every other that its event concerns: of an event that is skipped now no key may keep anything.
    /// Which keys a stream concerns is seen as it is read.
    async fn take(&mut self, log: &dyn EventLog, parked: &Parked) -> Result<(), StoreError> {
        if parked.key == parked.stream {
            return Ok(());
        }
        self.add(parked.key.clone());
        if let Some(event) = event_of(log, parked).await? {
            self.add_concerned(&Decoded::of(event));
        }
        Ok(())
    }

    fn add_concerned(&mut self, decoded: &Decoded) {
        let mut keys = Vec::new();
        self.projector.keys(decoded, &mut keys);
        keys.iter().for_each(|key| self.add(values_text(key)));
    }

    fn add(&mut self, key: String) {
        if let Some(only) = self.projector.narrow() {
            only.add(key);
        }
    }

    /// Goes on to `to`; anew, with more keys, where others turn out to be folded with these that had events before.
    async fn fold_to(&mut self, mend: &Mend<'_>, to: Position) -> Result<(), MendError> {
        loop {
            if self.at == Position::default() {
                self.rows = MemoryRows::new();
                self.rows.ensure(&[mend.table]).await?;
                self.standing.clear();
                self.projector.restart(HashSet::new(), self.skipped.clone());
            }
            while self.at < to {
                // What is written as of `to` lacks no event before it.
                if !self.fold_page(mend, to).await? {
                    return Err(MendError::LogBehind(mend.table.name));
                }
            }
            if !self.projector.narrow().is_some_and(Only::begins_anew) {
                return Ok(());
            }
            self.at = Position::default();
        }
    }

    /// False: the log has no more.
    async fn fold_page(&mut self, mend: &Mend<'_>, to: Position) -> Result<bool, StoreError> {
        let page = mend.log.read_all(self.at, PAGE, self.projector.categories(), &[]).await?;
        let held: HashMap<&str, u64> = self.held().collect();
        // Every row of the event has its facility in its key.
        let concerns = |event: &RecordedEvent| {
            let is_held = || held.get(&*event.stream.to_string()).is_some_and(|from| event.revision >= *from);
            event.position <= to && event.meta.key == mend.facility && !is_held()
        };
        let events = page.events.into_iter().filter(concerns).map(Decoded::of).collect::<Vec<_>>();
        // Of a stream that stood still the later events are lacking too, those that came meanwhile among them.
        let streams: HashSet<&str> =
            self.asked.iter().filter(|asked| asked.key == asked.stream).map(|asked| &*asked.key).collect();
        let of_streams = events.iter().filter(|event| streams.contains(&*event.recorded.stream.to_string()));
        for event in of_streams.collect::<Vec<_>>() {
            self.add_concerned(event);
        }
        let events = events.iter().collect::<Vec<_>>();
        self.projector.prepare(&self.rows, &events).await?;
        let Folded { writes, parked } = self.projector.fold(&events);
        self.standing.extend(parked);
        self.rows.commit(Arc::new(Batch { writes: vec![writes], ..Batch::default() })).await?;
        let goes_on = page.next > self.at;
        self.at = page.next.min(to);
        Ok(goes_on)
    }

    /// Streams that stand still and were not asked for stay as they are, from their unreadable event on.
    fn held(&self) -> impl Iterator<Item = (&str, u64)> {
        let streams = self.others.iter().filter(|parked| parked.key == parked.stream);
        streams.map(|parked| (parked.key.as_str(), parked.revision))
    }

    async fn outcome(
        &mut self,
        mend: &Mend<'_>,
        checkpoint: Checkpoint,
    ) -> Result<(Batch, Mended), StoreError> {
        let table = mend.table;
        let upserts = self.rows.select(Select::new(table)).await?.rows;
        let deletes = self.gone(mend, &upserts).await?;
        let (standing, others) = (self.standing.clone(), self.others.clone());
        let only = self.projector.narrow();
        let whole = mend.facility.to_string();
        let is_folded = |parked: &Parked| match &only {
            Some(only) => only.has(&parked.key),
            None => parked.key.starts_with(&whole),
        };
        let taken =
            self.asked.iter().cloned().chain(others.into_iter().filter(is_folded)).collect::<Vec<_>>();
        let mended = taken.iter().map(|parked| (parked.view.clone(), parked.key.clone())).collect();
        let (after, generation) = (checkpoint.position, checkpoint.generation);
        let to = Checkpoint { generation: generation + 1, ..checkpoint };
        let batch = Batch {
            writes: vec![TableWrites { table, upserts, deletes }],
            moves: vec![Move { after, generation, to }],
            mended,
            parked: standing.clone(),
        };
        let stands = |parked: &Parked| standing.iter().any(|again| again.key == parked.key);
        let mended = taken.into_iter().filter(|parked| !stands(parked)).collect();
        Ok((batch, Mended { mended, standing }))
    }

    /// The keys of rows that there must not be any more.
    async fn gone(&mut self, mend: &Mend<'_>, rows: &[Vec<Value>]) -> Result<Vec<Vec<Value>>, StoreError> {
        let width = mend.table.key_columns;
        let kept: HashSet<&[Value]> = rows.iter().map(|row| &row[..width]).collect();
        let known: Vec<Vec<Value>> = match self.projector.narrow() {
            Some(only) => only.values().cloned().collect(),
            None => {
                let of_facility = Filter::Eq(mend.table.columns[0].name, Value::Id(mend.facility.uuid()));
                let select = Select { filters: vec![of_facility], ..Select::new(mend.table) };
                let stored = mend.store.select(select).await?.rows;
                stored.into_iter().map(|row| row[..width].to_vec()).collect()
            }
        };
        Ok(known.into_iter().filter(|key| !kept.contains(key.as_slice())).collect())
    }
}
