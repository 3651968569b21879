//! Gauss-Legendre quadrature on the unit interval.

use std::f64::consts::PI;

/// Newton steps that bring the starting guess to the last bit; it takes three or four.
const NEWTON_STEPS: usize = 10;

/// Points and weights that integrate every polynomial of degree `2 * count - 1` over `0..1` exactly.
///
/// The points are the zeros of the Legendre polynomial, found by Newton's method from an asymptotic guess. Source:
/// Press et al., "Numerical Recipes", section 4.6 (`gauleg`).
pub(super) fn gauss_legendre(count: usize) -> Vec<(f64, f64)> {
    (0..count)
        .map(|index| {
            let mut x = (PI * (index as f64 + 0.75) / (count as f64 + 0.5)).cos();
            let mut slope = 1.0;
            for _ in 0..NEWTON_STEPS {
                let (value, derivative) = legendre(count, x);
                slope = derivative;
                x -= value / derivative;
            }
            // From -1..1 to 0..1 halves the weights.
            ((1.0 + x) / 2.0, 1.0 / ((1.0 - x * x) * slope * slope))
        })
        .collect()
}

/// The Legendre polynomial of a degree and its derivative, by the three-term recurrence.
fn legendre(degree: usize, x: f64) -> (f64, f64) {
    let (mut current, mut previous) = (1.0, 0.0);
    for j in 0..degree {
        let j = j as f64;
        (current, previous) = (
            ((2.0 * j + 1.0) * x * current - j * previous) / (j + 1.0),
            current,
        );
    }
    (
        current,
        degree as f64 * (x * current - previous) / (x * x - 1.0),
    )
}

#[cfg(test)]
mod tests {
    use super::gauss_legendre;

    /// The integral of `x^k` over the unit interval is `1 / (k + 1)`.
    #[test]
    fn monomials_up_to_twice_the_points_are_exact() {
        for count in [1_usize, 2, 5, 8, 33, 200] {
            let points = gauss_legendre(count);
            for degree in [0, 1, count, 2 * count - 1] {
                let sum: f64 = points
                    .iter()
                    .map(|(x, w)| w * x.powi(i32::try_from(degree).unwrap()))
                    .sum();
                let exact = 1.0 / (degree as f64 + 1.0);
                assert!(
                    (sum - exact).abs() < 1e-13,
                    "{count} points, degree {degree}: {sum} is not {exact}"
                );
            }
        }
    }
}
