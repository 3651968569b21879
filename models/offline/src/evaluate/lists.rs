//! Ranked lists against what was bought: recall, NDCG, hits, reciprocal ranks; and their intervals.

use super::bootstrap::interval;
use super::{Bootstrap, SplitMix64};
use std::collections::HashSet;
use std::hash::Hash;

/// Share of the relevant items that are among the first `k` of a list; NaN without a relevant item.
pub(crate) fn recall<T: Eq + Hash>(list: &[T], relevant: &HashSet<T>, k: usize) -> f64 {
    hits(list, relevant, k) as f64 / relevant.len() as f64
}

/// Whether one of the first `k` is relevant: 1 or 0.
pub(crate) fn hit<T: Eq + Hash>(list: &[T], relevant: &HashSet<T>, k: usize) -> f64 {
    f64::from(u8::from(hits(list, relevant, k) > 0))
}

fn hits<T: Eq + Hash>(list: &[T], relevant: &HashSet<T>, k: usize) -> usize {
    list.iter()
        .take(k)
        .filter(|item| relevant.contains(item))
        .count()
}

/// Normalised discounted cumulative gain of the first `k`, gains of 1, over that of min(k, n) relevant items in front.
///
/// Source: Järvelin and Kekäläinen (2002), Cumulated gain-based evaluation of IR techniques.
pub(crate) fn ndcg<T: Eq + Hash>(list: &[T], relevant: &HashSet<T>, k: usize) -> f64 {
    let discount = |place: usize| 1.0 / libm::log2(place as f64 + 2.0);
    let gains = list.iter().take(k).enumerate();
    let gains = gains.filter(|(_, item)| relevant.contains(item));
    let gain: f64 = gains.map(|(place, _)| discount(place)).sum();
    let ideal: f64 = (0..relevant.len().min(k)).map(discount).sum();
    gain / ideal
}

/// One over the place of the first relevant item among the first `k`; 0 without one.
pub(crate) fn reciprocal_rank<T: Eq + Hash>(list: &[T], relevant: &HashSet<T>, k: usize) -> f64 {
    let found = list.iter().take(k).position(|item| relevant.contains(item));
    found.map_or(0.0, |place| 1.0 / (place as f64 + 1.0))
}

/// The mean; NaN of nothing.
pub(crate) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The 95 % interval of a figure of resampled customers; `of` sees their places.
pub(crate) fn resampled(
    customers: usize,
    bootstrap: &Bootstrap,
    of: impl Fn(&[usize]) -> f64,
) -> Option<[f64; 2]> {
    let mut random = SplitMix64::new(bootstrap.seed);
    let mut drawn = vec![0; customers];
    let mut resample = || {
        drawn.fill_with(|| random.below(customers));
        Some(of(&drawn)).filter(|value| value.is_finite())
    };
    let values: Vec<Option<f64>> = (0..bootstrap.resamples).map(|_| resample()).collect();
    if customers == 0 {
        None
    } else {
        interval(&values)
    }
}
