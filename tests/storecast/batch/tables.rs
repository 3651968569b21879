//! Tables: read and written by the functions as the crates that everybody else uses read and write them.

use super::*;
use arrow_array::{
    Array, ArrayRef, Date32Array, Float64Array, Int32Array, Int64Array, ListArray, RecordBatch,
    StringArray,
};
use inventory::Inventory;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};
use proptest::prelude::*;
use serving::batch::parquet::read::{ParquetRows, Stopped};
use serving::batch::ports::FileHead;
use serving::batch::rows::{Columns, Row};

/// How a table lies in its file.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    pub(crate) group_rows: usize,
    pub(crate) page_rows: usize,
    pub(crate) compression: Compression,
    pub(crate) encoding: Option<Encoding>,
    pub(crate) version: WriterVersion,
}

impl Default for Layout {
    fn default() -> Self {
        Self {
            group_rows: 1_000_000,
            page_rows: 20_000,
            compression: Compression::SNAPPY,
            encoding: None,
            version: WriterVersion::PARQUET_1_0,
        }
    }
}

pub(crate) fn texts<'a>(
    name: &str,
    values: impl Iterator<Item = Option<&'a str>>,
) -> (String, ArrayRef) {
    (name.to_owned(), Arc::new(values.collect::<StringArray>()))
}

/// A table as a file; without an encoding of their own, columns have dictionaries.
pub(crate) fn written(columns: Vec<(String, ArrayRef)>, layout: &Layout) -> Vec<u8> {
    let batch =
        RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, values)| {
            let is_nullable = values.null_count() > 0;
            (name, values, is_nullable)
        }));
    let batch = batch.expect("a table");
    let mut properties = WriterProperties::builder()
        .set_compression(layout.compression)
        .set_writer_version(layout.version)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_max_row_group_row_count(Some(layout.group_rows))
        .set_data_page_row_count_limit(layout.page_rows)
        .set_write_batch_size(layout.page_rows.min(100));
    if let Some(encoding) = layout.encoding {
        properties = properties.set_dictionary_enabled(false);
        for (index, field) in batch.schema().fields().iter().enumerate() {
            let is_text = field.data_type() == &arrow_schema::DataType::Utf8;
            let fits = match encoding {
                Encoding::DELTA_LENGTH_BYTE_ARRAY | Encoding::DELTA_BYTE_ARRAY => is_text,
                Encoding::DELTA_BINARY_PACKED => matches!(
                    batch.column(index).data_type(),
                    arrow_schema::DataType::Int32 | arrow_schema::DataType::Int64
                ),
                _ => true,
            };
            let own = if fits { encoding } else { Encoding::PLAIN };
            properties = properties.set_column_encoding(field.name().as_str().into(), own);
        }
    }
    let mut file = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut file, batch.schema(), Some(properties.build()))
        .expect("a writer");
    writer.write(&batch).expect("memory");
    writer.close().expect("memory");
    file
}

/// A file that lies in a bucket.
fn stored(file: &[u8]) -> (MemoryFiles, FilePlace, FileHead) {
    let (files, place) = (MemoryFiles::default(), place("uploads/inventory/a.parquet"));
    let put = files.put_file(&place, Bytes::copy_from_slice(file));
    ready(put).expect("memory");
    let head = ready(files.head_file(&place, None)).expect("memory");
    let head = head.expect("a file");
    (files, place, head)
}

/// Stores in memory are never pending.
pub(super) fn ready<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match future.as_mut().poll(&mut context) {
        std::task::Poll::Ready(value) => value,
        std::task::Poll::Pending => panic!("memory is never pending"),
    }
}

/// All rows behind the first `skip` ones, read in small ranges.
pub(super) fn rows_of(file: &[u8], skip: u64) -> Result<Vec<Row>, String> {
    let (files, place, head) = stored(file);
    let shape = Inventory::rows().expect("a shape");
    let open = ParquetRows::open(&files, &place, &head, shape, small_ranges(), skip);
    rest_of(ready(open))
}

/// All rows of a chunk of the whole base.
pub(crate) fn chunk_rows_of<P: Predictor>(file: &[u8]) -> Result<Vec<Row>, String> {
    let (files, place, head) = stored(file);
    let shape = P::rows().expect("a shape");
    let open = ParquetRows::open_chunk(&files, &place, &head, shape, small_ranges(), 0);
    rest_of(ready(open))
}

fn small_ranges() -> Limits {
    Limits {
        read_bytes: 1000,
        ..Limits::default()
    }
}

fn rest_of(opened: Result<ParquetRows<'_, MemoryFiles>, Stopped>) -> Result<Vec<Row>, String> {
    let told = |stopped| match stopped {
        Stopped::Fault(fault) => format!("{fault}"),
        other => panic!("{other:?}"),
    };
    let mut table = opened.map_err(told)?;
    let mut rows = Vec::new();
    loop {
        let next = ready(table.next()).map_err(told)?;
        if next.is_empty() {
            return Ok(rows);
        }
        rows.extend(next);
    }
}

fn layout() -> impl Strategy<Value = Layout> {
    let compression = prop::sample::select(vec![
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::ZSTD(parquet::basic::ZstdLevel::default()),
    ]);
    let encoding = prop::option::of(prop::sample::select(vec![
        Encoding::PLAIN,
        Encoding::DELTA_BINARY_PACKED,
        Encoding::DELTA_LENGTH_BYTE_ARRAY,
    ]));
    let version =
        prop::sample::select(vec![WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0]);
    (1usize..400, 1usize..150, compression, encoding, version).prop_map(
        |(group_rows, page_rows, compression, encoding, version)| Layout {
            group_rows,
            page_rows,
            compression,
            encoding,
            version,
        },
    )
}

/// Columns of a table, and the cells that a CSV file would have.
type Table = (Vec<(String, ArrayRef)>, Vec<Vec<String>>);

fn table() -> impl Strategy<Value = Table> {
    let id = prop_oneof![Just("082185".to_owned()), "[a-z=é\n\"]{0,12}", "[0-9]{600}"];
    let whole = prop_oneof![
        Just(None),
        any::<i64>().prop_map(Some),
        (0i64..9).prop_map(Some)
    ];
    let number = prop::option::of(prop_oneof![
        Just(f64::NAN),
        Just(f64::INFINITY),
        any::<f64>()
    ]);
    let day = prop::option::of(-100_000i32..100_000);
    prop::collection::vec((prop::option::of(id), whole, number, day), 1..500).prop_map(|rows| {
        let ids = rows
            .iter()
            .map(|(id, ..)| id.as_deref())
            .collect::<StringArray>();
        let whole = rows
            .iter()
            .map(|(_, whole, ..)| *whole)
            .collect::<Int64Array>();
        let number = rows
            .iter()
            .map(|(_, _, number, _)| *number)
            .collect::<Float64Array>();
        let narrow = rows
            .iter()
            .map(|(_, whole, ..)| whole.map(|whole| whole as i32));
        let narrow = narrow.collect::<Int32Array>();
        let day = rows.iter().map(|(.., day)| *day).collect::<Date32Array>();
        let date = |day: i32| {
            let seconds = i64::from(day) * 86_400;
            let text = serving::wire::format_instant(features::time::Timestamp(seconds));
            text.split('T').next().unwrap_or_default().to_owned()
        };
        let cells = rows.iter().map(|(id, whole, number, day)| {
            vec![
                id.clone().unwrap_or_default(),
                whole.map_or_else(String::new, |whole| whole.to_string()),
                number.map_or_else(String::new, |number| number.to_string()),
                whole.map_or_else(String::new, |whole| (whole as i32).to_string()),
                day.map_or_else(String::new, date),
            ]
        });
        let columns: Vec<(String, ArrayRef)> = vec![
            ("sku_id".to_owned(), Arc::new(ids)),
            ("on_hand".to_owned(), Arc::new(whole)),
            ("lead_time_days".to_owned(), Arc::new(number)),
            ("backorders".to_owned(), Arc::new(narrow)),
            ("as_of".to_owned(), Arc::new(day)),
        ];
        (columns, cells.collect())
    })
}

const NAMES: [&str; 5] = ["sku_id", "on_hand", "lead_time_days", "backorders", "as_of"];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever codec, encoding, pages and row groups: rows are those of a CSV file with the same cells, from any row on.
    #[test]
    fn a_table_is_read_as_the_csv_file_of_its_cells((columns, cells) in table(), layout in layout(), skip in 0usize..500) {
        let file = written(columns, &layout);
        let names = Columns::new(NAMES.into_iter(), Inventory::rows().expect("a shape")).expect("columns");
        let expected: Vec<Row> = cells.iter().enumerate().map(|(index, cells)| {
            let cells: Vec<&str> = cells.iter().map(String::as_str).collect();
            let number = index as u64 + 1;
            Row { number, body: names.body(&cells), history: None, end: number, is_line: false }
        }).collect();
        prop_assert_eq!(&rows_of(&file, 0).expect("rows"), &expected, "{:?}", layout);
        let skip = skip.min(expected.len());
        prop_assert_eq!(&rows_of(&file, skip as u64).expect("rows"), &expected[skip..], "from row {}", skip);
    }

    /// Bytes that are wrong anywhere are rows or a fault, and never a panic.
    #[test]
    fn a_spoiled_table_is_rows_or_a_fault(
        (columns, _) in table(),
        layout in layout(),
        spoils in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), any::<bool>()), 1..6),
    ) {
        let mut file = written(columns, &layout);
        let footer = file.len().saturating_sub(1000);
        for (at, byte, in_footer) in spoils {
            let at = if in_footer { footer + at.index(file.len() - footer) } else { at.index(file.len()) };
            file[at] = byte;
        }
        let _ = rows_of(&file, 0);
    }
}

fn fault_of(columns: Vec<(String, ArrayRef)>, layout: &Layout) -> String {
    rows_of(&written(columns, layout), 0).expect_err("a fault")
}

fn ids(count: usize) -> (String, ArrayRef) {
    texts("sku_id", (0..count).map(|_| Some("1")))
}

#[test]
fn tables_that_cannot_be_read_say_why() {
    let plain = Layout::default();
    let mut lists =
        arrow_array::builder::ListBuilder::new(arrow_array::builder::Int64Builder::new());
    lists.append_value([Some(1), Some(2)]);
    let lists: ListArray = lists.finish();
    let nested = vec![ids(1), ("on_order".to_owned(), Arc::new(lists) as ArrayRef)];
    let fault = fault_of(nested, &plain);
    assert_eq!(
        fault,
        "wrong columns: \"on_order\" holds lists or structures; write them as JSON text"
    );
    let wide = (0..300)
        .map(|index| (format!("c{index}"), ids(1).1))
        .collect();
    assert_eq!(
        fault_of(wide, &plain),
        "wrong columns: 300 columns, at most 256"
    );
    let unknown = vec![ids(1), texts("colour", [Some("red")].into_iter())];
    assert!(fault_of(unknown, &plain).starts_with("wrong columns: \"colour\" is no column"));
    assert_eq!(
        fault_of(vec![texts("as_of", [Some("x")].into_iter())], &plain),
        "wrong columns: sku_id is missing"
    );
    assert_eq!(
        fault_of(vec![ids(0)], &plain),
        "no rows: there are columns and no row"
    );
    let delta = Layout {
        encoding: Some(Encoding::DELTA_BYTE_ARRAY),
        ..plain.clone()
    };
    let fault = fault_of(vec![ids(3)], &delta);
    assert!(
        fault.starts_with("wrong encoding: \"sku_id\" has encoding 7"),
        "{fault}"
    );
    let lz4 = b"PAR1 and then some";
    let fault = |file: &[u8]| rows_of(file, 0).expect_err("a fault");
    assert!(fault(lz4).starts_with("damaged"));
    let file = written(vec![ids(3)], &plain);
    for end in 0..file.len() {
        let fault = fault(&file[..end]);
        let expected = if end == 0 { "empty" } else { "damaged" };
        assert!(fault.starts_with(expected), "{end} bytes: {fault}");
    }
    let mut encrypted = file.clone();
    let end = file.len();
    encrypted[end - 4..].copy_from_slice(b"PARE");
    assert_eq!(fault(&encrypted), "encrypted: the footer is encrypted");
    let mut absurd = file.clone();
    absurd[end - 8..end - 4].copy_from_slice(&u32::MAX.to_le_bytes());
    assert!(fault(&absurd).starts_with("too large: a footer of 4294967295 bytes"));
}

#[test]
fn a_footer_of_nothing_but_empty_structures_is_damaged() {
    // Field 2, the columns: a list of 8 million structures, each of them a single byte.
    let mut footer = vec![0x29, 0xfc, 0x80, 0xa4, 0xe8, 0x03];
    footer.resize(8_000_000, 0);
    let length = (footer.len() as u32).to_le_bytes();
    let file = [b"PAR1", &footer[..], &length, b"PAR1"].concat();
    let fault = rows_of(&file, 0).expect_err("a fault");
    assert!(fault.starts_with("damaged"), "{fault}");
}

#[test]
fn a_page_that_unpacks_to_more_than_it_says_is_not_unpacked() {
    // 60 MB of one letter in a page of a few kilobytes that is read, and what is packed too tightly for a page.
    let long = "x".repeat(4_000_000);
    for (values, expected) in [(15, Ok(15)), (40, Err("too large: a page of 40 values"))] {
        let column = texts("sku_id", (0..values).map(|_| Some(long.as_str())));
        let file = one_page(vec![column]);
        match (rows_of(&file, 0), expected) {
            (Ok(rows), Ok(count)) => assert_eq!(rows.len(), count),
            (Err(fault), Err(start)) => assert!(fault.starts_with(start), "{fault}"),
            (found, expected) => panic!("{found:?}, expected {expected:?}"),
        }
    }
}

/// A table with everything in one page, however large.
fn one_page(columns: Vec<(String, ArrayRef)>) -> Vec<u8> {
    let batch = RecordBatch::try_from_iter(columns).expect("a table");
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(parquet::basic::ZstdLevel::default()))
        .set_dictionary_enabled(false)
        .set_data_page_size_limit(1 << 30)
        .set_write_batch_size(1_000_000)
        .set_statistics_enabled(EnabledStatistics::None);
    let mut file = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut file, batch.schema(), Some(properties.build()))
        .expect("a writer");
    writer.write(&batch).expect("memory");
    writer.close().expect("memory");
    file
}
