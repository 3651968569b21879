//! What each line comes to where every price is 2.

use super::*;
use measured::Scored;

fn prices() -> Prices {
    let text = std::fs::read_to_string("../../infra/prices.toml").expect("the price list");
    let round = |line: &str| match line.split_once(" = ") {
        Some((name, value)) if value.parse::<f64>().is_ok() => format!("{name} = 2.0\n"),
        _ => format!("{line}\n"),
    };
    Prices::read(&text.lines().map(round).collect::<String>()).expect("prices")
}

fn measured() -> Measured {
    Measured {
        request_ms: 10.0,
        start_ms: Some(50.0),
        log_bytes: GB / 1e6 - OF_LAMBDA,
        files: Some(Scored {
            rows_per_second: 100.0,
            log_bytes: GB / 4.0 - OF_LAMBDA,
        }),
        chunks: Some(Scored {
            rows_per_second: 200.0,
            log_bytes: GB / 8.0 - OF_LAMBDA,
        }),
        requests: 1,
        metrics: 3,
    }
}

fn deployed() -> Deployment {
    Deployment {
        memory_mb: 512.0,
        batch_memory_mb: 1024.0,
        is_arm64: false,
        history_bytes: 9000.0,
        histories_per_request: 4.0,
        cold_share: 0.1,
        traced_share: 0.05,
        nightly_rows: 1e6,
        environments: 5.0,
        prediction_bytes: 1500.0,
        log_share: 0.5,
        logged_bytes: GB / 1e6,
    }
}

/// START, END and REPORT: 66, 52 and 141 bytes.
const OF_LAMBDA: f64 = 259.0;

fn cost(bill: &Bill, what: &str) -> f64 {
    bill.lines
        .iter()
        .find(|line| line.what == what)
        .expect("a line")
        .cost
}

/// Every price is 2, so that each line is what a person works out in their head.
#[test]
fn a_million_requests_cost_what_their_parts_do() {
    let bill = per_million_requests(&measured(), &deployed(), &prices());
    for (what, expected) in [
        ("API Gateway", 2.0),
        ("Lambda, requests", 2.0),
        ("Lambda, time", 10_000.0 * 0.5 * 2.0),
        ("Lambda, starts", 5_000.0 * 0.5 * 2.0),
        // 9000 bytes are three pieces of 4 KB, half a unit each; four histories a request.
        ("DynamoDB, reads", 4.0 * 1.5 * 2.0),
        ("CloudWatch, logs", 2.0),
        ("X-Ray", 0.1),
        // One in sixteen of the requests has none of its four that is kept; of all histories one half is, for 13.15 months.
        ("S3, kept predictions", 15.0 / 16.0 * 1000.0 * 2.0),
        ("S3, 400 days of them", 2.0 * 400.0 * 12.0 / 365.0 * 2.0),
    ] {
        assert!(
            (cost(&bill, what) - expected).abs() < 1e-9,
            "{what}: {}",
            cost(&bill, what)
        );
    }
    let sum: f64 = bill.lines.iter().map(|line| line.cost).sum();
    assert!((bill.total() - sum).abs() < 1e-9 && bill.lines.len() == 9);
    let unknown = Measured {
        start_ms: None,
        ..measured()
    };
    let without = per_million_requests(&unknown, &deployed(), &prices());
    let known = |line: &&Line| line.what != "Lambda, starts";
    assert!(without.lines.iter().eq(bill.lines.iter().filter(known)));
    let none = Deployment {
        log_share: 0.0,
        ..deployed()
    };
    let bill = per_million_requests(&measured(), &none, &prices());
    for what in ["S3, kept predictions", "S3, 400 days of them"] {
        assert!(cost(&bill, what).abs() < 1e-12, "{what} of a share of 0");
    }
}

#[test]
fn a_nightly_run_costs_its_rows() {
    let bill = per_nightly_run(&measured(), &deployed(), &prices()).expect("rows were measured");
    assert!((cost(&bill, "Lambda, time") - 10_000.0 * 2.0).abs() < 1e-9);
    assert!((cost(&bill, "DynamoDB, reads") - 1.5 * 2.0).abs() < 1e-9);
    // 1500 bytes are two units of 1 KB.
    assert!((cost(&bill, "DynamoDB, predictions") - 2.0 * 2.0).abs() < 1e-9);
    // 16 MB of ids are eight pieces.
    assert!((cost(&bill, "S3") - (3.0 + 8.0) * 2.0 / 1000.0).abs() < 1e-12);
    assert!((cost(&bill, "CloudWatch, logs") - 0.25 * 2.0).abs() < 1e-12);
    // 233.02 histories of 9000 bytes are 2 MiB: 4292 chunks, of which half the rows are kept.
    assert!((cost(&bill, "S3, kept predictions") - 4292.0 * 2.0 / 1000.0).abs() < 1e-12);
    let months = 400.0 * 12.0 / 365.0;
    assert!((cost(&bill, "S3, 400 days of them") - 0.5 * months * 2.0).abs() < 1e-9);
    let unknown = Measured {
        files: None,
        ..measured()
    };
    assert_eq!(per_nightly_run(&unknown, &deployed(), &prices()), None);
    assert!((per_month(3, 2, &prices()).total() - 10.0).abs() < 1e-12);
}

#[test]
fn a_run_over_the_whole_base_costs_its_chunks_and_a_canary_its_looks() {
    let run = |history_bytes: f64| {
        let deployed = Deployment {
            history_bytes,
            ..deployed()
        };
        per_million_of_the_whole_base(&measured(), &deployed, &prices()).expect("rows")
    };
    let bill = run(67.0 * 1024.0 * 1024.0 / 1000.0);
    // 67 000 MiB are 1 046 chunks of 64 MiB and a smaller one, 33 500 row groups, and 17 755 pieces once packed.
    let chunks = 1_047.0;
    for (what, expected) in [
        ("Lambda, time", 5_000.0 * 2.0),
        ("Lambda, requests", (chunks + 2.0) * 2.0 / 1e6),
        ("Step Functions", (4.0 + 3.0 * chunks) * 2.0 / 1e3),
        (
            "S3",
            (5.0 * chunks + 67_000.0 + 17_755.0 + 7.0 * chunks) * 2.0 / 1e3,
        ),
        ("DynamoDB, claims", chunks * (2.0 + 4.0) / 1e6),
        // An eighth of a gigabyte for each chunk, for the beginning and for the end.
        ("CloudWatch, logs", (chunks + 2.0) * 2.0 / 8.0),
        // 29.85 histories of 67 KiB are 2 MiB.
        ("S3, kept predictions", 33_500.0 * 2.0 / 1e3),
    ] {
        assert!(
            (cost(&bill, what) - expected).abs() < 1e-9,
            "{what}: {}",
            cost(&bill, what)
        );
    }
    // Of small histories 20 000 rows make a chunk.
    assert!((cost(&run(10.0), "DynamoDB, claims") - 50.0 * 6.0 / 1e6).abs() < 1e-12);
    let unknown = Measured {
        chunks: None,
        ..measured()
    };
    let without = per_million_of_the_whole_base(&unknown, &deployed(), &prices());
    assert_eq!(without, None);
    // 30 units a look, 360 looks of five environments.
    let canary = per_hour_of_a_canary(&deployed(), &prices());
    assert!((canary.total() - 360.0 * 5.0 * 30.0 * 2.0 / 1e6).abs() < 1e-12);
}
