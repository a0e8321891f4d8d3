//! How long whoever met a fault waits before it tries again.

use std::time::Duration;

/// Pauses that double up to a bound, and begin anew once it went well.
#[derive(Clone, Debug)]
pub struct Retry {
    first: Duration,
    longest: Duration,
    /// None: all is well.
    pause: Option<Duration>,
}

impl Retry {
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, pause: None }
    }

    /// Takes note of a fault; true where none came before it: then it is to be told.
    pub fn begins(&mut self) -> bool {
        let before = self.pause;
        self.pause = Some(before.map_or(self.first, |pause| (pause * 2).min(self.longest)));
        before.is_none()
    }

    /// Takes note that it went well; true where a fault came before it: then its end is to be told.
    pub fn is_over(&mut self) -> bool {
        self.pause.take().is_some()
    }

    /// How long to wait now. None: no fault is to be waited for.
    pub const fn pause(&self) -> Option<Duration> {
        self.pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_the_bound_and_begin_and_end_are_told_once() {
        let seconds = Duration::from_secs;
        let mut retry = Retry::new(seconds(1), seconds(5));
        assert!(!retry.is_over() && retry.pause().is_none());
        let mut faults = || (retry.begins(), retry.pause().unwrap().as_secs());
        assert_eq!(
            [faults(), faults(), faults(), faults(), faults()].map(|(told, _)| told),
            [true, false, false, false, false]
        );
        assert_eq!(retry.pause(), Some(seconds(5)));
        assert!(retry.is_over() && !retry.is_over());
        assert!(retry.begins() && retry.pause() == Some(seconds(1)));
    }
}
