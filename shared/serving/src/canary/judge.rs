//! When a canary is stopped.
//!
//! Whoever is sampled belongs to the canary with a chance of one half. So while the versions fail for the same entities and score them
//! alike, the arms of those in a cell are tosses of a fair coin. The evidence against that is the factor by which a coin of unknown
//! fairness explains the tosses better, multiplied over the cells: under the null a martingale, of which the chance to *ever* exceed
//! `1 / alpha` is at most `alpha` (Ville's inequality), so it may be looked at after every request.
//!
//! Sources: Robbins (1970), Statistical methods related to the law of the iterated logarithm (mixtures); Ramdas, Grünwald, Vovk and
//! Shafer (2023), Game-theoretic statistics and safe anytime-valid inference, Statistical Science 38(4).

use super::sample::{CELLS, Sample};
use crate::drift;
use libm::{lgamma, log};
use std::f64::consts::LN_2;
use std::fmt;

/// The chance that a canary like the served version is stopped for one of the two reasons on one day: ten days and both reasons
/// stay below 1 %.
pub const ALPHA: f64 = 1.0 / 4_000.0;

/// The shift that stops a canary where its promotion says nothing else, as a population stability index.
pub const USUAL_SHIFT: f64 = drift::DRIFTED;

/// Entities of each arm below which scores are not compared: the index of two equal populations in ten cells is about
/// `9 (1 / n + 1 / m)`, .18 for a hundred each.
/// Source: Yurdakul (2018), Statistical properties of population stability index.
pub const LEAST_ENTITIES: u64 = 100;

/// How sure the coin of unknown fairness is of being fair: a beta distribution with this twice. Scores differ by a part of the
/// entities and in many cells, failures in one and mostly in one arm.
const PRIOR_OF_SCORES: f64 = 4.0;
const PRIOR_OF_FAILURES: f64 = 1.0;

/// A cell of the index holds at least this share of the entities; neighbours are joined until it does.
const LEAST_SHARE: f64 = 0.05;

/// Why a canary is stopped.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Stop {
    /// It failed for more entities than the served version did.
    Errors {
        /// For so many.
        canary: u64,
        /// The served version for so many, of equally many.
        served: u64,
    },
    /// Its scores are distributed otherwise.
    Shift {
        /// The population stability index of its scores.
        index: f64,
        /// Which would have been allowed.
        limit: f64,
        /// Entities of the canary.
        canary: u64,
        /// Entities of the served version.
        served: u64,
    },
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Errors { canary, served } => write!(
                f,
                "requests failed about {canary} of its entities, and about {served} of as many of the served version"
            ),
            Self::Shift {
                index,
                limit,
                canary,
                served,
            } => write!(
                f,
                "its scores of {canary} entities are shifted by {index:.2} (population stability index) against {served} of the served version, the limit is {limit}"
            ),
        }
    }
}

/// Whether a canary is to be stopped, and why. `shift` is the population stability index above which it is.
pub fn judge(sample: &Sample, shift: f64) -> Option<Stop> {
    let (canary, served) = (
        sample.canary.failures() as u64,
        sample.served.failures() as u64,
    );
    if canary > served && is_no_chance(log_evidence(&[(canary, served)], PRIOR_OF_FAILURES)) {
        return Some(Stop::Errors { canary, served });
    }
    let (of_canary, of_served) = (sample.canary.by_cell(), sample.served.by_cell());
    let (canary, served) = (of_canary.iter().sum(), of_served.iter().sum());
    let cells: Vec<(u64, u64)> = of_canary.into_iter().zip(of_served).collect();
    if std::cmp::min(canary, served) < LEAST_ENTITIES
        || !is_no_chance(log_evidence(&cells, PRIOR_OF_SCORES))
    {
        return None;
    }
    let index = stability_index(&cells);
    (index > shift).then_some(Stop::Shift {
        index,
        limit: shift,
        canary,
        served,
    })
}

fn is_no_chance(log_evidence: f64) -> bool {
    log_evidence >= -log(ALPHA)
}

/// Logarithm of the evidence that entities fall into the arms otherwise than by a fair coin, from (canary, served) of each cell:
/// the sum of `ln B(a + c, a + s) - ln B(a, a) + (c + s) ln 2`.
fn log_evidence(cells: &[(u64, u64)], prior: f64) -> f64 {
    let log_beta = |a: f64, b: f64| lgamma(a) + lgamma(b) - lgamma(a + b);
    let of_cell = |(canary, served): &(u64, u64)| {
        let (canary, served) = (*canary as f64, *served as f64);
        let coin = (canary + served) * LN_2;
        log_beta(prior + canary, prior + served) - log_beta(prior, prior) + coin
    };
    cells.iter().map(of_cell).sum()
}

/// Population stability index of (canary, served) by joined cell.
fn stability_index(cells: &[(u64, u64)]) -> f64 {
    let (canary, served): (Vec<_>, Vec<_>) = joined(cells).into_iter().unzip();
    drift::stability_index(&served, &canary)
}

/// Neighbours, joined until each cell holds its least share, both arms weighing the same.
fn joined(cells: &[(u64, u64)]) -> Vec<(u64, u64)> {
    let (canary, served) = totals(cells);
    let share = |(c, s): (u64, u64)| {
        f64::midpoint(
            c as f64 / canary.max(1) as f64,
            s as f64 / served.max(1) as f64,
        )
    };
    let mut joined: Vec<(u64, u64)> = Vec::with_capacity(CELLS as usize);
    let mut open = (0, 0);
    for (c, s) in cells {
        open = (open.0 + c, open.1 + s);
        if share(open) >= LEAST_SHARE {
            joined.push(std::mem::take(&mut open));
        }
    }
    match joined.last_mut() {
        Some(last) => *last = (last.0 + open.0, last.1 + open.1),
        None => joined.push(open),
    }
    joined
}

fn totals(cells: &[(u64, u64)]) -> (u64, u64) {
    let add = |sum: (u64, u64), cell: &(u64, u64)| (sum.0 + cell.0, sum.1 + cell.1);
    cells.iter().fold((0, 0), add)
}

#[cfg(test)]
mod tests;
