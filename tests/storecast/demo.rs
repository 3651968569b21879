//! The demo goes over the wire: without one of its servers it fails, and says which.

use crate::workspace::{installed, program, root};
use std::process::Command;

/// Runs the demo with one server stopped; returns what it said.
#[track_caller]
fn without(server: &str) -> String {
    installed("bin/cargo-lambda");
    let work = tempfile::tempdir().expect("a folder");
    let mut demo = Command::new(program("storecast-local"));
    demo.args([
        "demo",
        "--stop",
        server,
        "--shop",
        "models/shops/cdnow.toml",
        "--work",
    ])
    .arg(work.path());
    let output = demo.current_dir(root()).output().expect("the demo starts");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{text}");
    text
}

#[test]
fn without_s3_the_model_is_missing() {
    let text = without("s3");
    assert!(
        text.contains("no model is served") && text.contains("s3://"),
        "{text}"
    );
}

#[test]
fn without_dynamodb_the_table_is_missing() {
    let text = without("dynamodb");
    assert!(text.contains("503") && text.contains("DynamoDB"), "{text}");
}
