//! What is noted, and what is not.

use super::*;
use crate::arms::Place;
use proptest::prelude::*;
use std::panic::{AssertUnwindSafe, catch_unwind};

fn place(id: &str) -> Place {
    Place::of("salt", id)
}

/// Trials that have seen that nothing is noted of the first day yet.
fn trials() -> Trials {
    let trials = Trials::default();
    assert_eq!(trials.pending(0), Some(Sample::default()), "it asks first");
    trials.learn(0, &Sample::default(), Sample::default());
    trials
}

fn noted(trials: &Trials) -> Sample {
    trials.pending(0).unwrap_or_default()
}

#[test]
fn an_entity_counts_once_whatever_it_asks_and_a_panic_is_a_failure() {
    let trials = trials();
    let begin = || {
        trials
            .begin(&place("a"), 50, true)
            .expect("both arms are small")
    };
    begin().refused();
    assert!(
        noted(&trials).is_empty(),
        "what callers do wrong is no version's doing"
    );
    for score in [Some(1.0), Some(1.0), None] {
        begin().answered(score);
    }
    drop(begin());
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _trial = begin();
        panic!("as meant");
    }));
    assert!(panicked.is_err());
    let sample = noted(&trials);
    assert_eq!((sample.canary.answers(), sample.canary.failures()), (1, 1));
    assert_eq!(sample.canary.by_cell()[cell_of(Some(1.0)) as usize], 1);
    trials.learn(0, &sample, sample.clone());
    begin().answered(Some(-3.0));
    drop(begin());
    assert_eq!(trials.pending(0), None, "it is known already");
    assert_eq!(trials.pending(1), Some(Sample::default()), "a new day");
    trials.learn(1, &Sample::default(), Sample::default());
    begin().answered(Some(-3.0));
    assert_eq!(trials.pending(1).map(|s| s.canary.answers()), Some(1));
}

#[test]
fn what_was_noted_while_a_sample_was_sent_is_kept() {
    let trials = trials();
    let begin = |id: &str| {
        trials
            .begin(&place(id), 50, false)
            .expect("both arms are small")
    };
    begin("a").answered(None);
    let sent = noted(&trials);
    begin("b").answered(None);
    trials.learn(0, &sent, sent.clone());
    let left = noted(&trials);
    assert_eq!(left.served.answers(), 1);
    assert!(left.served.has_answered(place("b").mark));
}

#[test]
fn however_many_environments_begin_a_sample_stays_small() {
    let mut stored = Sample::default();
    for environment in 0..600 {
        let trials = Trials::default();
        for look in 0..3 {
            if let Some(pending) = trials.pending(0) {
                stored.add(&pending);
                trials.learn(0, &pending, stored.clone());
            }
            for request in 0..200 {
                let place = place(&format!("{environment}/{look}/{request}"));
                for by_canary in [true, false] {
                    let trial = || trials.begin(&place, 50, by_canary);
                    trial().expect("both arms are small").answered(None);
                    drop(trial());
                }
            }
        }
    }
    for arm in [&stored.canary, &stored.served] {
        for entries in [arm.answers(), arm.failures()] {
            assert!((1_000..=1_050).contains(&entries), "{entries}");
        }
    }
}

proptest! {
    #[test]
    fn both_arms_are_noted_at_the_same_rate(percent in 1..=99u8, salt in "[a-z]{8}") {
        let (trials, count) = (Trials::default(), 6_000);
        let mut begun = [0.0f64; 2];
        for id in 0..count {
            let place = Place::of(&salt, &id.to_string());
            let by_canary = place.share < f64::from(percent) / 100.0;
            if let Some(trial) = trials.begin(&place, percent, by_canary) {
                begun[usize::from(by_canary)] += 1.0;
                trial.refused();
            }
        }
        let expected = f64::from(percent.min(100 - percent)) / 100.0 * f64::from(count);
        // Five standard deviations of a binomial, nearly.
        let spread = 5.0 * expected.sqrt();
        prop_assert!(begun.iter().all(|n| (n - expected).abs() <= spread), "{begun:?} of {expected}");
    }

    #[test]
    fn a_sample_comes_back_from_a_store(entries in prop::collection::vec((any::<u32>(), prop::option::of(-20.0..20.0), any::<bool>()), 0..60)) {
        let mut sample = Sample::default();
        for (mark, score, fails) in entries {
            let arm = if mark % 2 == 0 { &mut sample.served } else { &mut sample.canary };
            arm.answer(mark, cell_of(score));
            if fails {
                arm.fail(mark);
            }
            prop_assert!(arm.has_answered(mark) && arm.has_failed(mark) >= fails);
        }
        prop_assert_eq!(Sample::of_sets(sample.to_sets()), sample.clone());
        prop_assert!(sample.canary.by_cell().iter().sum::<u64>() <= sample.canary.answers() as u64);
        let all = sample.clone();
        sample.subtract(&all);
        prop_assert!(sample.is_empty());
    }

    #[test]
    fn cells_follow_scores(low in -30.0..30.0f64, more in 0.0..5.0f64) {
        let (low, high) = (cell_of(Some(low)), cell_of(Some(low + more)));
        prop_assert!(low <= high && high < cell_of(None));
        prop_assert!((high - low) as f64 <= more / 0.5 + 1.0);
        prop_assert_eq!(cell_of(Some(f64::NAN)), cell_of(None));
    }
}
