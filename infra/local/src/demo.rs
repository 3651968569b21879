//! `make demo`: the main job on real data, over the wire, shown to a person.

#![expect(clippy::print_stdout, reason = "a demo is for people to read")]

mod draw;

use crate::api::Api;
use crate::servers::Server;
use crate::stack::{
    Failure, Plan, StoreName, Stores, environment, read_shop, start_functions, start_stores,
};
use draw::{bar, money, signed_bar};
use serde_json::Value;
use serving::registry::ModelPointer;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

/// Rows of the table of customers worth acting on.
const SHOWN: usize = 10;

/// Runs the demo and ends.
pub fn run(plan: &Plan) -> Result<(), Failure> {
    let mut steps = Steps::new();
    let (shop, histories) = read_shop(plan)?;
    let counts = histories.counts().clone();
    steps.done(&format!(
        "{}: {} order lines of {} customers, {} lines left out, {} rejected{}",
        shop.name,
        counts.kept,
        counts.customers,
        counts.dropped_rows(),
        counts.rejected_rows(),
        if histories.is_reused() {
            " (checked by an earlier run)"
        } else {
            ""
        }
    ));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let stores = runtime.block_on(start_stores(plan, histories))?;
    steps.done(&format!(
        "S3 at {}: published and verified {}",
        stores.s3.url(),
        versions(&stores)
    ));
    for kind in &stores.loaded {
        steps.done(&format!(
            "DynamoDB at {}: {}",
            stores.dynamo.url(),
            kind.described()
        ));
    }
    let log = plan.work.join("functions.log");
    let functions = start_functions(plan, &stores, &log)?;
    let ids = customer_ids(&stores)?;
    let _rest = runtime.block_on(stop(stores, plan.stop))?;
    ask(&functions.url(), &ids, &mut steps).map_err(|failure| with_log(&failure, &log))?;
    println!(
        "What to try next: `make dev` keeps this running and prints calls to try; README says how to use your own shop."
    );
    Ok(())
}

/// Stops the server that the plan names, to see what happens then; the others go on with what is returned.
async fn stop(stores: Stores, which: Option<StoreName>) -> Result<Vec<Server>, Failure> {
    let (stopped, kept) = match which {
        None => return Ok(vec![stores.s3, stores.dynamo]),
        Some(StoreName::S3) => (stores.s3, stores.dynamo),
        Some(StoreName::Dynamodb) => (stores.dynamo, stores.s3),
    };
    println!("[stopped] {}", stopped.url());
    stopped.stop().await;
    Ok(vec![kept])
}

/// Asks for everybody, then for the customer who is worth most, and shows both.
fn ask(url: &str, ids: &[String], steps: &mut Steps) -> Result<(), Failure> {
    let api = Api::new(url.to_owned());
    let first = api.churn(&ids[..1])?;
    steps.done(&format!(
        "Lambda function `churn` at {url}: first answer, cold start included"
    ));
    let answers = api.churn(ids)?;
    steps.done(&format!(
        "{} customers asked for, 100 a call: POST {url}/v1/churn",
        ids.len()
    ));
    println!();
    show_all(&answers, &first[0]);
    if let Some(customer_id) = most_worthwhile(&answers) {
        show_one(&api.churn_of(&customer_id)?);
    }
    Ok(())
}

/// A failure with what the function logged last of it: a caller is not told which store is away, its operator is.
fn with_log(failure: &Failure, log: &Path) -> Failure {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let grave =
        |line: &&str| line.contains(r#""level":"ERROR""#) || line.contains(r#""level":"WARN""#);
    match text.lines().rev().find(grave) {
        Some(line) => format!("{failure}\nthe function logged: {line}").into(),
        None => format!("{failure}\nits log is {}", log.display()).into(),
    }
}

/// Starts everything and waits for Ctrl-C.
pub fn dev(plan: &Plan) -> Result<(), Failure> {
    let (shop, histories) = read_shop(plan)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let stores = runtime.block_on(start_stores(plan, histories))?;
    let log = plan.work.join("functions.log");
    let functions = start_functions(plan, &stores, &log)?;
    let ids = customer_ids(&stores)?;
    let url = functions.url();
    println!(
        "{} is up: {} customers, {}. Ctrl-C ends it.\n",
        shop.name,
        ids.len(),
        versions(&stores)
    );
    println!("  curl -s {url}/v1/customers/{}/churn", ids[0]);
    println!(
        "  curl -s {url}/v1/churn -d '{{\"customers\": [{{\"customer_id\": \"{}\"}}, {{\"customer_id\": \"{}\"}}]}}'",
        ids[0], ids[1]
    );
    println!(
        "  .tools/bin/cargo-lambda lambda invoke churn --invoke-port {} --data-file events/churn/direct.json\n",
        plan.function_port
    );
    println!("The same stores, for `storecast` and the AWS command line:\n");
    for (name, value) in environment(&stores) {
        println!("  export {name}={value}");
    }
    println!("\nLog of the functions: {}", log.display());
    runtime.block_on(tokio::signal::ctrl_c())?;
    drop(functions);
    println!("\nstopped");
    Ok(())
}

/// The served models, for people.
fn versions(stores: &Stores) -> String {
    let named = |(name, pointer): &(&str, ModelPointer)| format!("{name} {}", pointer.version);
    stores
        .models
        .iter()
        .map(named)
        .collect::<Vec<_>>()
        .join(", ")
}

fn customer_ids(stores: &Stores) -> Result<Vec<String>, Failure> {
    Ok(stores
        .histories
        .customers()
        .map(|customer| customer.map(|(id, _)| id))
        .collect::<Result<_, _>>()?)
}

/// Says what was done and how long it took.
struct Steps(Instant);

impl Steps {
    fn new() -> Self {
        Self(Instant::now())
    }

    fn done(&mut self, what: &str) {
        println!("[{:5.2} s] {what}", self.0.elapsed().as_secs_f64());
        self.0 = Instant::now();
    }
}

/// All results of all answers.
fn results(answers: &[Value]) -> impl Iterator<Item = &Value> {
    answers
        .iter()
        .filter_map(|answer| answer["results"].as_array())
        .flatten()
}

fn show_all(answers: &[Value], first: &Value) {
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

fn most_worthwhile(answers: &[Value]) -> Option<String> {
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

fn show_one(answer: &Value) {
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

fn percent(value: &Value) -> String {
    value
        .as_f64()
        .map_or_else(|| "-".to_owned(), |p| format!("{:.1} %", p * 100.0))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("-")
}
