//! What recommendations answer, shown to a shopkeeper.

use super::text;
use serde_json::Value;

/// A list of recommended items, under a title.
pub(super) fn show(title: &str, answer: &Value) {
    println!("{title}, as of {}\n", text(&answer["as_of"]));
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::UTF8_BORDERS_ONLY);
    table.set_header(["", "product", "category", "there", "why"]);
    for item in items(answer) {
        table.add_row([
            item["rank"].to_string(),
            text(&item["product_id"]).to_owned(),
            text(&item["category"]).to_owned(),
            there(&item["stock"]),
            text(&item["reason"]["text"]).to_owned(),
        ]);
    }
    println!("{table}");
    if let Some(level) = answer["fallback"].as_str() {
        println!("  chosen on: {level}");
    }
    let left_out = &answer["left_out"];
    println!(
        "  left out: {} that were not there, {} by rules\n",
        left_out["not_in_stock"], left_out["by_rules"]
    );
}

/// What became of an abandoned cart, and what completes it.
pub(super) fn show_cart(answer: &Value) {
    for item in answer["cart"].as_array().into_iter().flatten() {
        let others = item["replacements"].as_array().into_iter().flatten();
        let others: Vec<&str> = others.map(|other| text(&other["product_id"])).collect();
        let instead = if others.is_empty() {
            String::new()
        } else {
            format!("; instead: {}", others.join(", "))
        };
        println!(
            "  in the cart: {} ({}){instead}",
            text(&item["product_id"]),
            there(&item["stock"])
        );
    }
    println!();
}

/// The product ids of an answer.
pub(super) fn product_ids(answer: &Value) -> Vec<String> {
    let ids = items(answer).map(|item| text(&item["product_id"]).to_owned());
    ids.collect()
}

fn items(answer: &Value) -> impl Iterator<Item = &Value> {
    answer["items"].as_array().into_iter().flatten()
}

fn there(stock: &Value) -> String {
    match (stock["state"].as_str(), stock["on_hand"].as_f64()) {
        (Some("in_stock"), Some(units)) => format!("{units:.0}"),
        (Some("out_of_stock"), _) => "sold out".to_owned(),
        _ => "not known".to_owned(),
    }
}
