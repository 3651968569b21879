//! Tables of every function, scored and read back by the crate that everybody else uses.

use super::tables::{Layout, texts, written};
use super::*;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{
    Array, ArrayRef, BooleanArray, Float64Array, Int64Array, TimestampMicrosecondArray,
};
use churn::Churn;
use inventory::Inventory;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use recommendations::Recommendations;
use serde_json::Value;

/// A table of answers, read by the crate that everybody uses: names, and the values of each row as JSON has them.
pub(crate) fn answers(file: Bytes) -> (Vec<String>, Vec<Vec<Value>>) {
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).expect("a table");
    let names = reader
        .schema()
        .fields()
        .iter()
        .map(|field| field.name().clone())
        .collect();
    let mut rows = Vec::new();
    for batch in reader.build().expect("a table") {
        let batch = batch.expect("rows");
        for row in 0..batch.num_rows() {
            rows.push(
                batch
                    .columns()
                    .iter()
                    .map(|column| value(column, row))
                    .collect(),
            );
        }
    }
    (names, rows)
}

fn value(column: &ArrayRef, row: usize) -> Value {
    use arrow_schema::DataType;
    if column.is_null(row) {
        return Value::Null;
    }
    match column.data_type() {
        DataType::Int64 => column.as_primitive::<Int64Type>().value(row).into(),
        DataType::Float64 => column.as_primitive::<Float64Type>().value(row).into(),
        DataType::Boolean => column.as_boolean().value(row).into(),
        DataType::Utf8 => column.as_string::<i32>().value(row).into(),
        other => panic!("{other}"),
    }
}

/// The same rows as a table and as lines: the same answers, row by row, column by column.
async fn a_table_is_answered_as_lines_are<P: Predictor>(
    columns: Vec<(String, ArrayRef)>,
    lines: &str,
) {
    let rig = Rig::<P>::new().await;
    let [table, text] = ["parquet", "csv"].map(|ending| format!("uploads/{}/a.{ending}", P::NAME));
    let rows = lines.lines().count() as u64 - 1;
    let outcome = rig
        .scored(&table, written(columns, &Layout::default()))
        .await;
    let Outcome::Scored(counts) = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(counts.rows, rows);
    assert_eq!(
        rig.scored(&text, lines.to_owned()).await,
        Outcome::Scored(counts)
    );
    let file = rig
        .files
        .file(&place(&format!("scored/{}/a.parquet", P::NAME)))
        .expect("answers");
    let (names, found) = answers(file);
    let csv = rig.text(&format!("scored/{}/a.csv", P::NAME));
    let mut expected = csv.lines();
    assert_eq!(names.join(","), expected.next().expect("a header"));
    assert_eq!(found.len() as u64, counts.scored);
    for (values, line) in found.iter().zip(expected) {
        // Rows of a table count from 1, those of a file with a header from 2.
        assert_eq!(
            values[0].as_u64().expect("a row") + 1,
            line.split(',')
                .next()
                .expect("a row")
                .parse::<u64>()
                .expect("a number")
        );
        for value in &values[1..] {
            let shown = match value {
                Value::Null => continue,
                Value::String(text) => text.trim_start_matches('=').replace('"', "\"\""),
                Value::Number(number)
                    if number.is_f64() && number.as_f64().is_some_and(|n| n.fract() == 0.0) =>
                {
                    continue;
                }
                other => other.to_string(),
            };
            assert!(line.contains(&shown), "{shown} is not in {line}");
        }
    }
    let report = rig.text(&format!("scored/{}/a.parquet.report.json", P::NAME));
    let report: Value = serde_json::from_str(&report).expect("JSON");
    assert_eq!(
        report["outputs"]["rejects"],
        format!("scored/{}/a.parquet.rejects.csv", P::NAME)
    );
}

#[tokio::test]
async fn tables_of_every_function_come_back_as_tables() {
    let ids = ["1", "208", "lapsed", "nobody", "=1+1"];
    let instant = 1_496_275_200_000_000;
    let as_of = TimestampMicrosecondArray::from(vec![None, Some(instant), None, None, None]);
    let columns = vec![
        texts("customer_id", ids.into_iter().map(Some)),
        (
            "as_of".to_owned(),
            Arc::new(as_of.with_timezone("UTC")) as ArrayRef,
        ),
    ];
    let lines = format!(
        "customer_id,as_of\n{},\n{},2017-06-01T00:00:00Z\n{},\n{},\n{},\n",
        ids[0], ids[1], ids[2], ids[3], ids[4]
    );
    a_table_is_answered_as_lines_are::<Churn>(columns, &lines).await;
    let ids = [shop::FAST, shop::SLOW, "nothing", shop::FAST];
    let stock = Int64Array::from(vec![Some(3), Some(-5), None, Some(40)]);
    let days = Float64Array::from(vec![None, Some(9.5), None, Some(f64::NAN)]);
    let columns = vec![
        texts("sku_id", ids.into_iter().map(Some)),
        ("on_hand".to_owned(), Arc::new(stock) as ArrayRef),
        ("lead_time_days".to_owned(), Arc::new(days) as ArrayRef),
    ];
    let lines = format!(
        "sku_id,on_hand,lead_time_days\n{},3,\n{},-5,9.5\n{},,\n{},40,NaN\n",
        ids[0], ids[1], ids[2], ids[3]
    );
    a_table_is_answered_as_lines_are::<Inventory>(columns, &lines).await;
    let ids = [shop::STEADY, shop::FADING, "nobody"];
    let columns = vec![
        texts("customer_id", ids.into_iter().map(Some)),
        (
            "in_stock_only".to_owned(),
            Arc::new(BooleanArray::from(vec![false, true, false])) as ArrayRef,
        ),
    ];
    let lines = format!(
        "customer_id,in_stock_only\n{},false\n{},true\n{},false\n",
        ids[0], ids[1], ids[2]
    );
    a_table_is_answered_as_lines_are::<Recommendations>(columns, &lines).await;
}
