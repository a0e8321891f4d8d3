//! How an amount divides over parts.

/// Divides `total` in proportion to `weights` (none negative), by the largest remainder; of equal ones, the first.
/// The parts add up to `total` exactly, and no part exceeds its weight where `total` is at most their sum.
pub(super) fn split_minor(total: i64, weights: &[i64]) -> Vec<i64> {
    let sum: i128 = weights.iter().map(|weight| i128::from(*weight)).sum();
    if sum <= 0 {
        return vec![0; weights.len()];
    }
    let exact = |weight: i64| i128::from(total) * i128::from(weight);
    let floors = weights.iter().map(|weight| i64::try_from(exact(*weight) / sum).unwrap_or(i64::MAX));
    let mut parts: Vec<i64> = floors.collect();
    let mut left = total - parts.iter().sum::<i64>();
    let mut by_remainder: Vec<usize> = (0..weights.len()).collect();
    by_remainder.sort_by_key(|index| std::cmp::Reverse(exact(weights[*index]) % sum));
    for index in by_remainder {
        if left == 0 {
            break;
        }
        parts[index] += 1;
        left -= 1;
    }
    parts
}
