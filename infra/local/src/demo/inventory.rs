//! What inventory answers, shown to a planner.

use super::draw::{bar, money, signed_bar};
use super::{percent, text};
use serde_json::Value;

/// Rows of the reorder list.
const SHOWN: usize = 10;

/// The reorder list: what to order, how many, why, what it costs and when it runs out.
pub(super) fn show_list(answers: &[Value]) {
    let planned: Vec<&Value> = results(answers)
        .filter(|r| r["state"] == "planned")
        .collect();
    let ordered: Vec<&Value> = by_saving(planned.iter().copied());
    let currency = answers
        .first()
        .map_or("", |answer| text(&answer["currency"]));
    let value: i64 = answers
        .iter()
        .filter_map(|a| a["order_value_minor"].as_i64())
        .sum();
    let saving: i64 = ordered.iter().map(|result| saving_minor(result)).sum();
    println!(
        "HOW MUCH TO ORDER, as of {} ({} of {} products are due; together {} {currency}, which saves {} {currency} of expected cost)\n",
        answers
            .first()
            .map_or("-", |answer| text(&answer["complete_through"])),
        ordered.len(),
        planned.len(),
        money(value),
        money(saving),
    );
    println!("{}", table(&ordered));
    let (out, over) = (count(&planned, stocked_out), count(&planned, overstocked));
    let share = |count: usize| count as f64 / planned.len().max(1) as f64;
    println!("  out of stock now     {out:>5}  {}", bar(share(out), 40));
    println!(
        "  more than they need  {over:>5}  {}\n",
        bar(share(over), 40)
    );
}

/// The busiest product that is sold out.
pub(super) fn sold_out(answers: &[Value]) -> Option<String> {
    let results = answers
        .iter()
        .filter_map(|answer| answer["results"].as_array());
    let mut out = results.flatten().filter(|result| stocked_out(result));
    out.next().map(|result| text(&result["sku_id"]).to_owned())
}

/// Why, for one product: forecast, reasons, order.
pub(super) fn show_one(answer: &Value) {
    let (result, currency) = (&answer["results"][0], text(&answer["currency"]));
    let (forecast, plan) = (&result["forecast"], &result["plan"]);
    let quantiles = &forecast["quantiles"];
    println!(
        "WHY, for product {} ({}): {} units expected in the {:.1} days that an order must last, {} with 95 %\n",
        text(&result["sku_id"]),
        text(&forecast["forecaster"]),
        number(&forecast["mean"]),
        forecast["interval_days"].as_f64().unwrap_or_default(),
        number(&quantiles["p95"]),
    );
    for reason in forecast["explained"]["reasons"]
        .as_array()
        .into_iter()
        .flatten()
        .take(8)
    {
        let log_factor = reason["log_factor"].as_f64().unwrap_or_default();
        println!(
            "  x {:<5} {} {}",
            number(&reason["factor"]),
            signed_bar(log_factor, 0.5, 5),
            text(&reason["sentence"])
        );
    }
    println!("\n  {}", text(&result["because"]));
    println!(
        "  order {} for {} {currency}; expected lost units {} with it, {} without; P(stock-out before the next arrival) {}",
        plan["order_quantity"],
        money(result["order_value_minor"].as_i64().unwrap_or_default()),
        number(&plan["with_order"]["expected_lost_units"]),
        number(&plan["without_order"]["expected_lost_units"]),
        percent(&plan["stockout_probability_before_next_arrival"]),
    );
    println!(
        "  reorder point {}, order up to {}, safety stock {}\n",
        plan["reorder_point"],
        plan["order_up_to_level"],
        number(&plan["safety_stock"]),
    );
}

/// The product whose order saves most.
pub(super) fn most_urgent(answers: &[Value]) -> Option<String> {
    let ordered = by_saving(results(answers).filter(|r| r["state"] == "planned"));
    let explained = |result: &&&Value| result["forecast"]["explained"].is_object();
    let first = ordered.iter().find(explained).or(ordered.first());
    first.map(|result| text(&result["sku_id"]).to_owned())
}

fn results(answers: &[Value]) -> impl Iterator<Item = &Value> {
    answers
        .iter()
        .filter_map(|answer| answer["results"].as_array())
        .flatten()
}

/// Results with an order, the largest saving first.
fn by_saving<'a>(results: impl Iterator<Item = &'a Value>) -> Vec<&'a Value> {
    let due = |result: &&Value| result["plan"]["order_quantity"].as_u64() > Some(0);
    let mut due: Vec<&Value> = results.filter(due).collect();
    due.sort_by_key(|result| {
        let id = text(&result["sku_id"]).to_owned();
        (std::cmp::Reverse(saving_minor(result)), id)
    });
    due
}

/// What ordering saves against not ordering, in expectation.
fn saving_minor(result: &Value) -> i64 {
    -result["cost_against_no_order_minor"]
        .as_i64()
        .unwrap_or_default()
}

fn count(results: &[&Value], is: fn(&Value) -> bool) -> usize {
    results.iter().filter(|result| is(result)).count()
}

fn stocked_out(result: &Value) -> bool {
    result["assumptions"]["on_hand"].as_i64() <= Some(0)
}

fn overstocked(result: &Value) -> bool {
    result["plan"]["overstock_units"].as_u64() > Some(0)
}

fn table(ordered: &[&Value]) -> comfy_table::Table {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::UTF8_BORDERS_ONLY);
    table.set_header([
        "product", "there", "coming", "a week", "gone by", "order", "for", "saves", "why",
    ]);
    for result in ordered.iter().take(SHOWN) {
        let plan = &result["plan"];
        let weeks = &result["forecast"]["weeks"][0]["mean"];
        let coming = plan["on_order_inside"].as_u64().unwrap_or_default()
            + plan["on_order_later"].as_u64().unwrap_or_default();
        table.add_row([
            text(&result["sku_id"]).to_owned(),
            result["assumptions"]["on_hand"].to_string(),
            coming.to_string(),
            number(weeks),
            text(&result["runs_out_median"]).to_owned(),
            plan["order_quantity"].to_string(),
            money(result["order_value_minor"].as_i64().unwrap_or_default()),
            money(saving_minor(result)),
            main_reason(result),
        ]);
    }
    table
}

/// The strongest reason of the forecast, or why a simpler forecaster answered.
fn main_reason(result: &Value) -> String {
    let strongest = &result["forecast"]["explained"]["reasons"][0]["sentence"];
    let fallback = &result["forecast"]["because"];
    text(if strongest.is_string() {
        strongest
    } else {
        fallback
    })
    .to_owned()
}

/// One digit at most.
fn number(value: &Value) -> String {
    value.as_f64().map_or_else(
        || "-".to_owned(),
        |value| {
            let text = format!("{value:.2}");
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        },
    )
}
