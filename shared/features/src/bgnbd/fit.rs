//! Maximum likelihood by the simplex method of Nelder and Mead (1965) in the logarithms of the parameters.

use super::{Parameters, Summary};
use libm::{exp, log};
use serde::{Deserialize, Serialize};

/// Largest value of any shape parameter. Where customers hardly ever leave for good the likelihood is flat in `a` and
/// `b` and they run away; beyond this bound nothing a caller can see changes.
const SHAPE_LIMIT: f64 = 1_000.0;
/// Smallest value of any parameter.
const SMALLEST: f64 = 1e-4;
/// Largest scale, in units of time.
const SCALE_LIMIT: f64 = 1e6;
/// Simplex steps after which the search ends.
const STEPS: usize = 2_000;
/// The search ends when the simplex differs by less than this in mean log-likelihood.
const TOLERANCE: f64 = 1e-12;

/// A fitted model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fit {
    /// The parameters of highest likelihood within the bounds.
    pub parameters: Parameters,
    /// Log-likelihood summed over the customers.
    pub log_likelihood: f64,
    /// How many customers it was fitted to.
    pub customers: usize,
    /// Parameters that ended on a bound: the fit is degenerate in them.
    pub bounded: Vec<String>,
}

/// Why there is no fit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FitError {
    /// Nobody came back, so rates cannot be told from silence.
    #[error("fit BG/NBD: {repeaters} customers bought again, at least {limit} are needed")]
    TooFewRepeaters {
        /// How many bought on two occasions or more.
        repeaters: usize,
        /// How many there must be.
        limit: usize,
    },
}

/// Repeat buyers below which four parameters cannot be told apart.
const LEAST_REPEATERS: usize = 30;

/// Fits the four parameters.
pub fn fit(customers: &[Summary]) -> Result<Fit, FitError> {
    let repeaters = customers.iter().filter(|c| c.repeats > 0.0).count();
    if repeaters < LEAST_REPEATERS {
        return Err(FitError::TooFewRepeaters {
            repeaters,
            limit: LEAST_REPEATERS,
        });
    }
    let mean_time = customers.iter().map(|c| c.observed).sum::<f64>() / customers.len() as f64;
    // Log-likelihood has no unit, so the scale starts where the data is: a quarter of the mean time observed.
    let start = [0.0, log((mean_time / 4.0).max(SMALLEST)), 0.0, 0.0];
    let cost = |point: &Point| {
        let parameters = bounded(point);
        -customers
            .iter()
            .map(|c| parameters.log_likelihood(*c))
            .sum::<f64>()
            / customers.len() as f64
    };
    // A second search from the first optimum: a simplex that collapsed early gets a new one.
    let best = minimise(&minimise(&start, &cost), &cost);
    let parameters = bounded(&best);
    Ok(Fit {
        parameters,
        log_likelihood: customers
            .iter()
            .map(|c| parameters.log_likelihood(*c))
            .sum(),
        customers: customers.len(),
        bounded: names_on_bound(parameters),
    })
}

type Point = [f64; 4];

fn bounded(point: &Point) -> Parameters {
    let within = |log_value: f64, limit: f64| exp(log_value).clamp(SMALLEST, limit);
    Parameters {
        r: within(point[0], SHAPE_LIMIT),
        alpha: within(point[1], SCALE_LIMIT),
        a: within(point[2], SHAPE_LIMIT),
        b: within(point[3], SHAPE_LIMIT),
    }
}

fn names_on_bound(p: Parameters) -> Vec<String> {
    [
        ("r", p.r, SHAPE_LIMIT),
        ("alpha", p.alpha, SCALE_LIMIT),
        ("a", p.a, SHAPE_LIMIT),
        ("b", p.b, SHAPE_LIMIT),
    ]
    .iter()
    // Within a thousandth of a bound in value: the search creeps along a flat ridge and stops short of it.
    .filter(|(_, value, limit)| *value <= SMALLEST * 1.001 || *value >= limit * 0.999)
    .map(|(name, ..)| (*name).to_owned())
    .collect()
}

/// Nelder-Mead with the usual coefficients: reflect 1, expand 2, contract 1/2, shrink 1/2.
fn minimise(start: &Point, cost: &dyn Fn(&Point) -> f64) -> Point {
    let mut simplex: Vec<(f64, Point)> = std::iter::once(*start)
        .chain((0..start.len()).map(|axis| {
            let mut corner = *start;
            corner[axis] += 0.5;
            corner
        }))
        .map(|point| (cost(&point), point))
        .collect();
    for _ in 0..STEPS {
        simplex.sort_by(|x, y| x.0.total_cmp(&y.0));
        let worst = simplex.len() - 1;
        if simplex[worst].0 - simplex[0].0 < TOLERANCE {
            break;
        }
        let centre = centre(&simplex[..worst]);
        let along = |t: f64| {
            let point: Point =
                std::array::from_fn(|i| centre[i] + t * (simplex[worst].1[i] - centre[i]));
            (cost(&point), point)
        };
        let reflected = along(-1.0);
        let next = if reflected.0 < simplex[0].0 {
            let expanded = along(-2.0);
            Some(if expanded.0 < reflected.0 {
                expanded
            } else {
                reflected
            })
        } else if reflected.0 < simplex[worst - 1].0 {
            Some(reflected)
        } else {
            let contracted = along(if reflected.0 < simplex[worst].0 {
                -0.5
            } else {
                0.5
            });
            (contracted.0 < simplex[worst].0.min(reflected.0)).then_some(contracted)
        };
        match next {
            Some(point) => simplex[worst] = point,
            None => shrink(&mut simplex, cost),
        }
    }
    simplex
        .iter()
        .min_by(|x, y| x.0.total_cmp(&y.0))
        .map_or(*start, |best| best.1)
}

fn centre(corners: &[(f64, Point)]) -> Point {
    std::array::from_fn(|i| corners.iter().map(|(_, p)| p[i]).sum::<f64>() / corners.len() as f64)
}

fn shrink(simplex: &mut [(f64, Point)], cost: &dyn Fn(&Point) -> f64) {
    let best = simplex[0].1;
    for corner in &mut simplex[1..] {
        let point: Point = std::array::from_fn(|i| f64::midpoint(best[i], corner.1[i]));
        *corner = (cost(&point), point);
    }
}
