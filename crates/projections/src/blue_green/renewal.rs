//! The steps in their order: build, compare, switch.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use octocity_log::{Capped, EventLog, Position, Tail, partitions_of};

use crate::engine::{Engine, EngineOptions, Step};
use crate::row::Table;
use crate::store::{Checkpoint, StoreError};

use super::compare::{Comparison, Difference, compare};
use super::fault::TRIES;
use super::{
    Beside, BlueGreen, Generations, Holds, RenewalError, Snapshot, StillSnapshot, Switched, generations,
    of_view,
};

/// How long others are waited for: the log's head, or live rows behind green ones.
const PATIENCE: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// So many events are folded in a moment.
const FEW_EVENTS: usize = 10_000;

type Caps = BTreeMap<i32, Position>;

/// One view that is made anew.
pub struct Renewal<'a> {
    log: Arc<dyn EventLog>,
    stores: &'a dyn BlueGreen,
    table: &'static Table,
    options: EngineOptions,
    /// The live generations that the green rows were compared with.
    compared: Option<Generations>,
}

impl<'a> Renewal<'a> {
    pub fn new(
        log: Arc<dyn EventLog>,
        stores: &'a dyn BlueGreen,
        table: &'static Table,
        options: EngineOptions,
    ) -> Self {
        // What is ahead of the log's head as this process hears it was seen by another.
        let options = EngineOptions { sole_owner: false, ..options };
        Self { log, stores, table, options, compared: None }
    }

    /// Folds green rows to where the live ones are. One that was stopped goes on where it was.
    pub async fn build(&self, mut on_step: impl FnMut(Step)) -> Result<(), RenewalError> {
        // Before anything is folded in vain.
        self.is_of_this_form().await?;
        self.begin_anew_if_needed().await?;
        loop {
            let mut events = 0;
            let caps = self.caps(&of_view(&*self.stores.live(), self.table).await?).await?;
            let counted = |step: Step| {
                events += step.events;
                on_step(step);
            };
            self.fold(Beside::Green, Some(&caps), counted).await?;
            if events < FEW_EVENTS {
                return Ok(());
            }
        }
    }

    /// Brings the green rows to one moment of the live ones, and compares all, where they are of one form.
    pub async fn compare(
        &mut self,
        on_step: impl FnMut(Step),
        told: &mut (dyn FnMut(&Difference) + Send),
    ) -> Result<Comparison, RenewalError> {
        let mut live = self.stores.snapshot(self.table).await?;
        let caps = self.caps(live.checkpoints()).await?;
        self.fold(Beside::Green, Some(&caps), on_step).await?;
        let green = self.stores.open(Beside::Green).await?;
        let mut green = StillSnapshot::of(green, self.table).await?;
        if positions(green.checkpoints()) != positions(live.checkpoints()) {
            return Err(RenewalError::Changed(self.table.name));
        }
        self.compared = Some(generations(live.checkpoints()));
        if self.is_of_this_form().await? {
            return Ok(compare(self.table, &mut *live, &mut green, told).await?);
        }
        let (live_parked, new_parked) = (live.parked().to_vec(), green.parked().to_vec());
        Ok(Comparison { form_changed: true, live_parked, new_parked, ..Comparison::default() })
    }

    /// Whether the live rows are of this version's form; they are made where there are none. Those that are cut into another
    /// number of partitions are refused.
    async fn is_of_this_form(&self) -> Result<bool, StoreError> {
        match self.stores.live().ensure(&[self.table]).await {
            Ok(()) => Ok(true),
            Err(StoreError::OtherForm(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Brings the green rows to the log's head, and makes them live.
    pub async fn switch(&self, on_step: impl FnMut(Step)) -> Result<(), RenewalError> {
        self.exchange(Beside::Green, on_step).await?;
        Ok(self.stores.forget_green(self.table).await?)
    }

    /// Brings the blue rows to the log's head, and lets them and the live ones change places.
    pub async fn back(&self, on_step: impl FnMut(Step)) -> Result<(), RenewalError> {
        let other_form = RenewalError::KeptOfOtherForm(self.table.name);
        match self.stores.holds(Beside::Blue, self.table).await? {
            Holds::Nothing => return Err(RenewalError::NothingKept(self.table.name)),
            Holds::OtherForm => return Err(other_form),
            Holds::Rows => {}
        }
        let kept = of_view(&*self.stores.open(Beside::Blue).await?, self.table).await?;
        if !kept.iter().all(|kept| self.is_of_this_log(kept)) {
            return Err(other_form);
        }
        self.exchange(Beside::Blue, on_step).await
    }

    async fn exchange(&self, with: Beside, mut on_step: impl FnMut(Step)) -> Result<(), RenewalError> {
        self.is_of_this_form().await?;
        let view = self.table.name;
        let expected = match &self.compared {
            Some(generations) => generations.clone(),
            None => generations(&of_view(&*self.stores.live(), self.table).await?),
        };
        let mut met = RenewalError::Behind(view);
        for _ in 0..TRIES {
            self.fold(with, None, &mut on_step).await?;
            met = match self.stores.switch(self.table, with, &expected).await? {
                Switched::Done => return Ok(()),
                Switched::Changed => return Err(RenewalError::Changed(view)),
                Switched::Behind => RenewalError::Behind(view),
                Switched::Busy => RenewalError::Busy(view),
            };
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        Err(met)
    }

    /// Green rows of another log, with keys that stand still (the next fold may pass), or ahead of live ones that do not
    /// come there, are of no use.
    async fn begin_anew_if_needed(&self) -> Result<(), RenewalError> {
        if self.stores.holds(Beside::Green, self.table).await? != Holds::Rows {
            return Ok(());
        }
        let green = self.stores.open(Beside::Green).await?;
        let known = of_view(&*green, self.table).await?;
        let strange = known.iter().any(|known| !self.is_of_this_log(known));
        if strange || !green.parked(&[self.table.name]).await?.is_empty() || !self.is_reached(&known).await? {
            drop(green);
            self.stores.forget_green(self.table).await?;
        }
        Ok(())
    }

    /// Whether the live rows are where these are, or get there soon.
    async fn is_reached(&self, green: &[Checkpoint]) -> Result<bool, StoreError> {
        let green = positions(green);
        let reached = async {
            loop {
                let live = positions(&of_view(&*self.stores.live(), self.table).await?);
                let ahead = |(of, at): (&i32, &Position)| live.get(of).is_none_or(|live| live < at);
                if !green.iter().any(ahead) {
                    return Ok(true);
                }
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        tokio::time::timeout(PATIENCE, reached).await.unwrap_or(Ok(false))
    }

    fn is_of_this_log(&self, known: &Checkpoint) -> bool {
        known.position == Position::default() || (known.log, known.epoch) == (self.log.id(), self.log.epoch())
    }

    /// Up to where each partition is folded to be as these checkpoints, once the log is heard to be there.
    async fn caps(&self, live: &[Checkpoint]) -> Result<Caps, RenewalError> {
        if !live.iter().all(|live| self.is_of_this_log(live)) {
            return Err(RenewalError::OtherLog(self.table.name));
        }
        let mut caps: Caps =
            (0..self.stores.live().partitions()).map(|of| (of, Position::default())).collect();
        caps.extend(positions(live));
        let furthest = caps.values().max().copied().unwrap_or_default();
        let mut head = self.log.head();
        let heard = tokio::time::timeout(PATIENCE, head.wait_for(|head| *head >= furthest)).await;
        match heard {
            Ok(Ok(_)) => Ok(caps),
            _ => Err(RenewalError::OtherLog(self.table.name)),
        }
    }

    /// Folds this view alone, up to the caps or to the log's head.
    async fn fold(
        &self,
        which: Beside,
        caps: Option<&Caps>,
        on_step: impl FnMut(Step),
    ) -> Result<(), StoreError> {
        let store = self.stores.open(which).await?;
        let tails = partitions_of(&self.log, store.partitions()).into_iter();
        let tails = tails.map(|(partition, tail)| match caps.and_then(|caps| caps.get(&partition)) {
            Some(cap) => (partition, Arc::new(Capped::new(tail, *cap)) as Arc<dyn Tail>),
            None => (partition, tail),
        });
        let log = Arc::clone(&self.log);
        // What is kept goes back as it is, or not at all.
        let options = EngineOptions { reforms: which == Beside::Green, ..self.options };
        let mut engine = Engine::of_views(&[self.table], log, tails.collect(), store, options).await?;
        engine.catch_up(on_step).await.map(drop)
    }
}

/// A partition that is not named is at the log's beginning.
fn positions(checkpoints: &[Checkpoint]) -> Caps {
    let moved = checkpoints.iter().filter(|known| known.position > Position::default());
    moved.map(|known| (known.partition, known.position)).collect()
}
