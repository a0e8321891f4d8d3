//! The known name that somebody probably meant.

/// The candidate with the fewest changed letters; none where more than a third would change.
pub fn nearest<'a>(meant: &str, known: &[&'a str]) -> Option<&'a str> {
    let scored = known.iter().map(|candidate| (distance(meant, candidate), *candidate));
    let (changes, candidate) = scored.min_by_key(|(changes, _)| *changes)?;
    (changes <= candidate.len().max(meant.len()).div_ceil(3)).then_some(candidate)
}

/// ` (did you mean 'x'?)`, or which names there are.
pub fn hint(meant: &str, known: &[&str]) -> String {
    match nearest(meant, known) {
        Some(candidate) => format!("did you mean '{candidate}'?"),
        None => format!("known are {}.", known.join(", ")),
    }
}

/// How many letters are added, dropped or changed (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let changed = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_name_and_nonsense_none() {
        let known = ["data", "listen", "retention_days"];
        assert_eq!(nearest("lisen", &known), Some("listen"));
        assert_eq!(nearest("retention_day", &known), Some("retention_days"));
        assert_eq!(nearest("zzzzzz", &known), None);
        assert!(hint("zzzzzz", &known).contains("data, listen"));
    }
}
