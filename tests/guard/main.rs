//! What the hot paths cost, in allocations and in instructions: numbers that do not depend on how busy a machine is, held below
//! `budget.json`.
//!
//! Allocations are counted with every run of the tests. Instructions need valgrind and some seconds (`make guard`); without it they are
//! not counted, and that is said. After a change that is meant, `GUARD_UPDATE=always make guard` writes the budget anew.

mod counted;
mod paths;

use paths::{Path, paths};
use serde_json::{Map, Value, json};
use std::path::PathBuf;
use std::process::Command;

/// Calls of which the costs are averaged.
const CALLS: u64 = 10;
/// A budget may be exceeded by this share: other versions of allocators and C libraries differ by less.
const TOLERANCE: f64 = 0.03;

#[test]
fn allocations_stay_within_the_budget() {
    let found = paths().into_iter().map(|mut path| {
        (path.run)();
        let before = counted::allocations();
        (0..CALLS).for_each(|_| hot_path(&mut path));
        let spent = (counted::allocations() - before) as f64 / CALLS as f64;
        (path.name, spent)
    });
    hold("allocations", found.collect());
}

#[test]
#[ignore = "needs valgrind: make guard"]
fn instructions_stay_within_the_budget() {
    if Command::new("valgrind").arg("--version").output().is_err() {
        println!(
            "\n*** NOT CHECKED: valgrind is not installed, so no instructions were counted ***\n"
        );
        return;
    }
    let found = paths()
        .into_iter()
        .map(|path| (path.name, instructions(path.name)));
    hold("instructions", found.collect());
}

/// What valgrind runs: one path, named by the environment; all of them without it.
#[test]
#[ignore = "started under valgrind by the test of instructions"]
fn run_one_path() {
    let chosen = variable("GUARD_PATH");
    let mut chosen: Vec<Path> = paths()
        .into_iter()
        .filter(|path| chosen.as_deref().is_none_or(|name| name == path.name))
        .collect();
    assert!(!chosen.is_empty(), "a path of this name");
    for path in &mut chosen {
        // What is done once per process is not what is counted.
        (path.run)();
        (0..CALLS).for_each(|_| hot_path(path));
    }
}

/// Callgrind counts inside this function only.
#[inline(never)]
fn hot_path(path: &mut Path) {
    (path.run)();
}

/// Of one call.
fn instructions(path: &str) -> f64 {
    let output = Command::new("valgrind")
        .args([
            "--tool=callgrind",
            "--callgrind-out-file=/dev/null",
            "--toggle-collect=*guard::hot_path*",
        ])
        .arg(std::env::current_exe().expect("the test program"))
        .args(["--ignored", "--exact", "run_one_path"])
        .env("GUARD_PATH", path)
        .output()
        .expect("valgrind");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let collected = said
        .lines()
        .find_map(|line| line.split_once("Collected : "))
        .expect("a count");
    let total: f64 = collected.1.trim().parse().expect("a number");
    assert!(total > 0.0, "valgrind found the function: {said}");
    total / CALLS as f64
}

fn budget_file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("guard/budget.json")
}

fn budget() -> Map<String, Value> {
    let text = std::fs::read(budget_file()).expect("the budget");
    serde_json::from_slice(&text).expect("JSON")
}

/// Fails with every path that costs more than its budget, or has none.
fn hold(what: &str, found: Vec<(&'static str, f64)>) {
    if variable("GUARD_UPDATE").as_deref() == Some("always") {
        return write(what, &found);
    }
    let budget = budget();
    let over: Vec<String> = found
        .iter()
        .filter_map(|(name, spent)| over(&budget[what], name, *spent))
        .collect();
    assert_eq!(over, [""; 0], "{what}");
}

fn over(budget: &Value, name: &str, spent: f64) -> Option<String> {
    let limit = budget.get(name).and_then(Value::as_f64);
    match limit {
        Some(limit) if spent <= limit * (1.0 + TOLERANCE) => None,
        Some(limit) => Some(format!("{name}: {spent} a call, {limit} in the budget")),
        None => Some(format!("{name}: {spent} a call, not in the budget")),
    }
}

fn write(what: &str, found: &[(&'static str, f64)]) {
    let mut budget = budget();
    let counts: Map<String, Value> = found
        .iter()
        .map(|(name, spent)| ((*name).to_owned(), json!(spent.ceil() as i64)))
        .collect();
    budget.insert(what.to_owned(), counts.into());
    let text = serde_json::to_string_pretty(&budget).expect("JSON");
    std::fs::write(budget_file(), text + "\n").expect("a writable checkout");
}

#[test]
fn what_costs_more_is_noticed() {
    let budget = json!({ "path": 100.0 });
    assert_eq!(over(&budget, "path", 103.0), None);
    assert!(over(&budget, "path", 104.0).is_some_and(|said| said.contains("104")));
    assert!(over(&budget, "another", 1.0).is_some_and(|said| said.contains("not in the budget")));
    let before = counted::allocations();
    std::hint::black_box(vec![0_u8; 10]);
    assert_eq!(counted::allocations() - before, 1);
}

#[expect(
    clippy::disallowed_methods,
    reason = "how these tests are told what to do"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
