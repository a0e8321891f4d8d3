//! What was inside beside what the garage's own controller counted, period by period.

use octocity_domain::Fact;
use octocity_domain::Timestamp;
use octocity_domain::parking::ParkingEvent;
use serde_json::{Value, json};

use crate::output::Output;

/// Without news for longer, a record has a hole.
pub const HOLE_SECONDS: i64 = 24 * 3600;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Period {
    pub begins_at: Timestamp,
    /// How many new passages were compared.
    pub passages: u64,
    pub inside_at_end: i64,
    pub controller_at_end: i64,
    differences: i64,
    pub largest_difference: i64,
}

impl Period {
    pub fn mean_difference(&self) -> f64 {
        self.differences as f64 / self.passages.max(1) as f64
    }
}

#[derive(Clone, Debug)]
pub struct Periods {
    inside: i64,
    present: Option<Period>,
    ended: Vec<Period>,
}

impl Periods {
    pub const fn new(inside: i64) -> Self {
        Self { inside, present: None, ended: Vec::new() }
    }

    pub fn begin(&mut self, at: Timestamp) {
        self.end();
        self.present = Some(Period { begins_at: at, ..Period::default() });
    }

    pub fn end(&mut self) {
        self.ended.extend(self.present.take());
    }

    /// Events that were added now.
    pub fn moved(&mut self, events: &[Fact<ParkingEvent>]) {
        self.inside += events.iter().map(|fact| fact.event.inside_change().total()).sum::<i64>();
    }

    /// After a passage: what the controller says.
    pub fn compare(&mut self, at: Timestamp, controller: u32) {
        let controller = i64::from(controller);
        let difference = (self.inside - controller).abs();
        // A later file may go on where the one before it ended.
        let period = self.present.get_or_insert_with(|| Period { begins_at: at, ..Period::default() });
        period.passages += 1;
        period.inside_at_end = self.inside;
        period.controller_at_end = controller;
        period.differences += difference;
        period.largest_difference = period.largest_difference.max(difference);
    }

    pub fn say(&self, output: Output) {
        let compared = || self.ended.iter().filter(|period| period.passages > 0);
        if compared().next().is_none() {
            return;
        }
        output.say("  period from             passages  inside  controller  mean difference  largest");
        for period in compared() {
            output.say(format!(
                "  {:<22} {:>9} {:>7} {:>11} {:>16.2} {:>8}",
                period.begins_at.to_string(),
                period.passages,
                period.inside_at_end,
                period.controller_at_end,
                period.mean_difference(),
                period.largest_difference
            ));
        }
        if let Some(mean) = self.mean_difference() {
            output.say(format!("  over all passages the mean difference is {mean:.2} vehicles"));
        }
    }

    /// Over all periods; None where nothing new was compared.
    pub fn mean_difference(&self) -> Option<f64> {
        let (sum, count) = self
            .ended
            .iter()
            .fold((0, 0), |(sum, count), period| (sum + period.differences, count + period.passages));
        (count > 0).then(|| sum as f64 / count as f64)
    }

    pub fn to_json(&self) -> Value {
        let rows = self.ended.iter().filter(|period| period.passages > 0).map(|period| {
            json!({
                "begins_at": period.begins_at.to_string(),
                "passages": period.passages,
                "inside": period.inside_at_end,
                "controller": period.controller_at_end,
                "mean_difference": period.mean_difference(),
                "largest_difference": period.largest_difference,
            })
        });
        rows.collect()
    }
}
