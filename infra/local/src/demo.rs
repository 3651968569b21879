//! `make demo`: the main job on real data, over the wire, shown to a person.

#![expect(clippy::print_stdout, reason = "a demo is for people to read")]

mod batch;
mod churn;
mod draw;
mod inventory;
mod recommendations;

use crate::api::Api;
use crate::gateway::{Authorizer, start_gateway};
use crate::orders::put_orders;
use crate::servers::Server;
use crate::stack::{
    Failure, Plan, StoreName, Stores, environment, read_shop, start_functions, start_stores,
};
use aws::clients::Clients;
use features::demand::{DemandHistory, day_of};
use features::time::LocalDay;
use offline::entity::Entity;
use offline::functions::NAMES;
use serde_json::{Value, json};
use serving::registry::ModelPointer;
use std::path::Path;
use std::time::Instant;

/// Products that the demo asks about.
const BUSIEST: usize = 500;

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
    let (customers, skus) = (customer_ids(&stores)?, busiest_skus(&stores)?);
    let bucket = runtime.block_on(batch::Bucket::open(&stores, &plan.root))?;
    let _rest = runtime.block_on(stop(stores, plan.stop))?;
    let api = Api::new(functions.url());
    ask_churn(&api, &customers, &mut steps)
        .and_then(|()| ask_inventory(&api, &skus, &mut steps))
        .and_then(|left| ask_recommendations(&api, &customers, &left, &mut steps))
        .and_then(|()| {
            batch::score_file(&runtime, &bucket, &functions.url(), &customers, &mut steps)
        })
        .map_err(|failure| with_log(&failure, &log))?;
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
fn ask_churn(api: &Api, ids: &[String], steps: &mut Steps) -> Result<(), Failure> {
    let first = api.churn(&ids[..1])?;
    steps.done("Lambda function `churn`: first answer, cold start included");
    let answers = api.churn(ids)?;
    steps.done(&format!(
        "{} customers asked for, 100 a call: POST {}/v1/churn",
        ids.len(),
        api.url()
    ));
    println!();
    churn::show_all(&answers, &first[0]);
    if let Some(customer_id) = churn::most_worthwhile(&answers) {
        churn::show_one(&api.churn_of(&customer_id)?);
    }
    Ok(())
}

/// Asks what to order of the busiest products, then why for the one whose order saves most, and shows both. What is left
/// is a cart: the busiest products, one that is sold out among them where there is one.
fn ask_inventory(api: &Api, ids: &[String], steps: &mut Steps) -> Result<Vec<String>, Failure> {
    if ids.is_empty() {
        println!("The shop's orders name no products, so there is nothing to reorder.\n");
        return Ok(Vec::new());
    }
    api.inventory(&ids[..1])?;
    steps.done("Lambda function `inventory`: first answer, cold start included");
    let answers = api.inventory(ids)?;
    steps.done(&format!(
        "the {} busiest products asked for, 100 a call: POST {}/v1/inventory",
        ids.len(),
        api.url()
    ));
    println!();
    inventory::show_list(&answers);
    if let Some(sku_id) = inventory::most_urgent(&answers) {
        inventory::show_one(&api.inventory_of(&sku_id)?);
    }
    let sold_out = inventory::sold_out(&answers);
    let busy = ids.iter().filter(|id| Some(*id) != sold_out.as_ref());
    Ok(sold_out.iter().chain(busy).take(3).cloned().collect())
}

/// Recommends to a customer, to a visitor of whom nothing is known, and for a cart, before and after it was left.
fn ask_recommendations(
    api: &Api,
    customers: &[String],
    left: &[String],
    steps: &mut Steps,
) -> Result<(), Failure> {
    let (Some(customer), false) = (customers.first(), left.is_empty()) else {
        println!("The shop's orders name no products, so there is nothing to recommend.\n");
        return Ok(());
    };
    let home = api.recommendations(&json!({ "customer_id": customer, "k": 5 }))?;
    steps.done("Lambda function `recommendations`: first answer, cold start included");
    // As the others: of a visitor nothing says that the data ends here.
    let as_of = &home["as_of"];
    let new = json!({ "customer_id": customer, "surface": "discover", "k": 5, "as_of": as_of });
    let new = api.recommendations(&new)?;
    let cart: Vec<String> = recommendations::product_ids(&home)
        .into_iter()
        .take(2)
        .collect();
    let completed = api.recommendations(
        &json!({ "customer_id": customer, "cart": cart, "k": 3, "as_of": as_of }),
    )?;
    let cold = api.recommendations(&json!({ "k": 3, "as_of": as_of }))?;
    let left = json!({ "customer_id": customer, "surface": "abandoned_cart", "cart": left, "k": 3, "as_of": as_of });
    let left = api.recommendations(&left)?;
    steps.done(&format!(
        "five questions: POST {}/v1/recommendations",
        api.url()
    ));
    println!();
    recommendations::show(&format!("WHAT CUSTOMER {customer} BUYS NEXT"), &home);
    recommendations::show(&format!("WHAT WOULD BE NEW TO CUSTOMER {customer}"), &new);
    recommendations::show(
        &format!("WHAT GOES WITH {}", cart.join(" AND ")),
        &completed,
    );
    recommendations::show("WHAT A VISITOR SEES OF WHOM NOTHING IS KNOWN", &cold);
    recommendations::show("WHAT TO WRITE ABOUT AN ABANDONED CART", &left);
    recommendations::show_cart(&left);
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

/// Starts everything, a gateway that asks for tokens among it where its port and rules are given, and waits for Ctrl-C.
pub fn dev(plan: &Plan, gateway: Option<(u16, Authorizer)>) -> Result<(), Failure> {
    let (shop, histories) = read_shop(plan)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let stores = runtime.block_on(start_stores(plan, histories))?;
    let log = plan.work.join("functions.log");
    let functions = start_functions(plan, &stores, &log)?;
    let ids = customer_ids(&stores)?;
    let url = functions.url();
    runtime.block_on(async {
        batch::Bucket::open(&stores, &plan.root).await?;
        let clients = Clients::at(&stores.s3.url(), &stores.dynamo.url()).await;
        put_orders(&clients, &shop, &plan.root).await
    })?;
    let gateway = gateway
        .map(|(port, authorizer)| {
            let _on = runtime.enter();
            let document = plan.root.join("infra/openapi.json");
            start_gateway(port, &document, authorizer, url.clone())
        })
        .transpose()?;
    println!(
        "{} is up: {} customers, {}. Ctrl-C ends it.\n",
        shop.name,
        ids.len(),
        versions(&stores)
    );
    if let Some(gateway) = &gateway {
        println!(
            "  curl -s {}/v1/customers/{}/churn -H \"Authorization: Bearer $(make -s token)\"\n\nWithout the gateway:\n",
            gateway.url(),
            ids[0]
        );
    }
    show_calls(
        &url,
        plan.function_port,
        &ids,
        busiest_skus(&stores)?.first(),
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

/// Calls to try.
fn show_calls(url: &str, port: u16, ids: &[String], sku: Option<&String>) {
    let (one, other) = (&ids[0], &ids[1]);
    println!("  curl -s {url}/v1/customers/{one}/churn");
    if let Some(sku) = sku {
        println!("  curl -s {url}/v1/skus/{sku}/inventory");
        println!("  curl -s '{url}/v1/customers/{one}/recommendations?k=3'");
    }
    println!(
        "  curl -s {url}/v1/churn -d '{{\"customers\": [{{\"customer_id\": \"{one}\"}}, {{\"customer_id\": \"{other}\"}}]}}'"
    );
    println!("  curl -s {url}/v1/models");
    let invoke = |function: &str, event: &str| {
        println!(
            "  .tools/bin/cargo-lambda lambda invoke {function} --invoke-address 127.0.0.1 --invoke-port {port} --data-file events/{function}/{event}.json"
        );
    };
    invoke("churn", "direct");
    // Whatever is put below uploads/orders/ is merged by the last event: it says nothing but that something came.
    for function in NAMES.into_iter().chain(["orders"]) {
        invoke(function, "s3-upload");
    }
    println!();
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

/// The products that sold most in the last four weeks; none where the shop has no products.
fn busiest_skus(stores: &Stores) -> Result<Vec<String>, Failure> {
    let until = day_of(DemandHistory::known(&stores.histories).1);
    let from = LocalDay(until.0 - 28);
    let mut sold = stores
        .histories
        .skus()
        .map(|sku| sku.map(|(id, history)| (history.units(from, until), id)))
        .collect::<Result<Vec<_>, _>>()?;
    sold.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    Ok(sold.into_iter().take(BUSIEST).map(|(_, id)| id).collect())
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

/// A share as people read it.
fn percent(value: &Value) -> String {
    value
        .as_f64()
        .map_or_else(|| "-".to_owned(), |p| format!("{:.1} %", p * 100.0))
}

/// A text of an answer.
fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("-")
}
