//! Few are popular, many are not: the k-th has a share of 1/k.

pub struct Zipf {
    /// Up to each, the sum of the shares.
    sums: Vec<f64>,
}

impl Zipf {
    pub fn new(count: usize) -> Self {
        let shares = (1..=count).map(|rank| 1.0 / rank as f64);
        let sums = shares.scan(0.0, |sum, share| {
            *sum += share;
            Some(*sum)
        });
        Self { sums: sums.collect() }
    }

    /// The one that `part`, from 0 to 1, falls to.
    pub fn at(&self, part: f64) -> usize {
        let sum = part * self.sums.last().copied().unwrap_or_default();
        self.sums.partition_point(|up_to| *up_to < sum).min(self.sums.len().saturating_sub(1))
    }
}

/// From 0 to 1, each number once in a while, the same in every run (Weyl's sequence).
pub fn spread(number: usize) -> f64 {
    const GOLDEN: f64 = 0.618_033_988_749_894_9;
    (number as f64 * GOLDEN).fract()
}
