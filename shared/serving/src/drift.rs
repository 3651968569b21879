//! How far the rows that are scored are from those that the model was trained on.
//!
//! The manifest holds how each column and the raw score were distributed in training, in bins ([`Distribution`]). Rows are
//! counted into the same bins ([`Seen`]), and compared by the population stability index ([`stability_index`]).

use crate::manifest::FeatureEntry;
use features::matrix::Matrix;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Rows below which nothing is said: with eleven bins, chance alone then gives an index of about .02 (bins over rows).
pub const LEAST_ROWS: u64 = 500;
/// An index from which on a column counts as drifted. Source: Siddiqi (2006), Credit Risk Scorecards, chapter 9: below 0.1
/// no change, to 0.25 a small one.
pub const DRIFTED: f64 = 0.25;

/// How the rows of training were distributed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Distribution {
    /// Of each column, in the order of the model.
    pub columns: Vec<Bins>,
    /// Of the raw score.
    pub raw: Bins,
}

/// A distribution in bins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bins {
    /// Upper edges, rising; a value that equals one belongs below it.
    pub edges: Vec<f32>,
    /// Rows per bin: those without a value first, last those above every edge.
    pub rows: Vec<u64>,
}

impl Bins {
    /// The bin of a value.
    ///
    /// ```
    /// use serving::drift::Bins;
    /// let bins = Bins { edges: vec![1.0, 2.0], rows: vec![0, 5, 5, 5] };
    /// assert_eq!([f32::NAN, 0.5, 1.0, 1.5, 3.0].map(|value| bins.bin(value)), [0, 1, 1, 2, 3]);
    /// ```
    pub fn bin(&self, value: f32) -> usize {
        if value.is_nan() {
            return 0;
        }
        1 + self.edges.partition_point(|edge| *edge < value)
    }

    fn check(&self, what: &str) -> Result<(), String> {
        if !self.edges.windows(2).all(|pair| pair[0] < pair[1]) {
            return Err(format!("edges of {what} do not rise"));
        }
        let (found, wanted) = (self.rows.len(), self.edges.len() + 2);
        if found != wanted {
            return Err(format!("{what} has {found} bins, its edges make {wanted}"));
        }
        Ok(())
    }
}

impl Distribution {
    /// Whether it is one of these columns; what is wrong otherwise.
    pub fn check(&self, features: &FeatureEntry) -> Result<(), String> {
        let (found, wanted) = (self.columns.len(), features.names.len());
        if found != wanted {
            return Err(format!("{found} columns, the model has {wanted}"));
        }
        let named = features.names.iter().map(String::as_str).zip(&self.columns);
        named
            .chain([(RAW, &self.raw)])
            .try_for_each(|(name, bins)| bins.check(name))
    }
}

/// Name of the raw score among the columns.
pub const RAW: &str = "raw_score";

/// Rows that were scored, counted into the bins of training. Adding is all there is, so it matters neither in which order
/// rows come nor how often a file is left and continued.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seen {
    /// Per column, then of the raw score; empty before the first row.
    counts: Vec<Vec<u64>>,
}

impl Seen {
    /// Counts rows and their raw scores, one of each.
    pub fn add(&mut self, training: &Distribution, rows: &Matrix, raw: &[f64]) {
        let all = || training.columns.iter().chain([&training.raw]);
        if self.counts.len() != all().count() {
            self.counts = all().map(|bins| vec![0; bins.rows.len()]).collect();
        }
        for (row, raw) in rows.rows().zip(raw) {
            let values = row.iter().copied().chain([*raw as f32]);
            for ((bins, value), counts) in all().zip(values).zip(&mut self.counts) {
                if let Some(count) = counts.get_mut(bins.bin(value)) {
                    *count += 1;
                }
            }
        }
    }

    /// Adds what was counted elsewhere.
    pub fn merge(&mut self, other: Self) {
        if self.counts.is_empty() {
            self.counts = other.counts;
            return;
        }
        for (ours, theirs) in self.counts.iter_mut().zip(other.counts) {
            for (ours, theirs) in ours.iter_mut().zip(theirs) {
                *ours += theirs;
            }
        }
    }

    /// What to say of it; nothing for few rows.
    pub fn drift(&self, training: &Distribution, features: &FeatureEntry) -> Option<Drift> {
        let rows = self.counts.last()?.iter().sum();
        if rows < LEAST_ROWS {
            return None;
        }
        let index = |(bins, counts): (&Bins, &Vec<u64>)| stability_index(&bins.rows, counts);
        let named = features.names.iter().zip(&training.columns);
        let columns = named.zip(&self.counts);
        Some(Drift {
            rows,
            raw_score: index((&training.raw, self.counts.last()?)),
            columns: columns
                .map(|((name, bins), counts)| (name.clone(), index((bins, counts))))
                .collect(),
        })
    }
}

/// How far rows are from those of training: population stability indices.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Drift {
    /// Rows that were counted.
    pub rows: u64,
    /// Of the raw score.
    pub raw_score: f64,
    /// Of each column, by name.
    pub columns: BTreeMap<String, f64>,
}

impl Drift {
    /// The largest index of a column; 0 without columns.
    pub fn largest(&self) -> f64 {
        self.columns.values().copied().fold(0.0, f64::max)
    }

    /// How many columns have drifted.
    pub fn drifted(&self) -> usize {
        let drifted = self.columns.values().filter(|index| **index > DRIFTED);
        drifted.count()
    }
}

/// The population stability index, the sum of `(q - p) ln(q / p)` over bins with the shares `p` and `q`: the symmetrised
/// divergence of Kullback and Leibler (Jeffreys 1946). Half a row is added to every bin, so that an empty one counts as rare
/// and not as impossible (Krichevsky and Trofimov 1981).
///
/// ```
/// use serving::drift::stability_index;
/// assert_eq!(stability_index(&[50, 50], &[500, 500]), 0.0);
/// assert!((stability_index(&[500, 500], &[800, 200]) - 0.415).abs() < 0.002);
/// ```
pub fn stability_index(expected: &[u64], seen: &[u64]) -> f64 {
    let bins = expected.len() as f64;
    let total = |rows: &[u64]| rows.iter().sum::<u64>() as f64 + 0.5 * bins;
    let (expected_total, seen_total) = (total(expected), total(seen));
    let term = |(expected, seen): (&u64, &u64)| {
        let p = (*expected as f64 + 0.5) / expected_total;
        let q = (*seen as f64 + 0.5) / seen_total;
        (q - p) * libm::log(q / p)
    };
    expected.iter().zip(seen).map(term).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bins() -> Bins {
        Bins {
            edges: vec![0.0, 1.0, 2.5],
            rows: vec![10, 20, 30, 20, 20],
        }
    }

    fn training() -> Distribution {
        Distribution {
            columns: vec![bins(), bins()],
            raw: bins(),
        }
    }

    fn features() -> FeatureEntry {
        FeatureEntry {
            fingerprint: String::new(),
            names: vec!["a".to_owned(), "b".to_owned()],
        }
    }

    /// Rows that fall into the bins as training's do, `times` as often.
    fn alike(times: usize, shift: f32) -> (Matrix, Vec<f64>) {
        let values = [f32::NAN, -1.0, 0.5, 2.0, 7.0];
        let mut rows = Matrix::new(2);
        let mut raw = Vec::new();
        for (value, count) in values.iter().zip(bins().rows) {
            for _ in 0..times * count as usize {
                rows.push_row([f64::from(*value), f64::from(*value + shift)]);
                raw.push(f64::from(*value));
            }
        }
        (rows, raw)
    }

    #[test]
    fn a_column_that_moved_is_named_and_no_other() {
        let mut seen = Seen::default();
        let (rows, raw) = alike(10, 1.5);
        seen.add(&training(), &rows, &raw);
        let drift = seen.drift(&training(), &features()).unwrap();
        assert_eq!((drift.rows, drift.drifted()), (1000, 1));
        assert!(drift.columns["a"] < 1e-3 && drift.raw_score < 1e-3);
        assert!(drift.columns["b"] > 0.5 && drift.largest() >= drift.columns["b"]);
        let mut few = Seen::default();
        few.add(&training(), &rows.slice(0..499), &raw[..499]);
        assert_eq!(few.drift(&training(), &features()), None);
    }

    #[test]
    fn a_distribution_of_other_columns_is_refused() {
        let wrong = |change: fn(&mut Distribution)| {
            let mut training = training();
            change(&mut training);
            training.check(&features()).unwrap_err()
        };
        assert_eq!(training().check(&features()), Ok(()));
        assert_eq!(
            wrong(|t| t.columns.truncate(1)),
            "1 columns, the model has 2"
        );
        assert_eq!(
            wrong(|t| t.raw.edges[1] = 0.0),
            "edges of raw_score do not rise"
        );
        assert_eq!(
            wrong(|t| t.columns[1].edges[1] = f32::NAN),
            "edges of b do not rise"
        );
        let told = wrong(|t| t.columns[0].rows.push(1));
        assert_eq!(told, "a has 6 bins, its edges make 5");
    }

    proptest! {
        #[test]
        fn neither_order_nor_parts_matter(split in 0usize..=200, shift in -3f32..3.0) {
            let (rows, raw) = alike(2, shift);
            let mut whole = Seen::default();
            whole.add(&training(), &rows, &raw);
            let part = |range: std::ops::Range<usize>| {
                let mut seen = Seen::default();
                seen.add(&training(), &rows.slice(range.clone()), &raw[range]);
                seen
            };
            let mut joined = part(split..200);
            joined.merge(part(0..split));
            prop_assert_eq!(joined, whole);
        }

        #[test]
        fn the_index_is_0_for_equal_shares_and_the_same_from_either_side(
            rows in proptest::collection::vec((0u64..1_000, 0u64..1_000), 1..12),
        ) {
            let (p, q): (Vec<u64>, Vec<u64>) = rows.into_iter().unzip();
            prop_assert!(stability_index(&p, &p).abs() < 1e-15);
            let (forth, back) = (stability_index(&p, &q), stability_index(&q, &p));
            prop_assert!(forth >= 0.0 && (forth - back).abs() <= 1e-12 * (1.0 + forth));
        }
    }
}
