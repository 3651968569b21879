//! Metrics against numpy and scipy, and the properties a report relies on.

use super::*;
use crate::evaluate::{INVENTORY_BARS, INVENTORY_ORIGIN_BARS};
use inventory::policy::Demand;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Made by `models/training/tests/make_forecast_fixture.py`.
const FIXTURE: &str = include_str!("fixture.json");
/// Coverage is drawn there and exact here.
const DRAW_NOISE: f64 = 1e-3;
const QUICK: Bootstrap = Bootstrap {
    resamples: 60,
    seed: 4,
};

#[derive(Deserialize)]
struct Fixture {
    product: Vec<u32>,
    origins: Vec<String>,
    actual: Vec<f64>,
    mean: Vec<f64>,
    size: Vec<f64>,
    ses: Vec<f64>,
    ses_size: Vec<f64>,
    naive_squared: Vec<f64>,
    weight: Vec<u32>,
    expected: BTreeMap<String, f64>,
    expected_by_origin: BTreeMap<String, BTreeMap<String, f64>>,
    expected_weighted: BTreeMap<String, f64>,
}

/// A fixture with its scores, ready to be borrowed from.
struct Scored {
    fixture: Fixture,
    classes: Vec<Option<DemandClass>>,
    model: Vec<CountScore>,
    poisson: Vec<CountScore>,
    negbin_ses: Vec<CountScore>,
}

fn score(actual: f64, law: &Demand) -> CountScore {
    CountScore::of(actual, |units| law.cdf(units), |level| law.quantile(level))
}

impl Scored {
    fn read() -> Self {
        let fixture: Fixture = serde_json::from_str(FIXTURE).unwrap();
        let scores = |law: &dyn Fn(usize) -> Demand| {
            let actual = fixture.actual.iter().enumerate();
            actual
                .map(|(row, actual)| score(*actual, &law(row)))
                .collect::<Vec<_>>()
        };
        let counts = |mean: f64, size: f64| Demand::negative_binomial(mean, size).unwrap();
        let class =
            |product: &u32| (product % 5 != 4).then(|| DemandClass::ALL[(*product % 5) as usize]);
        Self {
            classes: fixture.product.iter().map(class).collect(),
            model: scores(&|row| counts(fixture.mean[row], fixture.size[row])),
            poisson: scores(&|row| Demand::poisson(fixture.mean[row]).unwrap()),
            negbin_ses: scores(&|row| counts(fixture.ses[row], fixture.ses_size[row])),
            fixture,
        }
    }

    fn methods(&self) -> [ForecastMethod<'_>; 4] {
        let of = |name, means, scores| ForecastMethod {
            name,
            means,
            scores,
        };
        [
            of("inventory", &self.fixture.mean[..], Some(&self.model[..])),
            of("ses", &self.fixture.ses, None),
            of("poisson", &self.fixture.mean, Some(&self.poisson)),
            of("negbin_ses", &self.fixture.ses, Some(&self.negbin_ses)),
        ]
    }

    fn with_rows<T>(&self, read: impl FnOnce(&ForecastRows<'_>) -> T) -> T {
        let methods = self.methods();
        let origins: Vec<&str> = self.fixture.origins.iter().map(String::as_str).collect();
        read(&ForecastRows {
            products: &self.fixture.product,
            origins: &origins,
            classes: &self.classes,
            actual: &self.fixture.actual,
            naive_squared: &self.fixture.naive_squared,
            methods: &methods,
        })
    }

    fn lines(&self) -> Vec<MetricLine> {
        let bars = ForecastBars {
            pooled: &INVENTORY_BARS,
            each_origin: &INVENTORY_ORIGIN_BARS,
        };
        self.with_rows(|rows| evaluate_forecast("inventory", rows, bars, &QUICK).unwrap())
    }
}

fn line<'a>(lines: &'a [MetricLine], metric: &str) -> &'a MetricLine {
    lines.iter().find(|line| line.metric == metric).unwrap()
}

fn assert_close(what: &str, found: Option<f64>, expected: f64) {
    let noise = if what.starts_with("coverage") {
        DRAW_NOISE
    } else {
        2e-6
    };
    let found = found.unwrap_or(f64::NAN);
    assert!(
        (found - expected).abs() <= noise,
        "{what}: {found}, scipy has {expected}"
    );
}

#[test]
fn metrics_equal_scipy_pooled_and_by_origin() {
    let scored = Scored::read();
    let lines = scored.lines();
    for (metric, expected) in &scored.fixture.expected {
        assert_close(metric, line(&lines, metric).value, *expected);
    }
    for (origin, metrics) in &scored.fixture.expected_by_origin {
        for (metric, expected) in metrics {
            assert_close(
                metric,
                line(&lines, &format!("{metric}@{origin}")).value,
                *expected,
            );
        }
    }
}

#[test]
fn a_resample_equals_scipy_on_repeated_products() {
    let scored = Scored::read();
    scored.with_rows(|rows| {
        let part = Part::new(rows, &rows.all());
        let values = part.values(Some(&scored.fixture.weight));
        let names = METRICS
            .iter()
            .chain(part.pairs.iter().map(|(name, ..)| name));
        assert_eq!(values.len(), scored.fixture.expected_weighted.len());
        for (name, value) in names.zip(values) {
            assert_close(name, value, scored.fixture.expected_weighted[*name]);
        }
    });
}

#[test]
fn report_is_complete_and_repeats_itself() {
    let scored = Scored::read();
    let lines = scored.lines();
    assert_eq!(lines, scored.lines(), "equal seeds give equal lines");
    // All rows, three origins, four classes.
    assert_eq!(lines.len(), 11 * 8);
    for line in &lines {
        let ([low, high], value) = (line.interval.unwrap(), line.value.unwrap());
        // Of ten products of a class, all may be covered.
        let is_wide = low < high || line.metric.contains('@');
        assert!(is_wide && (low..=high).contains(&value), "{line:?}");
    }
    let own = line(&lines, "mae");
    assert_eq!(
        own.baselines.keys().collect::<Vec<_>>(),
        ["negbin_ses", "poisson", "ses"]
    );
    assert!(
        !line(&lines, "coverage_95").baselines.contains_key("ses"),
        "SES alone has no quantiles"
    );
    assert_eq!(
        line(&lines, "coverage_95").bar.as_deref(),
        Some("0.92 to 0.98")
    );
    assert_eq!(
        line(&lines, "pinball_vs_negbin_ses").bar.as_deref(),
        Some("lower end > 0")
    );
    assert!(line(&lines, "coverage_95@2017-08-13").pass.is_some());
    assert_eq!(
        line(&lines, "bias@2017-08-13").pass,
        None,
        "the bar of bias is on all origins"
    );
    assert_eq!(line(&lines, "coverage_95@lumpy").pass, None);
}

#[test]
fn a_part_of_its_own_carries_its_name_and_no_bars() {
    let scored = Scored::read();
    let lines = scored.with_rows(|rows| evaluate_part("inventory", "7d", rows, &QUICK).unwrap());
    assert_eq!(lines.len(), 11);
    assert!(
        lines
            .iter()
            .all(|line| line.metric.ends_with("@7d") && line.bar.is_none())
    );
}

#[test]
fn pits_are_uniform_under_the_law_itself_in_expectation() {
    let law = Demand::negative_binomial(2.3, 0.7).unwrap();
    for level in [0.05, 0.5, 0.8, 0.95] {
        let covered: f64 = (0..400)
            .map(|units| law.pmf(f64::from(units)) * score(f64::from(units), &law).covered(level))
            .sum();
        assert!((covered - level).abs() < 1e-9, "{level}: {covered}");
    }
    // Half a unit lies between two counts.
    let between = score(1.5, &law);
    assert_eq!(
        (between.less, between.at_most),
        (law.cdf(1.0), law.cdf(1.0))
    );
    assert_eq!((between.covered(0.9), between.covered(0.1)), (1.0, 0.0));
}

#[test]
fn products_are_drawn_whole_and_their_numbers_may_have_gaps() {
    let scored = Scored::read();
    let spread: Vec<u32> = scored
        .fixture
        .product
        .iter()
        .map(|p| p * 1000 + 17)
        .collect();
    let renamed = scored.with_rows(|rows| {
        let rows = ForecastRows {
            products: &spread,
            ..*rows
        };
        evaluate_part("inventory", "x", &rows, &QUICK).unwrap()
    });
    let plain = scored.with_rows(|rows| evaluate_part("inventory", "x", rows, &QUICK).unwrap());
    assert_eq!(renamed, plain);
    let alone: Vec<u32> = (0..120).collect();
    let torn = scored.with_rows(|rows| {
        let rows = ForecastRows {
            products: &alone,
            ..*rows
        };
        evaluate_part("inventory", "x", &rows, &QUICK).unwrap()
    });
    assert_ne!(torn[0].interval, plain[0].interval);
    assert_eq!(torn[0].value, plain[0].value);
}

#[test]
fn curves_hold_every_method_with_quantiles() {
    let scored = Scored::read();
    let curves = scored.with_rows(|rows| forecast_curves(rows, &QUICK).unwrap());
    let names = |curves: &ForecastCurves| {
        curves
            .coverage
            .iter()
            .map(|c| c.name.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&curves), ["inventory", "poisson", "negbin_ses"]);
    let lines = scored.lines();
    assert_eq!(Some(curves.pinball[0].value), line(&lines, "pinball").value);
    assert_eq!(curves.coverage[0].points.len(), 19);
    assert!(
        curves.coverage[0]
            .points
            .windows(2)
            .all(|pair| pair[0].covered <= pair[1].covered)
    );
}

#[test]
fn classes_are_those_of_the_published_cuts() {
    let series = |weeks: &[f64]| weeks.iter().map(|units| Some(*units)).collect::<Vec<_>>();
    assert_eq!(
        DemandClass::of(&series(&[5.0, 6.0, 4.0])),
        Some(DemandClass::Smooth)
    );
    assert_eq!(
        DemandClass::of(&series(&[1.0, 1.0, 12.0])),
        Some(DemandClass::Erratic)
    );
    assert_eq!(
        DemandClass::of(&series(&[5.0, 0.0, 6.0, 4.0])),
        Some(DemandClass::Intermittent)
    );
    assert_eq!(
        DemandClass::of(&series(&[0.0, 1.0, 12.0, 1.0])),
        Some(DemandClass::Lumpy)
    );
    assert_eq!(DemandClass::of(&[None, Some(0.0)]), None);
    // Four weeks of which one is masked are three.
    assert_eq!(
        DemandClass::of(&[Some(5.0), None, Some(6.0), Some(5.0)]),
        Some(DemandClass::Smooth)
    );
}

#[test]
fn wrong_rows_are_refused_with_place_value_and_limit() {
    let scored = Scored::read();
    let refused =
        |change: &dyn Fn(ForecastRows<'_>) -> Result<Vec<MetricLine>, EvaluationError>| {
            scored
                .with_rows(|rows| change(*rows))
                .unwrap_err()
                .to_string()
        };
    let evaluate = |rows: &ForecastRows<'_>| evaluate_part("inventory", "x", rows, &QUICK);
    assert_eq!(
        refused(&|rows| evaluate(&ForecastRows {
            actual: &[],
            ..rows
        })),
        "evaluate: no test rows"
    );
    assert_eq!(
        refused(&|rows| evaluate(&ForecastRows {
            products: &rows.products[1..],
            ..rows
        })),
        "evaluate: products has 119 values, the labels 120"
    );
    let mut negative = scored.fixture.actual.clone();
    negative[7] = -1.0;
    assert_eq!(
        refused(&|rows| evaluate(&ForecastRows {
            actual: &negative,
            ..rows
        })),
        "evaluate: demand of row 7 is -1, a finite number from 0 expected"
    );
}
