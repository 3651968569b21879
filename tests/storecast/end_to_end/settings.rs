//! Programs that are started with settings that are missing or wrong: each ends, and names all of them in one line.

use super::*;

/// Settings that no program starts with, and what is said of each.
const WRONG: [(&str, &str, &str); 10] = [
    (
        "STORECAST_TABLE",
        "my table",
        "is `my table`, a table name has ",
    ),
    (
        "STORECAST_MODEL_BUCKET",
        "My_Bucket",
        "is `My_Bucket`, a bucket name has ",
    ),
    (
        "STORECAST_ORT_LIBRARY",
        "/no/such/library.so",
        "is `/no/such/library.so`, no such file",
    ),
    (
        "STORECAST_LOG_LEVEL",
        "loud",
        "is `loud`, expected error, warn, info, debug or trace",
    ),
    (
        "STORECAST_PREDICTION_LOG_SHARE",
        "5 %",
        "is `5 %`, expected a number from 0 to 1",
    ),
    (
        "STORECAST_PREDICTION_LOG_IDS",
        "secret",
        "is `secret`, expected hashed or plain",
    ),
    (
        "STORECAST_PREDICTION_LOG",
        "no",
        "is `no`, a bucket name has ",
    ),
    (
        "STORECAST_PREDICTION_LOG_SALT",
        "too-short",
        "has 9 bytes, at least 16 are needed",
    ),
    (
        "STORECAST_PREDICTIONS_TTL_DAYS",
        "0",
        "is `0`, expected whole days from 1 to 3650",
    ),
    (
        "STORECAST_PREDICTIONS_TABLE",
        "ab",
        "is `ab`, a table name has ",
    ),
];
/// The same of the function that merges orders.
const WRONG_OF_ORDERS: [(&str, &str, &str); 4] = [
    WRONG[0],
    (
        "STORECAST_DATA_BUCKET",
        "a_b",
        "is `a_b`, a bucket name has ",
    ),
    (
        "STORECAST_SHOP",
        "s3://shop.toml",
        "is `s3://shop.toml`, expected s3://bucket/key or a path",
    ),
    WRONG[3],
];

/// What a program says when it ends by itself, which it must; an error of the one line that it writes.
fn ends_with(program: &str, lambda: &Lambda, settings: &[(&str, &str, &str)]) -> String {
    let given = settings
        .iter()
        .map(|(name, value, _)| (*name, (*value).to_owned()));
    let given: Vec<_> = given.collect();
    let (status, log) = Process::start(program, lambda, &given).ended();
    assert!(!status.success(), "{program}");
    let [line] = log.as_slice() else {
        panic!("expected one line of {program}, found {log:?}")
    };
    assert_eq!(
        (&line["level"], &line["message"]),
        (&json!("ERROR"), &json!("not started"))
    );
    line["error"].as_str().expect("the reason").to_owned()
}

/// The faults that a program names are these, each with its name, its value and what is allowed.
async fn names_all(program: &str, wrong: &[(&str, &str, &str)], missing: &[&str]) {
    let lambda = Lambda::start().await;
    let error = ends_with(program, &lambda, &[]);
    assert_eq!(
        error.split("; ").count(),
        missing.len(),
        "{program}: {error}"
    );
    for name in missing {
        assert!(
            error.contains(&format!("{name} is missing")),
            "{program}: {error}"
        );
    }
    let error = ends_with(program, &lambda, wrong);
    assert_eq!(error.split("; ").count(), wrong.len(), "{program}: {error}");
    for (name, _, said) in wrong {
        assert!(
            error.contains(&format!("{name} {said}")),
            "{program}: {name} in {error}"
        );
    }
    assert!(!error.contains("too-short"), "a salt is a secret: {error}");
}

#[tokio::test]
async fn every_function_names_all_settings_that_are_missing_or_wrong_and_ends() {
    for function in offline::functions::NAMES {
        names_all(
            function,
            &WRONG,
            &["STORECAST_TABLE", "STORECAST_MODEL_BUCKET"],
        )
        .await;
    }
    let missing = ["STORECAST_TABLE", "STORECAST_DATA_BUCKET", "STORECAST_SHOP"];
    names_all("orders", &WRONG_OF_ORDERS, &missing).await;
}
