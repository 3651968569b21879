//! Which crate may depend on which.

use super::{Package, packages};
use crate::workspace::root;
use std::collections::{BTreeMap, BTreeSet};

/// Crates of the workspace that a crate may depend on; functions stand for themselves.
const MAY_NAME: [(&str, &[&str]); 6] = [
    ("features", &[]),
    ("serving", &["features"]),
    ("aws", &["features", "serving"]),
    ("offline", &["features", "serving", "aws", "functions"]),
    (
        "local",
        &["features", "serving", "aws", "functions", "offline"],
    ),
    (
        "tests",
        &[
            "features",
            "serving",
            "aws",
            "functions",
            "offline",
            "local",
        ],
    ),
];
/// What a function may depend on; its library does not name `aws`.
const FUNCTION_MAY_NAME: &[&str] = &["features", "serving", "aws"];
/// Crates that a pure crate has no use for: clocks and zones, environment, network, async runtimes, models.
const IMPURE: [&str; 18] = [
    "tokio",
    "futures",
    "async-std",
    "smol",
    "jiff",
    "chrono",
    "time",
    "hyper",
    "reqwest",
    "ureq",
    "ort",
    "tract-onnx",
    "prost",
    "tracing",
    "getrandom",
    "rand",
    "fastrand",
    "tempfile",
];

/// Wrong directions between the crates of the workspace.
fn wrong_directions(packages: &[Package]) -> Vec<String> {
    let functions: BTreeSet<&str> = packages
        .iter()
        .filter(|p| p.is_function)
        .map(|p| p.name.as_str())
        .collect();
    let ours: BTreeSet<&str> = packages.iter().map(|p| p.name.as_str()).collect();
    let may_name = |package: &Package| {
        let listed = MAY_NAME
            .iter()
            .find(|(name, _)| *name == package.name)
            .map(|(_, names)| *names);
        if package.is_function {
            Some(FUNCTION_MAY_NAME)
        } else {
            listed
        }
    };
    let mut complaints = Vec::new();
    for package in packages {
        let Some(allowed) = may_name(package) else {
            complaints.push(format!("{} is not in the list of crates", package.name));
            continue;
        };
        for (name, _) in package
            .dependencies
            .iter()
            .filter(|(name, _)| ours.contains(name.as_str()))
        {
            let kind = if functions.contains(name.as_str()) {
                "functions"
            } else {
                name
            };
            if !allowed.contains(&kind) {
                complaints.push(format!("{} depends on {name}", package.name));
            }
        }
    }
    complaints
}

/// Outside crates in the wrong place.
fn wrong_crates(packages: &[Package]) -> Vec<String> {
    let is_aws = |name: &str| {
        ["aws-", "aws_", "lambda_", "lambda-"]
            .iter()
            .any(|start| name.starts_with(start))
    };
    let mut complaints = Vec::new();
    for package in packages {
        for (name, is_dev) in &package.dependencies {
            let wrong = (is_aws(name) && package.name != "aws" && !is_dev)
                || (name == "ort" && package.name != "serving")
                || (package.name == "features" && !is_dev && IMPURE.contains(&name.as_str()))
                || (package.name == "serving" && !is_dev && name == "tokio");
            if wrong {
                complaints.push(format!("{} depends on {name}", package.name));
            }
        }
    }
    complaints
}

#[test]
fn crates_depend_in_one_direction() {
    assert_eq!(wrong_directions(&packages()), [""; 0]);
    assert_eq!(wrong_crates(&packages()), [""; 0]);
    let plant = |package: &str, dependency: &str| {
        let mut packages = packages();
        let package = packages.iter_mut().find(|p| p.name == package).unwrap();
        package.dependencies.push((dependency.to_owned(), false));
        packages
    };
    assert_eq!(
        wrong_directions(&plant("serving", "aws")),
        ["serving depends on aws"]
    );
    assert_eq!(
        wrong_directions(&plant("churn", "offline")),
        ["churn depends on offline"]
    );
    assert_eq!(
        wrong_crates(&plant("offline", "aws-sdk-s3")),
        ["offline depends on aws-sdk-s3"]
    );
    assert_eq!(
        wrong_crates(&plant("features", "tokio")),
        ["features depends on tokio"]
    );
    assert_eq!(
        wrong_crates(&plant("churn", "ort")),
        ["churn depends on ort"]
    );
}

/// Packages of a profile's list, by how far they are optimised.
fn profile(manifest: &str, name: &str) -> BTreeMap<String, String> {
    let head = format!("[profile.{name}.package]");
    let section = manifest.lines().skip_while(|line| *line != head).skip(1);
    section
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| {
            let (package, level) = line.split_once(" = { opt-level = ")?;
            let level = level.split([',', ' ']).next()?.trim_matches('"');
            Some((package.to_owned(), level.to_owned()))
        })
        .collect()
}

/// How far a profile's list optimises a package; an empty text where it does not name it.
fn level<'a>(profile: &'a BTreeMap<String, String>, name: &str) -> &'a str {
    profile.get(name).map_or("", String::as_str)
}

#[test]
fn profiles_optimise_what_is_hot_and_everything_for_aws() {
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).expect("a manifest");
    let (release, dist) = (profile(&manifest, "release"), profile(&manifest, "dist"));
    let functions = packages().into_iter().filter(|p| p.is_function);
    let hot = functions
        .map(|p| p.name)
        .chain(["features", "offline", "serving"].map(str::to_owned));
    let cold = hot.filter(|name| level(&release, name) != "3" || level(&dist, name) == "s");
    assert_eq!(cold.collect::<Vec<_>>(), [""; 0]);
    // `dist` inherits the list of `release`, so what is not optimised there must be named again: in full, but for what no warm request runs.
    let slow = release.keys().filter(|name| level(&release, name) != "3");
    let slow: Vec<_> = slow.filter(|name| level(&dist, name) != "3").collect();
    let small = [
        "aws-config",
        "aws-sdk-s3",
        "aws-sdk-sts",
        "h2",
        "rustls-webpki",
    ];
    assert_eq!(slow, small);
    assert!(small.iter().all(|name| level(&dist, name) == "s"));
    assert!(
        release.values().any(|level| level == "0"),
        "the lists are read"
    );
}
