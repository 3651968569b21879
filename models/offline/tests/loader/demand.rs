//! Demand for SKUs: everything that was bought, once, by everybody, and nothing that came back.

use super::{Folder, HEADER, by_sku, reconcile};
use features::demand::{DemandDay, DemandHistory, day_start};
use features::time::LocalDay;
use offline::histories::Histories;
use std::collections::BTreeMap;
use std::fmt::Write;

/// 2024-01-02.
const SECOND: i32 = 19_724;

fn days(history: &DemandHistory) -> Vec<(i32, i64, i64)> {
    let day = |day: &DemandDay| (day.day.0 - SECOND, day.units_milli, day.net_minor);
    history.days.iter().map(day).collect()
}

/// What customers bought, added up in the plainest way.
fn recomputed(histories: &Histories) -> BTreeMap<String, BTreeMap<LocalDay, (i64, i64, i64)>> {
    let mut skus: BTreeMap<String, BTreeMap<LocalDay, (i64, i64, i64)>> = BTreeMap::new();
    for customer in histories.customers() {
        for order in customer.unwrap().1.orders() {
            for line in order.lines.iter().filter(|line| line.quantity_milli > 0) {
                let days = skus.entry(line.product_id.to_string()).or_default();
                let day = days.entry(order.local_day).or_default();
                day.0 += line.quantity_milli;
                day.1 += line.net_minor;
                day.2 += line.discount_minor;
            }
        }
    }
    skus
}

/// Demand equals what customers bought, where every buyer is a customer.
pub(super) fn equals_what_customers_bought(
    histories: &Histories,
    skus: &BTreeMap<String, DemandHistory>,
) {
    let expected = recomputed(histories);
    assert_eq!(skus.len(), expected.len());
    for (id, days) in expected {
        let found = skus[&id].days.iter();
        let found: BTreeMap<_, _> = found
            .map(|day| {
                (
                    day.day,
                    (day.units_milli, day.net_minor, day.discount_minor),
                )
            })
            .collect();
        assert_eq!(found, days, "{id}");
    }
}

/// Totals are the sums over the SKUs.
pub(super) fn totals_add_up(histories: &Histories, skus: &BTreeMap<String, DemandHistory>) {
    let mut expected: BTreeMap<String, BTreeMap<LocalDay, (i64, i64, i64)>> = BTreeMap::new();
    for history in skus.values() {
        if !history.category.is_empty() {
            let total = expected.entry(history.category.clone()).or_default();
            for day in &history.days {
                let sum = total.entry(day.day).or_default();
                sum.0 += day.units_milli;
                sum.1 += day.net_minor;
                sum.2 += day.discount_minor;
            }
        }
    }
    expected.retain(|_, days| !days.is_empty());
    let mut found = BTreeMap::new();
    for total in histories.category_totals() {
        let (id, history) = total.unwrap();
        assert!(history.stock_outs.is_empty() && history.stock.is_none());
        let days = history.days.iter();
        let days: BTreeMap<_, _> = days
            .map(|day| {
                (
                    day.day,
                    (day.units_milli, day.net_minor, day.discount_minor),
                )
            })
            .collect();
        assert!(found.insert(id, days).is_none());
    }
    assert_eq!(found, expected);
    assert_eq!(found.len() as u64, histories.counts().demand.totals);
}

const ROWS: &str = "o1,c1,2024-01-02 10:00,p1,2,5.00\n\
                    o1,c1,2024-01-02 10:00,p2,1,1.00\n\
                    o2,c2,2024-01-02 23:30,p1,1,2.50\n\
                    o3,,2024-01-04 10:00,p1,4,8.00\n\
                    o4,c1,2024-01-05 10:00,p1,-1,-2.50\n\
                    o5,c3,2024-01-06 09:00,p2,1,1.00\n";

#[test]
fn guests_count_returns_do_not_and_the_last_day_is_not_known_yet() {
    let folder = Folder::with_rows(ROWS);
    let histories = folder.load().unwrap();
    reconcile(&histories);
    let skus = by_sku(&histories);
    assert_eq!(days(&skus["p1"]), [(0, 3000, 750), (2, 4000, 800)]);
    assert_eq!(days(&skus["p2"]), [(0, 1000, 100), (4, 1000, 100)]);
    assert!(skus.values().all(|sku| sku.stock.is_none()));
    totals_add_up(&histories, &skus);
    let day = |day| day_start(LocalDay(SECOND + day));
    assert_eq!(histories.known_days(), (day(0), day(4)));
    assert_eq!(histories.counts().customers, 3);
    assert_eq!(histories.counts().dropped["no customer (guest)"], 1);
    assert!(histories.true_skus().is_none());

    // Guests who are customers of their own make no difference.
    let one_off = folder.but("dates =", "guests = \"one_off\"\ndates =");
    let histories = one_off.load().unwrap();
    assert_eq!(by_sku(&histories), skus);
    equals_what_customers_bought(&histories, &skus);
}

#[test]
fn guests_change_nothing_for_customers() {
    let guest = "o3,,2024-01-04 10:00,p1,4,8.00\n";
    let with = Folder::with_rows(&format!("{ROWS}o9,,2024-02-01 10:00,p1,1,1.00\n"));
    let without = Folder::with_rows(&ROWS.replace(guest, ""));
    let (with, without) = (&with.load().unwrap(), &without.load().unwrap());
    let customers =
        |histories: &Histories| -> Vec<_> { histories.customers().map(Result::unwrap).collect() };
    assert_eq!(customers(with), customers(without));
    assert_eq!(with.first_order(), without.first_order());
    assert_eq!(with.complete_through(), without.complete_through());
    assert_eq!(with.counts().kept, without.counts().kept);
    // A guest on a later day moves what is known of demand.
    assert_eq!(with.known_days().1, day_start(LocalDay(SECOND + 30)));
}

#[test]
fn guests_are_weighed_like_customers_and_their_bad_rows_are_rejected() {
    let first = "o1,,2024-01-02 10:00,p1,2,5.00\no2,c1,2024-01-02 10:00,p1,1,1.00\n\
                 o3,,2024-01-02 10:00,p1,x,5.00\n";
    let second = format!(
        "{HEADER}o1,,2024-01-02 10:00,p1,3,7.50\no1,,2024-01-02 10:00,p1,3,7.50\n\
         o4,,2024-01-03 10:00,p1,0,0.00\n"
    );
    let folder = Folder::with_rows(first)
        .file("b.csv", second)
        .but("dates =", "max_reject_share = 0.5\ndates =");
    let histories = folder.load().unwrap();
    reconcile(&histories);
    // The later file's order counts, its repeated row once.
    assert_eq!(days(&by_sku(&histories)["p1"]), [(0, 4000, 850)]);
    let counts = histories.counts();
    assert_eq!(counts.dropped["no customer (guest)"], 4);
    assert_eq!((counts.dropped.len(), counts.rejected_rows()), (1, 1));
}

#[test]
fn guests_without_an_order_id_count_once_in_overlapping_exports() {
    let rows = ",,2024-01-02 10:00,p1,2,5.00\n,,2024-01-02 10:00,p2,1,1.00\n,c1,2024-01-05 10:00,p1,1,1.00\n";
    let folder = Folder::with_rows(rows)
        .file("b.csv", format!("{HEADER}{rows}"))
        .but("order_id = \"order\"\n", "");
    let histories = folder.load().unwrap();
    reconcile(&histories);
    let skus = by_sku(&histories);
    assert_eq!(days(&skus["p1"]), [(0, 2000, 500), (3, 1000, 100)]);
    assert_eq!(days(&skus["p2"]), [(0, 1000, 100)]);
}

#[test]
fn a_location_makes_skus_of_its_own() {
    let header = HEADER.replace("amount\n", "amount,store\n");
    let rows = "o1,c1,2024-01-02 10:00,p1,2,5.00,north\no2,c1,2024-01-03 10:00,p1,1,2.50,south\n\
                o3,c2,2024-01-04 10:00,p1,1,2.50,\no4,c2,2024-01-04 10:00,p1,1,2.50,a@b\n";
    let folder = Folder::new()
        .file("a.csv", format!("{header}{rows}"))
        .but("dates =", "max_reject_share = 0.5\ndates =")
        .but("quantity =", "location = \"store\"\nquantity =");
    let histories = folder.load().unwrap();
    reconcile(&histories);
    let skus = by_sku(&histories);
    assert_eq!(
        skus.keys().collect::<Vec<_>>(),
        ["p1@", "p1@north", "p1@south"]
    );
    assert_eq!(days(&skus["p1@north"]), [(0, 2000, 500)]);
    totals_add_up(&histories, &skus);
    assert!(
        folder.rejects()[0].contains("store,a@b,location with @"),
        "{:?}",
        folder.rejects()
    );
}

/// Sales are added up while they are read: thousands of few days, and as many days as there are sales.
#[test]
fn what_sells_most_loses_nothing() {
    let mut rows = String::new();
    for sale in 0..5_000 {
        let (year, day, customer) = (2000 + sale / 28 / 12 % 20, sale % 28 + 1, sale % 7);
        let month = sale / 28 % 12 + 1;
        writeln!(
            rows,
            "a{sale},c{customer},2024-01-0{} 10:00,p1,{},2.50",
            day % 5 + 1,
            sale % 3 + 1
        )
        .unwrap();
        writeln!(
            rows,
            "b{sale},c{customer},{year}-{month:02}-{day:02} 10:00,p2,1,2.50"
        )
        .unwrap();
    }
    let folder = Folder::with_rows(&rows);
    let histories = folder.load().unwrap();
    let skus = by_sku(&histories);
    assert_eq!(skus["p1"].days.len(), 5);
    assert_eq!(skus["p2"].days.len(), 5_000);
    equals_what_customers_bought(&histories, &skus);
}

#[test]
fn a_shop_without_products_has_no_skus_and_says_so() {
    let folder = Folder::with_rows("o1,c1,2024-01-02 10:00,p1,2,5.00\no2,,yesterday,p1,2,5.00\n")
        .but("product_id = \"product\"\n", "");
    let histories = folder.load().unwrap();
    reconcile(&histories);
    assert!(by_sku(&histories).is_empty());
    assert_eq!(
        histories.notes(),
        ["the orders name no products, so there is no demand of SKUs"]
    );
    // Nobody needs a guest's row here, so nobody looks at its date.
    assert_eq!(histories.counts().rejected_rows(), 0);
}

#[test]
fn a_product_of_two_categories_has_the_first_of_them() {
    let header = HEADER.replace("amount\n", "amount,kind\n");
    let rows = "o1,c1,2024-01-02 10:00,p1,2,5.00,tea\no2,c1,2024-01-03 10:00,p1,1,2.50,coffee\n\
                o3,c1,2024-01-03 10:00,p1,1,2.50,\n";
    let folder = Folder::new()
        .file("a.csv", format!("{header}{rows}"))
        .but("quantity =", "category = \"kind\"\nquantity =");
    let histories = folder.load().unwrap();
    let skus = by_sku(&histories);
    assert_eq!(skus["p1"].category, "coffee");
    totals_add_up(&histories, &skus);
}
