//! Metrics against scikit-learn, and the properties a report relies on.

mod curves;
mod lists;

use super::*;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Made by `models/training/tests/make_metric_fixture.py`.
const FIXTURE: &str = include_str!("fixture.json");

#[derive(Deserialize)]
struct Fixture {
    labels: Vec<u8>,
    scores: Vec<f64>,
    probabilities: Vec<f64>,
    weights: Vec<u32>,
    expected: BTreeMap<String, f64>,
    expected_weighted: BTreeMap<String, f64>,
    baseline: FixtureBaseline,
}

#[derive(Deserialize)]
struct FixtureBaseline {
    names: Vec<String>,
    json: LogisticBaseline,
    rows: Vec<Vec<Option<f32>>>,
    log_odds: Vec<f64>,
}

impl Fixture {
    fn read() -> Self {
        serde_json::from_str(FIXTURE).unwrap()
    }

    fn labels(&self) -> Vec<bool> {
        self.labels.iter().map(|&label| label == 1).collect()
    }
}

fn assert_close(what: &str, found: Option<f64>, expected: f64) {
    let found = found.unwrap_or(f64::NAN);
    assert!(
        (found - expected).abs() <= 1e-9,
        "{what}: {found}, scikit-learn has {expected}"
    );
}

#[test]
fn metrics_equal_scikit_learn_plain_and_weighted() {
    let fixture = Fixture::read();
    let labels = fixture.labels();
    let method = Method::new(&fixture.scores, Some(&fixture.probabilities));
    let ones = vec![1; labels.len()];
    for (weights, expected) in [
        (&ones, &fixture.expected),
        (&fixture.weights, &fixture.expected_weighted),
    ] {
        let mut metrics = method.metrics(&labels, weights);
        metrics.push((
            "majority_accuracy".to_owned(),
            majority_accuracy(&labels, weights),
        ));
        assert_eq!(metrics.len(), expected.len());
        for (metric, value) in metrics {
            assert_close(&metric, value, expected[&metric]);
        }
    }
}

#[test]
fn logistic_baseline_equals_trainings() {
    let baseline = Fixture::read().baseline;
    let names: Vec<&str> = baseline.names.iter().map(String::as_str).collect();
    let bound = baseline.json.bind(&names).unwrap();
    for (row, expected) in baseline.rows.iter().zip(&baseline.log_odds) {
        let row: Vec<f32> = row.iter().map(|value| value.unwrap_or(f32::NAN)).collect();
        assert_close("log-odds", Some(bound.log_odds(&row)), *expected);
    }
    assert_eq!(
        baseline
            .json
            .bind(&["plain", "noise"])
            .unwrap_err()
            .to_string(),
        "logistic baseline: the rows have no column heavy_tail"
    );
}

/// A made-up test set: three rows per customer, a good model, a rival that is the model with noise.
struct Shop {
    customers: Vec<u32>,
    labels: Vec<bool>,
    raw: Vec<f64>,
    probabilities: Vec<f64>,
    rival: Vec<f64>,
}

impl Shop {
    fn new(customers: u32) -> Self {
        let mut random = SplitMix64::new(3);
        let mut uniform = move || random.below(1 << 30) as f64 / f64::from(1 << 30);
        let mut shop = Self {
            customers: vec![],
            labels: vec![],
            raw: vec![],
            probabilities: vec![],
            rival: vec![],
        };
        for row in 0..3 * customers {
            let raw = 6.0 * uniform() - 4.0;
            let probability = 1.0 / (1.0 + (-raw).exp());
            shop.customers.push(row % customers);
            shop.labels.push(uniform() < probability);
            shop.raw.push(raw);
            shop.probabilities.push(probability);
            shop.rival
                .push(1.0 / (1.0 + (-(raw + 6.0 * uniform() - 3.0)).exp()));
        }
        shop
    }

    fn evaluate(&self, bootstrap: &Bootstrap) -> Vec<MetricLine> {
        let baselines = [BaselineScores {
            name: "logistic",
            scores: &self.rival,
            is_probability: true,
        }];
        evaluate("churn", &self.rows(&baselines), &CHURN_BARS, bootstrap).unwrap()
    }

    fn rows<'a>(&'a self, baselines: &'a [BaselineScores<'a>]) -> EvaluationRows<'a> {
        EvaluationRows {
            customers: &self.customers,
            labels: &self.labels,
            raw: &self.raw,
            probabilities: &self.probabilities,
            baselines,
        }
    }
}

fn line<'a>(lines: &'a [MetricLine], metric: &str) -> &'a MetricLine {
    lines.iter().find(|line| line.metric == metric).unwrap()
}

#[test]
fn report_is_complete_and_repeats_itself() {
    let shop = Shop::new(400);
    let bootstrap = Bootstrap {
        resamples: 200,
        seed: 1,
    };
    let lines = shop.evaluate(&bootstrap);
    assert_eq!(
        lines,
        shop.evaluate(&bootstrap),
        "equal seeds give equal lines"
    );
    let other = shop.evaluate(&Bootstrap {
        seed: 2,
        ..bootstrap
    });
    assert_ne!(
        line(&lines, "auc").interval,
        line(&other, "auc").interval,
        "the seed matters"
    );

    for line in &lines {
        let [low, high] = line.interval.unwrap();
        let value = line.value.unwrap();
        assert!(
            low < value && value < high,
            "{}: {value} in {low} to {high}",
            line.metric
        );
        assert_eq!(line.pass.is_some(), line.bar.is_some());
    }
    assert!(line(&lines, "auc").baselines["logistic"] < line(&lines, "auc").value);
    assert!(
        line(&lines, "auc_minus_logistic").interval.unwrap()[0] > 0.0,
        "the model ranks measurably better"
    );
    assert_eq!(line(&lines, "auc_minus_logistic").pass, Some(true));
    assert_eq!(
        line(&lines, "calibration_slope").pass,
        Some(true),
        "probabilities are the true ones"
    );
    assert!(line(&lines, "accuracy").baselines.contains_key("majority"));
}

#[test]
fn json_line_has_the_documented_shape() {
    let lines = Shop::new(200).evaluate(&Bootstrap {
        resamples: 20,
        seed: 1,
    });
    let json = serde_json::to_value(line(&lines, "lift_at_10pct")).unwrap();
    let keys: Vec<&str> = json
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let mut documented = vec![
        "model",
        "metric",
        "value",
        "interval",
        "bar",
        "baselines",
        "pass",
    ];
    documented.sort_unstable();
    let mut found = keys.clone();
    found.sort_unstable();
    assert_eq!(found, documented);
    assert_eq!(json["bar"], ">= 3.5");
    assert_eq!(
        json["pass"], false,
        "a third of these customers leave, so a lift of 3.5 cannot be"
    );
}

#[test]
fn customers_are_drawn_whole() {
    // Each customer's rows are the same row thrice: the interval must be as wide as with one row each.
    let shop = Shop::new(300);
    let once = |values: &[f64]| values[..300].to_vec();
    let thrice = |values: &[f64]| [once(values), once(values), once(values)].concat();
    let labels = [&shop.labels[..300]; 3].concat();
    let single = EvaluationRows {
        customers: &shop.customers[..300],
        labels: &labels[..300],
        raw: &once(&shop.raw),
        probabilities: &once(&shop.probabilities),
        baselines: &[],
    };
    let triple = EvaluationRows {
        customers: &shop.customers,
        labels: &labels,
        raw: &thrice(&shop.raw),
        probabilities: &thrice(&shop.probabilities),
        baselines: &[],
    };
    let bootstrap = Bootstrap {
        resamples: 100,
        seed: 5,
    };
    let interval = |rows| line(&evaluate("churn", rows, &[], &bootstrap).unwrap(), "auc").interval;
    assert_eq!(interval(&single), interval(&triple));
}

#[test]
fn gaps_in_customer_numbers_do_not_matter() {
    let shop = Shop::new(100);
    let spread: Vec<u32> = shop
        .customers
        .iter()
        .map(|customer| customer * 2 + 7)
        .collect();
    let rows = EvaluationRows {
        customers: &spread,
        ..shop.rows(&[])
    };
    let bootstrap = Bootstrap {
        resamples: 30,
        seed: 5,
    };
    assert_eq!(
        evaluate("churn", &rows, &[], &bootstrap).unwrap(),
        evaluate("churn", &shop.rows(&[]), &[], &bootstrap).unwrap()
    );
}

#[test]
fn one_class_has_no_value_and_meets_no_bar() {
    let rows = EvaluationRows {
        customers: &[0, 1, 2],
        labels: &[false; 3],
        raw: &[-1.0, 0.0, 1.0],
        probabilities: &[0.2, 0.5, 0.8],
        baselines: &[],
    };
    let lines = evaluate(
        "churn",
        &rows,
        &CHURN_BARS,
        &Bootstrap {
            resamples: 10,
            seed: 1,
        },
    )
    .unwrap();
    assert_eq!(
        (line(&lines, "auc").value, line(&lines, "auc").pass),
        (None, Some(false))
    );
    assert_eq!(line(&lines, "calibration_slope").value, None);
    assert_eq!(line(&lines, "accuracy").value, Some(0.333_333));
}

#[test]
fn wrong_rows_are_refused_with_place_value_and_limit() {
    let shop = Shop::new(10);
    let refused = |rows: EvaluationRows<'_>| {
        evaluate("churn", &rows, &[], &Bootstrap::default())
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        refused(EvaluationRows {
            labels: &[],
            ..shop.rows(&[])
        }),
        "evaluate: no test rows"
    );
    assert_eq!(
        refused(EvaluationRows {
            raw: &shop.raw[1..],
            ..shop.rows(&[])
        }),
        "evaluate: raw score has 29 values, the labels 30"
    );
    let mut high = shop.probabilities.clone();
    high[4] = 1.5;
    assert_eq!(
        refused(EvaluationRows {
            probabilities: &high,
            ..shop.rows(&[])
        }),
        "evaluate: probability of row 4 is 1.5, a number from 0 to 1 expected"
    );
    let nan = [BaselineScores {
        name: "recency_days",
        scores: &[f64::NAN; 30],
        is_probability: false,
    }];
    assert_eq!(
        refused(shop.rows(&nan)),
        "evaluate: recency_days of row 0 is NaN, a finite number expected"
    );
}
