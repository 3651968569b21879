//! How the tables of recommendations open and how long each stage of an answer takes, by the size of the catalogue:
//! `cargo run --release --example shelves -- MODEL_FOLDER ITEMS... [--into FOLDER]`
//!
//! The shops are made up: a few items sell most, orders hold ten items, every item is sold twenty times on average. The
//! ranking is the model's of the folder, with its trees and its columns. `--into` keeps, in a folder for each size, what
//! was fitted and every answer of `home`, a line each, for whoever compares.

use bytes::Bytes;
use features::codec;
use features::history::{CustomerHistory, Order, OrderLine};
use features::levels::{Level, encode, shard_of};
use features::matrix::Matrix;
use features::time::{LocalDay, SECONDS_PER_DAY, Timestamp};
use offline::model_folder;
use recommendations::artifacts::TABLES;
use recommendations::stock::LEVELS;
use recommendations::{CUSTOMER, Recommendations};
use serving::manifest::Hashed;
use serving::ports::{HistoryStore, MemoryStore};
use serving::predictor::{Predictor, Served, Train, TrainingSettings};
use serving::registry::{verify_model, with_policy};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::time::Instant;

type Failure = Box<dyn std::error::Error>;

const FIRST_DAY: i64 = 17_000;
const DAYS: i64 = 300;
const ITEMS_PER_ORDER: u64 = 10;
const SALES_PER_ITEM: u64 = 20;
const CUSTOMERS: u64 = 2_500;
const REQUESTS: u64 = 2_000;
const STAGES: [&str; 6] = [
    "history read",
    "candidates and features",
    "features alone",
    "ranking",
    "stock and rules",
    "reasons and answer",
];

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (arguments, into) = match arguments.as_slice() {
        [rest @ .., option, into] if option == "--into" => (rest, Some(Path::new(into))),
        all => (all, None),
    };
    let [folder, sizes @ ..] = arguments else {
        return Err("usage: shelves MODEL_FOLDER ITEMS... [--into FOLDER]".into());
    };
    let mut out = std::io::stdout().lock();
    for size in sizes {
        let into = into.map(|into| into.join(size));
        measure(Path::new(folder), size.parse()?, into.as_deref(), &mut out)?;
    }
    Ok(())
}

/// `SplitMix64`: the same shop every time.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    /// The least of three draws: half of all fall on a fifth of the items.
    fn item(&mut self, items: u64) -> u64 {
        (0..3).map(|_| self.below(items)).min().unwrap_or_default()
    }
}

fn customer(random: &mut Random, items: u64, orders: i64) -> CustomerHistory {
    let order = |number: i64| {
        let day = FIRST_DAY + number * DAYS / orders;
        let line = |_| {
            let item = random.item(items);
            OrderLine {
                product_id: format!("sku-{item:06}").into(),
                category: format!("category {}", item % 300).into(),
                quantity_milli: 1000,
                net_minor: 100 + i64::try_from(item % 900).unwrap_or_default(),
                discount_minor: 0,
            }
        };
        Order {
            order_id: number.to_string().into(),
            placed_at: Timestamp(day * SECONDS_PER_DAY + 40_000),
            local_day: LocalDay(day as i32),
            lines: (0..ITEMS_PER_ORDER).map(line).collect(),
        }
    };
    CustomerHistory::new((0..orders).map(order).collect())
}

fn measure(
    folder: &Path,
    items: u64,
    into: Option<&Path>,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let now = Timestamp((FIRST_DAY + DAYS) * SECONDS_PER_DAY);
    let orders = items * SALES_PER_ITEM / ITEMS_PER_ORDER / CUSTOMERS;
    let orders = i64::try_from(orders)?.max(4);
    let histories = || {
        let mut random = Random(7);
        (0..CUSTOMERS).map(move |number| (number.to_string(), customer(&mut random, items, orders)))
    };
    let settings = TrainingSettings {
        horizon_days: 28.0,
        currency: "EUR".to_owned(),
        minor_per_major: 100,
        products: BTreeMap::new(),
    };
    let started = Instant::now();
    let fitted = Recommendations::fit(&mut histories(), now, &settings)?;
    let fit_seconds = started.elapsed().as_secs_f64();
    let tables: Vec<Bytes> = Recommendations::tables(&fitted)
        .into_iter()
        .map(Bytes::from)
        .collect();
    let bytes: usize = tables.iter().map(Bytes::len).sum();
    let text = serde_json::to_vec(&fitted)?;
    drop(fitted);
    if let Some(into) = into {
        std::fs::create_dir_all(into)?;
        std::fs::write(into.join("artifacts.json"), &text)?;
        for (name, table) in TABLES.iter().zip(&tables) {
            std::fs::write(into.join(name), table)?;
        }
    }
    let before = resident_bytes();
    let started = Instant::now();
    let mut artifacts: recommendations::artifacts::Artifacts = serde_json::from_slice(&text)?;
    let tables: Vec<Hashed> = tables.into_iter().map(Hashed::new).collect();
    Recommendations::attach_tables(&mut artifacts, &tables)?;
    let open_ms = started.elapsed().as_secs_f64() * 1e3;
    let opened_bytes = resident_bytes().saturating_sub(before);
    writeln!(
        out,
        "{items} items, {} orders: fitted in {fit_seconds:.1} s, tables of {:.1} MB, checked and opened in {open_ms:.1} ms, {:.1} MB beside them",
        orders * i64::try_from(CUSTOMERS)?,
        bytes as f64 / 1e6,
        opened_bytes as f64 / 1e6,
    )?;
    let model = verify_model::<Recommendations>(
        &model_folder::read_model::<Recommendations>(folder)?,
        None,
    )?;
    let mut served = with_policy(model, &model_folder::read_policy(folder)?)?;
    served.model.artifacts = artifacts;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let answers = runtime.block_on(stages(&served, histories(), items, now, out))?;
    if let Some(into) = into {
        std::fs::write(into.join("answers.jsonl"), answers)?;
    }
    Ok(())
}

/// Returns the answers of `home`, a line each.
async fn stages(
    served: &Served<Recommendations>,
    histories: impl Iterator<Item = (String, CustomerHistory)>,
    items: u64,
    now: Timestamp,
    out: &mut impl Write,
) -> Result<String, Failure> {
    let mut answers = String::new();
    let store = MemoryStore::default();
    let records: Vec<_> = histories
        .map(|(id, history)| (id, Bytes::from(codec::encode(&history))))
        .collect();
    store.put_histories(CUSTOMER, &records).await?;
    store.put_histories(LEVELS, &levels(items)).await?;
    for kind in [CUSTOMER, LEVELS] {
        store.set_complete_through(kind, now).await?;
    }
    for surface in ["home", "discover", "cart"] {
        let mut spent = STAGES.map(|_| Vec::new());
        let mut total = Vec::new();
        for number in 0..REQUESTS {
            let mut random = Random(number);
            let cart: Vec<String> = (0..5)
                .map(|_| format!("sku-{:06}", random.item(items)))
                .collect();
            let cart = if surface == "cart" { cart } else { Vec::new() };
            let body = serde_json::json!({ "customer_id": (number % CUSTOMERS).to_string(), "surface": surface, "cart": cart });
            let body = body.to_string();
            let (of_request, text) = one(served, &store, body.as_bytes(), now).await?;
            if surface == "home" {
                answers.extend([text.as_str(), "\n"]);
            }
            // What is measured twice counts once.
            total.push(of_request.iter().sum::<f64>() - of_request[2]);
            spent
                .iter_mut()
                .zip(of_request)
                .for_each(|(spent, micros)| spent.push(micros));
        }
        writeln!(
            out,
            "  {surface}: p50 {:.2} ms, p99 {:.2} ms",
            at(&mut total, 500) / 1e3,
            at(&mut total, 990) / 1e3
        )?;
        for (name, spent) in STAGES.iter().zip(&mut spent) {
            writeln!(
                out,
                "    {name:<24} p50 {:>7.0} us, p99 {:>7.0} us",
                at(spent, 500),
                at(spent, 990)
            )?;
        }
    }
    Ok(answers)
}

/// Microseconds of each stage of one request, and its answer.
async fn one(
    served: &Served<Recommendations>,
    store: &MemoryStore,
    body: &[u8],
    now: Timestamp,
) -> Result<([f64; 6], String), Failure> {
    let mut spent = [0.0; 6];
    let mut last = Instant::now();
    let mut lap = |stage: usize| {
        spent[stage] = last.elapsed().as_secs_f64() * 1e6;
        last = Instant::now();
    };
    let request = Recommendations::parse(body)?;
    let mut cases = Recommendations::gather(store, &request, now).await?;
    lap(0);
    let artifacts = &served.model.artifacts;
    let mut rows = Matrix::new(served.model.scorer.columns());
    Recommendations::features(&cases[0], artifacts, &mut rows);
    lap(1);
    // Candidates are kept with the case, so that the second time only the columns are made.
    let mut again = Matrix::new(served.model.scorer.columns());
    Recommendations::features(&cases[0], artifacts, &mut again);
    lap(2);
    let scored = served.model.score(&cases)?;
    lap(3);
    Recommendations::gather_scored(store, &request, &mut cases, &scored, served).await?;
    lap(4);
    let response = Recommendations::respond(&request, &cases, &scored, served)?;
    let text = serde_json::to_string(&response)?;
    lap(5);
    // Ranking makes the columns again.
    spent[3] = (spent[3] - spent[2]).max(0.0);
    Ok((spent, text))
}

fn levels(items: u64) -> Vec<(String, Bytes)> {
    let mut shards: BTreeMap<u32, Vec<(String, Level)>> = BTreeMap::new();
    for item in 0..items {
        let id = format!("sku-{item:06}");
        let level = Level {
            on_hand_milli: i64::from(!item.is_multiple_of(20)) * 5000,
            units_per_day: 0.5,
        };
        shards.entry(shard_of(&id)).or_default().push((id, level));
    }
    let record = |(shard, levels): (u32, Vec<_>)| (shard.to_string(), Bytes::from(encode(&levels)));
    shards.into_iter().map(record).collect()
}

/// The value below which so many of a thousand lie.
fn at(values: &mut [f64], of_thousand: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    values[(values.len() - 1) * of_thousand / 1000]
}

/// Of this process, where the system tells.
fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = status
        .split_whitespace()
        .nth(1)
        .and_then(|pages| pages.parse::<usize>().ok());
    pages.unwrap_or(0) * 4096
}
