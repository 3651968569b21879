//! Settings that are given, left out and wrong.

use super::*;

#[test]
fn names_every_fault_at_once() {
    let environment = |name: &str| match name {
        "STORECAST_MODEL_BUCKET" => Some("My_Bucket".to_owned()),
        "STORECAST_ORT_LIBRARY" => Some("/no/such/library.so".to_owned()),
        "STORECAST_LOG_LEVEL" => Some("loud".to_owned()),
        "STORECAST_PREDICTION_LOG_SHARE" => Some("5 %".to_owned()),
        "STORECAST_PREDICTION_LOG_IDS" => Some("secret".to_owned()),
        "STORECAST_PREDICTION_LOG_SALT" => Some("short".to_owned()),
        "STORECAST_PREDICTIONS_TABLE" => Some("my table".to_owned()),
        "STORECAST_PREDICTIONS_TTL_DAYS" => Some("0".to_owned()),
        _ => None,
    };
    let error = Settings::from_lookup(environment).unwrap_err();
    assert_eq!(
        error.to_string(),
        "read settings: STORECAST_TABLE is missing, it names the DynamoDB table; \
         STORECAST_MODEL_BUCKET is `My_Bucket`, a bucket name has 3 to 63 lower-case letters, digits, `-` or `.`; \
         STORECAST_ORT_LIBRARY is `/no/such/library.so`, no such file; \
         STORECAST_LOG_LEVEL is `loud`, expected error, warn, info, debug or trace; \
         STORECAST_PREDICTION_LOG_SHARE is `5 %`, expected a number from 0 to 1; \
         STORECAST_PREDICTION_LOG_IDS is `secret`, expected hashed or plain; \
         STORECAST_PREDICTION_LOG is missing, it names the S3 bucket of kept predictions; \
         STORECAST_PREDICTION_LOG_SALT has 5 bytes, at least 16 are needed to keep predictions; \
         STORECAST_PREDICTIONS_TTL_DAYS is `0`, expected whole days from 1 to 3650; \
         STORECAST_PREDICTIONS_TABLE is `my table`, a table name has 3 to 255 letters, digits, `_`, `-` or `.`"
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
        (
            settings.runtime_library,
            settings.log_level,
            settings.prediction_log,
            settings.predictions
        ),
        (None, LevelFilter::INFO, None, None)
    );
}

#[test]
fn last_predictions_are_kept_in_a_table_of_their_own() {
    let kept = |table: &str, days: &str| {
        let lookup = |name: &str| match name {
            "STORECAST_PREDICTIONS_TABLE" => Some(table.to_owned()),
            "STORECAST_PREDICTIONS_TTL_DAYS" => Some(days.to_owned()),
            _ => None,
        };
        let mut read = Reading::of(lookup);
        let kept = read.predictions("storecast");
        (kept.map(|kept| (kept.table, kept.days)), read.faults.len())
    };
    let of = |days| Some(("last".to_owned(), days));
    assert_eq!(kept("", ""), (None, 0));
    assert_eq!(kept("last", ""), (of(30), 0));
    assert_eq!(kept("last", "3650"), (of(3650), 0));
    assert_eq!(kept("storecast", ""), (None, 1));
    for days in ["0", "3651", "-1", "1.5", "a week"] {
        assert_eq!(kept("last", days), (None, 1), "{days}");
    }
}

#[test]
fn predictions_are_kept_where_a_share_a_bucket_and_a_salt_are_given() {
    let log = |share: &str, bucket: &str, salt: &str| {
        let mut read = Reading::of(|name: &str| {
            let value = match name {
                "STORECAST_PREDICTION_LOG" => bucket,
                "STORECAST_PREDICTION_LOG_SHARE" => share,
                "STORECAST_PREDICTION_LOG_SALT" => salt,
                _ => return None,
            };
            Some(value.to_owned())
        });
        let kept = read.prediction_log();
        (kept, read.faults.len())
    };
    assert_eq!(log("0", "", ""), (None, 0));
    assert_eq!(log("0.1", "", "0123456789abcdef").1, 1);
    assert_eq!(log("0.1", "shop", "short").1, 1);
    assert_eq!(log("1.1", "shop", "0123456789abcdef").1, 1);
    assert_eq!(log("NaN", "", "short").1, 3);
    let (kept, faults) = log("0.1", "shop", "0123456789abcdef");
    assert_eq!(faults, 0);
    let kept = kept.unwrap();
    assert!(!kept.with_ids);
    assert_eq!((kept.share, kept.bucket), (0.1, "shop".to_owned()));
}
