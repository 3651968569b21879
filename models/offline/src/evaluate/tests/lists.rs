//! List metrics against `trec_eval`.

use crate::evaluate::Bootstrap;
use crate::evaluate::lists::{hit, ndcg, recall, reciprocal_rank, resampled};
use serde::Deserialize;
use std::collections::{BTreeMap, HashSet};

/// Made by `models/training/tests/make_list_fixture.py`.
const FIXTURE: &str = include_str!("../lists.json");

type Measure = fn(&[String], &HashSet<String>, usize) -> f64;

#[derive(Deserialize)]
struct Fixture {
    k: usize,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    list: Vec<String>,
    relevant: HashSet<String>,
    expected: BTreeMap<String, f64>,
}

#[test]
fn list_metrics_agree_with_trec_eval() {
    let fixture: Fixture = serde_json::from_str(FIXTURE).unwrap();
    assert_eq!(fixture.cases.len(), 60);
    for case in &fixture.cases {
        let measures: [(&str, Measure); 4] = [
            ("recall", recall),
            ("ndcg", ndcg),
            ("hit", hit),
            ("reciprocal_rank", reciprocal_rank),
        ];
        for (name, measure) in measures {
            let (found, expected) = (
                measure(&case.list, &case.relevant, fixture.k),
                case.expected[name],
            );
            assert!(
                (found - expected).abs() < 1e-12,
                "{name} of {:?}: {found}, {expected}",
                case.list
            );
        }
    }
}

#[test]
fn the_interval_holds_the_mean_and_narrows_with_customers() {
    let values: Vec<f64> = (0..400).map(|n| f64::from(n % 7)).collect();
    let width = |count: usize| {
        let mean =
            |places: &[usize]| places.iter().map(|p| values[*p]).sum::<f64>() / places.len() as f64;
        let [low, high] = resampled(count, &Bootstrap::default(), mean).expect("an interval");
        let all = values[..count].iter().sum::<f64>() / count as f64;
        assert!(low < all && all < high);
        high - low
    };
    assert!(width(400) < width(100));
    assert_eq!(resampled(0, &Bootstrap::default(), |_| 0.0), None);
}
