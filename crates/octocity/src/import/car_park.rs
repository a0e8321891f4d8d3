//! One car park's counts, row by row, as passages.

use std::sync::Arc;

use octocity_domain::parking::{DeviceClock, Direction, ParkingCommand, ParkingState};
use octocity_domain::{Category, CommandId, FacilityId, LaneId, Timestamp};
use octocity_log::{EventLog, Origin, StreamId};

use super::feed::{Answer, Feed, Garage, Lanes, stopped};
use super::sorter::Step;
use super::summary::Summary;
use crate::failure::Failure;

const OPENING: &str = "the first count of the record";
const RECOUNT: &str = "a later record that does not go on at the count it had";

pub struct CarPark {
    feed: Feed,
    garage: Garage,
    lanes: Lanes,
    /// The newest imported movement in the log: up to here everything is stored.
    stored_until: Option<Timestamp>,
    /// Of its source keys: the same at every import, whatever the file is called.
    source: String,
    /// For ids: written anew for each, without a new allocation.
    key: String,
}

/// What one row needs to be sent.
pub struct Orders {
    pub commands: Vec<(CommandId, ParkingCommand)>,
    /// The row is not newer than what is stored: if it adds nothing, it is a duplicate.
    pub old: bool,
    /// How many of its passages need not be sent again.
    pub stored_passages: u32,
}

impl CarPark {
    pub async fn try_new(feed: Feed, log: &Arc<dyn EventLog>, garage: Garage) -> Result<Self, Failure> {
        let stored_until = stored_until(log, garage.facility).await?;
        let source = format!("occupancy:{}", garage.facility);
        Ok(Self { feed, garage, lanes: Lanes::try_new()?, stored_until, source, key: String::new() })
    }

    /// Registers it where it is new.
    pub async fn register(&self, summary: &mut Summary) -> Result<(), Failure> {
        summary.commands += 1;
        summary.events_added += self.feed.register(&self.garage).await?;
        Ok(())
    }

    pub async fn orders(&mut self, step: &Step) -> Result<Orders, Failure> {
        let old = self.stored_until.is_some_and(|until| step.at <= until);
        let mut orders = Orders { commands: Vec::new(), old, stored_passages: 0 };
        if self.stored_until.is_some_and(|until| step.at < until) {
            orders.stored_passages = step.passages();
            return Ok(orders);
        }
        if let Some(places) = step.places {
            let id = self.id(step.at, &format!("places|{}", step.at.millis()));
            let pool = self.garage.pool;
            orders.commands.push((id, ParkingCommand::SetPoolCapacity { pool, places: Some(places) }));
        }
        match step.from {
            None => orders.commands.extend(self.opening(step).await?),
            Some((since, before)) => self.movements(step, since, before, &mut orders),
        }
        Ok(orders)
    }

    /// The first row of a file: it opens the books, or agrees with them, or corrects them.
    async fn opening(&self, step: &Step) -> Result<Option<(CommandId, ParkingCommand)>, Failure> {
        let reason = match self.stored_until {
            None => OPENING,
            Some(_) if self.inside().await? == step.count => return Ok(None),
            Some(_) => RECOUNT,
        };
        let id = self.id(step.at, &format!("count|{}", step.at.millis()));
        let command = ParkingCommand::CorrectOccupancy {
            pool: self.garage.pool,
            counted: step.count,
            counted_at: step.at,
            reason: reason.to_owned(),
        };
        Ok(Some((id, command)))
    }

    async fn inside(&self) -> Result<u32, Failure> {
        let pool = self.garage.pool;
        let look = move |state: &ParkingState| state.pool(pool).inside();
        self.feed.handler().look_at_parking(self.garage.facility, look).await.map_err(stopped)
    }

    /// As many passages as the count moved, the last one at the time of the later count.
    fn movements(&mut self, step: &Step, since: Timestamp, before: u32, orders: &mut Orders) {
        let (direction, lane) = match step.count > before {
            true => (Direction::Entry, self.lanes.entry),
            false => (Direction::Exit, self.lanes.exit),
        };
        let passages = step.passages();
        orders.commands.reserve(passages as usize);
        for index in 0..passages {
            let at = spread(since, step.at, index, passages);
            if self.stored_until.is_some_and(|until| at < until) {
                orders.stored_passages += 1;
                continue;
            }
            let id = self.passage_id(at, since, step.at, index, direction);
            orders.commands.push((id, passage(lane, direction, at)));
        }
    }

    fn passage_id(
        &mut self,
        at: Timestamp,
        since: Timestamp,
        until: Timestamp,
        index: u32,
        direction: Direction,
    ) -> CommandId {
        use std::fmt::Write;
        let way = if direction == Direction::Entry { 0 } else { 1 };
        let mut key = std::mem::take(&mut self.key);
        key.clear();
        // Writing to a String cannot fail.
        let _ = write!(key, "{way}|{}|{}|{index}", since.millis(), until.millis());
        let id = self.id(at, &key);
        self.key = key;
        id
    }

    fn id(&self, at: Timestamp, key: &str) -> CommandId {
        CommandId::from_source(at, &self.source, key)
    }

    pub async fn send(&self, orders: Orders, summary: &mut Summary) -> Result<(), Failure> {
        summary.commands += orders.commands.len() as u64;
        let mut added = 0;
        for answer in self.feed.send(self.garage.facility, orders.commands).await? {
            match answer {
                Answer::Added(events) => added += events.len() as u64,
                Answer::Known(_) | Answer::KnownOtherwise => {}
                Answer::Refused { code, message } => {
                    return Err(Failure::fault(format!(
                        "{} was refused ({code}): {message}",
                        self.garage.name
                    )));
                }
            }
        }
        summary.events_added += added;
        summary.duplicates += u64::from(orders.old && added == 0);
        Ok(())
    }
}

fn passage(lane: LaneId, direction: Direction, happened_at: Timestamp) -> ParkingCommand {
    ParkingCommand::RecordPassage {
        lane,
        direction,
        credentials: Vec::new(),
        unreadable: false,
        pool: None,
        happened_at,
        clock: DeviceClock::default(),
    }
}

/// The instant of passage `index` of `passages` within an interval: evenly, the last one at its end.
fn spread(since: Timestamp, until: Timestamp, index: u32, passages: u32) -> Timestamp {
    let length = i128::from(until.millis() - since.millis());
    let offset = length * i128::from(index + 1) / i128::from(passages.max(1));
    Timestamp::from_millis(since.millis() + i64::try_from(offset).unwrap_or(0))
}

/// When the newest imported movement of a facility happened. Movements are imported in the order of their times.
async fn stored_until(log: &Arc<dyn EventLog>, facility: FacilityId) -> Result<Option<Timestamp>, Failure> {
    const MOVEMENTS: [&str; 3] = ["VehicleEntered", "VehicleLeft", "OccupancyCorrected"];
    let stream = StreamId::new(Category::Parking, facility.uuid());
    let mut before = u64::MAX;
    loop {
        let page = log
            .read_stream_back(stream, before, 64)
            .await
            .map_err(|error| Failure::data(format!("The log cannot be read: {error}; run doctor.")))?;
        let Some(oldest) = page.last() else { return Ok(None) };
        let newest = page.iter().find(|event| {
            event.meta.origin == Origin::Imported && MOVEMENTS.contains(&event.event_type.as_ref())
        });
        if let Some(event) = newest {
            return Ok(Some(event.meta.happened_at));
        }
        before = oldest.revision;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passages_are_spread_evenly_and_end_with_the_interval() {
        let (since, until) = (Timestamp::from_seconds(100), Timestamp::from_seconds(130));
        let times: Vec<_> = (0..3).map(|index| spread(since, until, index, 3).seconds()).collect();
        assert_eq!(times, [110, 120, 130]);
        assert_eq!(spread(since, until, 4_999, 5_000), until);
    }
}
