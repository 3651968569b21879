//! CSV, gzip, blanks, Parquet and remote files: one shop written in several ways has one set of histories.

use super::{Folder, HEADER, by_customer, reconcile};
use arrow_array::types::Int32Type;
use arrow_array::{
    ArrayRef, Date32Array, Decimal128Array, DictionaryArray, Float64Array, Int64Array, RecordBatch,
    StringArray, TimestampMicrosecondArray, TimestampNanosecondArray,
};
use flate2::{Compression, write::GzEncoder};
use offline::histories::Histories;
use offline::ingest::{Fetch, Options, RemoteFile, judge};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

const ROWS: &str = "\
1,7,2024-01-02 10:00,p1,2,10.00
1,7,2024-01-02 10:00,p2,1,0.29
2,7,2024-03-31 02:30,p1,-1,-5.00
3,8,2024-07-01 00:15,p3,1.5,1234.50
";

fn gzipped(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn delimited_text_in_any_dress_gives_the_same_histories() {
    let plain = by_customer(&Folder::with_rows(ROWS).load().unwrap());
    assert_eq!(plain["7"].orders()[0].lines.len(), 2);
    assert_eq!(plain["7"].orders()[1].lines[0].net_minor, -500);
    // 02:30 does not exist on that day: an hour later, 03:30 summer time.
    assert_eq!(plain["7"].orders()[1].placed_at.0, 1_711_848_600);
    // A quarter past midnight in Berlin is still the day before in UTC.
    assert_eq!(plain["8"].orders()[0].local_day.0, 19_905);
    assert_eq!(plain["8"].orders()[0].lines[0].quantity_milli, 1500);

    let spreadsheet = format!("\u{feff}{HEADER}{ROWS}").replace('\n', "\r\n");
    let same = |folder: Folder| {
        let histories = folder.load().unwrap();
        reconcile(&histories);
        assert_eq!(by_customer(&histories), plain);
    };
    same(Folder::new().file("a.csv", &spreadsheet));
    same(
        Folder::new()
            .file("a.csv.gz", gzipped(&spreadsheet))
            .but("*.csv", "*.csv.gz"),
    );
    same(Folder::new().file("a.csv", gzipped(&spreadsheet)));
    same(Folder::new().file("a.csv", format!("{HEADER}{ROWS}").trim_end()));

    let european = format!("{HEADER}{ROWS}")
        .replace(',', ";")
        .replace('.', ",")
        .replace("1234,50", "1.234,50");
    let layout = "[orders.layout]\ndelimiter = \";\"\ndecimal = \"1.234,50\"\n[orders.columns]";
    same(
        Folder::new()
            .file("a.csv", european)
            .but("[orders.columns]", layout),
    );

    let blanks = format!(
        "\n{}",
        ROWS.replace(',', "  \t")
            .replace(" 10:", "T10:")
            .replace(" 02:", "T02:")
            .replace(" 00:", "T00:")
    );
    let layout = "[orders.layout]\nformat = \"whitespace\"\ncolumn_names = [\"order\", \"customer\", \"at\", \"product\", \"qty\", \"amount\"]\n[orders.columns]";
    same(
        Folder::new()
            .file("a.csv", blanks)
            .but("[orders.columns]", layout)
            .but("%d %H", "%dT%H"),
    );
}

fn parquet(columns: Vec<(&str, ArrayRef)>) -> Vec<u8> {
    let batch = RecordBatch::try_from_iter_with_nullable(
        columns.into_iter().map(|(name, array)| (name, array, true)),
    )
    .unwrap();
    let mut bytes = Vec::new();
    let mut writer =
        parquet::arrow::ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    bytes
}

/// Instants of the rows in seconds, and the same as Berlin's wall clock, where 02:30 is skipped.
const INSTANTS: [i64; 4] = [1_704_186_000, 1_704_186_000, 1_711_848_600, 1_719_785_700];
const WALL: [i64; 4] = [1_704_189_600, 1_704_189_600, 1_711_852_200, 1_719_792_900];

#[test]
fn parquet_types_mean_what_text_means() {
    let plain = by_customer(&Folder::with_rows(ROWS).load().unwrap());
    let products: ArrayRef = Arc::new(
        ["p1", "p2", "p1", "p3"]
            .into_iter()
            .collect::<DictionaryArray<Int32Type>>(),
    );
    let orders: ArrayRef = Arc::new(Int64Array::from(vec![1, 1, 2, 3]));
    let text_orders: ArrayRef = Arc::new(StringArray::from(vec!["1", "1", "2", "3"]));
    let customers: ArrayRef = Arc::new(Float64Array::from(vec![7.0, 7.0, 7.0, 8.0]));
    let zoned: ArrayRef = Arc::new(
        TimestampMicrosecondArray::from(INSTANTS.map(|s| s * 1_000_000 + 999).to_vec())
            .with_timezone("America/New_York"),
    );
    let naive: ArrayRef = Arc::new(TimestampNanosecondArray::from(
        WALL.map(|s| s * 1_000_000_000).to_vec(),
    ));
    let quantities: ArrayRef = Arc::new(Float64Array::from(vec![2.0, 1.0, -1.0, 1.5]));
    let doubles: ArrayRef = Arc::new(Float64Array::from(vec![10.0, 0.29, -5.0, 1234.5]));
    let decimals: ArrayRef = Arc::new(
        Decimal128Array::from(vec![100_000, 2_900, -50_000, 12_345_000])
            .with_precision_and_scale(20, 4)
            .unwrap(),
    );
    for (orders, at, amounts) in [(orders, zoned, doubles), (text_orders, naive, decimals)] {
        let bytes = parquet(vec![
            ("order", orders),
            ("customer", customers.clone()),
            ("at", at),
            ("product", products.clone()),
            ("qty", quantities.clone()),
            ("amount", amounts),
        ]);
        let folder = Folder::new()
            .file("a.parquet", bytes)
            .but("*.csv", "*.parquet");
        let histories = folder.load().unwrap();
        reconcile(&histories);
        assert_eq!(by_customer(&histories), plain);
    }
}

/// A file of which any byte is another one is loaded or refused. Some of them make the crate that reads Parquet panic, the first
/// that was found by saying that a dictionary is used where none was sent.
#[test]
fn parquet_with_any_byte_spoiled_is_read_or_refused() {
    let texts =
        |values: [&'static str; 3]| -> ArrayRef { Arc::new(StringArray::from(values.to_vec())) };
    let sound = parquet(vec![
        ("order", texts(["1", "1", "2"])),
        ("customer", texts(["7", "7", "8"])),
        (
            "at",
            texts(["2024-01-02 10:00", "2024-01-02 10:00", "2024-03-31 02:30"]),
        ),
        ("product", texts(["p1", "p2", "p1"])),
        ("qty", texts(["2", "1", "-1"])),
        ("amount", texts(["10.00", "0.29", "-5.00"])),
    ]);
    let folder = Folder::new().but("*.csv", "*.parquet");
    let (shop, work) = (folder.shop(), folder.work());
    std::fs::create_dir(&work).unwrap();
    let mut panicked = 0;
    for at in 0..sound.len() {
        for flip in [1, 4, 0xff] {
            let mut spoiled = sound.clone();
            spoiled[at] ^= flip;
            std::fs::write(folder.path().join("in/a.parquet"), spoiled).unwrap();
            let judged = judge(&shop, &Options::local(&work), "a.parquet").unwrap();
            assert!(judged.refused.is_some() || judged.rows == 3, "byte {at}");
            let refused = judged.refused.unwrap_or_default();
            panicked += usize::from(refused.contains("what its pages say cannot be"));
        }
    }
    assert!(panicked > 0, "of {} bytes", sound.len());
}

#[test]
fn parquet_nulls_and_absurd_values_are_rejected_by_row_and_equal_rows_are_one() {
    let rows = 5;
    let amounts = vec![Some(1.0), Some(f64::NAN), None, Some(1e30), Some(1.0)];
    let bytes = parquet(vec![
        (
            "order",
            Arc::new(Int64Array::from(vec![1; rows])) as ArrayRef,
        ),
        ("customer", Arc::new(Int64Array::from(vec![7; rows]))),
        ("at", Arc::new(Date32Array::from(vec![19_000; rows]))),
        ("product", Arc::new(StringArray::from(vec!["p"; rows]))),
        ("qty", Arc::new(Int64Array::from(vec![1; rows]))),
        ("amount", Arc::new(Float64Array::from(amounts))),
    ]);
    let folder = Folder::new()
        .file("a.parquet", bytes)
        .but("*.csv", "*.parquet")
        .but("dates =", "max_reject_share = 0.7\ndates =");
    let histories = folder.load().unwrap();
    reconcile(&histories);
    assert_eq!(histories.counts().dropped["duplicate row"], 1);
    let starts: Vec<String> = folder
        .rejects()
        .iter()
        .map(|line| line.split(':').next().unwrap().to_owned())
        .collect();
    assert_eq!(
        starts,
        [
            "a.parquet,2,amount,NaN,\"not a number",
            "a.parquet,3,amount,,missing value",
            "a.parquet,4,amount,1000000000000000000000000000000,number out of range",
        ]
    );
}

/// A folder that answers as if it were a bucket.
struct Bucket<'a>(&'a Path);

impl Fetch for Bucket<'_> {
    fn list(&self, prefix: &str) -> Result<Vec<RemoteFile>, String> {
        let known = [
            "s3://bucket/shop/b.csv",
            "s3://bucket/shop/a.csv",
            "s3://bucket/shop/old/a.csv",
        ];
        let files = known.into_iter().filter(|url| url.starts_with(prefix));
        Ok(files
            .map(|url| RemoteFile {
                url: url.to_owned(),
                size: 1,
                version: "e".to_owned(),
            })
            .collect())
    }

    fn download(&self, url: &str, path: &Path) -> Result<(), String> {
        let name = url.rsplit('/').next().ok_or("no name")?;
        std::fs::copy(self.0.join(name), path)
            .map(|_| ())
            .map_err(|error| error.to_string())
    }
}

#[test]
fn remote_files_are_listed_fetched_and_read_like_local_ones() {
    let (first, second) = ROWS.split_at(ROWS.find("2,7").unwrap());
    let local = Folder::with_rows(first).file("b.csv", format!("{HEADER}{second}"));
    let plain = by_customer(&local.load().unwrap());
    let (bucket, work) = (
        Bucket(&local.path().join("in")),
        local.path().join("remote"),
    );
    for (root, pattern) in [
        ("in", "s3://bucket/shop/*.csv"),
        ("s3://bucket/shop", "*.csv"),
    ] {
        let folder = Folder::new()
            .but("\"in\"", &format!("\"{root}\""))
            .but("*.csv", pattern);
        let options = Options {
            fetch: &bucket,
            ..Options::local(&work)
        };
        assert_eq!(
            by_customer(&Histories::load(&folder.shop(), &options).unwrap()),
            plain
        );
        let error = folder.load().unwrap_err().to_string();
        assert_eq!(
            error,
            "s3://bucket/shop/: only local files can be read here"
        );
    }
}
