//! The price list.

use serde::Deserialize;

/// What AWS asks; `infra/prices.toml` is one.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prices {
    /// Of all amounts, as people write it.
    pub currency: String,
    /// Where they hold.
    pub region: String,
    /// Functions.
    pub lambda: Lambda,
    /// The HTTP API.
    pub gateway: Requests,
    /// Histories and claims.
    pub dynamodb: DynamoDb,
    /// Files.
    pub s3: S3,
    /// Queues.
    pub sqs: Requests,
    /// The state machine.
    pub states: States,
    /// Logs, metrics, alarms.
    pub cloudwatch: CloudWatch,
    /// Traces.
    pub xray: XRay,
}

/// Prices of functions.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lambda {
    x86_64_per_gb_second: f64,
    arm64_per_gb_second: f64,
    /// A million invocations.
    pub per_million_requests: f64,
    source: String,
    seen: String,
}

/// Prices of what is paid by the request.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Requests {
    /// A million of them.
    pub per_million_requests: f64,
    source: String,
    seen: String,
}

/// Prices of a table, on demand.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DynamoDb {
    /// A million read units.
    pub per_million_read_units: f64,
    /// A million write units.
    pub per_million_write_units: f64,
    source: String,
    seen: String,
}

/// Prices of a bucket.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct S3 {
    /// A thousand writes.
    pub per_thousand_puts: f64,
    /// A thousand reads.
    pub per_thousand_gets: f64,
    /// A gigabyte that lies there for a month.
    pub per_gb_and_month: f64,
    source: String,
    seen: String,
}

/// Prices of a state machine.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct States {
    /// A thousand states that are entered.
    pub per_thousand_transitions: f64,
    source: String,
    seen: String,
}

/// Prices of watching.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CloudWatch {
    /// A gigabyte of logs that comes in.
    pub per_gb_of_logs: f64,
    /// A metric with its dimensions.
    pub per_metric_and_month: f64,
    /// An alarm.
    pub per_alarm_and_month: f64,
    source: String,
    seen: String,
}

/// Prices of traces.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct XRay {
    /// A million that are recorded.
    pub per_million_traces: f64,
    source: String,
    seen: String,
}

impl Lambda {
    /// A second of a function with one gigabyte.
    pub fn per_gb_second(&self, is_arm64: bool) -> f64 {
        if is_arm64 {
            self.arm64_per_gb_second
        } else {
            self.x86_64_per_gb_second
        }
    }
}

impl Prices {
    /// Reads a list; refuses a price below zero.
    pub fn read(text: &str) -> Result<Self, String> {
        let prices: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        let negative = text.lines().find(|line| line.contains("= -"));
        negative.map_or(Ok(prices), |line| Err(format!("{line}: below zero")))
    }

    /// Of each section its source, and when its prices were compared and with what.
    pub fn seen(&self) -> [(&'static str, &str, &str); 8] {
        [
            ("lambda", &self.lambda.source, &self.lambda.seen),
            ("gateway", &self.gateway.source, &self.gateway.seen),
            ("dynamodb", &self.dynamodb.source, &self.dynamodb.seen),
            ("s3", &self.s3.source, &self.s3.seen),
            ("sqs", &self.sqs.source, &self.sqs.seen),
            ("states", &self.states.source, &self.states.seen),
            ("cloudwatch", &self.cloudwatch.source, &self.cloudwatch.seen),
            ("xray", &self.xray.source, &self.xray.seen),
        ]
    }
}
