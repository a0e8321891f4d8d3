//! What must hold of the read models, the gateway and the subscribers, beside what the oracle reads from the log.

use std::sync::Arc;

use octocity_commands::Clock;
use octocity_log::EventLog;
use octocity_projections::parking::OccupancyRow;
use octocity_projections::{
    Checkpoint, Engine, EngineOptions, MemoryRows, Query, RowStore, StoreError, hash_all,
};

use super::{Simulation, futures_now};

impl Simulation {
    /// 11 and 12: where the kept rows are at the head, they are what a rebuild gives, and what the oracle counts.
    pub(super) fn check_rows(&self) -> Result<(), String> {
        let at_head = |known: &Checkpoint| known.position == *self.log.head().borrow();
        if !futures_now(self.rows.checkpoints()).map_err(text)?.iter().all(at_head) {
            return Ok(());
        }
        let fresh: Arc<dyn RowStore> = Arc::new(MemoryRows::new());
        // Reads that fail on demand are meant for the system, not for the check.
        let log: Arc<dyn EventLog> = Arc::new(self.log.clone());
        let built = futures_now(async {
            let mut engine = Engine::open(log, Arc::clone(&fresh), EngineOptions::default()).await?;
            engine.catch_up(|_| {}).await
        });
        match built {
            Err(StoreError::Log(_)) => return Ok(()),
            built => built.map_err(text)?,
        };
        let kept = futures_now(hash_all(&self.rows)).map_err(text)?;
        for (kept, fresh) in kept.iter().zip(futures_now(hash_all(&*fresh)).map_err(text)?) {
            if *kept != fresh {
                return Err(format!(
                    "12: table {} is not what a rebuild gives: {kept:?}, {fresh:?}",
                    fresh.table
                ));
            }
        }
        let parked = futures_now(self.rows.parked(&[])).map_err(text)?;
        if let Some(parked) = parked.first() {
            return Err(format!("11: an event cannot be applied: {parked:?}"));
        }
        self.oracle.check_occupancy(&self.occupancy()?)
    }

    fn occupancy(&self) -> Result<Vec<OccupancyRow>, String> {
        Ok(futures_now(Query::<OccupancyRow>::new().run(&self.rows)).map_err(text)?.rows)
    }

    /// What must hold once everything is settled.
    pub(super) fn check_end(&mut self) -> Result<(), String> {
        let head = *self.log.head().borrow();
        let at_head = |known: &Checkpoint| known.position == head;
        if !futures_now(self.rows.checkpoints()).map_err(text)?.iter().all(at_head) {
            return Err("11: the read models did not reach the head of the log".to_owned());
        }
        self.check_rows()?;
        self.oracle.check_deadlines(self.clock.now())?;
        self.oracle.check_reservations(self.clock.now())?;
        self.oracle.check_gateway(&self.gateway.totals())?;
        self.oracle.check_credits()?;
        self.check_watched()
    }

    /// 13: the last state arrived; every event arrived, once, in order.
    fn check_watched(&self) -> Result<(), String> {
        let rows = self.occupancy()?;
        let saw = self.watched.saw();
        if saw.went_back {
            return Err("13: a state subscription went back".to_owned());
        }
        for park in &self.parks {
            let of_park: Vec<_> = rows.iter().filter(|row| row.facility == park.id).cloned().collect();
            match saw.states.get(&park.id) {
                Some((_, last)) if *last == of_park => {}
                last => return Err(format!("13: the last state seen is {last:?}, the rows are {of_park:?}")),
            }
            let all = self.oracle.parking_positions(park.id);
            if saw.events.get(&park.id) != Some(&all) {
                return Err("13: an event subscription missed or doubled an event".to_owned());
            }
        }
        Ok(())
    }
}

fn text(error: StoreError) -> String {
    error.to_string()
}
