//! How far work that passes through the log is, with its rate and the time left: a bar on a terminal, elsewhere a line
//! from time to time.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{HumanCount, HumanDuration, ProgressBar};
use octocity_log::Position;
use octocity_projections::Step;

use crate::output::progress;

/// How often a line is written where there is no terminal.
const A_LINE_EACH: Duration = Duration::from_secs(10);

pub struct Progress {
    bar: ProgressBar,
    /// None on a terminal.
    told: Option<Instant>,
    of: &'static str,
    begun: Instant,
    /// Where the first step ended: the work may go on from far within the log.
    first: Option<Position>,
    pub events: usize,
}

impl Progress {
    pub fn new(of: &'static str, head: Position) -> Self {
        let bar = progress(head.0, "positions");
        bar.set_message(of);
        let now = Instant::now();
        let told = (!std::io::stderr().is_terminal()).then_some(now);
        Self { bar, told, of, begun: now, first: None, events: 0 }
    }

    pub fn step(&mut self, step: Step) {
        self.events += step.events;
        let first = *self.first.get_or_insert(step.position);
        let (at, head) = (step.position.0.min(step.head.0), step.head.0);
        self.bar.set_length(head);
        self.bar.set_position(at);
        let elapsed = self.begun.elapsed();
        let rate = HumanCount((self.events as f64 / elapsed.as_secs_f64().max(0.001)) as u64);
        self.bar.set_message(format!("{}, {rate} events/s", self.of));
        if let Some(told) = &mut self.told
            && told.elapsed() >= A_LINE_EACH
        {
            *told = Instant::now();
            eprintln!("{}: {}, {rate} events/s", self.of, reached(first.0, at, head, elapsed));
        }
    }

    pub fn done(&self) {
        self.bar.finish_and_clear();
    }
}

fn reached(first: u64, at: u64, head: u64, elapsed: Duration) -> String {
    let left = left(first, at, head, elapsed);
    let left = left.map_or_else(String::new, |left| format!(", {} left", HumanDuration(left)));
    format!("{} of {} positions{left}", HumanCount(at), HumanCount(head))
}

/// As long as it takes at the rate it had so far.
fn left(first: u64, at: u64, head: u64, elapsed: Duration) -> Option<Duration> {
    let gone = at.checked_sub(first).filter(|gone| *gone > 0)?;
    Duration::try_from_secs_f64(elapsed.as_secs_f64() * (head - at) as f64 / gone as f64).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_left_follows_from_the_rate_so_far() {
        let minute = Duration::from_secs(60);
        assert_eq!(left(100, 400, 1_000, minute), Some(2 * minute));
        assert_eq!(left(400, 400, 1_000, minute), None);
        assert_eq!(left(0, 1_000, 1_000, minute), Some(Duration::ZERO));
        assert_eq!(reached(1_000, 4_000, 10_000, minute), "4,000 of 10,000 positions, 2 minutes left");
        assert_eq!(reached(400, 400, 1_000, minute), "400 of 1,000 positions");
    }
}
