//! Stock, open orders and promotions: what they say, and what becomes of their bad rows.

use super::{Folder, by_sku, reconcile};
use features::demand::{DaySpan, OnOrder, Promotion, Stock};
use features::time::LocalDay;
use offline::shop::Shop;

/// 2024-01-02.
const SECOND: i32 = 19_724;
const ORDERS: &str = "o1,c1,2024-01-02 10:00,p1,2,5.00\no2,c1,2024-01-09 10:00,p2,1,1.00\n";
const STOCK: &str = "\n[stock]\nfiles = [\"stock*.txt\"]\ndates = [\"%Y-%m-%d\"]\n\
    [stock.columns]\nproduct_id = \"sku\"\ndate = \"day\"\non_hand = \"level\"\n";
const ON_ORDER: &str = "\n[on_order]\nfiles = [\"open*.txt\"]\ndates = [\"%Y-%m-%d\"]\n\
    [on_order.columns]\nproduct_id = \"sku\"\narrives = \"day\"\nquantity = \"pieces\"\n";
const PROMOTIONS: &str = "\n[promotions]\nfiles = [\"promo.txt\"]\ndates = [\"%Y-%m-%d\"]\n\
    [promotions.columns]\nproduct_id = \"sku\"\nfrom = \"from\"\nuntil = \"until\"\n";

impl Folder {
    fn more(mut self, toml: &str) -> Self {
        self.toml.push_str(toml);
        self
    }
}

fn day(day: i32) -> LocalDay {
    LocalDay(SECOND + day)
}

fn span(from: i32, until: i32) -> DaySpan {
    DaySpan {
        from: day(from),
        until: day(until),
    }
}

#[test]
fn levels_say_when_nobody_could_buy_and_what_is_there_now() {
    let stock = "sku,day,level\n\
        p1,2024-01-02,5\np1,2024-01-03,0\np1,2024-01-04,-1\np1,2024-01-05,0\np1,2024-01-05,3\n\
        p1,2024-01-06,2.5\np2,2024-01-03,many\np2,2024-01-04,1\nnew,2024-01-04,0\n";
    let later = "sku,day,level\np1,2024-01-04,1\n";
    let folder = Folder::with_rows(ORDERS)
        .file("stock-1.txt", stock)
        .file("stock-2.txt", later)
        .more(STOCK)
        .but(
            "dates = [\"%Y-%m-%d %H",
            "max_reject_share = 0.5\ndates = [\"%Y-%m-%d %H",
        );
    let histories = folder.load().unwrap();
    reconcile(&histories);
    let skus = by_sku(&histories);
    // The later file's level of the 4th counts; of two levels in one file the lower one does.
    assert_eq!(skus["p1"].stock_outs, [span(1, 2), span(3, 4)]);
    let stock = |on_hand_milli| {
        Some(Stock {
            on_hand_milli,
            on_order: vec![],
        })
    };
    assert_eq!(
        (&skus["p1"].stock, &skus["p2"].stock),
        (&stock(2500), &stock(1000))
    );
    assert!(!skus.contains_key("new"));
    let counts = &histories.counts().tables["stock"];
    assert_eq!((counts.rows, counts.kept), (10, 6));
    assert_eq!(counts.dropped["another level of the same day"], 2);
    assert_eq!(counts.dropped["never sold, and in no product file"], 1);
    assert_eq!(
        folder.rejects(),
        ["stock-1.txt,8,level,many,\"not a number: expected 1,234.50 as in shop.toml\""]
    );
}

#[test]
fn a_new_product_of_the_product_file_is_a_sku_before_its_first_sale() {
    let products = "\n[products]\nfiles = [\"range.txt\"]\n[products.columns]\n\
        product_id = \"sku\"\ncategory = \"kind\"\n[drop]\ncategories = [\"fees\"]\n";
    let folder = Folder::with_rows(ORDERS)
        .file("range.txt", "sku,kind\nnew,tea\np1,tea\nfee,fees\n")
        .file(
            "stock.txt",
            "sku,day,level\nnew,2024-01-04,7\nfee,2024-01-04,7\n",
        )
        .more(&format!("{products}{STOCK}"));
    let histories = folder.load().unwrap();
    let skus = by_sku(&histories);
    assert_eq!(skus.len(), 3);
    assert_eq!(
        (skus["new"].category.as_str(), skus["new"].days.len()),
        ("tea", 0)
    );
    assert_eq!(skus["new"].stock.as_ref().unwrap().on_hand_milli, 7000);
    let counts = &histories.counts().tables["stock"];
    assert_eq!(counts.dropped["category is no product"], 1);
}

#[test]
fn open_orders_are_those_of_the_last_list() {
    let folder = Folder::with_rows(ORDERS)
        .file("stock.txt", "sku,day,level\np1,2024-01-04,7\n")
        .file("open-1.txt", "sku,day,pieces\np1,2024-01-05,9\n")
        .file(
            "open-2.txt",
            "sku,day,pieces\np1,2024-01-12,2\np1,2024-01-10,1.5\np2,2024-01-10,3\np2,2024-01-11,-3\n",
        )
        .more(STOCK)
        .more(ON_ORDER)
        .but("dates = [\"%Y-%m-%d %H", "max_reject_share = 0.5\ndates = [\"%Y-%m-%d %H");
    let histories = folder.load().unwrap();
    reconcile(&histories);
    let skus = by_sku(&histories);
    let order = |arrives, units_milli| OnOrder {
        arrives: day(arrives),
        units_milli,
    };
    let stock = skus["p1"].stock.as_ref().unwrap();
    assert_eq!(stock.on_order, [order(8, 1500), order(10, 2000)]);
    let stock = skus["p2"].stock.as_ref().unwrap();
    assert_eq!(
        (stock.on_hand_milli, &stock.on_order[..]),
        (0, &[order(8, 3000)][..])
    );
    let counts = &histories.counts().tables["on_order"];
    assert_eq!((counts.rows, counts.kept), (5, 3));
    assert_eq!(counts.dropped["replaced by a later file"], 1);
    assert_eq!(
        folder.rejects(),
        ["open-2.txt,5,pieces,'-3,quantity not positive: an order brings something"]
    );
}

#[test]
fn promotions_run_through_their_last_day_and_are_known_from_their_first() {
    let rows = "sku,from,until,told\np1,2024-01-05,2024-01-06,2024-01-02\n\
        p1,2024-01-05,2024-01-06,2024-01-02\np2,2024-01-05,2024-01-04,2024-01-02\n\
        nobody,2024-01-05,2024-01-06,2024-01-02\n";
    let folder = Folder::with_rows(ORDERS)
        .file("promo.txt", rows)
        .more(PROMOTIONS)
        .but(
            "dates = [\"%Y-%m-%d %H",
            "max_reject_share = 0.5\ndates = [\"%Y-%m-%d %H",
        );
    let promotion = |known_since| Promotion {
        span: span(3, 5),
        known_since: day(known_since),
    };
    let histories = folder.load().unwrap();
    reconcile(&histories);
    assert_eq!(by_sku(&histories)["p1"].promotions, [promotion(3)]);
    let counts = &histories.counts().tables["promotions"];
    assert_eq!((counts.rows, counts.kept), (4, 1));
    assert_eq!(
        folder.rejects(),
        ["promo.txt,4,until,2024-01-04,ends before it begins: the last day of the promotion"]
    );
    let told = folder.more("known_since = \"told\"\n");
    let histories = told.load().unwrap();
    assert_eq!(by_sku(&histories)["p1"].promotions, [promotion(0)]);
}

#[test]
fn supply_that_makes_no_sense_is_refused() {
    let error = |toml: &str| {
        let folder = Folder::new().more(toml);
        let shop = Shop::parse(&folder.toml, "s/shop.toml".as_ref());
        shop.map(|_| ()).unwrap_err().to_string()
    };
    let cases = [
        (
            ON_ORDER.to_owned(),
            "on_order is \"a table\", allowed: no such table, unless [stock]",
        ),
        (
            STOCK.replace("date =", "location = \"store\"\ndate ="),
            "stock.columns.location is Some(\"store\"), allowed: a column where",
        ),
        (
            STOCK.replace("%Y-%m-%d", "%Y-%m"),
            "stock.dates[0] is \"%Y-%m\", allowed: ",
        ),
        (
            format!("{STOCK}[stock.simulated]\n{SIMULATED}"),
            "stock is \"neither or both\", allowed: files and columns, or simulated alone",
        ),
        (
            format!(
                "[stock.simulated]\n{}",
                SIMULATED.replace("0.5, 0.5", "0.5, 0.4")
            ),
            "stock.simulated.lead_shares is [0.5, 0.4], allowed: one above 0 for each of lead_days, adding up to 1",
        ),
        (
            format!(
                "[stock.simulated]\n{}",
                SIMULATED.replace("lead_days = [1", "lead_days = [0")
            ),
            "stock.simulated.lead_days is [0, 3], allowed: at least one, each 1 to 3650",
        ),
        (
            format!(
                "[stock.simulated]\n{}",
                SIMULATED.replace("review_days = 7", "review_days = 0")
            ),
            "stock.simulated.review_days is 0, allowed: 1 to 3650",
        ),
    ];
    for (toml, expected) in cases {
        let found = error(&toml);
        assert!(found.contains(expected), "{found}");
    }
    let none = Folder::new()
        .but("product_id = \"product\"\n", "")
        .more(PROMOTIONS);
    let error = Shop::parse(&none.toml, "s/shop.toml".as_ref()).map(|_| ());
    assert!(
        error
            .unwrap_err()
            .to_string()
            .contains("promotions is \"a table\", allowed: ")
    );
}

pub(super) const SIMULATED: &str = "seed = 3\nlaunch_days = 14\nreview_days = 7\nwindow_days = 28\n\
    cover_days = 7\nsafety_factor = 1\nslow_safety_factor = 0\nslow_below_per_day = 0.1\n\
    lead_days = [1, 3]\nlead_shares = [0.5, 0.5]\n";
