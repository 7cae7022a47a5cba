//! Whether something goes on growing.

/// By how much the last fifth of the samples lies above the second. What a program fills up at first (caches, connections, its allocator)
/// fills up in the first fifth, so that does not count. Of both the median: one large request makes a peak that says nothing.
#[must_use]
pub fn growth(samples: &[usize]) -> usize {
    let fifth = samples.len() / 5;
    median(&samples[samples.len() - fifth..]).saturating_sub(median(&samples[fifth..2 * fifth]))
}

/// The middle one, of an even number the upper of the two in the middle; 0 of nothing.
fn median(samples: &[usize]) -> usize {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_on_growing_is_seen_and_what_only_filled_up_is_not() {
        let of = |sample: fn(usize) -> usize| growth(&(0..50).map(sample).collect::<Vec<_>>());
        assert_eq!(of(|at| at), 30);
        assert_eq!(of(|at| at.min(9)), 0, "it filled up");
        assert_eq!(of(|at| if at == 47 { 1000 } else { 7 }), 0, "a peak");
        assert_eq!(of(|at| 100 - at), 0, "it shrinks");
        assert_eq!(growth(&[]), 0);
    }
}
