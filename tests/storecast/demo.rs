//! The demo goes over the wire: without one of its servers it fails, and says which.

use crate::workspace::{installed, program, root};
use std::io::{BufRead, BufReader, Lines};
use std::net::TcpListener;
use std::process::{Child, ChildStdout, Command, Stdio};

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

/// A running stack; an interrupt ends it and the functions that it started.
struct Dev {
    child: Child,
    /// Open until it has ended: it has a last word.
    said: Lines<BufReader<ChildStdout>>,
}

impl Drop for Dev {
    fn drop(&mut self) {
        let id = self.child.id().to_string();
        let _ = Command::new("kill").args(["-INT", &id]).status();
        let _ = self.child.wait();
    }
}

#[test]
fn every_upload_event_that_dev_prints_a_call_for_is_answered_by_that_call() {
    installed("bin/cargo-lambda");
    let work = tempfile::tempdir().expect("a folder");
    let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr());
    let port = port.expect("a free port").port().to_string();
    let mut dev = Command::new(program("storecast-local"));
    dev.args(["dev", "--port", &port, "--s3-port=0", "--dynamo-port=0"]);
    dev.args(["--shop=models/shops/cdnow.toml", "--work"])
        .arg(work.path());
    dev.current_dir(root()).stdout(Stdio::piped());
    let mut child = dev.spawn().expect("the stack starts");
    let said = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let mut dev = Dev { child, said };
    // It goes on until it is interrupted, and says this last.
    let said: Vec<String> = (&mut dev.said)
        .map(|line| line.expect("UTF-8"))
        .take_while(|line| !line.starts_with("Log of the functions"))
        .collect();
    let calls: Vec<&String> = said
        .iter()
        .filter(|line| line.contains("s3-upload.json"))
        .collect();
    assert_eq!(calls.len(), 4, "{said:?}");
    for call in calls {
        let ran = Command::new("sh")
            .args(["-c", call])
            .current_dir(root())
            .output();
        let ran = ran.expect("a shell");
        let answer = String::from_utf8_lossy(&ran.stdout);
        let expected = if call.contains("orders") {
            "merged"
        } else {
            r#""kind":"scored""#
        };
        assert!(
            ran.status.success() && answer.replace(' ', "").contains(expected),
            "{call}: {answer}{}",
            String::from_utf8_lossy(&ran.stderr)
        );
    }
}
