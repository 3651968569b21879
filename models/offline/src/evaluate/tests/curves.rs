//! Bins, curves and the numbers they are drawn with.

use super::super::calibration::equal_count_bins;
use super::super::*;
use super::Shop;

#[test]
fn separated_classes_have_no_calibration_slope() {
    let log_odds = [-2.0, -1.0, 1.0, 2.0];
    assert_eq!(
        calibration_slope(&log_odds, &[false, false, true, true], &[1; 4]),
        None
    );
    assert_eq!(
        calibration_slope(&[0.3; 4], &[false, true, false, true], &[1; 4]),
        None,
        "no spread, no slope"
    );
}

#[test]
fn bins_share_out_every_row_once() {
    for rows in [1usize, 3, 9, 10, 11, 57] {
        let probabilities: Vec<f64> = (0..rows).map(|i| i as f64 / rows as f64).collect();
        let ranking = Ranking::new(&probabilities);
        let weights = vec![3; rows];
        let bins = equal_count_bins(&ranking, &probabilities, &vec![true; rows], &weights);
        let counts: Vec<u64> = bins.iter().map(|bin| bin.rows).collect();
        assert_eq!(counts.iter().sum::<u64>(), 3 * rows as u64);
        assert!(
            counts.iter().max().unwrap() - counts.iter().min().unwrap() <= 1,
            "{counts:?}"
        );
    }
}

#[test]
fn curves_hold_the_model_first_and_end_at_one() {
    let shop = Shop::new(200);
    let baselines = [
        BaselineScores {
            name: "recency_days",
            scores: &shop.raw,
            is_probability: false,
        },
        BaselineScores {
            name: "logistic",
            scores: &shop.rival,
            is_probability: true,
        },
    ];
    let curves = curves("churn", &shop.rows(&baselines)).unwrap();
    let names = |all: Vec<&str>| all.join(" ");
    assert_eq!(
        names(curves.reliability.iter().map(|c| c.name.as_str()).collect()),
        "churn logistic"
    );
    assert_eq!(
        names(curves.lift.iter().map(|c| c.name.as_str()).collect()),
        "churn recency_days logistic"
    );
    for curve in &curves.lift {
        assert_eq!(curve.points.len(), 100);
        assert!((curve.points[99].lift - 1.0).abs() < 1e-9);
    }
    let bins = &curves.reliability[0].bins;
    assert!(bins.is_sorted_by(|a, b| a.predicted <= b.predicted));
    assert!(
        bins.iter()
            .all(|bin| bin.low <= bin.observed && bin.observed <= bin.high)
    );
}

#[test]
fn split_mix_equals_the_reference() {
    // First outputs of the reference implementation for seed 1234567.
    let mut random = SplitMix64::new(1_234_567);
    let found = [random.next_u64(), random.next_u64(), random.next_u64()];
    assert_eq!(
        found,
        [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423
        ]
    );
}
