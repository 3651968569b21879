//! The inverse of a symmetric positive definite matrix, in blocks that stay in the cache.
//!
//! A = L L', W = L^-1, A^-1 = W' W: n^3 / 2 multiplications altogether. Sums run in an order that depends on n only.
//! Source: Golub and Van Loan (2013), Matrix computations, chapter 4.2.

/// Rows that are worked on together.
const BLOCK: usize = 32;
/// Running sums of a scalar product: one after the other they would wait for each other.
const LANES: usize = 8;

/// A square matrix, row after row.
pub(super) struct Square {
    pub(super) size: usize,
    pub(super) values: Vec<f64>,
}

impl Square {
    pub(super) fn zeros(size: usize) -> Self {
        Self {
            size,
            values: vec![0.0; size * size],
        }
    }

    pub(super) fn row(&self, at: usize) -> &[f64] {
        &self.values[at * self.size..(at + 1) * self.size]
    }

    pub(super) fn add(&mut self, row: usize, column: usize, value: f64) {
        self.values[row * self.size + column] += value;
    }

    /// The inverse; only the lower triangle is read. `None` when the matrix is not positive definite.
    pub(super) fn inverse(mut self) -> Option<Self> {
        self.cholesky()?;
        self.invert_lower();
        Some(self.times_own_transpose())
    }

    /// Two rows, the first before the second.
    fn pair(&mut self, first: usize, second: usize) -> (&[f64], &mut [f64]) {
        let (before, after) = self.values.split_at_mut(second * self.size);
        (
            &before[first * self.size..(first + 1) * self.size],
            &mut after[..self.size],
        )
    }

    fn cholesky(&mut self) -> Option<()> {
        for from in (0..self.size).step_by(BLOCK) {
            let until = (from + BLOCK).min(self.size);
            for column in 0..until {
                if column >= from {
                    let row = &mut self.values[column * self.size..(column + 1) * self.size];
                    let rest = row[column] - dot(&row[..column], &row[..column]);
                    if !(rest > 0.0) {
                        return None;
                    }
                    row[column] = libm::sqrt(rest);
                }
                for row in from.max(column + 1)..until {
                    let (pivot, row) = self.pair(column, row);
                    row[column] =
                        (row[column] - dot(&pivot[..column], &row[..column])) / pivot[column];
                }
            }
        }
        Some(())
    }

    /// W = L^-1, in place: row i is -(sum over k < i of `L_ik` `W_k`) / `L_ii`, then 1 / `L_ii`.
    fn invert_lower(&mut self) {
        for from in (0..self.size).step_by(BLOCK) {
            let until = (from + BLOCK).min(self.size);
            let factors: Vec<Vec<f64>> = (from..until)
                .map(|row| self.row(row)[..=row].to_vec())
                .collect();
            for row in from..until {
                self.values[row * self.size..(row + 1) * self.size].fill(0.0);
            }
            for known in 0..until {
                if known >= from {
                    let pivot = factors[known - from][known];
                    let row = &mut self.values[known * self.size..=known * self.size + known];
                    row[..known].iter_mut().for_each(|value| *value /= -pivot);
                    row[known] = 1.0 / pivot;
                }
                for row in from.max(known + 1)..until {
                    let factor = factors[row - from][known];
                    let (source, target) = self.pair(known, row);
                    add_scaled(&mut target[..=known], factor, &source[..=known]);
                }
            }
        }
    }

    /// W' W of a lower triangle, both triangles filled.
    fn times_own_transpose(&self) -> Self {
        let mut product = Self::zeros(self.size);
        for from in (0..self.size).step_by(BLOCK) {
            let until = (from + BLOCK).min(self.size);
            for known in from..self.size {
                let source = self.row(known);
                for row in from..until.min(known + 1) {
                    let target = &mut product.values[row * self.size..=row * self.size + row];
                    add_scaled(target, source[row], &source[..=row]);
                }
            }
        }
        for row in 0..self.size {
            for column in 0..row {
                product.values[column * self.size + row] = product.values[row * self.size + column];
            }
        }
        product
    }
}

fn add_scaled(target: &mut [f64], factor: f64, source: &[f64]) {
    for (target, source) in target.iter_mut().zip(source) {
        *target += factor * source;
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; LANES];
    let (wide_a, wide_b) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest = wide_a.remainder().iter().zip(wide_b.remainder());
    let rest: f64 = rest.map(|(a, b)| a * b).sum();
    for (a, b) in wide_a.zip(wide_b) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    sums.iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests {
    use super::Square;

    #[test]
    fn a_matrix_times_its_inverse_is_one() {
        let size = 75;
        let mut matrix = Square::zeros(size);
        for row in 0..size {
            for column in 0..size {
                let value = 1.0 / (1.0 + (row as f64 - column as f64).abs());
                matrix.add(row, column, value);
            }
            matrix.add(row, row, 2.0);
        }
        let values = matrix.values.clone();
        let inverse = matrix.inverse().expect("positive definite");
        for row in 0..size {
            for column in 0..size {
                let products = (0..size).map(|k| values[row * size + k] * inverse.row(k)[column]);
                let expected = if row == column { 1.0 } else { 0.0 };
                assert!((products.sum::<f64>() - expected).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn an_indefinite_matrix_has_no_inverse_here() {
        let mut matrix = Square::zeros(2);
        matrix.add(0, 0, 1.0);
        matrix.add(1, 0, 2.0);
        matrix.add(1, 1, 1.0);
        assert!(matrix.inverse().is_none());
    }
}
