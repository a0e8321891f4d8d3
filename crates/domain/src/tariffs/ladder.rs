//! The price of a stay, rung by rung.

use super::bill::{QuoteLine, QuoteRule};
use super::tariff::{Cap, CapPeriod, Tariff};
use crate::money::Money;
use crate::time::{Interval, Timestamp, Zone};

const DAY_MILLIS: i64 = 86_400_000;
/// What is charged of a stay at most: ten years. Longer ones are forgotten vehicles, not stays, and cost no more.
const STAY_MAX_MILLIS: i64 = 3660 * DAY_MILLIS;

/// The lines and the sum of a stay from `entered_at` to `until`, without credits.
///
/// A stay up to the free time costs nothing; a longer one is charged from the entry, per started increment.
/// An increment belongs to the cap's period in which it starts. Neighbouring periods of one rule are one line,
/// whose interval is the time that it pays for.
pub fn price(
    tariff: &Tariff,
    zone: &Zone,
    entered_at: Timestamp,
    until: Timestamp,
) -> (Vec<QuoteLine>, Money) {
    let ladder = Ladder { tariff, zone, entered_at };
    let rungs = ladder.rungs_at(until);
    (ladder.lines(rungs), Money::new(ladder.amount_minor(rungs), tariff.currency))
}

/// A stay's price by how many increments were started: it never falls from one rung to the next.
#[derive(Clone, Copy)]
pub(super) struct Ladder<'a> {
    pub tariff: &'a Tariff,
    pub zone: &'a Zone,
    pub entered_at: Timestamp,
}

/// The rungs of one period of the cap, `from` included, `to` excluded.
struct Stretch {
    from: i64,
    to: i64,
    rule: QuoteRule,
    amount_minor: i64,
}

impl Ladder<'_> {
    /// How many increments a stay until then has started: 0 within the free time.
    pub fn rungs_at(&self, until: Timestamp) -> i64 {
        let stay_millis = until.millis().saturating_sub(self.entered_at.millis()).clamp(0, STAY_MAX_MILLIS);
        match stay_millis <= self.free_millis() {
            true => 0,
            false => ceil_div(stay_millis, self.increment_millis()),
        }
    }

    /// The last instant at which no more than these rungs are charged.
    pub fn end_of(&self, rungs: i64) -> Timestamp {
        let millis = rungs.saturating_mul(self.increment_millis()).max(self.free_millis());
        Timestamp::from_millis(self.entered_at.millis().saturating_add(millis))
    }

    pub fn amount_minor(&self, rungs: i64) -> i64 {
        self.stretches(rungs).fold(0, |sum, stretch| stretch.amount_minor.saturating_add(sum))
    }

    pub fn lines(&self, rungs: i64) -> Vec<QuoteLine> {
        let mut lines: Vec<QuoteLine> = Vec::new();
        if rungs == 0 && self.tariff.free_seconds > 0 {
            let interval = Interval { start: self.entered_at, end: self.end_of(0) };
            lines.push(QuoteLine { rule: QuoteRule::FreeTime, interval, amount_minor: 0 });
        }
        for stretch in self.stretches(rungs) {
            let interval = Interval { start: self.start_of(stretch.from), end: self.start_of(stretch.to) };
            match lines.last_mut().filter(|line| line.rule == stretch.rule) {
                Some(line) => {
                    line.interval.end = interval.end;
                    line.amount_minor = line.amount_minor.saturating_add(stretch.amount_minor);
                }
                None => {
                    lines.push(QuoteLine { rule: stretch.rule, interval, amount_minor: stretch.amount_minor })
                }
            }
        }
        lines
    }

    fn stretches(&self, rungs: i64) -> impl Iterator<Item = Stretch> {
        let mut from = 0;
        std::iter::from_fn(move || {
            (from < rungs).then(|| {
                let to = self.period_end(from).clamp(from + 1, rungs);
                let stretch = self.stretch(from, to);
                from = to;
                stretch
            })
        })
    }

    fn stretch(&self, from: i64, to: i64) -> Stretch {
        let full_minor = (to - from).saturating_mul(self.tariff.price_per_increment_minor);
        match self.tariff.cap {
            Some(Cap { amount_minor, .. }) if amount_minor < full_minor => {
                Stretch { from, to, rule: QuoteRule::Cap, amount_minor }
            }
            _ => Stretch { from, to, rule: QuoteRule::Increments, amount_minor: full_minor },
        }
    }

    /// The first rung that starts after the period in which this rung starts.
    fn period_end(&self, rung: i64) -> i64 {
        let start = self.start_of(rung);
        let passed_millis = start.millis().saturating_sub(self.entered_at.millis());
        let end_millis = match self.tariff.cap.map(|cap| cap.period) {
            None => return i64::MAX,
            Some(CapPeriod::DayFromEntry) => (passed_millis / DAY_MILLIS + 1).saturating_mul(DAY_MILLIS),
            Some(CapPeriod::LocalDay) => {
                self.zone.local_day(start).end.millis().saturating_sub(self.entered_at.millis())
            }
        };
        ceil_div(end_millis, self.increment_millis())
    }

    fn start_of(&self, rung: i64) -> Timestamp {
        let millis = rung.saturating_mul(self.increment_millis());
        Timestamp::from_millis(self.entered_at.millis().saturating_add(millis))
    }

    const fn free_millis(&self) -> i64 {
        self.tariff.free_seconds as i64 * 1000
    }

    /// A stored tariff was checked when it was activated; one that was not must still not divide by 0.
    fn increment_millis(&self) -> i64 {
        i64::from(self.tariff.increment_seconds.max(1)) * 1000
    }
}

const fn ceil_div(dividend: i64, divisor: i64) -> i64 {
    dividend / divisor + (dividend % divisor > 0) as i64
}
