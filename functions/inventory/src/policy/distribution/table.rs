//! What a count law gives at 0, 1, 2, ..., worked out once: an order asks the same law some hundred times.

/// Probabilities at one count, the two tails each precise where it is small.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tabled {
    /// P(D = k).
    pub(super) pmf: f64,
    /// P(D <= k).
    pub(super) cdf: f64,
    /// P(D > k).
    pub(super) sf: f64,
}

/// Probabilities from 0 to some count, none where closed forms are cheaper.
#[derive(Debug, Default)]
pub(super) struct CountTable(Vec<Tabled>);

impl CountTable {
    /// From P(D = 0) upwards by `ratio(k) = P(D = k + 1) / P(D = k)`, and from P(D > last) downwards, so that sums only grow; the larger tail
    /// is what the smaller one leaves.
    pub(super) fn new(zero: f64, last: usize, last_sf: f64, ratio: impl Fn(f64) -> f64) -> Self {
        let mut rows = Vec::with_capacity(last + 1);
        let (mut pmf, mut cdf) = (zero, 0.0);
        for k in 0..=last {
            cdf += pmf;
            rows.push(Tabled { pmf, cdf, sf: 0.0 });
            pmf *= ratio(k as f64);
        }
        let mut sf = last_sf;
        for row in rows.iter_mut().rev() {
            if row.cdf < 0.5 {
                row.sf = 1.0 - row.cdf;
            } else {
                (row.cdf, row.sf) = (1.0 - sf, sf);
            }
            sf += row.pmf;
        }
        Self(rows)
    }

    /// At a whole `k`, if it is in the table.
    pub(super) fn at(&self, k: f64) -> Option<Tabled> {
        #[expect(
            clippy::cast_sign_loss,
            reason = "a negative count becomes 0 and is sorted out"
        )]
        let row = self.0.get(k as usize)?;
        (k >= 0.0).then_some(*row)
    }

    /// The smallest `k` of the table with `cdf(k) >= p`.
    pub(super) fn quantile(&self, p: f64) -> Option<f64> {
        let k = self.0.partition_point(|row| row.cdf < p);
        (k < self.0.len()).then_some(k as f64)
    }
}
