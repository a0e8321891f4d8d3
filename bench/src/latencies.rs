//! Percentiles.

use std::time::Duration;

use hdrhistogram::Histogram;

/// Up to a minute, in microseconds, to three digits.
pub struct Latencies(Histogram<u64>);

impl Default for Latencies {
    fn default() -> Self {
        #[allow(clippy::expect_used, reason = "the bounds are constants that fit")]
        let histogram = Histogram::new_with_bounds(1, 60_000_000, 3).expect("its bounds fit");
        Self(histogram)
    }
}

impl Latencies {
    pub fn record(&mut self, took: Duration) {
        self.0.saturating_record(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }

    pub fn add(&mut self, other: &Self) {
        // Of the same bounds.
        let _ = self.0.add(&other.0);
    }

    pub fn count(&self) -> u64 {
        self.0.len()
    }

    pub fn millis(&self, quantile: f64) -> f64 {
        self.0.value_at_quantile(quantile) as f64 / 1000.0
    }

    pub fn said(&self) -> String {
        let at = |quantile| self.millis(quantile);
        format!("p50 {:.2} ms, p99 {:.2} ms, p99.9 {:.2} ms", at(0.5), at(0.99), at(0.999))
    }
}
