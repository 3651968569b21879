//! What the crates promise not to do, kept by test: who may name whom, and what every function brings along.
//!
//! Each rule is a function from text to complaints, and is shown to complain about a planted fault.

mod crates;

use crate::workspace::root;
use serde_json::Value;
use serving::predictor::Predictor;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

/// Longest source file.
const MOST_LINES: usize = 400;

static METADATA: LazyLock<Value> = LazyLock::new(|| {
    let arguments = [
        "metadata",
        "--format-version",
        "1",
        "--no-deps",
        "--offline",
        "--locked",
    ];
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .current_dir(root())
        .output()
        .expect("cargo");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).expect("JSON")
});

/// A package's dependencies, by whether they are for its tests only.
struct Package {
    name: String,
    is_function: bool,
    dependencies: Vec<(String, bool)>,
}

fn packages() -> Vec<Package> {
    let read = |package: &Value| Package {
        name: package["name"].as_str().expect("text").to_owned(),
        is_function: package["manifest_path"]
            .as_str()
            .expect("text")
            .contains("/functions/"),
        dependencies: package["dependencies"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|d| {
                (
                    d["name"].as_str().expect("text").to_owned(),
                    d["kind"] == "dev",
                )
            })
            .collect(),
    };
    METADATA["packages"]
        .as_array()
        .expect("a list")
        .iter()
        .map(read)
        .collect()
}

/// Every Rust and Python file that is ours, by its path from the root.
fn sources() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = ["shared", "functions", "models", "infra", "tests"]
        .map(|folder| root().join(folder))
        .to_vec();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder of the project") {
            let path = entry.expect("a readable folder").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs" || e == "py") {
                let text = std::fs::read_to_string(&path).expect("text");
                found.push((
                    path.strip_prefix(root())
                        .expect("below the root")
                        .to_owned(),
                    text,
                ));
            }
        }
    }
    assert!(found.len() > 60, "only {} sources found", found.len());
    found
}

/// Lines of code for which `is_wrong` holds, as `path:line`; comments are free to name anything.
fn complaints(path: &Path, text: &str, is_wrong: fn(&str) -> bool) -> Vec<String> {
    let code = text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim_start().starts_with("//"));
    code.filter(|(_, line)| is_wrong(line))
        .map(|(index, line)| format!("{}:{}: {line}", path.display(), index + 1))
        .collect()
}

fn complaints_in(belongs: impl Fn(&str) -> bool, is_wrong: fn(&str) -> bool) -> Vec<String> {
    let sources = sources();
    let ours = sources
        .iter()
        .filter(|(path, _)| path.extension().is_some_and(|e| e == "rs"));
    let chosen: Vec<_> = ours
        .filter(|(path, _)| belongs(&path.to_string_lossy()))
        .collect();
    assert!(!chosen.is_empty(), "no file is checked");
    chosen
        .into_iter()
        .flat_map(|(path, text)| complaints(path, text, is_wrong))
        .collect()
}

/// Whether a line has `name` where a name begins.
fn names(line: &str, name: &str) -> bool {
    line.match_indices(name).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_')
    })
}

/// `ort::OrtScorer` is our own module's.
fn names_ort(line: &str) -> bool {
    names(
        &line.replace("ort::OrtScorer", "").replace("super::ort", ""),
        "ort::",
    )
}

fn names_aws(line: &str) -> bool {
    names(line, "aws::") || names(line, "aws_")
}

fn is_impure(line: &str) -> bool {
    let absent = [
        "std::time",
        "std::env",
        "std::net",
        "std::fs",
        "std::process",
        "std::thread",
        "SystemTime",
        "Instant",
        "async ",
    ];
    absent.iter().any(|name| names(line, name))
}

fn knows_a_status(line: &str) -> bool {
    let numbers = line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let mut codes = numbers
        .filter_map(|word| word.parse::<u16>().ok())
        .filter(|n| (300..600).contains(n));
    line.contains("status") && codes.next().is_some()
}

fn allows_a_lint(line: &str) -> bool {
    line.contains(concat!("#[", "allow(")) || line.contains(concat!("#![", "allow("))
}

#[test]
fn one_file_names_the_runtime() {
    let elsewhere = |path: &str| {
        path != "shared/serving/src/model/ort.rs" && path != "tests/storecast/tidy/mod.rs"
    };
    assert_eq!(complaints_in(elsewhere, names_ort), [""; 0]);
    assert!(
        !complaints_in(|path| !elsewhere(path), names_ort).is_empty(),
        "the rule sees the file that does"
    );
}

#[test]
fn a_function_names_aws_in_its_main_only() {
    let library = |path: &str| path.starts_with("functions/") && !path.ends_with("/main.rs");
    assert_eq!(complaints_in(library, names_aws), [""; 0]);
    assert!(!complaints_in(|path| path == "functions/churn/src/main.rs", names_aws).is_empty());
    assert!(names_aws("use aws_sdk_s3::Client;") && !names_aws("let laws_of = paws::x;"));
}

#[test]
fn features_are_pure() {
    assert_eq!(
        complaints_in(|path| path.starts_with("shared/features/src/"), is_impure),
        [""; 0]
    );
    assert!(is_impure("let now = std::time::SystemTime::now();") && is_impure("async fn x() {}"));
    let fits = complaints_in(
        |path| path.starts_with("functions/") && path.contains("/src/"),
        |line| names(line, "SystemTime"),
    );
    assert_eq!(fits, [""; 0]);
}

#[test]
fn one_file_knows_status_codes() {
    let below_problem = |path: &str| {
        let checked = ["shared/features/src/", "shared/serving/src/", "functions/"];
        checked.iter().any(|folder| path.starts_with(folder))
            && path != "shared/serving/src/problem.rs"
    };
    assert_eq!(complaints_in(below_problem, knows_a_status), [""; 0]);
    assert!(knows_a_status("if problem.status == 503 {") && knows_a_status("status: 404,"));
    assert!(!knows_a_status("status: 200,") && !knows_a_status("let days = 365;"));
}

#[test]
fn lints_are_expected_with_a_reason_never_allowed() {
    assert_eq!(complaints_in(|_| true, allows_a_lint), [""; 0]);
    assert!(allows_a_lint(&format!(
        "{}clippy::all)]",
        concat!("#[", "allow(")
    )));
}

#[test]
fn files_stay_short() {
    let long = sources()
        .into_iter()
        .map(|(path, text)| (path, text.lines().count()))
        .filter(|(_, lines)| *lines > MOST_LINES);
    assert_eq!(long.collect::<Vec<_>>(), []);
}

#[test]
fn every_function_brings_what_it_needs() {
    let functions: BTreeSet<String> = packages()
        .into_iter()
        .filter(|p| p.is_function)
        .map(|p| p.name)
        .collect();
    let listed: BTreeSet<String> = offline::functions::NAMES
        .iter()
        .map(|&name| name.to_owned())
        .collect();
    assert_eq!(functions, listed, "functions/ and the list of predictors");
    for function in functions {
        for needed in [
            "manifest.json",
            "model.onnx",
            "artifacts.json",
            "golden.json",
            "policy.json",
            "CARD.md",
        ] {
            let path = root().join("models").join(&function).join(needed);
            assert!(path.is_file(), "{} is missing", path.display());
        }
        let events =
            std::fs::read_dir(root().join("events").join(&function)).map_or(0, Iterator::count);
        assert!(events > 0, "events/{function} has no event");
    }
}

fn paths<P: Predictor>() -> Vec<&'static str> {
    P::routes().iter().map(|route| route.path).collect()
}

#[test]
fn the_local_router_has_the_routes_of_the_predictors() {
    let router = METADATA["metadata"]["lambda"]["watch"]["router"]
        .as_object()
        .expect("a router");
    let found: BTreeMap<String, String> = router
        .iter()
        .map(|(path, function)| {
            (
                path.clone(),
                function.as_str().unwrap_or("methods").to_owned(),
            )
        })
        .collect();
    let of_all = serving::status::ROUTES.iter();
    let mut expected: BTreeMap<_, _> = of_all
        .map(|route| {
            (
                route.path.to_owned(),
                serving::status::ANSWERED_BY.to_owned(),
            )
        })
        .collect();
    for name in offline::functions::NAMES {
        for path in offline::for_predictor!(name, paths::<P>()) {
            expected.insert(path.to_owned(), name.to_owned());
        }
    }
    assert_eq!(found, expected);
}
