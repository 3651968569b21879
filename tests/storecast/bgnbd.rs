//! BG/NBD on the CDNOW sample, whose optimum is published: Fader, Hardie and Lee (2005), table 2.

use crate::workspace::installed;
use features::bgnbd::{self, Summary};

/// Weeks: repeat purchases, time of the last, time observed.
fn cdnow() -> Vec<Summary> {
    let path = installed("data/lifetimes/datasets/cdnow_customers_summary.csv");
    let text = std::fs::read_to_string(path).expect("a readable file");
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("ID,frequency,recency,T"));
    lines
        .map(|line| {
            let numbers: Vec<f64> = line
                .split(',')
                .map(|n| n.parse().expect("a number"))
                .collect();
            Summary {
                repeats: numbers[1],
                last_purchase: numbers[2],
                observed: numbers[3],
            }
        })
        .collect()
}

#[track_caller]
fn close(name: &str, value: f64, published: f64, tolerance: f64) {
    assert!(
        (value - published).abs() <= tolerance,
        "{name}: {value}, published {published}"
    );
}

#[test]
fn fit_on_cdnow_gives_the_published_parameters() {
    let customers = cdnow();
    assert_eq!(customers.len(), 2357);
    let fit = bgnbd::fit(&customers).expect("a fit");
    // Half a unit of the last published digit, and the flatness of the likelihood in the optimum.
    close("r", fit.parameters.r, 0.243, 0.001);
    close("alpha", fit.parameters.alpha, 4.414, 0.002);
    close("a", fit.parameters.a, 0.793, 0.001);
    close("b", fit.parameters.b, 2.426, 0.002);
    close("log-likelihood", fit.log_likelihood, -9582.4, 0.05);
    assert_eq!((fit.customers, fit.bounded), (2357, Vec::<String>::new()));
}

#[test]
fn fit_does_not_depend_on_the_unit_of_time() {
    let weeks = cdnow();
    let days: Vec<_> = weeks
        .iter()
        .map(|c| Summary {
            last_purchase: c.last_purchase * 7.0,
            observed: c.observed * 7.0,
            ..*c
        })
        .collect();
    let (weeks, days) = (
        bgnbd::fit(&weeks).expect("a fit"),
        bgnbd::fit(&days).expect("a fit"),
    );
    close(
        "alpha",
        days.parameters.alpha / 7.0,
        weeks.parameters.alpha,
        1e-3,
    );
    close("b", days.parameters.b, weeks.parameters.b, 1e-3);
    let once = Summary {
        repeats: 0.0,
        last_purchase: 0.0,
        observed: 30.0,
    };
    let once_days = Summary {
        observed: 210.0,
        ..once
    };
    close(
        "p_buy",
        days.parameters.p_buy(once_days, 28.0),
        weeks.parameters.p_buy(once, 4.0),
        1e-6,
    );
}

#[test]
fn alive_is_no_score_for_buyers_of_one_order() {
    let customers = cdnow();
    let parameters = bgnbd::fit(&customers).expect("a fit").parameters;
    let mean = |score: &dyn Fn(Summary) -> f64, once: bool| {
        let chosen: Vec<_> = customers
            .iter()
            .filter(|c| (c.repeats == 0.0) == once)
            .collect();
        chosen.iter().map(|c| score(**c)).sum::<f64>() / chosen.len() as f64
    };
    // Who never came back looks more alive than who did, and is far less likely to buy.
    let alive = |c| parameters.p_alive(c);
    let buys = |c| parameters.p_buy(c, 4.0);
    assert!(mean(&alive, true) > mean(&alive, false));
    assert!(mean(&buys, true) < 0.2 * mean(&buys, false));
}
