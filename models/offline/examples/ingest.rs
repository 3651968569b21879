//! Loads a shop and says what became of its rows: `cargo run --release -p offline --example ingest -- SHOP.toml WORK`.

use offline::histories::Histories;
use offline::ingest::Options;
use offline::shop::Shop;
use std::io::Write;
use std::path::Path;
use std::time::Instant;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [shop, work] = arguments.as_slice() else {
        return Err("usage: ingest SHOP.toml WORK_FOLDER".into());
    };
    let shop = Shop::read(Path::new(shop))?;
    let started = Instant::now();
    let histories = Histories::load(&shop, &Options::local(Path::new(work)))?;
    let loaded = started.elapsed();
    let started = Instant::now();
    let mut lines = 0;
    for customer in histories.customers() {
        lines += customer?
            .1
            .orders()
            .iter()
            .map(|order| order.lines.len())
            .sum::<usize>();
    }
    let iterated = started.elapsed();
    let counts = histories.counts();
    let mut out = std::io::stdout().lock();
    writeln!(out, "{counts:#?}\nnotes {:?}", histories.notes())?;
    writeln!(
        out,
        "reused {}, loaded in {loaded:.2?}, {lines} lines iterated in {iterated:.2?}",
        histories.is_reused()
    )?;
    writeln!(
        out,
        "{:.0} rows/s",
        counts.rows as f64 / loaded.as_secs_f64()
    )?;
    Ok(())
}
