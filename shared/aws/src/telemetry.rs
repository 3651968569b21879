//! JSON logs and metrics on standard output, where Lambda collects both.
//!
//! Neither holds payloads or customer ids: our own code logs none, and the crates below, which log requests when asked
//! for detail, are held at `warn` whatever the level.
//!
//! Metrics are CloudWatch's embedded format: one JSON line per request, no call, no agent. The crates for it bring a
//! global registry and flush on their own terms; one line with four values is a page of code.
//! Source: CloudWatch user guide, embedded metric format specification.

use serde_json::{Value, json};
use serving::arms::Shadowed;
use std::io::Write;
use std::time::Duration;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// CloudWatch namespace of all metrics.
const NAMESPACE: &str = "Storecast";

/// What is told of one request.
#[derive(Debug, Clone, PartialEq)]
pub struct RequestMetrics<'a> {
    /// The predictor's name.
    pub function: &'a str,
    /// Version of the served model, or `none`.
    pub model_version: &'a str,
    /// Lambda's id of the invocation; a property, not a dimension.
    pub request_id: &'a str,
    /// From event to answer.
    pub latency: Duration,
    /// Rows the model scored.
    pub rows_scored: usize,
    /// Whether we, or a store, failed; what callers do wrong is no error of ours.
    pub failed: bool,
    /// Whether this is the first request of the environment.
    pub cold_start: bool,
}

impl RequestMetrics<'_> {
    /// Writes the line, stamped with `epoch_ms`.
    pub fn emit(&self, epoch_ms: u64) {
        // A closed output leaves nobody to tell.
        let _ = writeln!(std::io::stdout().lock(), "{}", self.line(epoch_ms));
    }

    fn line(&self, epoch_ms: u64) -> Value {
        json!({
            "_aws": {
                "Timestamp": epoch_ms,
                "CloudWatchMetrics": [{
                    "Namespace": NAMESPACE,
                    "Dimensions": [["function", "model_version"]],
                    "Metrics": [
                        {"Name": "latency_ms", "Unit": "Milliseconds"},
                        {"Name": "rows_scored", "Unit": "Count"},
                        {"Name": "errors", "Unit": "Count"},
                        {"Name": "cold_start", "Unit": "Count"},
                    ],
                }],
            },
            "function": self.function,
            "model_version": self.model_version,
            "request_id": self.request_id,
            "latency_ms": self.latency.as_secs_f64() * 1000.0,
            "rows_scored": self.rows_scored,
            "errors": u8::from(self.failed),
            "cold_start": u8::from(self.cold_start),
        })
    }
}

/// How far the shadow was from the version that answered one request.
#[derive(Debug, Clone, PartialEq)]
pub struct ShadowMetrics<'a> {
    /// The predictor's name.
    pub function: &'a str,
    /// Version of the shadow.
    pub model_version: &'a str,
    /// Lambda's id of the invocation; a property, not a dimension.
    pub request_id: &'a str,
    /// What was compared.
    pub shadowed: Shadowed,
}

impl ShadowMetrics<'_> {
    /// Writes the line, stamped with `epoch_ms`.
    pub fn emit(&self, epoch_ms: u64) {
        // A closed output leaves nobody to tell.
        let _ = writeln!(std::io::stdout().lock(), "{}", self.line(epoch_ms));
    }

    fn line(&self, epoch_ms: u64) -> Value {
        json!({
            "_aws": {
                "Timestamp": epoch_ms,
                "CloudWatchMetrics": [{
                    "Namespace": NAMESPACE,
                    "Dimensions": [["function", "model_version"]],
                    "Metrics": [
                        {"Name": "shadow_rows", "Unit": "Count"},
                        {"Name": "shadow_mean_difference", "Unit": "None"},
                        {"Name": "shadow_largest_difference", "Unit": "None"},
                        {"Name": "shadow_beyond_tolerance", "Unit": "Count"},
                        {"Name": "shadow_unmatched", "Unit": "Count"},
                        {"Name": "shadow_failures", "Unit": "Count"},
                    ],
                }],
            },
            "function": self.function,
            "model_version": self.model_version,
            "request_id": self.request_id,
            "shadow_rows": self.shadowed.rows,
            "shadow_mean_difference": self.shadowed.mean_difference,
            "shadow_largest_difference": self.shadowed.largest_difference,
            "shadow_beyond_tolerance": self.shadowed.beyond_tolerance,
            "shadow_unmatched": self.shadowed.unmatched,
            "shadow_failures": u8::from(self.shadowed.failed),
        })
    }
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
        .with_span_list(false);
    // A second start, as in a test, keeps the first subscriber.
    let _ = tracing_subscriber::registry()
        .with(json)
        .with(targets)
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

    #[test]
    fn a_line_holds_every_metric_it_declares() {
        let metrics = RequestMetrics {
            function: "churn",
            model_version: "2026-01-01",
            request_id: "r-1",
            latency: Duration::from_micros(1500),
            rows_scored: 3,
            failed: true,
            cold_start: false,
        };
        let shadow = ShadowMetrics {
            function: "churn",
            model_version: "2026-01-02",
            request_id: "r-1",
            shadowed: Shadowed::default(),
        };
        let line = metrics.line(1_700_000_000_123);
        for line in [&line, &shadow.line(1_700_000_000_123)] {
            is_complete(line);
        }
        assert_eq!(
            (&line["latency_ms"], &line["errors"], &line["cold_start"]),
            (&json!(1.5), &json!(1), &json!(0))
        );
    }

    fn is_complete(line: &Value) {
        let declared = &line["_aws"]["CloudWatchMetrics"][0];
        for metric in declared["Metrics"].as_array().unwrap() {
            assert!(
                line[metric["Name"].as_str().unwrap()].is_number(),
                "{metric}"
            );
        }
        for dimension in declared["Dimensions"][0].as_array().unwrap() {
            assert!(line[dimension.as_str().unwrap()].is_string(), "{dimension}");
        }
    }
}
