//! Everything that can be wrong with a file, a row or a description, and what the shop owner is told.

use super::{Folder, HEADER, by_customer, reconcile};
use offline::shop::Shop;

const GOOD: &str = "o1,c1,2024-01-02 10:00,p1,1,10.00\n";

/// Loads good rows around one bad row, and gives the line of `rejects.csv`.
fn rejected(folder: Folder, bad: &str) -> String {
    let folder = folder.but("dates =", "max_reject_share = 0.5\ndates =");
    let folder = folder.file(
        "a.csv",
        format!("{HEADER}{GOOD}{bad}\no2,c2,2024-01-03 10:00,p2,1,5.00\n"),
    );
    let histories = folder.load().unwrap();
    reconcile(&histories);
    assert_eq!(
        (histories.counts().rows, histories.counts().kept),
        (3, 2),
        "{bad}"
    );
    let rejects = folder.rejects();
    assert_eq!(rejects.len(), 1, "{rejects:?}");
    rejects.into_iter().next().unwrap()
}

#[test]
fn a_bad_value_names_file_row_column_value_and_reason() {
    let cases = [
        (
            "o3,c3,2024-01-02 10:00,p,1,\"1.234,50\"",
            r#"a.csv,3,amount,"1.234,50","not a number: expected 1,234.50 as in shop.toml""#,
        ),
        (
            "o3,c3,2024-01-02 10:00,p,1,NaN",
            r#"a.csv,3,amount,NaN,"not a number: expected 1,234.50 as in shop.toml""#,
        ),
        (
            "o3,c3,2024-01-02 10:00,p,1e30,1",
            r#"a.csv,3,qty,1e30,"not a number: expected 1,234.50 as in shop.toml""#,
        ),
        (
            "o3,c3,2024-01-02 10:00,p,1,99999999999999",
            "a.csv,3,amount,99999999999999,amount out of range: at most 1000000000000 minor units",
        ),
        (
            "o3,c3,2024-01-02 10:00,p,2000000,1",
            "a.csv,3,qty,2000000,quantity out of range: at most 1000000 units",
        ),
        (
            "o3,c3,2024-01-02 10:00,p,1,",
            "a.csv,3,amount,,missing value",
        ),
        (",c3,2024-01-02 10:00,p,1,1", "a.csv,3,order,,missing value"),
        (
            "o3,c3,02.01.2024 10:00,p,1,1",
            "a.csv,3,at,02.01.2024 10:00,not a date: expected %Y-%m-%d %H:%M",
        ),
        (
            "o3,c3,1969-12-31 10:00,p,1,1",
            "a.csv,3,at,1969-12-31 10:00,date out of range: 1970 to 2099",
        ),
        (
            "o3,c3,2100-01-02 10:00,p,1,1",
            "a.csv,3,at,2100-01-02 10:00,date out of range: 1970 to 2099",
        ),
        (
            "o3,c3,2024-01-02 10:00,p,1,-4.00",
            "a.csv,3,amount,'-4.00,negative amount: the quantity is positive",
        ),
        (
            "o3,\"c\u{7}3\",2024-01-02 10:00,p,1,4",
            "a.csv,3,customer,c\\u{7}3,control character: U+0007 in an id",
        ),
        (
            "o3,c3,=1+1,p,1,4",
            "a.csv,3,at,'=1+1,not a date: expected %Y-%m-%d %H:%M",
        ),
        (
            "o3,c3,2024-01-02 10:00,p,1",
            "a.csv,3,,o3|c3|2024-01-02 10:00|p|1,wrong number of fields: 5 instead of 6",
        ),
    ];
    for (bad, expected) in cases {
        assert_eq!(rejected(Folder::new(), bad), expected);
    }
}

#[test]
fn rows_are_the_lines_of_the_file_even_after_quoted_line_breaks_and_blank_lines() {
    let rows = "o1,c1,2024-01-02 10:00,\"p\n1\",1,1\n\n\r\no2,c2,2024-01-02 10:00,p,1,x\n";
    let folder = Folder::with_rows(rows).but("dates =", "max_reject_share = 1.0\ndates =");
    // The line break in a product code is refused too: a control character in an id.
    let _ = folder.load().unwrap_err();
    let places: Vec<_> = folder
        .rejects()
        .iter()
        .map(|line| line[..9].to_owned())
        .collect();
    assert_eq!(places, ["a.csv,2,p", "a.csv,6,a"]);
}

#[test]
fn mixed_date_formats_are_told_from_wrong_ones() {
    let folder = Folder::new().but(r#"["%Y-%m-%d %H:%M"]"#, r#"["%d.%m.%Y", "%Y-%m-%d %H:%M"]"#);
    let reason = "mixed date formats: most of this file is %Y-%m-%d %H:%M, this value is %d.%m.%Y";
    assert_eq!(
        rejected(folder, "o3,c3,03.01.2024,p,1,1"),
        format!("a.csv,3,at,03.01.2024,\"{reason}\"")
    );
}

#[test]
fn a_file_that_fits_two_date_formats_is_read_in_the_first_and_says_so() {
    let folder = Folder::with_rows("o,c,03.04.2024,p,1,1\n")
        .but(r#"["%Y-%m-%d %H:%M"]"#, r#"["%d.%m.%Y", "%m.%d.%Y"]"#);
    let histories = folder.load().unwrap();
    assert_eq!(histories.first_order().0, 1_712_095_200);
    assert_eq!(
        histories.notes(),
        ["a.csv: column at fits %d.%m.%Y and %m.%d.%Y; read as %d.%m.%Y"]
    );
}

#[test]
fn bytes_that_are_not_utf_8_cost_their_row_only() {
    let mut bytes = format!("{HEADER}{GOOD}").into_bytes();
    bytes.extend(b"o3,M\xfcller,2024-01-02 10:00,p,1,4\no4,c4,2024-01-02 10:00,p,1,4\n");
    let folder = Folder::new()
        .file("a.csv", bytes)
        .but("dates =", "max_reject_share = 0.5\ndates =");
    assert_eq!(folder.load().unwrap().counts().kept, 2);
    assert!(
        folder.rejects()[0].starts_with("a.csv,3,,o3M\u{fffd}ller"),
        "{:?}",
        folder.rejects()
    );
    assert!(
        folder.rejects()[0].contains("not UTF-8: near byte 74; "),
        "{:?}",
        folder.rejects()
    );
}

#[test]
fn a_file_that_cannot_be_read_stops_the_load_and_is_named() {
    let error = |folder: Folder| folder.load().unwrap_err().to_string();
    assert_eq!(error(Folder::new().file("a.csv", "")), "a.csv: is empty");
    assert_eq!(
        error(Folder::with_rows("")),
        "no rows in 1 files; the first is a.csv"
    );
    assert_eq!(
        error(Folder::new().file("a.csv", "order,customer,at,qty,amount\n")),
        "a.csv: column product is there 0 times, 1 expected; the file has order, customer, at, qty, amount"
    );
    assert!(
        error(Folder::new().file("a.csv", format!("at,{HEADER}")))
            .starts_with("a.csv: column at is there 2 times")
    );
    assert!(
        error(Folder::new().file("a.csv", b"\xff\xfeo\0r\0"))
            .starts_with("a.csv: is UTF-16 (byte 0 is its mark)")
    );
    assert_eq!(
        error(Folder::with_rows(&format!(
            "{GOOD}o2,\"c2,2024-01-02 10:00,p,1,4\n{GOOD}{GOOD}"
        ))),
        "a.csv: row 3: a quote opens in this row and is not closed before the end of the file"
    );
    assert!(error(Folder::new()).starts_with("no file matches *.csv in "));
    let not_parquet = Folder::new()
        .file("a.parquet", "order,customer")
        .but("*.csv", "*.parquet");
    assert!(error(not_parquet).starts_with("a.parquet: no Parquet file: "));
    let guests = Folder::with_rows("o1,,2024-01-02 10:00,p,1,1\n");
    assert_eq!(
        error(guests),
        "no order is left of 1 rows: 1 are left out by the rules of shop.toml, the others are bad"
    );
}

#[test]
fn a_quote_closed_too_late_costs_rows_but_the_file_goes_on() {
    let rows = format!("o2,\"c2,2024-01-02 10:00,p,1,4\no3,\"c3\",2024-01-02 10:00,p,1,4\n{GOOD}");
    let folder = Folder::with_rows(&rows).but("dates =", "max_reject_share = 0.5\ndates =");
    let histories = folder.load().unwrap();
    assert_eq!((histories.counts().rows, histories.counts().kept), (2, 1));
    assert!(
        folder.rejects()[0].starts_with("a.csv,2,customer,\"c2,2024-01-02 10:00,p,1,4\\no3,c3")
    );
}

#[test]
fn too_many_bad_rows_stop_the_load_with_a_summary() {
    let rows = format!(
        "{}{}",
        GOOD.repeat(90),
        "o9,c9,yesterday,p,1,1\n".repeat(7) + &"o9,c9,2024-01-01 10:00,p,x,1\n".repeat(3)
    );
    let folder = Folder::with_rows(&rows);
    let error = folder.load().unwrap_err().to_string();
    assert!(
        error.starts_with(
            "10 of 100 rows rejected, at most 5 % allowed; 7 x not a date, 3 x not a number; see "
        ),
        "{error}"
    );
    assert_eq!(folder.rejects().len(), 10);
    let allowed = folder.but("dates =", "max_reject_share = 0.1\ndates =");
    reconcile(&allowed.load().unwrap());
}

#[test]
fn a_long_record_is_thrown_away_and_the_next_one_is_read() {
    let long = format!(
        "o3,c3,2024-01-02 10:00,\"{}\n,\"\"{}\",1,1\n",
        "x".repeat(700),
        "y".repeat(700)
    );
    let folder = Folder::with_rows(&format!("{GOOD}{long}o4,c4,2024-01-05 10:00,p,1,4\n"));
    let folder = folder.but(
        "[orders.columns]",
        "[orders.layout]\nmax_record_bytes = 100\n[orders.columns]",
    );
    let folder = folder.but("dates =", "max_reject_share = 0.5\ndates =");
    let histories = folder.load().unwrap();
    assert_eq!(
        by_customer(&histories).into_keys().collect::<Vec<_>>(),
        ["c1", "c4"]
    );
    assert_eq!(
        folder.rejects(),
        ["a.csv,3,,,record too long: at most 100 bytes allowed"]
    );
}

#[test]
fn a_description_that_makes_no_sense_names_key_value_and_what_is_allowed() {
    let error = |folder: Folder| {
        let path = std::path::Path::new("s/shop.toml");
        Shop::parse(&folder.toml, path)
            .map(|_| ())
            .unwrap_err()
            .to_string()
    };
    let but = |old, new| error(Folder::new().but(old, new));
    let unknown = but("order_id =", "oder_id =");
    assert!(
        unknown.starts_with("s/shop.toml: ") && unknown.contains("unknown field `oder_id`"),
        "{unknown}"
    );
    assert!(but("amount = \"amount\"\n", "").contains("missing field `amount`"));
    assert_eq!(
        but("\"EUR\"", "\"euro\""),
        "s/shop.toml: currency is \"euro\", allowed: a three-letter code of ISO 4217, such as EUR"
    );
    assert!(
        but("Europe/Berlin", "Europe/Bonn")
            .starts_with("s/shop.toml: time.naive_zone is \"Europe/Bonn\", allowed: ")
    );
    assert!(
        but("%H:%M", "%H:%K")
            .starts_with("s/shop.toml: orders.dates[0] is \"%Y-%m-%d %H:%K\", allowed: ")
    );
    assert!(but("%Y-%m-%d %H:%M", "%Y-%m").starts_with("s/shop.toml: orders.dates[0] is "));
    assert!(
        but("dates =", "max_reject_share = 5\ndates =")
            .contains("orders.max_reject_share is 5.0, allowed: 0 to 1")
    );
    assert!(but("dates =", "decimal = \"1.234,50\"\ndates =").contains("unknown field `decimal`"));
    let guests = Folder::new()
        .but("order_id = \"order\"", "")
        .but("dates =", "guests = \"one_off\"\ndates =");
    assert!(error(guests).contains("orders.guests is \"one_off\", allowed: "));
}

#[test]
fn snapshots_whose_label_windows_overlap_are_refused() {
    let training = |calibration: &str| {
        let table = format!(
            "[training]\nhorizon_days = 28\ntrain_cutoffs = [2024-01-01, \"2024-02-01\"]\n\
             calibration_cutoffs = [\"{calibration}\"]\ntest_cutoffs = [\"2024-05-01T00:00:00+02:00\"]\n[orders]"
        );
        Shop::parse(
            &Folder::new().but("[orders]", &table).toml,
            "shop.toml".as_ref(),
        )
    };
    let cutoffs = training("2024-02-29").unwrap().training.cutoffs.unwrap();
    assert_eq!(cutoffs.train[0].0, 1_704_063_600);
    assert_eq!(cutoffs.test[0].0, 1_714_514_400);
    let error = training("2024-02-28").unwrap_err().to_string();
    assert!(error.contains("training.calibration_cutoffs is \"2024-02-27T23:00:00Z\", allowed: 28 days or more after"), "{error}");
}
