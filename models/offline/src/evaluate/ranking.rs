//! Metrics of order: how well scores put the rows with the event above those without.
//!
//! Every function takes a weight per row, how often the row was drawn, so that a bootstrap sorts once and resamples by
//! weights; the result equals that of a data set in which each row is repeated. `None` where a class is absent.

use std::cmp::Ordering;

/// Rows from the highest score to the lowest, with equal scores in one group.
///
/// ```
/// use offline::evaluate::ranking::{Ranking, auc};
/// let ranking = Ranking::new(&[0.9, 0.4, 0.4, 0.1]);
/// assert_eq!(auc(&ranking, &[true, true, false, false], &[1; 4]), Some(0.875));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ranking {
    order: Vec<u32>,
    group_ends: Vec<u32>,
}

/// What one group of equal scores holds, by weight.
#[derive(Clone, Copy)]
struct Tally {
    positives: u64,
    rows: u64,
}

impl Ranking {
    /// Sorts the rows; equal scores stay in the order of rows. NaN ranks above every number: check before.
    pub fn new(scores: &[f64]) -> Self {
        let mut order: Vec<u32> = (0..u32::try_from(scores.len()).unwrap_or(u32::MAX)).collect();
        order.sort_by(|&a, &b| scores[b as usize].total_cmp(&scores[a as usize]));
        // `partial_cmp` and not `total_cmp`, so that 0.0 and -0.0 tie; they are neighbours in either order.
        let ties = |a: u32, b: u32| {
            scores[a as usize].partial_cmp(&scores[b as usize]) == Some(Ordering::Equal)
        };
        let is_last = |i: usize| i + 1 == order.len() || !ties(order[i], order[i + 1]);
        let group_ends = (0..order.len())
            .filter(|&i| is_last(i))
            .map(|i| i as u32 + 1)
            .collect();
        Self { order, group_ends }
    }

    /// Row numbers, highest score first.
    pub fn rows(&self) -> &[u32] {
        &self.order
    }

    fn tallies<'a>(
        &'a self,
        labels: &'a [bool],
        weights: &'a [u32],
    ) -> impl Iterator<Item = Tally> + 'a {
        let mut first = 0;
        self.group_ends.iter().map(move |&end| {
            let group = &self.order[first..end as usize];
            first = end as usize;
            group.iter().fold(
                Tally {
                    positives: 0,
                    rows: 0,
                },
                |tally, &row| {
                    let weight = u64::from(weights[row as usize]);
                    Tally {
                        positives: tally.positives + if labels[row as usize] { weight } else { 0 },
                        rows: tally.rows + weight,
                    }
                },
            )
        })
    }

    fn total(&self, labels: &[bool], weights: &[u32]) -> Tally {
        self.tallies(labels, weights).fold(
            Tally {
                positives: 0,
                rows: 0,
            },
            |all, group| Tally {
                positives: all.positives + group.positives,
                rows: all.rows + group.rows,
            },
        )
    }
}

/// Area under the ROC curve: the chance that a row with the event is ranked above one without; a tie counts half.
///
/// Source: Hanley and `McNeil` (1982), The meaning and use of the area under a ROC curve.
pub fn auc(ranking: &Ranking, labels: &[bool], weights: &[u32]) -> Option<f64> {
    let (mut wins, mut positives, mut negatives) = (0.0, 0.0, 0.0);
    for group in ranking.tallies(labels, weights) {
        let (yes, no) = (
            group.positives as f64,
            (group.rows - group.positives) as f64,
        );
        wins += no * (positives + yes / 2.0);
        positives += yes;
        negatives += no;
    }
    (positives > 0.0 && negatives > 0.0).then(|| wins / (positives * negatives))
}

/// Average precision: precision at each distinct score, weighted by the recall gained there; no interpolation.
pub fn average_precision(ranking: &Ranking, labels: &[bool], weights: &[u32]) -> Option<f64> {
    let total = ranking.total(labels, weights);
    let (mut hits, mut seen, mut sum) = (0, 0, 0.0);
    for group in ranking
        .tallies(labels, weights)
        .filter(|group| group.rows > 0)
    {
        hits += group.positives;
        seen += group.rows;
        sum += group.positives as f64 * hits as f64 / seen as f64;
    }
    (total.positives > 0).then(|| sum / total.positives as f64)
}

/// Lift: the share of events in the first `percent` of rows (rounded up to whole rows), over their share in all.
///
/// Of a group of equal scores that is cut, the expected share counts, so that the order of ties does not matter.
pub fn lift(ranking: &Ranking, labels: &[bool], weights: &[u32], percent: u64) -> Option<f64> {
    let total = ranking.total(labels, weights);
    let taken = (total.rows * percent).div_ceil(100);
    let (mut hits, mut left) = (0.0, taken);
    for group in ranking
        .tallies(labels, weights)
        .filter(|group| group.rows > 0)
    {
        let part = group.rows.min(left);
        hits += group.positives as f64 * part as f64 / group.rows as f64;
        left -= part;
        if left == 0 {
            break;
        }
    }
    (total.positives > 0 && taken > 0)
        .then(|| (hits / taken as f64) / (total.positives as f64 / total.rows as f64))
}
