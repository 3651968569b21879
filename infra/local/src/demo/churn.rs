//! What churn answers, shown to a person.

use super::draw::{bar, money, signed_bar};
use super::{percent, text};
use serde_json::Value;
use std::collections::BTreeMap;

/// Rows of the table of customers worth acting on.
const SHOWN: usize = 10;

/// All results of all answers.
fn results(answers: &[Value]) -> impl Iterator<Item = &Value> {
    answers
        .iter()
        .filter_map(|answer| answer["results"].as_array())
        .flatten()
}

pub(super) fn show_all(answers: &[Value], first: &Value) {
    let horizon = first["horizon_days"].as_f64().unwrap_or_default();
    let currency = first["currency"].as_str().unwrap_or_default();
    println!(
        "WHO IS ABOUT TO LEAVE (no purchase in the {horizon} days after {}, when the orders end)\n",
        text(&first["complete_through"])
    );
    let mut groups: BTreeMap<(u8, String), usize> = BTreeMap::new();
    for result in results(answers) {
        *groups.entry(group(result)).or_default() += 1;
    }
    let most = groups.values().copied().max().unwrap_or(1);
    for ((_, name), count) in &groups {
        println!(
            "  {name:<22} {count:>6}  {}",
            bar(*count as f64 / most as f64, 40)
        );
    }
    let (value, cost) = (
        total(answers, "expected_value_minor"),
        total(answers, "expected_cost_minor"),
    );
    println!(
        "\nWORTH DOING: expected gain {} {currency} net of {} {currency} cost; the {SHOWN} customers that bring most\n",
        money(value),
        money(cost)
    );
    println!("{}", table(answers));
    println!(
        "Uplifts in the policy are assumptions until the control group has measured them; the answer says so.\n"
    );
}

fn group(result: &Value) -> (u8, String) {
    let band = result["risk_band"].as_str().unwrap_or_default();
    match result["state"].as_str().unwrap_or_default() {
        "scored" => match band {
            "high" => (0, "high risk".to_owned()),
            "medium" => (1, "medium risk".to_owned()),
            "low" => (2, "low risk".to_owned()),
            other => (3, other.to_owned()),
        },
        "lapsed" => (4, "lapsed (win back)".to_owned()),
        other => (5, other.to_owned()),
    }
}

fn total(answers: &[Value], field: &str) -> i64 {
    answers
        .iter()
        .filter_map(|answer| answer[field].as_i64())
        .sum()
}

/// Scored customers, the highest expected value first.
fn by_value(answers: &[Value]) -> Vec<&Value> {
    let mut scored: Vec<&Value> = results(answers)
        .filter(|result| result["state"] == "scored")
        .collect();
    scored.sort_by_key(|result| {
        let value = result["decision"]["expected_value_minor"]
            .as_i64()
            .unwrap_or_default();
        (
            std::cmp::Reverse(value),
            text(&result["customer_id"]).to_owned(),
        )
    });
    scored
}

pub(super) fn most_worthwhile(answers: &[Value]) -> Option<String> {
    by_value(answers)
        .first()
        .map(|result| text(&result["customer_id"]).to_owned())
}

fn table(answers: &[Value]) -> comfy_table::Table {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::UTF8_BORDERS_ONLY);
    table.set_header([
        "customer",
        "leaves with",
        "gain",
        "cost",
        "do",
        "main reason for the risk",
    ]);
    for result in by_value(answers).into_iter().take(SHOWN) {
        let decision = &result["decision"];
        table.add_row([
            text(&result["customer_id"]).to_owned(),
            percent(&result["churn_probability"]),
            money(
                decision["expected_value_minor"]
                    .as_i64()
                    .unwrap_or_default(),
            ),
            money(decision["expected_cost_minor"].as_i64().unwrap_or_default()),
            text(&decision["title"]).to_owned(),
            main_reason(result),
        ]);
    }
    table
}

/// The strongest reason that raises the risk, or the strongest one of all.
fn main_reason(result: &Value) -> String {
    let reasons = result["reasons"].as_array().cloned().unwrap_or_default();
    let raising = reasons.iter().find(|reason| reason["effect"] == "raises");
    raising
        .or(reasons.first())
        .map_or_else(String::new, |reason| text(&reason["sentence"]).to_owned())
}

pub(super) fn show_one(answer: &Value) {
    let result = &answer["results"][0];
    println!(
        "WHY, for customer {} ({} to leave, {} risk); reasons add up to the log-odds {:.3}\n",
        text(&result["customer_id"]),
        percent(&result["churn_probability"]),
        text(&result["risk_band"]),
        result["log_odds"].as_f64().unwrap_or_default()
    );
    println!(
        "  {:>7.3}             the average customer",
        result["base_log_odds"].as_f64().unwrap_or_default()
    );
    for reason in result["reasons"].as_array().into_iter().flatten() {
        let log_odds = reason["log_odds"].as_f64().unwrap_or_default();
        println!(
            "  {log_odds:>+7.3} {} {}",
            signed_bar(log_odds, 1.5, 5),
            text(&reason["sentence"])
        );
    }
    println!("\nWHAT EACH OPTION IS WORTH\n");
    for option in result["decision"]["alternatives"]
        .as_array()
        .into_iter()
        .flatten()
    {
        let break_even = match option["break_even_uplift"].as_f64() {
            Some(uplift) => format!(
                ", uplift {} ({}), pays above {:.1} %",
                percent(&option["uplift"]),
                text(&option["uplift_source"]),
                uplift * 100.0
            ),
            None => String::new(),
        };
        println!(
            "  {:<18} gain {:>8}  cost {:>7}{break_even}",
            text(&option["intervention"]),
            money(option["expected_value_minor"].as_i64().unwrap_or_default()),
            money(option["expected_cost_minor"].as_i64().unwrap_or_default()),
        );
    }
    println!(
        "\n  chosen: {} ({})\n",
        text(&result["decision"]["title"]),
        text(&result["decision"]["because"])
    );
}
