//! The result is a function of the set of files: row order, file order, repetition and overlap change nothing.

use super::{Folder, HEADER, by_customer, reconcile};
use features::history::CustomerHistory;
use offline::histories::Histories;
use offline::ingest::{Options, Stage};
use proptest::prelude::*;
use std::cell::RefCell;
use std::collections::BTreeMap;

/// One row: order, customer, day, product, quantity, cents.
type Row = (u8, u8, u8, u8, i8, u16);

/// By customer and order id: the day, and product, quantity and cents of each position.
type Orders = BTreeMap<(String, String), (i32, Vec<(u8, i8, u16)>)>;

fn text((order, customer, day, product, quantity, cents): Row) -> String {
    format!(
        "o{order},c{customer},2024-01-{:02} 10:00,p{product},{quantity},{}.{:02}\n",
        day + 1,
        cents / 100,
        cents % 100
    )
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    prop::collection::vec(
        (0u8..6, 0u8..5, 0u8..28, 0u8..4, -2i8..4, 0u16..5000),
        1..40,
    )
}

fn load(files: &[(String, Vec<Row>)]) -> (BTreeMap<String, CustomerHistory>, u64) {
    let folder = Folder::new().but("[orders]", "[drop]\nproduct_ids = [\"p0\"]\n[orders]");
    let folder = files.iter().fold(folder, |folder, (name, rows)| {
        folder.file(
            name,
            HEADER.to_owned() + &rows.iter().copied().map(text).collect::<String>(),
        )
    });
    match folder.load() {
        Ok(histories) => {
            reconcile(&histories);
            (by_customer(&histories), histories.counts().rows)
        }
        // Small cases may have no line left; both sides of a comparison then agree on nothing.
        Err(error) => {
            assert!(error.to_string().starts_with("no order is left"), "{error}");
            (BTreeMap::new(), 0)
        }
    }
}

/// The rules once more, in the plainest way: orders as sets of positions.
fn expected(files: &[(String, Vec<Row>)]) -> Orders {
    let mut latest: BTreeMap<(String, String), (&str, Vec<Row>)> = BTreeMap::new();
    let mut files: Vec<_> = files.iter().collect();
    files.sort();
    for (name, rows) in files {
        let distinct: std::collections::BTreeSet<&Row> = rows.iter().collect();
        for row in distinct {
            let entry = latest
                .entry((format!("c{}", row.1), format!("o{}", row.0)))
                .or_default();
            if entry.0 != name {
                *entry = (name, Vec::new());
            }
            entry.1.push(*row);
        }
    }
    let kept = latest.into_iter().map(|(key, (_, rows))| {
        (
            key,
            rows.into_iter()
                .filter(|row| row.3 != 0 && row.4 != 0)
                .collect::<Vec<_>>(),
        )
    });
    kept.filter(|(_, rows)| !rows.is_empty())
        .map(|(key, rows)| {
            let mut lines: Vec<_> = rows.iter().map(|row| (row.3, row.4, row.5)).collect();
            lines.sort_unstable();
            (
                key,
                (
                    rows.iter().map(|row| i32::from(row.2)).min().unwrap(),
                    lines,
                ),
            )
        })
        .collect()
}

fn found(histories: &BTreeMap<String, CustomerHistory>) -> Orders {
    let orders = histories
        .iter()
        .flat_map(|(id, history)| history.orders().iter().map(move |order| (id, order)));
    orders
        .map(|(id, order)| {
            let line = |line: &features::history::OrderLine| {
                let product = line.product_id[1..].parse().unwrap();
                (
                    product,
                    (line.quantity_milli / 1000) as i8,
                    line.net_minor.unsigned_abs() as u16,
                )
            };
            let mut lines: Vec<_> = order.lines.iter().map(line).collect();
            lines.sort_unstable();
            // 2024-01-01 is day 19,723.
            (
                (id.clone(), order.order_id.to_string()),
                (order.local_day.0 - 19_723, lines),
            )
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn histories_depend_on_the_set_of_files_only(
        first in rows(),
        second in rows(),
        overlap in 0usize..20,
        shuffle in any::<prop::sample::Index>(),
    ) {
        let second: Vec<Row> = first.iter().take(overlap).copied().chain(second).collect();
        let files = [("a.csv".to_owned(), first), ("b.csv".to_owned(), second)];
        let (histories, _) = load(&files);
        prop_assert_eq!(found(&histories), expected(&files));

        let turned = files.clone().map(|(name, mut rows)| {
            rows.reverse();
            let middle = shuffle.index(rows.len());
            rows.rotate_left(middle);
            (name, rows)
        });
        let [a, b] = turned;
        prop_assert_eq!(&load(&[b, a.clone()]).0, &histories);

        // A file that comes again under an earlier name adds nothing to what the later one says.
        let again = [("0.csv".to_owned(), a.1.clone()), files[0].clone(), files[1].clone()];
        prop_assert_eq!(&load(&again).0, &histories);
    }
}

#[test]
fn the_latest_update_wins_before_the_file_name_does() {
    let header = HEADER.replace("amount\n", "amount,changed\n");
    let row = |amount: &str, changed: &str| {
        format!("{header}o1,c1,2024-01-02 10:00,p1,1,{amount},{changed}\n")
    };
    let folder = Folder::new()
        .but(
            "amount = \"amount\"\n",
            "amount = \"amount\"\nupdated_at = \"changed\"\n",
        )
        .but(r#"["%Y-%m-%d %H:%M"]"#, r#"["%Y-%m-%d %H:%M", "rfc3339"]"#)
        .file("a.csv", row("7.00", "2024-03-01T00:00:00Z"))
        .file("b.csv", row("5.00", "2024-02-01T00:00:00Z"));
    let histories = folder.load().unwrap();
    assert_eq!(
        by_customer(&histories)["c1"].orders()[0].lines[0].net_minor,
        700
    );
    assert_eq!(histories.counts().dropped["replaced by a later file"], 1);
}

#[test]
fn an_order_of_which_nothing_is_left_replaces_its_earlier_version() {
    let folder =
        Folder::with_rows("o1,c1,2024-01-02 10:00,p1,2,5.00\no2,c1,2024-01-03 10:00,p1,1,5.00\n")
            .file(
                "b.csv",
                format!("{HEADER}o1,c1,2024-01-02 10:00,p1,0,0.00\n"),
            );
    let histories = folder.load().unwrap();
    reconcile(&histories);
    let orders: Vec<String> = by_customer(&histories)["c1"]
        .orders()
        .iter()
        .map(|o| o.order_id.to_string())
        .collect();
    assert_eq!(orders, ["o2"]);
}

#[test]
fn a_second_load_reads_nothing_until_a_file_or_the_description_changes() {
    let folder = Folder::with_rows("o1,c1,2024-01-02 10:00,p1,2,5.00\n");
    let stages = RefCell::new(Vec::new());
    let load = |folder: &Folder| {
        let work = folder.work();
        let seen = |progress: &offline::ingest::Progress<'_>| {
            stages.borrow_mut().push((progress.stage, progress.rows));
        };
        let options = Options {
            progress: &seen,
            ..Options::local(&work)
        };
        let histories = Histories::load(&folder.shop(), &options).unwrap();
        (
            histories.is_reused(),
            std::mem::take(&mut *stages.borrow_mut()),
            by_customer(&histories),
        )
    };
    let (reused, seen, first) = load(&folder);
    assert!(!reused && seen.contains(&(Stage::Reading, 1)) && seen.contains(&(Stage::Grouping, 1)));
    assert_eq!(load(&folder), (true, Vec::new(), first.clone()));

    let folder = folder.file(
        "b.csv",
        format!("{HEADER}o2,c2,2024-01-02 10:00,p1,2,5.00\n"),
    );
    let (reused, _, second) = load(&folder);
    assert!(!reused && second.len() == 2);
    let folder = folder.but("dates =", "guests = \"one_off\"\ndates =");
    assert!(!load(&folder).0);
    assert!(load(&folder).0);

    // A result that was cut short is not used.
    let histories = folder.work().join("histories.bin");
    let bytes = std::fs::read(&histories).unwrap();
    std::fs::write(&histories, &bytes[..bytes.len() - 1]).unwrap();
    let (reused, _, third) = load(&folder);
    assert!(!reused && third == second);
}

#[test]
fn the_shops_habits_decide_about_guests_cancellations_returns_and_discounts() {
    let rows = "o1,,2024-01-02 10:00,p1,1,5.00\nC-o2,c1,2024-01-03 10:00,p1,1,5.00\no3,c1,2024-01-04 10:00,p1,-1,5.00\n";
    let lines = |folder: &Folder, customer: &str| -> Vec<(String, i64, i64)> {
        let histories = folder.load().unwrap();
        reconcile(&histories);
        let all = by_customer(&histories);
        let orders = all.get(customer).map_or(&[][..], CustomerHistory::orders);
        orders
            .iter()
            .flat_map(|o| {
                o.lines
                    .iter()
                    .map(|l| (o.order_id.to_string(), l.quantity_milli, l.net_minor))
            })
            .collect()
    };
    let folder = Folder::with_rows(rows).but(
        "dates =",
        "cancellation_prefixes = [\"C-\"]\nguests = \"one_off\"\ndates =",
    );
    assert_eq!(lines(&folder, "guest:o1"), [("o1".to_owned(), 1000, 500)]);
    assert_eq!(
        lines(&folder, "c1"),
        [
            ("C-o2".to_owned(), -1000, -500),
            ("o3".to_owned(), -1000, -500)
        ]
    );

    let folder = folder.but("one_off", "drop").but(
        "dates =",
        "returns = \"reject\"\nmax_reject_share = 0.5\ndates =",
    );
    assert_eq!(lines(&folder, "guest:o1"), []);
    assert_eq!(lines(&folder, "c1"), [("C-o2".to_owned(), -1000, -500)]);

    let header = HEADER.replace("amount\n", "amount,off,coupon\n");
    let priced = Folder::new()
        .file(
            "a.csv",
            format!("{header}o1,c1,2024-01-02 10:00,p1,3,0.4167,-0.20,0.05\n"),
        )
        .but(
            "dates =",
            "amount_is = \"unit_price\"\ndiscounts = \"still_in\"\ndates =",
        )
        .but(
            "amount = \"amount\"\n",
            "amount = \"amount\"\ndiscounts = [\"off\", \"coupon\"]\n",
        );
    assert_eq!(lines(&priced, "c1"), [("o1".to_owned(), 3000, 100)]);
}
