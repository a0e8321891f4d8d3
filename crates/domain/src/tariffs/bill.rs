//! What is owed for a stay, with what was paid and adjusted.

use serde::{Deserialize, Serialize};

use super::ladder::Ladder;
use super::tariff::Tariff;
use crate::ids::Code;
use crate::money::Money;
use crate::time::{Interval, Timestamp, Zone};

/// How far ahead a quote looks at most, where nothing makes the price rise any sooner.
const HOLD_MAX_SECONDS: i64 = 86_400;

/// Which rule made a line of a quote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum QuoteRule {
    FreeTime,
    Increments,
    Cap,
    /// An attendant's rebate or surcharge.
    Adjustment,
    Credit,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuoteLine {
    pub rule: QuoteRule,
    /// The time that it pays for; of a credit, its grace.
    pub interval: Interval,
    /// Negative for a credit or a rebate.
    pub amount_minor: i64,
}

/// What is owed at an instant, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quote {
    pub tariff: Code,
    /// They add up to `price` less `credits_minor`.
    pub lines: Vec<QuoteLine>,
    /// The price of the stay so far; within the grace, what it was when the paid quote was priced.
    pub price: Money,
    pub credits_minor: i64,
    /// What is still to pay: never below 0.
    pub owed: Money,
    /// What was paid beyond the price.
    pub surplus_minor: i64,
    pub priced_at: Timestamp,
    /// Until when (inclusive) paying `owed` opens the way out; where nothing is owed, until when nothing will be.
    pub holds_until: Timestamp,
}

/// What was paid towards a stay, less what was taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credit {
    pub amount_minor: i64,
    /// When the quote that was paid was priced.
    pub priced_at: Timestamp,
}

/// Everything that says what a stay costs.
#[derive(Clone, Debug)]
pub struct Bill<'a> {
    pub tariff: &'a Tariff,
    pub zone: &'a Zone,
    pub entered_at: Timestamp,
    /// None while the vehicle is inside.
    pub ended_at: Option<Timestamp>,
    /// The sum of attendants' adjustments: negative is a rebate.
    pub adjusted_minor: i64,
    pub credits: Vec<Credit>,
}

/// What a stay without adjustments owes at `now`.
pub fn quote(
    tariff: &Tariff,
    zone: &Zone,
    entered_at: Timestamp,
    now: Timestamp,
    credits: &[Credit],
    stay_ended_at: Option<Timestamp>,
) -> Quote {
    let credits = credits.to_vec();
    Bill { tariff, zone, entered_at, ended_at: stay_ended_at, adjusted_minor: 0, credits }.quote(now)
}

impl Bill<'_> {
    /// What is owed at `now`.
    ///
    /// A credit is honoured as if it had been paid at its `priced_at` P: where the credits priced up to P cover
    /// what was charged at P, nothing further is owed until P + grace (inclusive), however high the ladder
    /// has risen since. After that, owed = charge(entry to now) - credits, on the same ladder.
    pub fn quote(&self, now: Timestamp) -> Quote {
        let charged_until = self.charged_until(now);
        let rungs = self.ladder().rungs_at(charged_until);
        let (price_minor, credits_minor) = (self.charge_minor(rungs), self.credits_minor());
        let open_minor = price_minor.saturating_sub(credits_minor);
        Quote {
            tariff: self.tariff.id,
            lines: self.lines(rungs, charged_until),
            price: self.money(price_minor),
            credits_minor,
            owed: self.money(open_minor.max(0)),
            surplus_minor: open_minor.saturating_neg().max(0),
            priced_at: now,
            holds_until: self.holds_until(now, price_minor),
        }
    }

    /// Until when (inclusive) the latest covering credit lets out for nothing more: its `priced_at` + grace.
    /// None where no credit covers what was owed when it was priced. The way may stay open for longer, where the
    /// increment that was paid does: that is what a quote's `holds_until` says.
    pub fn leave_by(&self) -> Option<Timestamp> {
        self.covered_at().map(|priced_at| self.after_grace(priced_at))
    }

    /// [`Self::leave_by`] for a credit priced at `priced_at` alone.
    pub fn leave_by_of(&self, priced_at: Timestamp) -> Option<Timestamp> {
        self.covers(priced_at).then(|| self.after_grace(priced_at))
    }

    pub fn credits_minor(&self) -> i64 {
        self.credits.iter().fold(0, |sum, credit| credit.amount_minor.saturating_add(sum))
    }

    /// The latest pricing that the credits cover.
    fn covered_at(&self) -> Option<Timestamp> {
        let paid = self.credits.iter().filter(|credit| credit.amount_minor > 0);
        paid.map(|credit| credit.priced_at).filter(|priced_at| self.covers(*priced_at)).max()
    }

    /// Whether the credits priced until then cover what was charged then. Later ones do not count: they cannot
    /// make good, hours later, what was not paid in time. Where nothing was charged, nothing was paid, and a
    /// coin in the free time buys no grace.
    fn covers(&self, priced_at: Timestamp) -> bool {
        let until = self.ended_at.map_or(priced_at, |ended_at| ended_at.min(priced_at));
        let charged_minor = self.charge_minor(self.ladder().rungs_at(until));
        let in_time = self.credits.iter().filter(|credit| credit.priced_at <= priced_at);
        let paid_minor = in_time.fold(0_i64, |sum, credit| credit.amount_minor.saturating_add(sum));
        charged_minor > 0 && paid_minor >= charged_minor
    }

    fn charged_until(&self, now: Timestamp) -> Timestamp {
        let until = self.ended_at.map_or(now, |ended_at| ended_at.min(now));
        match self.covered_at() {
            Some(priced_at) if until <= self.after_grace(priced_at) => until.min(priced_at),
            _ => until,
        }
    }

    /// The end of the present rung, or of the last one that the credits cover; at least the grace where something
    /// is to pay, and the leave-by where all is paid; a day ahead at most.
    fn holds_until(&self, now: Timestamp, price_minor: i64) -> Timestamp {
        let limit = now.plus_seconds(HOLD_MAX_SECONDS);
        if self.ended_at.is_some_and(|ended_at| ended_at <= now) {
            return limit;
        }
        let credits_minor = self.credits_minor();
        let promised = match price_minor > credits_minor {
            true => self.after_grace(now),
            false => self.leave_by().unwrap_or(now),
        };
        promised.max(self.rises_after(now, limit, price_minor.max(credits_minor)))
    }

    /// The last instant from `now` to `limit` at which the charge is no higher than `amount_minor`.
    fn rises_after(&self, now: Timestamp, limit: Timestamp, amount_minor: i64) -> Timestamp {
        let ladder = self.ladder();
        let (mut within, mut beyond) = (ladder.rungs_at(now), ladder.rungs_at(limit));
        if self.charge_minor(within) > amount_minor {
            return now;
        }
        if self.charge_minor(beyond) <= amount_minor {
            return limit;
        }
        while beyond - within > 1 {
            let middle = within + (beyond - within) / 2;
            match self.charge_minor(middle) <= amount_minor {
                true => within = middle,
                false => beyond = middle,
            }
        }
        ladder.end_of(within).clamp(now, limit)
    }

    fn lines(&self, rungs: i64, until: Timestamp) -> Vec<QuoteLine> {
        let ladder = self.ladder();
        let mut lines = ladder.lines(rungs);
        let adjustment_minor = self.charge_minor(rungs) - ladder.amount_minor(rungs);
        if adjustment_minor != 0 {
            let interval = Interval { start: self.entered_at, end: until };
            lines.push(QuoteLine { rule: QuoteRule::Adjustment, interval, amount_minor: adjustment_minor });
        }
        let paid = self.credits.iter().filter(|credit| credit.amount_minor != 0);
        lines.extend(paid.map(|credit| QuoteLine {
            rule: QuoteRule::Credit,
            interval: Interval { start: credit.priced_at, end: self.after_grace(credit.priced_at) },
            amount_minor: credit.amount_minor.saturating_neg(),
        }));
        lines
    }

    fn charge_minor(&self, rungs: i64) -> i64 {
        self.ladder().amount_minor(rungs).saturating_add(self.adjusted_minor).max(0)
    }

    fn after_grace(&self, at: Timestamp) -> Timestamp {
        at.plus_seconds(i64::from(self.tariff.grace_seconds))
    }

    const fn ladder(&self) -> Ladder<'_> {
        Ladder { tariff: self.tariff, zone: self.zone, entered_at: self.entered_at }
    }

    const fn money(&self, amount_minor: i64) -> Money {
        Money::new(amount_minor, self.tariff.currency)
    }
}
