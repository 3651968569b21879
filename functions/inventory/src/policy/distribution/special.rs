//! Normal tail and quantile, and the accurate point probabilities that the discrete laws start from.

#![expect(
    clippy::unreadable_literal,
    reason = "published coefficients, as a table prints them"
)]

use libm::{erfc, exp, lgamma, log, log1p, sqrt};
use std::f64::consts::{PI, SQRT_2};

// Wichura (1988), The percentage points of the normal distribution, algorithm AS 241 (PPND16).
const CENTRE_TOP: [f64; 8] = [
    3.3871328727963665,
    133.14166789178438,
    1971.5909503065513,
    13731.69376550946,
    45921.95393154987,
    67265.7709270087,
    33430.57558358813,
    2509.0809287301227,
];
const CENTRE_BOTTOM: [f64; 8] = [
    1.0,
    42.31333070160091,
    687.1870074920579,
    5394.196021424751,
    21213.794301586597,
    39307.89580009271,
    28729.085735721943,
    5226.495278852854,
];
const NEAR_TOP: [f64; 8] = [
    1.4234371107496835,
    4.630337846156546,
    5.769497221460691,
    3.6478483247632045,
    1.2704582524523684,
    0.2417807251774506,
    0.022723844989269184,
    0.0007745450142783414,
];
const NEAR_BOTTOM: [f64; 8] = [
    1.0,
    2.053191626637759,
    1.6763848301838038,
    0.6897673349851,
    0.14810397642748008,
    0.015198666563616457,
    0.0005475938084995345,
    1.0507500716444169e-09,
];
const FAR_TOP: [f64; 8] = [
    6.657904643501103,
    5.463784911164114,
    1.7848265399172913,
    0.29656057182850487,
    0.026532189526576124,
    0.0012426609473880784,
    2.7115555687434876e-05,
    2.0103343992922881e-07,
];
const FAR_BOTTOM: [f64; 8] = [
    1.0,
    0.599832206555888,
    0.1369298809227358,
    0.014875361290850615,
    0.0007868691311456133,
    1.8463183175100548e-05,
    1.421511758316446e-07,
    2.0442631033899397e-15,
];

/// Density of the standard normal.
pub(in crate::policy) fn normal_pdf(z: f64) -> f64 {
    exp(-0.5 * z * z) / sqrt(2.0 * PI)
}

/// P(Z <= z) of the standard normal.
pub(in crate::policy) fn normal_cdf(z: f64) -> f64 {
    0.5 * erfc(-z / SQRT_2)
}

/// Standard normal quantile; infinite at 0 and 1, NaN outside.
pub(in crate::policy) fn normal_quantile(p: f64) -> f64 {
    let off_centre = p - 0.5;
    if off_centre.abs() <= 0.425 {
        let r = 0.180625 - off_centre * off_centre;
        return off_centre * polynomial(&CENTRE_TOP, r) / polynomial(&CENTRE_BOTTOM, r);
    }
    let tail = p.min(1.0 - p);
    if !(tail > 0.0) {
        return if tail == 0.0 {
            off_centre.signum() * f64::INFINITY
        } else {
            f64::NAN
        };
    }
    let r = sqrt(-log(tail));
    let z = if r <= 5.0 {
        polynomial(&NEAR_TOP, r - 1.6) / polynomial(&NEAR_BOTTOM, r - 1.6)
    } else {
        polynomial(&FAR_TOP, r - 5.0) / polynomial(&FAR_BOTTOM, r - 5.0)
    };
    off_centre.signum() * z
}

fn polynomial(coefficients: &[f64; 8], x: f64) -> f64 {
    coefficients.iter().rev().fold(0.0, |sum, c| sum * x + c)
}

/// P(D = k) of a Poisson law.
///
/// Loader (2000), Fast and Accurate Computation of Binomial Probabilities: the saddle point keeps full precision
/// where `exp(k ln m - m - lgamma(k + 1))` loses digits, that is for large `k`.
pub(super) fn poisson_pmf(k: f64, mean: f64) -> f64 {
    if k == 0.0 {
        return exp(-mean);
    }
    exp(-stirling_error(k) - deviance(k, mean)) / sqrt(2.0 * PI * k)
}

/// P(D = k) of a negative binomial law with this mean and size, by the same saddle point (Loader (2000), section 4).
pub(super) fn negative_binomial_pmf(k: f64, mean: f64, size: f64) -> f64 {
    if k == 0.0 {
        return exp(-size * log1p(mean / size));
    }
    let trials = size + k;
    let (stay, go) = (size / (size + mean), mean / (size + mean));
    let exponent = stirling_error(trials)
        - stirling_error(size)
        - stirling_error(k)
        - deviance(size, trials * stay)
        - deviance(k, trials * go);
    size / trials * exp(exponent) * sqrt(trials / (2.0 * PI * size * k))
}

/// ln x! minus Stirling's formula for it.
fn stirling_error(x: f64) -> f64 {
    if x <= 15.0 {
        return lgamma(x + 1.0) - (x + 0.5) * log(x) + x - 0.5 * log(2.0 * PI);
    }
    let square = x * x;
    (1.0 / 12.0
        - (1.0 / 360.0 - (1.0 / 1260.0 - (1.0 / 1680.0 - 1.0 / 1188.0 / square) / square) / square)
            / square)
        / x
}

/// `x ln(x / m) + m - x` without cancellation where `x` is near `m`.
fn deviance(x: f64, m: f64) -> f64 {
    if (x - m).abs() >= 0.1 * (x + m) {
        return x * log(x / m) + m - x;
    }
    let v = (x - m) / (x + m);
    let mut sum = (x - m) * v;
    let mut term = 2.0 * x * v;
    for j in 1..1000 {
        term *= v * v;
        let next = sum + term / f64::from(2 * j + 1);
        if (next - sum).abs() <= 0.0 {
            break;
        }
        sum = next;
    }
    sum
}

/// Continued fraction of the incomplete beta function, `I_x(a, b) a B(a, b) / (x^a (1 - x)^b)`, by Lentz's method
/// (Press et al., Numerical Recipes, 6.4). Converges fast for `x < (a + 1) / (a + b + 2)`.
pub(super) fn beta_fraction(a: f64, b: f64, x: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let away_from_zero = |v: f64| if v.abs() < TINY { TINY } else { v };
    let mut over = 1.0;
    let mut under = 1.0 / away_from_zero(1.0 - (a + b) * x / (a + 1.0));
    let mut fraction = under;
    for term in 1..MOST_TERMS {
        let m = f64::from(term);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        let before = fraction;
        for coefficient in [even, odd] {
            under = 1.0 / away_from_zero(1.0 + coefficient * under);
            over = away_from_zero(1.0 + coefficient / over);
            fraction *= under * over;
        }
        if (fraction - before).abs() <= 1e-15 * fraction.abs() {
            break;
        }
    }
    fraction
}

/// The fraction needs about the square root of its larger argument, which the normal limit keeps below 1e7.
const MOST_TERMS: u32 = 50_000;
