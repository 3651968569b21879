//! Settings from the environment, read once and checked together.

mod merging;

pub use merging::MergeSettings;

use serving::prediction_log::{LEAST_SALT_BYTES, PredictionLog};
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use tracing_subscriber::filter::LevelFilter;

/// What a function is told by its environment.
///
/// Region, credentials and endpoints are the SDK's own settings (`AWS_REGION`, `AWS_ENDPOINT_URL_S3`, ...).
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// `STORECAST_TABLE`: the DynamoDB table of histories and pointers.
    pub table: String,
    /// `STORECAST_MODEL_BUCKET`: the bucket of models and policies.
    pub model_bucket: String,
    /// `STORECAST_ORT_LIBRARY`, optional: the ONNX Runtime library, needed by models that are not tree ensembles.
    pub runtime_library: Option<PathBuf>,
    /// `STORECAST_LOG_LEVEL`, optional: `error`, `warn`, `info` (the default), `debug` or `trace`.
    pub log_level: LevelFilter,
    /// `STORECAST_PREDICTION_LOG`, optional: the bucket that predictions are kept in, of the three settings below.
    ///
    /// `STORECAST_PREDICTION_LOG_SHARE`, optional: the share of the entities, 0 (the default, which keeps nothing) to 1.
    ///
    /// `STORECAST_PREDICTION_LOG_SALT`, optional: the key of the hashes that stand for ids; needed to keep any.
    ///
    /// `STORECAST_PREDICTION_LOG_IDS`, optional: `hashed` (the default) or `plain`.
    pub prediction_log: Option<PredictionLog>,
    /// `STORECAST_PREDICTIONS_TABLE`, optional: the DynamoDB table of last predictions; none are kept where it is not set.
    ///
    /// `STORECAST_PREDICTIONS_TTL_DAYS`, optional: days from 1 to 3650 for which they are kept, 30 where it is not set.
    pub predictions: Option<PredictionsTable>,
}

/// Where files and runs over the whole base leave the last prediction of each entity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PredictionsTable {
    /// The table.
    pub table: String,
    /// Days for which a prediction is kept.
    pub days: u32,
}

/// Every setting that is missing or wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingsError {
    /// One sentence fragment per setting: its name, its value, what is allowed.
    pub faults: Vec<String>,
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "read settings: {}", self.faults.join("; "))
    }
}

impl std::error::Error for SettingsError {}

impl Settings {
    /// Reads the process environment.
    pub fn from_environment() -> Result<Self, SettingsError> {
        Self::from_lookup(variable)
    }

    /// Reads settings from any source of names and values.
    ///
    /// ```
    /// use aws::config::Settings;
    /// let error = Settings::from_lookup(|_| None).unwrap_err();
    /// assert_eq!(error.faults.len(), 2); // the table and the bucket have no default
    /// ```
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        let mut read = Reading::of(lookup);
        let table = read.table();
        let model_bucket = read.bucket("STORECAST_MODEL_BUCKET", "the S3 bucket of models");
        let runtime_library = read.given("STORECAST_ORT_LIBRARY").map(PathBuf::from);
        if let Some(path) = runtime_library.as_ref().filter(|p| !p.is_file()) {
            read.faults.push(format!(
                "STORECAST_ORT_LIBRARY is `{}`, no such file",
                shortened(&path.to_string_lossy())
            ));
        }
        let log_level = read.log_level();
        let prediction_log = read.prediction_log();
        let predictions = read.predictions(&table);
        read.checked(Self {
            table,
            model_bucket,
            runtime_library,
            log_level,
            prediction_log,
            predictions,
        })
    }
}

/// Reads settings one by one and gathers what is wrong with them.
struct Reading<L> {
    lookup: L,
    faults: Vec<String>,
}

impl<L: Fn(&str) -> Option<String>> Reading<L> {
    fn of(lookup: L) -> Self {
        let faults = Vec::new();
        Self { lookup, faults }
    }

    /// An empty setting is none.
    fn given(&self, name: &str) -> Option<String> {
        (self.lookup)(name).filter(|value| !value.is_empty())
    }

    fn required(
        &mut self,
        name: &str,
        what: &str,
        is_valid: fn(&str) -> bool,
        rule: &str,
    ) -> String {
        match self.given(name) {
            None => self
                .faults
                .push(format!("{name} is missing, it names {what}")),
            Some(value) if !is_valid(&value) => {
                let value = shortened(&value);
                self.faults.push(format!("{name} is `{value}`, {rule}"));
            }
            Some(value) => return value,
        }
        String::new()
    }

    fn table(&mut self) -> String {
        let what = "the DynamoDB table";
        self.required("STORECAST_TABLE", what, is_table_name, TABLE_RULE)
    }

    fn bucket(&mut self, name: &str, what: &str) -> String {
        self.required(name, what, is_bucket_name, BUCKET_RULE)
    }

    fn log_level(&mut self) -> LevelFilter {
        log_level(self.given("STORECAST_LOG_LEVEL").as_deref()).unwrap_or_else(|fault| {
            self.faults.push(fault);
            LevelFilter::INFO
        })
    }

    /// Which predictions are kept; `None` where none are. Each setting is looked at, whatever is wrong with the others: a share that
    /// nobody can read says that some were to be kept.
    fn prediction_log(&mut self) -> Option<PredictionLog> {
        let share = match self.given("STORECAST_PREDICTION_LOG_SHARE") {
            None => Some(0.0),
            Some(text) => {
                let share = text.parse().ok();
                let share = share.filter(|share| (0.0..=1.0).contains(share));
                self.expected(
                    "STORECAST_PREDICTION_LOG_SHARE",
                    &text,
                    share,
                    "a number from 0 to 1",
                )
            }
        };
        let ids = self.given("STORECAST_PREDICTION_LOG_IDS");
        let ids = ids.unwrap_or_else(|| "hashed".to_owned());
        let with_ids = match ids.as_str() {
            "hashed" => Some(false),
            "plain" => Some(true),
            _ => None,
        };
        let with_ids = self.expected(
            "STORECAST_PREDICTION_LOG_IDS",
            &ids,
            with_ids,
            "hashed or plain",
        );
        if share == Some(0.0) {
            return None;
        }
        let bucket = self.bucket(
            "STORECAST_PREDICTION_LOG",
            "the S3 bucket of kept predictions",
        );
        let salt = self
            .given("STORECAST_PREDICTION_LOG_SALT")
            .unwrap_or_default();
        if salt.len() < LEAST_SALT_BYTES {
            self.faults.push(format!(
                "STORECAST_PREDICTION_LOG_SALT has {} bytes, at least {LEAST_SALT_BYTES} are needed to keep predictions",
                salt.len()
            ));
        }
        Some(PredictionLog {
            bucket,
            share: share?,
            salt,
            with_ids: with_ids?,
        })
    }

    /// What a text was read as; a fault where it was nothing.
    fn expected<T>(&mut self, name: &str, text: &str, read: Option<T>, rule: &str) -> Option<T> {
        if read.is_none() {
            let text = shortened(text);
            self.faults
                .push(format!("{name} is `{text}`, expected {rule}"));
        }
        read
    }

    /// Where last predictions are kept; both settings are looked at, whatever is wrong with the other.
    fn predictions(&mut self, histories: &str) -> Option<PredictionsTable> {
        let days = match self.given("STORECAST_PREDICTIONS_TTL_DAYS") {
            None => Some(KEPT_DAYS),
            Some(text) => {
                let days = text.parse().ok();
                let days = days.filter(|days| KEPT_DAYS_ALLOWED.contains(days));
                let (least, most) = (KEPT_DAYS_ALLOWED.start(), KEPT_DAYS_ALLOWED.end());
                let rule = format!("whole days from {least} to {most}");
                self.expected("STORECAST_PREDICTIONS_TTL_DAYS", &text, days, &rule)
            }
        };
        let table = self.given("STORECAST_PREDICTIONS_TABLE")?;
        let rule = if !is_table_name(&table) {
            TABLE_RULE
        } else if table == histories {
            "a table of its own is needed: STORECAST_TABLE holds what must not go"
        } else {
            return days.map(|days| PredictionsTable { table, days });
        };
        let table = shortened(&table);
        self.faults
            .push(format!("STORECAST_PREDICTIONS_TABLE is `{table}`, {rule}"));
        None
    }

    /// What was read, unless anything is wrong with it.
    fn checked<S>(self, settings: S) -> Result<S, SettingsError> {
        let faults = self.faults;
        if faults.is_empty() {
            Ok(settings)
        } else {
            Err(SettingsError { faults })
        }
    }
}

/// The key of the hashes that stand for ids in the log of predictions, for commands that look into it; `None` where it is not
/// set.
pub fn prediction_log_salt() -> Option<String> {
    variable("STORECAST_PREDICTION_LOG_SALT").filter(|salt| !salt.is_empty())
}

/// Whether lines of the log hold ids as they are, for the same commands.
pub fn prediction_log_holds_ids() -> bool {
    variable("STORECAST_PREDICTION_LOG_IDS").as_deref() == Some("plain")
}

/// The bucket of the log, for the same commands; `None` where it is not set.
pub fn prediction_log_bucket() -> Option<String> {
    variable("STORECAST_PREDICTION_LOG").filter(|bucket| !bucket.is_empty())
}

/// Whether S3 is somewhere else than AWS: such servers rarely answer to one host name per bucket.
pub(crate) fn s3_endpoint_is_overridden() -> bool {
    ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"]
        .into_iter()
        .any(|name| variable(name).is_some_and(|v| !v.is_empty()))
}

/// Where the X-Ray daemon listens; Lambda sets it, other hosts do not.
pub(crate) fn trace_daemon() -> Option<SocketAddr> {
    variable("AWS_XRAY_DAEMON_ADDRESS")?.parse().ok()
}

/// Whether a Lambda runtime, or what stands in for it, has started this process.
pub(crate) fn is_inside_lambda() -> bool {
    variable("AWS_LAMBDA_RUNTIME_API").is_some()
}

/// Memory of the function, as Lambda says it.
pub(crate) fn memory_megabytes() -> Option<u32> {
    variable("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")?.parse().ok()
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the environment"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn log_level(text: Option<&str>) -> Result<LevelFilter, String> {
    match text.unwrap_or_default().to_ascii_lowercase().as_str() {
        "error" => Ok(LevelFilter::ERROR),
        "warn" => Ok(LevelFilter::WARN),
        "" | "info" => Ok(LevelFilter::INFO),
        "debug" => Ok(LevelFilter::DEBUG),
        "trace" => Ok(LevelFilter::TRACE),
        other => Err(format!(
            "STORECAST_LOG_LEVEL is `{}`, expected error, warn, info, debug or trace",
            shortened(other)
        )),
    }
}

/// Days for which last predictions are kept unless it is said.
const KEPT_DAYS: u32 = 30;
const KEPT_DAYS_ALLOWED: std::ops::RangeInclusive<u32> = 1..=3650;

// Source: DynamoDB developer guide, naming rules.
const TABLE_RULE: &str = "a table name has 3 to 255 letters, digits, `_`, `-` or `.`";

fn is_table_name(name: &str) -> bool {
    (3..=255).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b))
}

// Source: S3 user guide, general purpose bucket naming rules.
const BUCKET_RULE: &str = "a bucket name has 3 to 63 lower-case letters, digits, `-` or `.`";

fn is_bucket_name(name: &str) -> bool {
    (3..=63).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.".contains(&b))
}

fn shortened(value: &str) -> String {
    value.chars().take(60).collect()
}

#[cfg(test)]
mod tests;
