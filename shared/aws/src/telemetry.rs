//! JSON logs and metrics on standard output, where Lambda collects both.
//!
//! Neither holds payloads or customer ids: our own code logs none, and the crates below, which log requests when asked
//! for detail, are held at `warn` whatever the level.
//!
//! Metrics are CloudWatch's embedded format: one JSON line per request, no call, no agent. The crates for it bring a
//! global registry and flush on their own terms; one line with a dozen values is a page of code. Each declared pair of
//! metric and dimensions costs money, so the many are told apart by `service` alone, the function's name on AWS, which has
//! the stack's name in it and tells requests from files; few are told apart by the model's version as well.
//! Source: CloudWatch user guide, embedded metric format specification.

mod trail;
mod xray;

pub(crate) use trail::REQUEST;
pub use trail::{Stage, Trail};
pub use xray::{Times, Traced};

use crate::config;
use serde_json::{Map, Value, json};
use serving::arms::Shadowed;
use serving::drift::Drift;
use std::io::Write;
use tracing_subscriber::filter::{LevelFilter, Targets, filter_fn};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

/// CloudWatch namespace of all metrics.
const NAMESPACE: &str = "Storecast";

/// What is told of one request.
#[derive(Debug, Clone)]
pub struct RequestMetrics<'a> {
    /// Name of the function on AWS, such as `shop-churn`.
    pub service: &'a str,
    /// The predictor's name.
    pub function: &'a str,
    /// Version of the served model, or `none`.
    pub model_version: &'a str,
    /// What brought it: `http`, `records` or `direct`; a property, not a dimension.
    pub trigger: &'static str,
    /// Lambda's id of the invocation; a property as well.
    pub request_id: &'a str,
    /// From event to answer.
    pub times: Times,
    /// Its stages, and what answered.
    pub trail: &'a Trail,
    /// Rows the model scored.
    pub rows_scored: usize,
    /// Whether we, or a store, failed; what callers do wrong is no error of ours.
    pub failed: bool,
    /// Times that predictions could not be kept.
    pub log_failures: usize,
    /// Whether this is the first request of the environment.
    pub cold_start: bool,
}

impl RequestMetrics<'_> {
    /// Writes the line, and sends the stages of a request that is traced.
    pub fn emit(&self, traced: Option<Traced<'_>>) {
        write_line(&self.line());
        if let (Some(traced), Some(daemon)) = (traced, config::trace_daemon()) {
            let told = json!({
                "model_version": self.model_version,
                "cold_start": self.cold_start,
                "rows_scored": self.rows_scored,
            });
            let packet = traced.packet(self.service, self.trail, &self.times, &told);
            xray::send(daemon, &packet);
        }
    }

    /// Names, units and values of what is counted and measured.
    fn metrics(&self) -> Vec<(String, &'static str, Value)> {
        let milliseconds = |time: std::time::Duration| json!(time.as_secs_f64() * 1000.0);
        let count = |name: &str, value: usize| (name.to_owned(), "Count", json!(value));
        let mut metrics = vec![
            (
                "latency_ms".to_owned(),
                "Milliseconds",
                milliseconds(self.times.took),
            ),
            count("rows_scored", self.rows_scored),
            count("errors", usize::from(self.failed)),
            count("refusals", usize::from(self.trail.refused)),
            count("model_refusals", usize::from(self.model_version == "none")),
            count("cold_start", usize::from(self.cold_start)),
            count("log_failures", self.log_failures),
        ];
        for (name, stage) in &self.trail.stages {
            metrics.push((
                format!("{name}_ms"),
                "Milliseconds",
                milliseconds(stage.took),
            ));
        }
        for (name, cases) in &self.trail.answered_by {
            metrics.push(count(&format!("answered_by_{name}"), *cases));
        }
        metrics
    }

    fn line(&self) -> Value {
        let metrics = self.metrics();
        let declared = |of: &dyn Fn(&str) -> bool| -> Vec<Value> {
            let of = metrics.iter().filter(|(name, _, _)| of(name));
            of.map(|(name, unit, _)| json!({ "Name": name, "Unit": unit }))
                .collect()
        };
        let by_version = |name: &str| ["rows_scored", "errors", "cold_start"].contains(&name);
        let directives = [
            json!({ "Namespace": NAMESPACE, "Dimensions": [["service"]], "Metrics": declared(&|_| true) }),
            json!({ "Namespace": NAMESPACE, "Dimensions": [["service", "model_version"]], "Metrics": declared(&by_version) }),
        ];
        let values = metrics.iter();
        let mut line: Map<String, Value> = values
            .map(|(name, _, value)| (name.clone(), value.clone()))
            .collect();
        let epoch_ms = (self.times.began_since_1970 + self.times.took).as_millis() as u64;
        line.insert(
            "_aws".to_owned(),
            json!({ "Timestamp": epoch_ms, "CloudWatchMetrics": directives }),
        );
        for (name, value) in [
            ("service", self.service),
            ("function", self.function),
            ("model_version", self.model_version),
            ("trigger", self.trigger),
            ("request_id", self.request_id),
        ] {
            line.insert(name.to_owned(), value.into());
        }
        line.into()
    }
}

/// What a line beside that of the request is about.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Origin<'a> {
    /// The function's name on AWS.
    pub service: &'a str,
    /// The predictor's name.
    pub function: &'a str,
    /// Version that the line is about.
    pub model_version: &'a str,
    /// Lambda's id of the invocation; a property, not a dimension.
    pub request_id: &'a str,
}

impl Origin<'_> {
    /// Writes how far the shadow was from the version that answered one request, stamped with `epoch_ms`.
    pub fn emit_shadow(&self, shadowed: &Shadowed, epoch_ms: u64) {
        write_line(&self.shadow(shadowed, epoch_ms));
    }

    /// Writes how far the rows of a file are from those of training, stamped with `epoch_ms`.
    pub fn emit_drift(&self, drift: &Drift, epoch_ms: u64) {
        write_line(&self.drift(drift, epoch_ms));
    }

    fn shadow(&self, shadowed: &Shadowed, epoch_ms: u64) -> Value {
        let metrics = [
            ("shadow_rows", "Count", json!(shadowed.rows)),
            (
                "shadow_mean_difference",
                "None",
                json!(shadowed.mean_difference),
            ),
            (
                "shadow_largest_difference",
                "None",
                json!(shadowed.largest_difference),
            ),
            (
                "shadow_beyond_tolerance",
                "Count",
                json!(shadowed.beyond_tolerance),
            ),
            ("shadow_unmatched", "Count", json!(shadowed.unmatched)),
            ("shadow_failures", "Count", json!(u8::from(shadowed.failed))),
        ];
        self.line(&["service", "model_version"], metrics, epoch_ms)
    }

    /// Single columns are properties and no metrics: each metric is billed.
    fn drift(&self, drift: &Drift, epoch_ms: u64) -> Value {
        let metrics = [
            ("score_drift", "None", json!(drift.raw_score)),
            ("largest_feature_drift", "None", json!(drift.largest())),
            ("drifted_features", "Count", json!(drift.drifted())),
        ];
        let mut line = self.line(&["service"], metrics, epoch_ms);
        line["rows_compared"] = json!(drift.rows);
        line["feature_drift"] = json!(drift.columns);
        line
    }

    fn line<const N: usize>(
        &self,
        dimensions: &[&str],
        metrics: [(&str, &str, Value); N],
        epoch_ms: u64,
    ) -> Value {
        let declared = metrics
            .iter()
            .map(|(name, unit, _)| json!({ "Name": name, "Unit": unit }));
        let mut line = json!({
            "_aws": {
                "Timestamp": epoch_ms,
                "CloudWatchMetrics": [{
                    "Namespace": NAMESPACE,
                    "Dimensions": [dimensions],
                    "Metrics": declared.collect::<Vec<_>>(),
                }],
            },
            "service": self.service,
            "function": self.function,
            "model_version": self.model_version,
            "request_id": self.request_id,
        });
        for (name, _, value) in metrics {
            line[name] = value;
        }
        line
    }
}

// A closed output leaves nobody to tell.
fn write_line(line: &Value) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// Starts JSON logs at `level` for this project's crates, and logs panics by their place alone: a panic's message may
/// quote a value.
pub fn start(level: LevelFilter, function: &'static str) {
    let ours = ["features", "serving", "aws::", function].map(|target| (target, level));
    let targets = Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        .with_targets(ours);
    // The handler reports its failures itself; the runtime would print them a second time, with their text.
    let targets = targets.with_target("lambda_runtime", LevelFilter::OFF);
    let json = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_span_list(false)
        .with_filter(targets);
    // A second start, as in a test, keeps the first subscriber.
    let _ = tracing_subscriber::registry()
        .with(json)
        .with(trail::Trails.with_filter(filter_fn(trail::is_part)))
        .try_init();
    std::panic::set_hook(Box::new(|panic| {
        let place = panic
            .location()
            .map(ToString::to_string)
            .unwrap_or_default();
        tracing::error!(place, "panicked");
    }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    #[test]
    fn a_line_holds_every_metric_it_declares() {
        let stage = Stage {
            began: Instant::now(),
            took: Duration::from_micros(250),
        };
        let trail = Trail {
            stages: [("gather", stage)].into(),
            answered_by: [("trending".to_owned(), 2)].into(),
            by_canary: false,
            refused: false,
        };
        let times = Times {
            began: Instant::now(),
            began_since_1970: Duration::from_millis(1_700_000_000_123),
            took: Duration::from_micros(1500),
        };
        let metrics = RequestMetrics {
            service: "shop-churn",
            function: "churn",
            model_version: "2026-01-01",
            trigger: "http",
            request_id: "r-1",
            times,
            trail: &trail,
            rows_scored: 3,
            failed: true,
            log_failures: 1,
            cold_start: false,
        };
        let line = metrics.line();
        assert_eq!(complete(&line).len(), 9 + 3, "{line}");
        let found = [
            "latency_ms",
            "gather_ms",
            "errors",
            "cold_start",
            "answered_by_trending",
        ];
        let expected = [json!(1.5), json!(0.25), json!(1), json!(0), json!(2)];
        assert_eq!(found.map(|name| line[name].clone()), expected);
    }

    #[test]
    fn lines_beside_that_of_a_request_hold_every_metric_they_declare() {
        let origin = Origin {
            service: "shop-churn",
            function: "churn",
            model_version: "2026-01-02",
            request_id: "r-1",
        };
        let line = origin.shadow(&Shadowed::default(), 1_700_000_000_123);
        assert_eq!(complete(&line).len(), 6);
        let drift = Drift {
            rows: 1000,
            raw_score: 0.25,
            columns: [("a".to_owned(), 0.5), ("b".to_owned(), 0.0)].into(),
        };
        let line = origin.drift(&drift, 1_700_000_000_123);
        assert_eq!(complete(&line).len(), 3);
        let found = ["drifted_features", "largest_feature_drift", "rows_compared"];
        let expected = [json!(1), json!(0.5), json!(1000)];
        assert_eq!(found.map(|name| line[name].clone()), expected);
    }

    /// The declared metrics, all of which are there, as are all dimensions.
    fn complete(line: &Value) -> Vec<&str> {
        let mut names = Vec::new();
        for declared in line["_aws"]["CloudWatchMetrics"].as_array().unwrap() {
            for metric in declared["Metrics"].as_array().unwrap() {
                let name = metric["Name"].as_str().unwrap();
                assert!(line[name].is_number(), "{metric}");
                names.push(name);
            }
            for dimension in declared["Dimensions"][0].as_array().unwrap() {
                assert!(line[dimension.as_str().unwrap()].is_string(), "{dimension}");
            }
        }
        names
    }
}
