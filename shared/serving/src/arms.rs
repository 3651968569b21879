//! Versions beside each other: a canary that answers about a share of the entities, and a shadow that never answers.

use crate::canary::{Trial, Trials};
use crate::predictor::{Predictor, Scored, Served};
use sha2::{Digest, Sha256};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// By how much raw scores of served version and shadow may differ before they count as different: a tenth of a log-odds
/// (of a logarithm, for demand) moves a probability of 50 % by 2.5 points, and demand by 10 %.
pub const TOLERANCE: f64 = 0.1;

/// What answers, and what is tried beside it.
pub struct Arms<P: Predictor> {
    /// Answers.
    pub served: Arc<Served<P>>,
    /// Answers about a share of the entities.
    pub canary: Option<CanaryArm<P>>,
    /// Scores the same, unseen.
    pub shadow: Option<Arc<Served<P>>>,
}

/// A version that answers about a share of the entities.
pub struct CanaryArm<P: Predictor> {
    /// The version.
    pub served: Arc<Served<P>>,
    /// Its share of the entities, in percent.
    pub percent: u8,
    /// Hashed with the id.
    pub salt: String,
    /// What this environment noted of it, and of the served version beside it.
    pub trials: Arc<Trials>,
}

/// What answers one request.
pub struct Answering<'a, P: Predictor> {
    /// The version.
    pub served: &'a Served<P>,
    /// Whether it is the canary.
    pub by_canary: bool,
    /// Wants to be told what came of it; `None` where nobody compares.
    pub trial: Option<Trial<'a>>,
}

impl<P: Predictor> Arms<P> {
    /// One version, and nothing beside it.
    pub fn only(served: Arc<Served<P>>) -> Self {
        Self {
            served,
            canary: None,
            shadow: None,
        }
    }

    /// What answers a request. One about several entities, or about nobody, is the served version's: one answer is made by one
    /// version.
    pub fn answering(&self, request: &P::Request) -> Answering<'_, P> {
        let entity = P::sole_entity(request);
        let Some((canary, id)) = self.canary.as_ref().zip(entity) else {
            return Answering {
                served: &self.served,
                by_canary: false,
                trial: None,
            };
        };
        let place = Place::of(&canary.salt, id);
        let by_canary = place.share < f64::from(canary.percent) / 100.0;
        Answering {
            served: if by_canary {
                &canary.served
            } else {
                &self.served
            },
            by_canary,
            trial: canary.trials.begin(&place, canary.percent, by_canary),
        }
    }

    /// How far the shadow's scores are from those that answered; `None` without a shadow. Whatever goes wrong in it ends
    /// here.
    pub fn shadowed(&self, cases: &[P::Case], answered: &[Scored]) -> Option<Shadowed> {
        let shadow = self.shadow.as_ref()?;
        let scored = catch_unwind(AssertUnwindSafe(|| {
            let cases: Vec<P::Case> = cases.iter().map(P::for_another_model).collect();
            shadow.model.score(&cases)
        }));
        Some(match scored {
            Ok(Ok(scored)) => Shadowed::of(answered, &scored),
            _ => Shadowed {
                failed: true,
                ..Shadowed::default()
            },
        })
    }
}

/// Where an id stands: the same for the same id and salt, everywhere and always.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Place {
    /// Between 0 and 1, exclusive, and spread evenly.
    pub share: f64,
    /// The same, and independent of the share.
    pub draw: f64,
    /// Tells ids apart that stand in one sample of some thousands. Who has the salt can tell whose it may be.
    pub mark: u32,
}

impl Place {
    /// Of an id with a salt.
    pub fn of(salt: &str, id: &str) -> Self {
        let hash = Sha256::new()
            .chain_update(salt)
            .chain_update([0])
            .chain_update(id)
            .finalize();
        let number = |bytes: std::ops::Range<usize>| {
            let bytes = hash[bytes].iter();
            bytes.fold(0u64, |bits, byte| bits << 8 | u64::from(*byte))
        };
        // 53 bits make an exact double in [0, 1).
        let fraction = |bits: u64| ((bits >> 11) as f64) / ((1u64 << 53) as f64);
        Self {
            share: fraction(number(0..8)),
            draw: fraction(number(8..16)),
            mark: number(16..20) as u32,
        }
    }
}

/// The share of a [`Place`].
pub fn position(salt: &str, id: &str) -> f64 {
    Place::of(salt, id).share
}

/// How far a shadow's raw scores were from those that answered.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Shadowed {
    /// Rows that both scored.
    pub rows: usize,
    /// Mean absolute difference; 0 without rows.
    pub mean_difference: f64,
    /// Largest absolute difference.
    pub largest_difference: f64,
    /// Rows that differ by more than [`TOLERANCE`].
    pub beyond_tolerance: usize,
    /// Rows of cases that the two versions made other numbers of rows of.
    pub unmatched: usize,
    /// Whether the shadow could not score.
    pub failed: bool,
}

impl Shadowed {
    fn of(answered: &[Scored], shadow: &[Scored]) -> Self {
        let mut compared = Self::default();
        for (ours, theirs) in answered.iter().zip(shadow) {
            if ours.raw.len() != theirs.raw.len() {
                compared.unmatched += ours.raw.len();
                continue;
            }
            for (ours, theirs) in ours.raw.iter().zip(&theirs.raw) {
                compared.add((ours - theirs).abs());
            }
        }
        compared.mean_difference /= compared.rows.max(1) as f64;
        compared
    }

    fn add(&mut self, difference: f64) {
        self.rows += 1;
        self.mean_difference += difference;
        self.largest_difference = self.largest_difference.max(difference);
        // A NaN is beyond every tolerance.
        self.beyond_tolerance += usize::from(!(difference <= TOLERANCE));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use features::matrix::Matrix;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_id_keeps_its_place_and_a_larger_share_keeps_whom_it_had(salt in ".{0,20}", id in ".{0,40}") {
            let place = position(&salt, &id);
            prop_assert!((0.0..1.0).contains(&place));
            prop_assert_eq!(place.to_bits(), position(&salt, &id).to_bits());
        }

        #[test]
        fn a_share_is_what_it_says(salt in "[a-z0-9]{16}", percent in 1..=99u8) {
            let share = f64::from(percent) / 100.0;
            let count = 4_000;
            let taken = (0..count).filter(|id| position(&salt, &id.to_string()) < share).count();
            // Five standard deviations of a binomial.
            let spread = 5.0 * (share * (1.0 - share) / f64::from(count)).sqrt();
            let found = taken as f64 / f64::from(count);
            prop_assert!((found - share).abs() <= spread, "{found} of {share}");
        }

        #[test]
        fn another_salt_takes_others(first in "[a-z]{8}", second in "[A-Z]{8}") {
            let count = 4_000u32;
            let both = (0..count).filter(|id| {
                let id = id.to_string();
                position(&first, &id) < 0.5 && position(&second, &id) < 0.5
            });
            let found = both.count() as f64 / f64::from(count);
            prop_assert!((found - 0.25).abs() < 0.04, "{found}, independent would be 0.25");
        }
    }

    #[test]
    fn differences_are_counted_by_row() {
        let scored = |raw: &[f64]| Scored {
            raw: raw.to_vec(),
            rows: Matrix::new(1),
        };
        let ours = [scored(&[0.0, 1.0]), scored(&[2.0]), scored(&[5.0, 6.0])];
        let theirs = [scored(&[0.05, 1.0]), scored(&[f64::NAN]), scored(&[5.0])];
        let compared = Shadowed::of(&ours, &theirs);
        let counts = (compared.rows, compared.beyond_tolerance, compared.unmatched);
        assert_eq!(counts, (3, 1, 2));
        assert!((compared.largest_difference - 0.05).abs() < 1e-12);
    }
}
