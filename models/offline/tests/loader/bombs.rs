//! Files that would give far more than they are: refused while that costs nothing.

use super::{Folder, HEADER};
use arrow_array::{ArrayRef, Date32Array, Float64Array, Int64Array, RecordBatch, StringArray};
use flate2::{Compression, write::GzEncoder};
use offline::ingest::{Options, judge};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use std::io::Write;
use std::sync::Arc;

/// Why a file is refused; its pattern is that of its ending.
fn refused(name: &str, bytes: Vec<u8>) -> Option<String> {
    let folder = Folder::new().file(name, bytes).but("*.csv", "a.*");
    let work = folder.work();
    std::fs::create_dir(&work).unwrap();
    let judged = judge(&folder.shop(), &Options::local(&work), name).unwrap();
    judged.refused
}

/// Orders of one customer on one day under these numbers, in pages as long as they can be.
fn table(order_ids: Vec<i64>) -> Vec<u8> {
    let rows = order_ids.len();
    let columns: [(&str, ArrayRef); 6] = [
        ("order", Arc::new(Int64Array::from(order_ids))),
        ("customer", Arc::new(Int64Array::from(vec![7; rows]))),
        ("at", Arc::new(Date32Array::from(vec![19_000; rows]))),
        ("product", Arc::new(StringArray::from(vec!["p"; rows]))),
        ("qty", Arc::new(Int64Array::from(vec![1; rows]))),
        ("amount", Arc::new(Float64Array::from(vec![1.0; rows]))),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let properties = WriterProperties::builder()
        .set_data_page_row_count_limit(rows)
        .set_statistics_enabled(EnabledStatistics::None)
        .build();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    bytes
}

/// As many orders under these numbers.
fn text(order_ids: impl Iterator<Item = i64>) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(HEADER.as_bytes()).unwrap();
    for order in order_ids {
        writeln!(encoder, "{order},7,2024-01-02 10:00,p1,2,10.00").unwrap();
    }
    encoder.finish().unwrap()
}

#[test]
fn text_that_unpacks_to_too_much_is_refused_and_what_packs_well_is_not() {
    assert_eq!(refused("a.csv.gz", text(0..700_000)), None);
    let reason = refused("a.csv.gz", text(std::iter::repeat_n(1, 700_000))).unwrap();
    let (expected, limit) = ("packed bytes give", "at most 200 for one are unpacked");
    assert!(
        reason.contains(expected) && reason.contains(limit),
        "{reason}"
    );
}

#[test]
fn a_table_with_more_rows_than_bytes_could_hold_is_refused() {
    let rows = 1_500_000;
    let bomb = table(vec![1; rows]);
    let bytes = bomb.len();
    let reason = refused("a.parquet", bomb).unwrap();
    let expected = format!("{rows} rows in {bytes} bytes, at most 200 in one are read");
    assert!(reason.contains(&expected), "{reason}");
    assert_eq!(refused("a.parquet", table((0..1_500_000).collect())), None);
}
