//! The demo goes over the wire: without one of its servers it fails, and says which.

use crate::workspace::{installed, program, root};
use local::api::Api;
use serde_json::Value;
use std::io::{BufRead, BufReader, Lines};
use std::net::TcpListener;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The stated time until a change answers: ten seconds, and a load on a busy machine.
const TAKEN_UP_WITHIN: Duration = Duration::from_secs(15);

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
    /// Where its functions answer.
    port: u16,
    /// For its files, and for those of who uses it.
    work: TempDir,
}

impl Dev {
    /// Starts it as a person does, but on free ports; what it printed when it was up.
    fn start() -> (Self, Vec<String>) {
        installed("bin/cargo-lambda");
        let work = tempfile::tempdir().expect("a folder");
        let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr());
        let port = port.expect("a free port").port();
        let mut dev = Command::new(program("storecast-local"));
        dev.args(["dev", "--s3-port=0", "--dynamo-port=0"]);
        dev.arg(format!("--port={port}"));
        dev.args(["--shop=models/shops/cdnow.toml", "--work"])
            .arg(work.path());
        dev.current_dir(root()).stdout(Stdio::piped());
        let mut child = dev.spawn().expect("the stack starts");
        let said = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let mut dev = Self {
            child,
            said,
            port,
            work,
        };
        // It goes on until it is interrupted, and says this last.
        let lines = (&mut dev.said).map(|line| line.expect("UTF-8"));
        let said = lines
            .take_while(|line| !line.starts_with("Log of the functions"))
            .collect();
        (dev, said)
    }
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
    let (_dev, said) = Dev::start();
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

/// Waits until the functions tell of this version, and answer with it; the time that it took.
#[track_caller]
fn taken_up(api: &Api, customer: &str, version: &str) -> Duration {
    let begun = Instant::now();
    loop {
        let models = api.models().expect("the stack answers");
        let churn = &models["models"][0];
        assert_eq!(churn["function"], "churn", "{models}");
        let answer = api.churn_of(customer).expect("the stack answers");
        if (&churn["version"], &answer["model_version"]) == (&version.into(), &version.into()) {
            return begun.elapsed();
        }
        assert!(
            begun.elapsed() < TAKEN_UP_WITHIN,
            "{version} is not taken up: {churn}, {}",
            answer["model_version"]
        );
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_version_that_is_promoted_beside_dev_is_served_within_seconds_and_rolled_back_again() {
    let (dev, said) = Dev::start();
    let exports: Vec<(&str, &str)> = said
        .iter()
        .filter_map(|line| line.trim().strip_prefix("export ")?.split_once('='))
        .collect();
    // As README says it: the committed model under another name.
    let folder = dev.work.path().join("churn-second");
    std::fs::create_dir(&folder).expect("a folder");
    for file in std::fs::read_dir(root().join("models/churn")).expect("a model") {
        let file = file.expect("a readable folder");
        std::fs::copy(file.path(), folder.join(file.file_name())).expect("a copy");
    }
    let manifest = std::fs::read_to_string(folder.join("manifest.json")).expect("text");
    let mut manifest: Value = serde_json::from_str(&manifest).expect("JSON");
    let first = std::mem::replace(&mut manifest["version"], "second".into());
    let first = first.as_str().expect("a version");
    std::fs::write(folder.join("manifest.json"), manifest.to_string()).expect("a file");
    let run = |arguments: &[&str]| {
        let mut command = Command::new(program("storecast"));
        command.args(arguments).envs(exports.iter().copied());
        let ran = command.current_dir(root()).output();
        let ran = ran.expect("the program starts");
        let said = String::from_utf8_lossy(&ran.stderr).into_owned();
        assert!(ran.status.success(), "{arguments:?}: {said}");
        said
    };
    let api = Api::new(format!("http://127.0.0.1:{}", dev.port));
    let customer = said
        .iter()
        .find_map(|line| Some(line.split_once("/v1/customers/")?.1.split_once('/')?.0));
    let customer = customer.expect("a call about a customer");
    taken_up(&api, customer, first);
    let folder = folder.to_str().expect("UTF-8");
    run(&["publish", "churn", "--model", folder]);
    taken_up(&api, customer, first);
    let told = run(&["promote", "churn", "second"]);
    assert!(told.contains("version second is served"), "{told}");
    let promoted = taken_up(&api, customer, "second");
    let told = run(&["rollback", "churn"]);
    assert!(
        told.contains(&format!("version {first} is served")),
        "{told}"
    );
    let rolled_back = taken_up(&api, customer, first);
    println!("promoted after {promoted:.1?}, rolled back after {rolled_back:.1?}");
}
