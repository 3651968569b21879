//! Settings of the function that merges orders.

use super::{Reading, SettingsError, variable};
use std::path::PathBuf;
use tracing_subscriber::filter::LevelFilter;

/// Below the system's folder for temporary files, which is the only one that may be written on Lambda.
const WORK: &str = "storecast-orders";

/// What the function that merges orders is told by its environment.
///
/// Region, credentials and endpoints are the SDK's own settings (`AWS_REGION`, `AWS_ENDPOINT_URL_S3`, ...).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MergeSettings {
    /// `STORECAST_TABLE`: the DynamoDB table of histories and pointers.
    pub table: String,
    /// `STORECAST_DATA_BUCKET`: the bucket of the shop's files; what another bucket tells of is no business of this table.
    pub bucket: String,
    /// `STORECAST_SHOP`: the shop file, `s3://bucket/key` or a path on this machine.
    pub shop: String,
    /// `STORECAST_WORK`, optional: folder for fetched files and histories, which the next merge starts from; below the
    /// system's folder for temporary files where it is not set.
    pub work: PathBuf,
    /// `STORECAST_LOG_LEVEL`, optional: `error`, `warn`, `info` (the default), `debug` or `trace`.
    pub log_level: LevelFilter,
}

impl MergeSettings {
    /// Reads the process environment.
    pub fn from_environment() -> Result<Self, SettingsError> {
        Self::from_lookup(variable)
    }

    /// Reads settings from any source of names and values.
    ///
    /// ```
    /// use aws::config::MergeSettings;
    /// let error = MergeSettings::from_lookup(|_| None).unwrap_err();
    /// assert_eq!(error.faults.len(), 3); // the table, the bucket and the shop have no default
    /// ```
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        let mut read = Reading::of(lookup);
        let table = read.table();
        let bucket = read.bucket("STORECAST_DATA_BUCKET", "the S3 bucket of the shop's files");
        let (what, rule) = ("the shop file", "expected s3://bucket/key or a path");
        let shop = read.required("STORECAST_SHOP", what, is_shop_file, rule);
        let work = read.given("STORECAST_WORK").map(PathBuf::from);
        let work = work.unwrap_or_else(|| std::env::temp_dir().join(WORK));
        let log_level = read.log_level();
        read.checked(Self {
            table,
            bucket,
            shop,
            work,
            log_level,
        })
    }

    /// Bucket and key of the shop file; none where it lies on this machine.
    ///
    /// ```
    /// use aws::config::MergeSettings;
    /// let settings = MergeSettings::from_lookup(|name| match name {
    ///     "STORECAST_SHOP" => Some("s3://shop-data/shop.toml".to_owned()),
    ///     _ => Some("shop-data".to_owned()).filter(|_| !name.ends_with("LEVEL")),
    /// });
    /// assert_eq!(settings?.shop_in_s3(), Some(("shop-data", "shop.toml")));
    /// # Ok::<(), aws::config::SettingsError>(())
    /// ```
    pub fn shop_in_s3(&self) -> Option<(&str, &str)> {
        self.shop.strip_prefix("s3://")?.split_once('/')
    }
}

fn is_shop_file(address: &str) -> bool {
    let in_s3 = address.strip_prefix("s3://").map(|rest| {
        rest.split_once('/')
            .is_some_and(|(bucket, key)| super::is_bucket_name(bucket) && !key.is_empty())
    });
    in_s3.unwrap_or(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_every_fault_at_once() {
        let environment = |name: &str| match name {
            "STORECAST_DATA_BUCKET" => Some("My_Bucket".to_owned()),
            "STORECAST_SHOP" => Some("s3://shop.toml".to_owned()),
            "STORECAST_LOG_LEVEL" => Some("loud".to_owned()),
            _ => None,
        };
        let error = MergeSettings::from_lookup(environment).unwrap_err();
        assert_eq!(
            error.to_string(),
            "read settings: STORECAST_TABLE is missing, it names the DynamoDB table; \
             STORECAST_DATA_BUCKET is `My_Bucket`, a bucket name has 3 to 63 lower-case letters, digits, `-` or `.`; \
             STORECAST_SHOP is `s3://shop.toml`, expected s3://bucket/key or a path; \
             STORECAST_LOG_LEVEL is `loud`, expected error, warn, info, debug or trace"
        );
    }
}
