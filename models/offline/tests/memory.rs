//! A line of 100 MB in bounded memory; alone in its process, so that the peak is its own.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop there"
)]

use offline::histories::Histories;
use offline::ingest::Options;
use offline::shop::Shop;
use std::io::Write;

const TOML: &str = r#"
format = 1
name = "long"
currency = "EUR"
source = "made up"
licence = "none"
data_root = "."
[time]
naive_zone = "UTC"
[orders]
files = ["a.csv"]
dates = ["%Y-%m-%d"]
[orders.columns]
customer_id = "customer"
placed_at = "at"
amount = "amount"
"#;

/// The largest resident size of this process so far, in KiB.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM"))
        .unwrap();
    line.split_ascii_whitespace()
        .nth(1)
        .unwrap()
        .parse()
        .unwrap()
}

#[test]
fn a_line_of_100_mb_is_rejected_in_bounded_memory() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = std::fs::File::create(folder.path().join("a.csv")).unwrap();
    file.write_all(b"customer,at,amount\n").unwrap();
    for row in 0..40 {
        writeln!(file, "c{row},2024-01-02,1.00").unwrap();
    }
    let megabyte = vec![b'x'; 1 << 20];
    for _ in 0..100 {
        file.write_all(&megabyte).unwrap();
    }
    file.write_all(b",2024-01-02,1.00\nlast,2024-01-02,1.00\n")
        .unwrap();
    drop((file, megabyte));
    let before = peak_kib();
    let shop = Shop::parse(TOML, &folder.path().join("shop.toml")).unwrap();
    let histories = Histories::load(&shop, &Options::local(&folder.path().join("work"))).unwrap();
    let grown = peak_kib() - before;
    assert_eq!((histories.counts().rows, histories.counts().kept), (42, 41));
    assert!(
        histories
            .customers()
            .any(|customer| customer.unwrap().0 == "last")
    );
    let rejects = std::fs::read_to_string(folder.path().join("work/rejects.csv")).unwrap();
    assert!(
        rejects.contains("a.csv,42,,,record too long: at most 1048576 bytes allowed"),
        "{rejects}"
    );
    assert!(grown < 16 << 10, "the peak grew by {grown} KiB");
}
