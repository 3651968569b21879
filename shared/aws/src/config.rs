//! Settings from the environment, read once and checked together.

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
        let mut faults = Vec::new();
        let mut required = |name: &str, what: &str, is_valid: fn(&str) -> bool, rule: &str| {
            match lookup(name).filter(|v| !v.is_empty()) {
                None => faults.push(format!("{name} is missing, it names {what}")),
                Some(value) if !is_valid(&value) => {
                    faults.push(format!("{name} is `{}`, {rule}", shortened(&value)));
                }
                Some(value) => return value,
            }
            String::new()
        };
        let table = required(
            "STORECAST_TABLE",
            "the DynamoDB table",
            is_table_name,
            TABLE_RULE,
        );
        let model_bucket = required(
            "STORECAST_MODEL_BUCKET",
            "the S3 bucket of models",
            is_bucket_name,
            BUCKET_RULE,
        );
        let runtime_library = lookup("STORECAST_ORT_LIBRARY")
            .filter(|v| !v.is_empty())
            .map(PathBuf::from);
        if let Some(path) = runtime_library.as_ref().filter(|p| !p.is_file()) {
            faults.push(format!(
                "STORECAST_ORT_LIBRARY is `{}`, no such file",
                shortened(&path.to_string_lossy())
            ));
        }
        let log_level =
            log_level(lookup("STORECAST_LOG_LEVEL").as_deref()).unwrap_or_else(|fault| {
                faults.push(fault);
                LevelFilter::INFO
            });
        if faults.is_empty() {
            Ok(Self {
                table,
                model_bucket,
                runtime_library,
                log_level,
            })
        } else {
            Err(SettingsError { faults })
        }
    }
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
mod tests {
    use super::*;

    #[test]
    fn names_every_fault_at_once() {
        let environment = |name: &str| match name {
            "STORECAST_MODEL_BUCKET" => Some("My_Bucket".to_owned()),
            "STORECAST_ORT_LIBRARY" => Some("/no/such/library.so".to_owned()),
            "STORECAST_LOG_LEVEL" => Some("loud".to_owned()),
            _ => None,
        };
        let error = Settings::from_lookup(environment).unwrap_err();
        assert_eq!(
            error.to_string(),
            "read settings: STORECAST_TABLE is missing, it names the DynamoDB table; \
             STORECAST_MODEL_BUCKET is `My_Bucket`, a bucket name has 3 to 63 lower-case letters, digits, `-` or `.`; \
             STORECAST_ORT_LIBRARY is `/no/such/library.so`, no such file; \
             STORECAST_LOG_LEVEL is `loud`, expected error, warn, info, debug or trace"
        );
    }

    #[test]
    fn optional_settings_have_defaults() {
        let environment = |name: &str| match name {
            "STORECAST_TABLE" => Some("storecast".to_owned()),
            "STORECAST_MODEL_BUCKET" => Some("models.example-shop".to_owned()),
            "STORECAST_ORT_LIBRARY" => Some(String::new()),
            _ => None,
        };
        let settings = Settings::from_lookup(environment).unwrap();
        assert_eq!(
            (settings.runtime_library, settings.log_level),
            (None, LevelFilter::INFO)
        );
    }
}
