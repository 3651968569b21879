//! Whole shops: the made-up one in full, and the two real ones where their packages are installed.

use super::demand::{equals_what_customers_bought, totals_add_up};
use super::{by_customer, by_sku, reconcile};
use features::demand::DemandHistory;
use features::history::CustomerHistory;
use features::time::LocalDay;
use offline::histories::Histories;
use offline::ingest::Options;
use offline::messy::{self, Size};
use offline::shop::Shop;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::Path;

#[test]
fn the_messy_shop_loads_to_what_its_generator_says() {
    let folder = tempfile::tempdir().unwrap();
    let written = messy::write(folder.path(), Size::default()).unwrap();
    let shop = Shop::read(&written.shop_file).unwrap();
    let histories = Histories::load(&shop, &Options::local(&folder.path().join("work"))).unwrap();
    reconcile(&histories);
    let counts = histories.counts();
    let dropped = |reason: &str| counts.dropped.get(reason).copied().unwrap_or(0);
    assert!((60_000..100_000).contains(&written.rows), "{written:?}");
    assert_eq!(counts.rows, written.rows);
    assert_eq!(counts.rejected_rows(), written.bad);
    assert_eq!(dropped("no customer (guest)"), written.guests);
    assert_eq!(dropped("code is no product"), written.fees);
    assert_eq!(dropped("duplicate row"), written.duplicates);
    assert_eq!(dropped("replaced by a later file"), written.replaced);
    assert!(
        written.bad > 100 && written.duplicates > 50 && written.replaced > 1000,
        "{written:?}"
    );
    let customers = by_customer(&histories);
    let lines = || {
        customers
            .values()
            .flat_map(CustomerHistory::orders)
            .flat_map(|order| &order.lines)
    };
    assert_eq!(
        lines().map(|line| line.net_minor).sum::<i64>(),
        written.net_minor
    );
    assert!(lines().all(|line| !line.category.is_empty()));
    for (name, written) in &written.tables {
        let table = &counts.tables[*name];
        let (left_out, rejected): (u64, u64) =
            (table.dropped.values().sum(), table.rejected.values().sum());
        assert_eq!(
            (table.rows, left_out, rejected),
            (written.rows, written.left_out, written.bad),
            "{name}: {table:?}"
        );
        assert!(written.bad > 1 && written.left_out > 0 && table.kept > 40);
    }
    let skus = by_sku(&histories);
    totals_add_up(&histories, &skus);
    assert!((200..=240).contains(&skus.len()), "{}", skus.len());
    // Guests count too.
    let units = |skus: &BTreeMap<String, DemandHistory>| -> i64 {
        skus.values()
            .flat_map(|sku| &sku.days)
            .map(|day| day.units_milli)
            .sum()
    };
    let bought: i64 = lines().map(|line| line.quantity_milli.max(0)).sum();
    assert!(units(&skus) > bought, "{} {bought}", units(&skus));
    assert!(counts.demand.stock_out_share() > 0.01);
    assert!(
        skus.values()
            .all(|sku| sku.stock.is_some() && !sku.category.is_empty())
    );
    // The broken till: 2023-08-14 to 2023-08-20 are the days 19,583 to 19,589.
    let in_outage =
        |order: &&features::history::Order| (19_583..=19_589).contains(&order.local_day.0);
    assert_eq!(
        customers
            .values()
            .flat_map(CustomerHistory::orders)
            .filter(in_outage)
            .count(),
        0
    );
}

#[test]
fn the_messy_shop_backwards_and_unpacked_is_the_same_shop() {
    let folder = tempfile::tempdir().unwrap();
    let size = Size {
        customers: 300,
        seed: 1,
    };
    let written = messy::write(folder.path(), size).unwrap();
    let shop = Shop::read(&written.shop_file).unwrap();
    let histories = Histories::load(&shop, &Options::local(&folder.path().join("work"))).unwrap();
    let shuffled = tempfile::tempdir().unwrap();
    let first = std::fs::read_to_string(folder.path().join("bestellungen-2023.csv")).unwrap();
    let (header, rows) = first.split_once("\r\n").unwrap();
    let backwards: Vec<&str> = rows.trim_end().lines().rev().collect();
    std::fs::write(
        shuffled.path().join("bestellungen-2023.csv"),
        format!("{header}\n{}", backwards.join("\n")),
    )
    .unwrap();
    let mut second = String::new();
    let packed = std::fs::File::open(folder.path().join("bestellungen-2024.csv.gz")).unwrap();
    flate2::read::GzDecoder::new(packed)
        .read_to_string(&mut second)
        .unwrap();
    std::fs::write(shuffled.path().join("bestellungen-2024.csv"), second).unwrap();
    for name in ["artikel.csv", "bestand.csv", "bestellt.csv", "aktionen.csv"] {
        std::fs::copy(folder.path().join(name), shuffled.path().join(name)).unwrap();
    }
    let work = shuffled.path().join("work");
    let options = Options {
        data_root: Some(shuffled.path()),
        ..Options::local(&work)
    };
    let again = Histories::load(&shop, &options).unwrap();
    let in_order = |histories: &Histories| {
        histories
            .customers()
            .map(Result::unwrap)
            .collect::<Vec<_>>()
    };
    assert_eq!(in_order(&again), in_order(&histories));
    let skus = |histories: &Histories| histories.skus().map(Result::unwrap).collect::<Vec<_>>();
    assert_eq!(skus(&again), skus(&histories));
}

/// Loads a shop of `models/shops`, or `None` where its data is not installed.
fn installed(name: &str) -> Option<(Histories, tempfile::TempDir)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../shops")
        .join(name);
    let shop = Shop::read(&path).unwrap();
    if !shop.data_root.is_dir() {
        eprintln!(
            "{name} is not tested: {} is not installed",
            shop.data_root.display()
        );
        return None;
    }
    let work = tempfile::tempdir().unwrap();
    let histories = Histories::load(&shop, &Options::local(work.path())).unwrap();
    reconcile(&histories);
    Some((histories, work))
}

#[test]
fn cdnow_has_its_published_customers() {
    let Some((histories, _work)) = installed("cdnow.toml") else {
        return;
    };
    let counts = histories.counts();
    // Fader and Hardie: 2,357 customers with 6,919 transactions; 6,696 are on different days.
    assert_eq!(
        (counts.rows, counts.kept, counts.customers, counts.orders),
        (6919, 6919, 2357, 6696)
    );
    // 1998-07-01T00:00:00-04:00 is the first instant after the last day.
    assert!(histories.complete_through().0 <= 899_265_600);
}

#[test]
fn completejourney_reaches_its_known_clean_counts() {
    let Some((histories, _work)) = installed("completejourney.toml") else {
        return;
    };
    let counts = histories.counts();
    assert_eq!((counts.rows, counts.kept), (1_469_307, 1_442_236));
    assert_eq!((counts.customers, counts.orders), (2467, 140_946));
    assert_eq!(counts.dropped["department is no product"], 18_279);
    assert_eq!(counts.rejected_rows() + counts.product_rejects, 0);
    let mut products = BTreeSet::new();
    let (mut net, mut discount, mut moved) = (0, 0, 0);
    for customer in histories.customers() {
        for order in customer.unwrap().1.orders() {
            net += order.purchased_minor();
            discount += order.discount_minor();
            let utc_day = order.placed_at.0.div_euclid(86_400);
            moved += usize::from(i64::from(order.local_day.0) != utc_day) * order.lines.len();
            products.extend(order.lines.iter().map(|line| line.product_id.clone()));
        }
    }
    assert_eq!(products.len(), 67_854);
    // The sums of the columns over the clean rows, each rounded to cents.
    assert_eq!((net, discount), (418_689_743, 80_346_526));
    let truth: BTreeMap<_, _> = histories.true_skus().unwrap().map(Result::unwrap).collect();
    equals_what_customers_bought(&histories, &truth);
    let skus = by_sku(&histories);
    assert!(skus.keys().eq(truth.keys()));
    totals_add_up(&histories, &skus);
    censored(&skus, &truth);
    // Real shops miss 4 to 5 % of the days.
    let out = counts.demand.stock_out_share();
    assert!((0.04..=0.05).contains(&out), "{out}");
    let share = moved as f64 / counts.kept as f64;
    assert!((share - 0.171).abs() < 0.001, "{share}");
}

/// What is seen is at most what was wanted, and nothing on a day that began without stock.
fn censored(skus: &BTreeMap<String, DemandHistory>, truth: &BTreeMap<String, DemandHistory>) {
    for (id, seen) in skus {
        let wanted: BTreeMap<_, _> = truth[id].days.iter().map(|day| (day.day, day)).collect();
        for day in &seen.days {
            let next = LocalDay(day.day.0 + 1);
            assert!(day.units_milli <= wanted[&day.day].units_milli, "{id}");
            assert_eq!(seen.stock_out_days(day.day, next), 0, "{id}");
        }
        assert_eq!(seen.category, truth[id].category);
        assert!(seen.stock.is_some() && truth[id].stock.is_none());
    }
}
