//! Made-up shops with canaries, through everything but a store: chance comes from the hashes that deal customers to the arms.

use super::*;
use crate::arms::Place;
use crate::canary::Trials;
use proptest::prelude::*;

/// A shop whose canary is looked at again and again.
#[derive(Clone, Copy)]
struct Shop {
    percent: u8,
    customers: f64,
    /// Customers for whom every version fails, and for whom the canary fails beside them.
    fails: f64,
    canary_fails: f64,
    /// Log-odds that the canary adds.
    shift: f64,
}

/// A version like the other.
const ALIKE: Shop = Shop {
    percent: 50,
    customers: 3_000.0,
    fails: 0.03,
    canary_fails: 0.0,
    shift: 0.0,
};

const ENVIRONMENTS: usize = 3;
const REQUESTS_PER_LOOK: usize = 100;

impl Shop {
    /// After how many requests the canary is stopped, and why. A few customers ask most; each environment answers in turn, and
    /// looks in turn.
    fn stopped(&self, run: usize, requests: usize) -> Option<(usize, Stop)> {
        let environments: [Trials; ENVIRONMENTS] = std::array::from_fn(|_| Trials::default());
        let mut stored = Sample::default();
        for request in 0..requests {
            let luck = Place::of(&format!("who asks, run {run}"), &request.to_string());
            let customer = format!("{run}/{:.0}", luck.share.powi(2) * self.customers);
            self.ask(&environments[request % ENVIRONMENTS], &customer, luck.draw);
            if request % REQUESTS_PER_LOOK == 0 {
                let trials = &environments[request / REQUESTS_PER_LOOK % ENVIRONMENTS];
                if let Some(pending) = trials.pending(0) {
                    stored.add(&pending);
                    trials.learn(0, &pending, stored.clone());
                }
                if let Some(stop) = trials.judged(USUAL_SHIFT) {
                    return Some((request, stop));
                }
            }
        }
        None
    }

    /// Scores move a little from one request of a customer to the next.
    fn ask(&self, trials: &Trials, customer: &str, luck: f64) {
        let place = Place::of("salt", customer);
        let by_canary = place.share < f64::from(self.percent) / 100.0;
        let Some(trial) = trials.begin(&place, self.percent, by_canary) else {
            return;
        };
        let of_customer = Place::of("what is true of a customer", customer);
        let canary_fails = if by_canary { self.canary_fails } else { 0.0 };
        if of_customer.draw < self.fails + canary_fails {
            return drop(trial);
        }
        let odds = of_customer.share / (1.0 - of_customer.share);
        let shift = if by_canary { self.shift } else { 0.0 };
        trial.answered(Some(log(odds) - 2.5 + 0.4 * luck + shift));
    }

    /// The most requests until one of 40 canaries was stopped for what `is_it` says.
    fn slowest(&self, is_it: fn(&Stop) -> bool) -> usize {
        let stopped = (0..40).map(|run| {
            let (requests, stop) = self.stopped(run, 60_000).expect("stopped in time");
            assert!(is_it(&stop), "{stop}");
            requests
        });
        stopped.max().unwrap_or_default()
    }
}

impl Sample {
    pub(in crate::canary) fn add(&mut self, other: &Self) {
        let mut sets = self.to_sets();
        for (name, members) in other.to_sets() {
            sets.entry(name).or_default().extend(members);
        }
        *self = Self::of_sets(sets);
    }
}

#[test]
fn fewer_than_one_in_a_hundred_canaries_that_are_alike_is_stopped() {
    for (percent, runs) in [(50, 150), (5, 150), (95, 100)] {
        let shop = Shop { percent, ..ALIKE };
        let stopped: Vec<_> = (0..runs)
            .filter_map(|run| shop.stopped(run, 8_000))
            .collect();
        assert!(stopped.len() * 100 < runs, "{percent} %: {stopped:?}");
    }
}

#[test]
fn a_shift_that_is_allowed_does_not_stop() {
    let shop = Shop {
        shift: 0.4,
        ..ALIKE
    };
    assert!((0..40).all(|run| shop.stopped(run, 8_000).is_none()));
}

#[test]
fn a_canary_that_fails_is_stopped_soon() {
    let of_errors = |stop: &Stop| matches!(stop, Stop::Errors { .. });
    for (percent, canary_fails, within) in [(50, 0.2, 1_000), (50, 0.05, 6_000), (5, 0.2, 8_000)] {
        let shop = Shop {
            percent,
            canary_fails,
            customers: 50_000.0,
            ..ALIKE
        };
        let slowest = shop.slowest(of_errors);
        assert!(slowest <= within, "{slowest} requests at {percent} %");
    }
}

#[test]
fn a_canary_whose_scores_are_shifted_is_stopped_soon() {
    let of_shift = |stop: &Stop| matches!(stop, Stop::Shift { .. });
    for (percent, shift, within) in [(50, 2.0, 1_000), (50, -1.5, 1_000), (5, 2.0, 5_000)] {
        let shop = Shop {
            percent,
            shift,
            customers: 50_000.0,
            ..ALIKE
        };
        let slowest = shop.slowest(of_shift);
        assert!(slowest <= within, "{slowest} requests at {percent} %");
    }
}

#[test]
fn nothing_noted_and_a_missing_arm_stop_nothing() {
    let mut sample = Sample::default();
    assert_eq!(judge(&sample, USUAL_SHIFT), None);
    for mark in 0..5_000 {
        sample.served.fail(mark);
        sample.served.answer(mark, 3);
    }
    assert_eq!(
        judge(&sample, USUAL_SHIFT),
        None,
        "only the served one fails"
    );
}

#[test]
fn seventeen_failures_to_none_are_no_chance() {
    let judged = |canary: u32| {
        let mut sample = Sample::default();
        (0..canary).for_each(|mark| sample.canary.fail(mark));
        judge(&sample, USUAL_SHIFT)
    };
    assert_eq!(judged(16), None);
    let (canary, served) = (17, 0);
    assert_eq!(judged(17), Some(Stop::Errors { canary, served }));
}

proptest! {
    /// Both formulas, against themselves as they stand in a book: by products, and cell by cell.
    #[test]
    fn evidence_is_a_ratio_of_chances(canary in 0..30u64, served in 0..30u64) {
        // A coin with a uniform chance: B(1 + c, 1 + s) = c! s! / (c + s + 1)!.
        let falls = |from: u64, to: u64| (from..=to).map(|n| n as f64).product::<f64>();
        let unknown = falls(1, canary) / falls(served + 1, canary + served + 1);
        let fair = 0.5f64.powi((canary + served) as i32);
        let found = log_evidence(&[(canary, served)], 1.0);
        prop_assert!((found - log(unknown / fair)).abs() < 1e-9, "{found}");
    }

    #[test]
    fn the_index_is_symmetric_and_nothing_for_equal_shares(counts in prop::collection::vec(0..400u64, 33)) {
        let twice: Vec<_> = counts.iter().map(|c| (*c, *c)).collect();
        prop_assert!(stability_index(&twice).abs() < 1e-12);
        let turned: Vec<_> = counts.iter().copied().zip(counts.iter().rev().copied()).collect();
        let back: Vec<_> = turned.iter().map(|(c, s)| (*s, *c)).collect();
        let (index, same) = (stability_index(&turned), stability_index(&back));
        prop_assert!(index >= 0.0 && (index - same).abs() < 1e-9, "{index} {same}");
        prop_assert_eq!(totals(&joined(&turned)), totals(&turned), "joining loses nobody");
    }
}
