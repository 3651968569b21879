//! What `storecast cost` prints of a small log and round prices, against what a person works out of the same.

use crate::workspace::{program, root};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};

/// Histories of two read units, half a unit being one of 4 KB that need not be the latest; so many rows that their ids are one piece of
/// 2 MiB, as are the histories of 256 of them.
const DEPLOYED: [&str; 11] = [
    "--memory=1024",
    "--batch-memory=2048",
    "--history-bytes=8192",
    "--per-request=2",
    "--cold-share=0.01",
    "--traced-share=0.05",
    "--nightly-rows=131072",
    "--environments=1",
    "--prediction-bytes=1000",
    "--log-share=0.5",
    "--logged-bytes=1000",
];

/// Months of 400 days.
const KEPT: f64 = 400.0 * 12.0 / 365.0;

/// START, END and REPORT of Lambda.
const OF_LAMBDA: f64 = 259.0;

fn command() -> Command {
    let mut command = Command::new(program("storecast"));
    command.args(["cost", "churn", "--log=tests/storecast/cost/functions.log"]);
    command.arg("--prices=tests/storecast/cost/prices.toml");
    command.args(DEPLOYED).current_dir(root());
    command
}

fn printed() -> String {
    let ran = command().output().expect("the program starts");
    let complaint = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{complaint}");
    String::from_utf8(ran.stdout).expect("UTF-8")
}

/// The lines of a bill, by the beginning of its title, and what they come to.
#[track_caller]
fn bill<'a>(printed: &'a str, title: &str) -> (Vec<(&'a str, f64)>, f64) {
    let mut lines = printed.lines();
    let found = lines.by_ref().find(|line| line.starts_with(title));
    let found = found.unwrap_or_else(|| panic!("no {title:?} in {printed}"));
    assert!(found.contains("EUR in nowhere-1"), "{found}");
    let line = |line: &'a str| {
        let (what, amount) = line.trim().rsplit_once(' ').expect("an amount");
        (what.trim(), amount.parse().expect("a number"))
    };
    let mut lines: Vec<_> = lines
        .take_while(|line| !line.is_empty())
        .map(line)
        .collect();
    let (together, total) = lines.pop().expect("a sum");
    assert_eq!(together, "together");
    (lines, total)
}

/// Amounts are printed with four decimals.
#[track_caller]
fn assert_bill(printed: &str, title: &str, expected: &[(&str, f64)]) {
    let (lines, total) = bill(printed, title);
    let names = |lines: &[(&str, f64)]| -> Vec<String> {
        lines.iter().map(|(what, _)| (*what).to_owned()).collect()
    };
    assert_eq!(names(&lines), names(expected), "{title}");
    for ((what, found), (_, expected)) in lines.iter().zip(expected) {
        let is_same = (found - expected).abs() < 0.000_051;
        assert!(is_same, "{title}, {what}: {found}, expected {expected}");
    }
    let sum: f64 = expected.iter().map(|(_, amount)| amount).sum();
    assert!(
        (total - sum).abs() < 0.000_051,
        "{title}: {total}, expected {sum}"
    );
}

#[test]
fn a_log_costs_what_a_person_works_out() {
    let printed = printed();
    // Of churn's own lines: 4.2 and 6.8 ms are billed as 5 and 7, a line is 974 bytes and CloudWatch's 26, starts took 80 and 120 ms.
    let measured = "churn: 2 warm requests, 6.00 ms billed on average, 1000 bytes of log each; a start takes 100 ms";
    assert_eq!(printed.lines().next(), Some(measured));
    let a_million = 1e6;
    let requests = [
        ("API Gateway", 1.0),
        ("Lambda, requests", 2000.0),
        ("Lambda, time", a_million * 0.006 * 0.001),
        ("Lambda, starts", a_million * 0.01 * 0.1 * 0.001),
        ("DynamoDB, reads", a_million * 2.0 * 0.000_25),
        (
            "CloudWatch, logs",
            a_million * (1000.0 + OF_LAMBDA) * 0.000_001,
        ),
        ("X-Ray", 0.05 * 5.0),
        // Of four requests about two customers each, one is about nobody who is kept.
        ("S3, kept predictions", a_million * 0.75 * 0.005),
        ("S3, 400 days of them", a_million * 1000.0 * 1e-9 * KEPT),
    ];
    assert_bill(&printed, "a million requests", &requests);
    // 1000 rows took half a second, of 2 GB; two lines say so.
    let rows = 131_072.0;
    let file = [
        ("Lambda, time", rows / 2000.0 * 2.0 * 0.001),
        ("Lambda, requests", 0.002),
        ("DynamoDB, reads", rows * 0.000_25),
        ("DynamoDB, claims", 2.0 * 0.001_25),
        ("DynamoDB, predictions", rows * 0.001_25),
        ("S3", 3.0 * 0.005 + 0.001),
        ("SQS", 3.0 * 0.000_4),
        ("CloudWatch, logs", (2000.0 + OF_LAMBDA) * 0.000_001),
        ("S3, kept predictions", 512.0 * 0.005),
        ("S3, 400 days of them", rows / 2.0 * 1000.0 * 1e-9 * KEPT),
    ];
    assert_bill(&printed, "a file of 131072 rows", &file);
    // 8.192 GB are 123 chunks of 64 MiB, 3907 pieces of 2 MiB, and 2071 once packed.
    let chunks = 123.0;
    let whole = [
        ("Lambda, time", a_million / 4000.0 * 2.0 * 0.001),
        ("Lambda, requests", (chunks + 2.0) * 0.002),
        ("Step Functions", (4.0 + 3.0 * chunks) * 0.025),
        (
            "S3",
            5.0 * chunks * 0.005 + (2.0 * 3907.0 + 2071.0 + 7.0 * chunks) * 0.001,
        ),
        ("DynamoDB, claims", chunks * (0.000_25 + 2.0 * 0.001_25)),
        (
            "CloudWatch, logs",
            (chunks + 2.0) * (2000.0 + OF_LAMBDA) * 0.000_001,
        ),
        ("S3, kept predictions", 3907.0 * 0.005),
        (
            "S3, 400 days of them",
            a_million / 2.0 * 1000.0 * 1e-9 * KEPT,
        ),
    ];
    assert_bill(
        &printed,
        "a run over the whole base, for a million of it",
        &whole,
    );
    // 360 looks, each of which writes 30 KB.
    let looks = [("DynamoDB, looks", 360.0 * 30.0 * 0.001_25)];
    assert_bill(
        &printed,
        "an hour of a canary, 1 environments, at most",
        &looks,
    );
    let (month, _) = bill(&printed, "a month without a request");
    assert_eq!(month[0], ("CloudWatch, metrics", 2.0 * 0.3));
}

#[test]
fn a_share_that_is_none_is_refused() {
    let mut command = Command::new(program("storecast"));
    command.args(["cost", "churn", "--log=tests/storecast/cost/functions.log"]);
    let ran = command.arg("--log-share=1.5").current_dir(root()).output();
    let ran = ran.expect("the program starts");
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(
        !ran.status.success() && said.contains("--log-share is 1.5, allowed are 0 to 1"),
        "{said}"
    );
}

#[test]
fn who_stops_reading_ends_the_command_quietly() {
    let (read, written) = std::io::pipe().expect("a pipe");
    drop(read);
    let ran = command().stdout(written).stderr(Stdio::piped()).spawn();
    let ran = ran.and_then(Child::wait_with_output);
    let ran = ran.expect("the program starts");
    assert_eq!(String::from_utf8_lossy(&ran.stderr), "");
    assert_eq!(ran.status.signal(), Some(13), "{}", ran.status);
}
