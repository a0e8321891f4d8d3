//! Tells clean counts from dirty ones, car park by car park, and says what each clean one adds.

use std::collections::{HashMap, HashSet};

use octocity_domain::Timestamp;

use super::counts::Count;
use super::report::{Complaint, Dirt};

/// A clean row: what a car park counted, and what it had counted before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    pub at: Timestamp,
    pub count: u32,
    /// The clean row before it in the file; None on the car park's first.
    pub from: Option<(Timestamp, u32)>,
    /// Where the row names another capacity than the one before it, or is the first.
    pub places: Option<u32>,
}

impl Step {
    /// How many passages it stands for.
    pub fn passages(&self) -> u32 {
        self.from.map_or(0, |(_, before)| before.abs_diff(self.count))
    }
}

#[derive(Default)]
struct CarPark {
    last: Option<(Timestamp, u32)>,
    places: Option<u32>,
    /// To tell a repeated time from one out of order.
    times: HashSet<Timestamp>,
}

/// What a row is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sorted {
    Clean {
        step: Step,
        /// It is applied, and worth a row of the report.
        over_capacity: Option<Complaint>,
    },
    Dirty(Complaint),
}

#[derive(Default)]
pub struct Sorter {
    car_parks: HashMap<String, CarPark>,
}

impl Sorter {
    pub fn sort(&mut self, row: &Count) -> Sorted {
        if !self.car_parks.contains_key(&row.car_park) {
            self.car_parks.insert(row.car_park.clone(), CarPark::default());
        }
        let Some(car_park) = self.car_parks.get_mut(&row.car_park) else {
            return Sorted::Dirty(Complaint::new(Dirt::Malformed, "no car park"));
        };
        car_park.sort(row)
    }
}

impl CarPark {
    fn sort(&mut self, row: &Count) -> Sorted {
        if !self.times.insert(row.at) {
            let reason = "this car park and time stand in an earlier row, which counts";
            return Sorted::Dirty(Complaint::new(Dirt::Repeated, reason));
        }
        let Ok(count) = u32::try_from(row.occupancy) else {
            return Sorted::Dirty(Complaint::new(Dirt::Negative, format!("a count of {}", row.occupancy)));
        };
        if self.last.is_some_and(|(last, _)| row.at < last) {
            let reason = "earlier than the row before it of this car park";
            return Sorted::Dirty(Complaint::new(Dirt::OutOfOrder, reason));
        }
        let over = count > row.capacity;
        let places = (self.places != Some(row.capacity)).then_some(row.capacity);
        let step = Step { at: row.at, count, from: self.last, places };
        self.last = Some((row.at, count));
        self.places = Some(row.capacity);
        let reason = || format!("{count} vehicles on {} places; applied as it is", row.capacity);
        Sorted::Clean { step, over_capacity: over.then(|| Complaint::new(Dirt::OverCapacity, reason())) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(minute: i64, occupancy: i64, capacity: u32) -> Count {
        Count { car_park: "A".to_owned(), capacity, occupancy, at: Timestamp::from_seconds(minute * 60) }
    }

    fn kinds(rows: &[Count]) -> Vec<Result<u32, Dirt>> {
        let mut sorter = Sorter::default();
        let kind = |row: &Count| match sorter.sort(row) {
            Sorted::Clean { step, .. } => Ok(step.passages()),
            Sorted::Dirty(complaint) => Err(complaint.dirt),
        };
        rows.iter().map(kind).collect()
    }

    #[test]
    fn every_row_is_a_step_or_has_its_kind_of_dirt() {
        let rows =
            [row(0, 5, 10), row(30, 9, 10), row(30, 9, 10), row(60, -1, 10), row(45, 3, 10), row(90, 2, 10)];
        let expected = [Ok(0), Ok(4), Err(Dirt::Repeated), Err(Dirt::Negative), Ok(6), Ok(1)];
        assert_eq!(kinds(&rows), expected, "a dirty row moves nothing, its time included");
        assert_eq!(
            kinds(&[row(30, 5, 9), row(10, 7, 9), row(40, 6, 9)]),
            [Ok(0), Err(Dirt::OutOfOrder), Ok(1)]
        );
    }

    #[test]
    fn over_capacity_is_applied_and_said_and_a_changed_capacity_is_a_step() {
        let mut sorter = Sorter::default();
        let mut step = |row: Count| match sorter.sort(&row) {
            Sorted::Clean { step, over_capacity } => {
                (step.places, over_capacity.map(|complaint| complaint.dirt))
            }
            Sorted::Dirty(complaint) => panic!("{complaint:?}"),
        };
        assert_eq!(step(row(0, 11, 10)), (Some(10), Some(Dirt::OverCapacity)));
        assert_eq!(step(row(30, 10, 10)), (None, None));
        assert_eq!(step(row(60, 10, 12)), (Some(12), None));
    }
}
