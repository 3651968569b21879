//! What a function wrote of itself, summed up.

use serde_json::Value;
use std::collections::BTreeSet;

/// Means over the requests in a log.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// Requests over HTTP that were answered by environments that had answered before.
    pub requests: usize,
    /// Of such a request, as billed: to the whole millisecond above.
    pub request_ms: f64,
    /// From the start of a process until it takes requests.
    pub start_ms: f64,
    /// Bytes that a request adds to the log.
    pub log_bytes: f64,
    /// Rows of files, each second; nothing where no file was scored.
    pub rows_per_second: Option<f64>,
    /// Rows of chunks of the whole base, each second; nothing where none was scored.
    pub whole_rows_per_second: Option<f64>,
    /// Metrics with their dimensions.
    pub metrics: usize,
}

/// Bytes that CloudWatch adds to each event. Source: CloudWatch Logs pricing, storage of a log event.
const EVENT_BYTES: usize = 26;

impl Measured {
    /// Sums up the lines of one function: those that its process wrote, whatever stands before each. Lines that are no JSON
    /// are left out.
    pub fn of(log: &str, function: &str) -> Result<Self, String> {
        let mut sums = Sums::default();
        for line in log.lines() {
            let json = line.find('{').map(|at| &line[at..]).unwrap_or_default();
            if let Ok(value) = serde_json::from_str::<Value>(json) {
                sums.add(&value, json.len(), function);
            }
        }
        sums.means()
            .ok_or_else(|| format!("no warm request over HTTP was answered by {function}"))
    }
}

/// Rows, and the milliseconds that they took.
#[derive(Default)]
struct Rows {
    rows: f64,
    took_ms: f64,
}

impl Rows {
    fn add(&mut self, rows: f64, took_ms: f64) {
        self.rows += rows;
        self.took_ms += took_ms;
    }

    fn per_second(&self) -> Option<f64> {
        (self.rows > 0.0).then(|| self.rows / self.took_ms * 1000.0)
    }
}

#[derive(Default)]
struct Sums {
    requests: usize,
    request_ms: f64,
    log_bytes: usize,
    starts: usize,
    start_ms: f64,
    files: Rows,
    chunks: Rows,
    metrics: BTreeSet<String>,
}

impl Sums {
    fn add(&mut self, line: &Value, bytes: usize, function: &str) {
        if line["message"] == "ready"
            && line["target"]
                .as_str()
                .is_some_and(|t| t.starts_with("aws"))
        {
            self.starts += 1;
            self.start_ms += line["start_ms"].as_f64().unwrap_or_default();
        }
        if line["function"] != function {
            return;
        }
        let milliseconds = line["latency_ms"].as_f64().unwrap_or_default();
        let number = |name: &str| line[name].as_f64().unwrap_or_default();
        self.count_metrics(line);
        if number("errors") + number("refusals") + number("cold_start") > 0.0 {
            return;
        }
        let rows = number("rows_scored");
        match line["trigger"].as_str() {
            Some("http") => {
                self.requests += 1;
                self.request_ms += milliseconds.ceil();
                self.log_bytes += bytes + EVENT_BYTES;
            }
            Some("records") if rows > 0.0 => self.files.add(rows, milliseconds),
            Some("whole") if rows > 0.0 => self.chunks.add(rows, milliseconds),
            _ => {}
        }
    }

    fn count_metrics(&mut self, line: &Value) {
        let directives = line["_aws"]["CloudWatchMetrics"].as_array();
        for directive in directives.into_iter().flatten() {
            let metrics = directive["Metrics"].as_array().into_iter().flatten();
            let named =
                metrics.map(|metric| format!("{} {}", directive["Dimensions"], metric["Name"]));
            self.metrics.extend(named);
        }
    }

    fn means(self) -> Option<Measured> {
        let requests = self.requests as f64;
        (self.requests > 0).then(|| Measured {
            requests: self.requests,
            request_ms: self.request_ms / requests,
            start_ms: self.start_ms / (self.starts.max(1) as f64),
            log_bytes: self.log_bytes as f64 / requests,
            rows_per_second: self.files.per_second(),
            whole_rows_per_second: self.chunks.per_second(),
            metrics: self.metrics.len(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_was_warm_and_right_is_summed_up() {
        let line = |trigger: &str, latency_ms: f64, rows: u32, cold: u32, errors: u32| {
            let metrics = json!([{ "Dimensions": [["service"]], "Metrics": [{ "Name": "latency_ms" }, { "Name": "errors" }] }]);
            json!({ "function": "churn", "trigger": trigger, "latency_ms": latency_ms, "rows_scored": rows, "cold_start": cold,
                    "errors": errors, "refusals": 0, "_aws": { "CloudWatchMetrics": metrics } })
            .to_string()
        };
        let ready =
            json!({ "message": "ready", "target": "aws::function", "start_ms": 40.0 }).to_string();
        let lines = [
            ready,
            line("http", 900.0, 1, 1, 0),
            line("http", 900.0, 1, 0, 1),
            line("http", 2.1, 1, 0, 0),
            format!("2026-11-24 [churn] {}", line("http", 4.0, 1, 0, 0)),
            line("records", 2000.0, 500, 0, 0),
            line("whole", 1000.0, 900, 0, 0),
            line("whole", 5.0, 0, 0, 0),
            "no JSON".to_owned(),
        ];
        let found = Measured::of(&lines.join("\n"), "churn").unwrap();
        assert_eq!(
            (found.requests, found.request_ms, found.start_ms),
            (2, 3.5, 40.0)
        );
        assert_eq!((found.rows_per_second, found.metrics), (Some(250.0), 2));
        assert_eq!(found.whole_rows_per_second, Some(900.0));
        let bytes = (lines[3].len() + EVENT_BYTES) as f64;
        assert!((found.log_bytes - bytes).abs() < 1e-9, "{found:?}");
        assert!(Measured::of(&lines.join("\n"), "inventory").is_err());
    }
}
