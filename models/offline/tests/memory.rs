//! A line of 100 MB, and a long text that is meant many times, in bounded memory; alone in their process and one after the other, so
//! that each peak is their own.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop there"
)]

use arrow_array::{ArrayRef, Date32Array, Float64Array, RecordBatch, StringArray};
use offline::histories::Histories;
use offline::ingest::Options;
use offline::ingest::judge;
use offline::shop::Shop;
use parquet::arrow::ArrowWriter;
use parquet::basic::Encoding;
use parquet::file::properties::WriterProperties;
use std::io::Write;
use std::sync::{Arc, Mutex};

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

static ALONE: Mutex<()> = Mutex::new(());

/// The peak from here on is of what comes.
fn reset_peak() {
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
}

/// A table with a text of a megabyte that hundreds of rows mean, and which stands there once: each row points to it, or adds
/// nothing to the row before.
fn of_one_long_text(rows: usize, is_pointed_to: bool) -> Vec<u8> {
    let long = "x".repeat(1 << 20);
    let mut bytes = Vec::new();
    let batch = |rows: usize| {
        let customers: ArrayRef = Arc::new(StringArray::from(vec![long.as_str(); rows]));
        let days: ArrayRef = Arc::new(Date32Array::from(vec![19_000; rows]));
        let amounts: ArrayRef = Arc::new(Float64Array::from(vec![1.0; rows]));
        let columns = [("customer", customers), ("at", days), ("amount", amounts)];
        RecordBatch::try_from_iter(columns).unwrap()
    };
    let properties = WriterProperties::builder().set_dictionary_enabled(is_pointed_to);
    let properties = properties
        .set_column_encoding("customer".into(), Encoding::DELTA_BYTE_ARRAY)
        .build();
    let schema = batch(1).schema();
    let mut writer = ArrowWriter::try_new(&mut bytes, schema, Some(properties)).unwrap();
    for _ in 0..rows / 8 {
        writer.write(&batch(8)).unwrap();
    }
    writer.close().unwrap();
    bytes
}

#[test]
fn a_long_text_that_many_rows_mean_is_held_once() {
    let _alone = ALONE.lock().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let toml = TOML.replace("a.csv", "a.parquet");
    let shop = Shop::parse(&toml, &folder.path().join("shop.toml")).unwrap();
    for is_pointed_to in [true, false] {
        let bytes = of_one_long_text(800, is_pointed_to);
        assert!(bytes.len() < 8 << 20, "{} bytes", bytes.len());
        std::fs::write(folder.path().join("a.parquet"), bytes).unwrap();
        reset_peak();
        let before = peak_kib();
        let judged = judge(&shop, &Options::local(folder.path()), "a.parquet").unwrap();
        let grown = peak_kib() - before;
        let refused = judged.refused.unwrap();
        assert!(refused.contains("800 of 800"), "{refused}");
        assert!(grown < 64 << 10, "the peak grew by {grown} KiB");
    }
}

#[test]
fn a_line_of_100_mb_is_rejected_in_bounded_memory() {
    let _alone = ALONE.lock().unwrap();
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
    reset_peak();
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
