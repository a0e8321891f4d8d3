//! What came of a step.

use std::fmt;

/// Checks that passed and failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Score {
    pub passed: u32,
    pub failed: u32,
}

/// A step's score, or the sentence that says why it has none; such a step counts as one failure.
pub type Verdict = Result<Score, String>;

impl Score {
    pub const PASS: Self = Self { passed: 1, failed: 0 };

    pub const fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }

    /// Reads `12 passed, 1 failed`, the last line of every judge.
    pub fn parse(line: &str) -> Option<Self> {
        let (passed, failed) = line.trim().strip_suffix(" failed")?.split_once(" passed, ")?;
        Some(Self { passed: passed.parse().ok()?, failed: failed.parse().ok()? })
    }

    /// Reads `test result: ok. 12 passed; 1 failed; ...`, the last line of every Rust test binary.
    pub fn parse_rust(line: &str) -> Option<Self> {
        let counts = line.trim().strip_prefix("test result: ")?.split_once(". ")?.1;
        let mut counts = counts.split("; ");
        let passed = counts.next()?.strip_suffix(" passed")?.parse().ok()?;
        let failed = counts.next()?.strip_suffix(" failed")?.parse().ok()?;
        Some(Self { passed, failed })
    }
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}

/// One check per fault that was found: none is a pass.
pub fn of_faults(faults: &[String]) -> Verdict {
    for fault in faults {
        eprintln!("{fault}");
    }
    match u32::try_from(faults.len()) {
        Ok(0) => Ok(Score::PASS),
        Ok(failed) => Ok(Score { passed: 0, failed }),
        Err(error) => Err(error.to_string()),
    }
}

pub fn of(verdict: Verdict) -> Score {
    verdict.unwrap_or_else(|sentence| {
        eprintln!("{sentence}");
        Score { passed: 0, failed: 1 }
    })
}

#[cfg(test)]
mod tests {
    use super::Score;

    #[test]
    fn reads_what_judges_and_test_binaries_print() {
        assert_eq!(Score::parse("61 passed, 2 failed\n"), Some(Score { passed: 61, failed: 2 }));
        assert_eq!(Score::parse("61 passed"), None);
        let rust = "test result: FAILED. 7 passed; 1 failed; 0 ignored; 0 measured; 3 filtered out";
        assert_eq!(Score::parse_rust(rust), Some(Score { passed: 7, failed: 1 }));
        assert_eq!(Score::parse_rust("running 3 tests"), None);
    }
}
