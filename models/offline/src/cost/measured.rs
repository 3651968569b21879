//! What a function wrote of itself, summed up.

use serde_json::Value;
use std::collections::{BTreeSet, HashMap};

/// Means over the requests in a log.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// Requests over HTTP that were answered by environments that had answered before.
    pub requests: usize,
    /// Of such a request, as billed: to the whole millisecond above.
    pub request_ms: f64,
    /// From the start of a process of this function until it takes requests; nothing where none started.
    pub start_ms: Option<f64>,
    /// Bytes that a request adds to the log, all its lines together.
    pub log_bytes: f64,
    /// Files; nothing where none was scored.
    pub files: Option<Scored>,
    /// Chunks of the whole base; nothing where none was scored.
    pub chunks: Option<Scored>,
    /// Metrics with their dimensions.
    pub metrics: usize,
}

/// Means over invocations that scored rows of files or chunks.
#[derive(Debug, Clone, PartialEq)]
pub struct Scored {
    /// Rows each second.
    pub rows_per_second: f64,
    /// Bytes that an invocation adds to the log, all its lines together.
    pub log_bytes: f64,
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

/// Invocations of one kind, by their ids, with what their rows took.
#[derive(Default)]
struct Invocations {
    ids: Vec<String>,
    rows: f64,
    took_ms: f64,
}

impl Invocations {
    fn add(&mut self, id: &str, rows: f64, took_ms: f64) {
        self.ids.push(id.to_owned());
        self.rows += rows;
        self.took_ms += took_ms;
    }

    /// Bytes of the log that one has on average.
    fn log_bytes(&self, bytes_of: &HashMap<String, usize>) -> f64 {
        let bytes = self.ids.iter().filter_map(|id| bytes_of.get(id));
        bytes.sum::<usize>() as f64 / self.ids.len() as f64
    }

    fn scored(&self, bytes_of: &HashMap<String, usize>) -> Option<Scored> {
        (!self.ids.is_empty()).then(|| Scored {
            rows_per_second: self.rows / self.took_ms * 1000.0,
            log_bytes: self.log_bytes(bytes_of),
        })
    }
}

#[derive(Default)]
struct Sums {
    starts: usize,
    start_ms: f64,
    requests: Invocations,
    files: Invocations,
    chunks: Invocations,
    /// By the id of an invocation; its lines come before and after that of its metrics.
    bytes_of: HashMap<String, usize>,
    metrics: BTreeSet<String>,
}

impl Sums {
    fn add(&mut self, line: &Value, bytes: usize, function: &str) {
        // A line of metrics has its fields for itself; others have them of the span that they were written in.
        let own = |name: &str| line[name].as_str().or_else(|| line["span"][name].as_str());
        if own("function") != Some(function) {
            return;
        }
        if line["message"] == "ready" {
            self.starts += 1;
            self.start_ms += line["start_ms"].as_f64().unwrap_or_default();
        }
        let id = own("request_id").unwrap_or_default();
        *self.bytes_of.entry(id.to_owned()).or_default() += bytes + EVENT_BYTES;
        self.count_metrics(line);
        self.count_invocation(line, id);
    }

    /// Those that did well in an environment that had answered before.
    fn count_invocation(&mut self, line: &Value, id: &str) {
        let milliseconds = line["latency_ms"].as_f64().unwrap_or_default();
        let number = |name: &str| line[name].as_f64().unwrap_or_default();
        if number("errors") + number("refusals") + number("cold_start") > 0.0 {
            return;
        }
        let rows = number("rows_scored");
        match line["trigger"].as_str() {
            Some("http") => self.requests.add(id, rows, milliseconds.ceil()),
            Some("records") if rows > 0.0 => self.files.add(id, rows, milliseconds),
            Some("whole") if rows > 0.0 => self.chunks.add(id, rows, milliseconds),
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
        let requests = self.requests.ids.len();
        (requests > 0).then(|| Measured {
            requests,
            request_ms: self.requests.took_ms / requests as f64,
            start_ms: (self.starts > 0).then(|| self.start_ms / self.starts as f64),
            log_bytes: self.requests.log_bytes(&self.bytes_of),
            files: self.files.scored(&self.bytes_of),
            chunks: self.chunks.scored(&self.bytes_of),
            metrics: self.metrics.len(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// The line of metrics of an invocation.
    fn metrics(trigger: &str, id: &str, latency_ms: f64, rows: u32) -> Value {
        let metrics = json!([{ "Dimensions": [["service"]], "Metrics": [{ "Name": "latency_ms" }, { "Name": "errors" }] }]);
        json!({ "function": "churn", "trigger": trigger, "request_id": id, "latency_ms": latency_ms, "rows_scored": rows,
                "cold_start": 0, "errors": 0, "refusals": 0, "_aws": { "CloudWatchMetrics": metrics } })
    }

    fn ready(function: &str, start_ms: f64) -> String {
        let target = "aws::function";
        json!({ "message": "ready", "target": target, "function": function, "start_ms": start_ms })
            .to_string()
    }

    /// Another line of an invocation.
    fn told(function: &str, id: &str) -> String {
        let span = json!({ "name": "request", "function": function, "request_id": id });
        json!({ "message": "upload done", "span": span }).to_string()
    }

    #[test]
    fn what_was_warm_and_right_is_summed_up() {
        let spoiled = |field: &str| {
            let mut line = metrics("http", "spoiled", 900.0, 1);
            line[field] = json!(1);
            line.to_string()
        };
        let drift = json!({ "function": "churn", "request_id": "e", "score_drift": 0.5 });
        let (file, chunk) = ("e", "f");
        let lines = [
            ready("churn", 40.0),
            ready("recommendations", 400.0),
            spoiled("cold_start"),
            spoiled("errors"),
            metrics("http", "c", 2.1, 1).to_string(),
            format!("2026-11-24 [churn] {}", metrics("http", "d", 4.0, 1)),
            told("churn", file),
            metrics("records", file, 2000.0, 500).to_string(),
            drift.to_string(),
            told("inventory", file),
            told("churn", chunk),
            metrics("whole", chunk, 1000.0, 900).to_string(),
            metrics("whole", "g", 5.0, 0).to_string(),
            "no JSON".to_owned(),
            ready("churn", 60.0),
        ];
        let found = Measured::of(&lines.join("\n"), "churn").unwrap();
        assert_eq!(
            (found.requests, found.request_ms, found.start_ms),
            (2, 3.5, Some(50.0)),
            "another function's start is not this one's"
        );
        let bytes = |lines: &[&String]| {
            let bytes = lines.iter().map(|line| line.len() + EVENT_BYTES);
            bytes.sum::<usize>() as f64
        };
        assert!(
            (found.log_bytes - bytes(&[&lines[4]])).abs() < 1e-9,
            "{found:?}"
        );
        let files = Scored {
            rows_per_second: 250.0,
            log_bytes: bytes(&[&lines[6], &lines[7], &lines[8]]),
        };
        let chunks = Scored {
            rows_per_second: 900.0,
            log_bytes: bytes(&[&lines[10], &lines[11]]),
        };
        assert_eq!((found.files, found.chunks), (Some(files), Some(chunks)));
        assert_eq!(found.metrics, 2);
        assert!(Measured::of(&lines.join("\n"), "inventory").is_err());
        let without = Measured::of(&lines[4], "churn").unwrap();
        assert_eq!((without.start_ms, without.files), (None, None));
    }
}
