//! What stands in files, and what becomes of it.

use super::*;
use crate::batch::shape::Field;
use proptest::prelude::*;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::collections::BTreeMap;

static SHAPE: RowShape = RowShape {
    list: Some("skus"),
    id: "sku_id",
    kind: "thing",
    whole: &[],
    fields: &[
        Field::text("sku_id"),
        Field::json("on_hand"),
        Field::json("target"),
    ],
    around: &[Field::text("as_of")],
    order_lines: None,
    answer: "/results/0",
    columns: &[],
    key: |_| None,
};
static FLAT: RowShape = RowShape {
    list: None,
    ..SHAPE
};

fn limits() -> Limits {
    Limits {
        row_bytes: 200,
        columns: 8,
        ..Limits::default()
    }
}

/// All rows of a file that comes in pieces.
fn rows_of(
    format: Text,
    shape: &'static RowShape,
    bytes: &[u8],
    piece: usize,
) -> Result<Vec<Row>, FileFault> {
    let mut rows = Vec::new();
    let mut splitter = Rows::new(format, shape, &limits());
    for piece in bytes.chunks(piece) {
        splitter.push(piece, &mut rows)?;
    }
    splitter.finish(&mut rows)?;
    Ok(rows)
}

/// Reading on behind any row brings the rows behind it.
fn check_resumed(format: Text, bytes: &[u8], whole: &[Row]) {
    if whole.is_empty() {
        return;
    }
    let mut splitter = Rows::new(format, &SHAPE, &limits());
    splitter.push(bytes, &mut Vec::new()).unwrap();
    let header = splitter.header();
    for (index, row) in whole.iter().enumerate() {
        let from = Bookmark {
            offset: row.end,
            number: row.number,
            header: header.clone(),
            is_grouped: false,
        };
        let mut rows = Vec::new();
        let mut splitter = Rows::resume(format, &SHAPE, &limits(), &from).unwrap();
        splitter
            .push(&bytes[row.end as usize..], &mut rows)
            .unwrap();
        splitter.finish(&mut rows).unwrap();
        assert_eq!(rows, whole[index + 1..], "behind row {index}");
    }
}

/// Number and body of each row, or the kind of its reject.
fn told(format: Text, bytes: &[u8]) -> Vec<(u64, Value)> {
    let whole = rows_of(format, &SHAPE, bytes, bytes.len().max(1)).unwrap();
    for piece in [1, 2, 3, 64] {
        assert_eq!(rows_of(format, &SHAPE, bytes, piece).unwrap(), whole);
    }
    check_resumed(format, bytes, &whole);
    let tell = |row: Row| match row.body {
        Ok(body) => (row.number, serde_json::from_slice(&body).unwrap()),
        Err(reject) => (row.number, json!(reject.kind)),
    };
    whole.into_iter().map(tell).collect()
}

fn fault(format: Text, bytes: &[u8]) -> String {
    let fault = rows_of(format, &SHAPE, bytes, 3).unwrap_err();
    assert_eq!(rows_of(format, &SHAPE, bytes, 4096).unwrap_err(), fault);
    fault.to_string()
}

#[test]
fn records_become_requests() {
    let file = "\u{feff}on_hand,sku_id,as_of,target\r\n\r\n5,001,,costs\r\n,\"a\nb,\"\"c\"\"\",2018-01-01,\"{\"\"fill_rate\"\":.9}\"\r\n-3,=1+1,,\"{\"\"fill_rate\"\":0.9}\"";
    assert_eq!(
        told(Text::Csv, file.as_bytes()),
        [
            (
                2,
                json!({"skus": [{"on_hand": 5, "sku_id": "001", "target": "costs"}]})
            ),
            (
                3,
                json!({"skus": [{"sku_id": "a\nb,\"c\"", "target": "{\"fill_rate\":.9}"}], "as_of": "2018-01-01"})
            ),
            (
                4,
                json!({"skus": [{"on_hand": -3, "sku_id": "=1+1", "target": {"fill_rate": 0.9}}]})
            ),
        ]
    );
}

#[test]
fn a_bad_record_costs_no_other() {
    let long = "9".repeat(5_000_000);
    let many = ",".repeat(1_000_000);
    let file = [
        b"sku_id,on_hand\n1,NaN\n2\n3,1,1\n\xff\xfe,1\n".as_slice(),
        long.as_bytes(),
        b",1\n",
        many.as_bytes(),
        b"\n\xc3,\xa4\n4,2\n5,\"open\n6,3\n",
    ]
    .concat();
    let whole = rows_of(Text::Csv, &SHAPE, &file, 65_536).unwrap();
    let kinds: Vec<_> = whole
        .iter()
        .map(|row| {
            row.body
                .as_ref()
                .map_or_else(|reject| reject.kind, |_| "fine")
        })
        .collect();
    let expected = [
        "fine", // as far as CSV goes; the request's parser knows that NaN is no number
        "wrong number of columns",
        "wrong number of columns",
        "not UTF-8",
        "too long",
        "too many columns",
        "not UTF-8",
        "fine",
        "open quote",
    ];
    assert_eq!(kinds, expected);
    assert_eq!(whole.last().unwrap().number, 10);
}

#[test]
fn a_file_without_columns_or_rows_is_refused() {
    let csv = |text: &str| fault(Text::Csv, text.as_bytes());
    assert_eq!(csv(""), "empty: there is nothing in the file");
    assert_eq!(csv("\n\r\n\n"), "empty: there is nothing in the file");
    assert_eq!(csv("sku_id\n"), "no rows: there is a header and no row");
    assert_eq!(csv("sku_id"), "no rows: there is a header and no row");
    assert_eq!(csv("on_hand\n1\n"), "wrong columns: sku_id is missing");
    assert_eq!(
        csv("sku_id;on_hand\n1;2\n"),
        "wrong columns: \"sku_id;on_hand\" is no column, allowed: sku_id, on_hand, target, as_of"
    );
    assert_eq!(
        csv("sku_id,sku_id\n1,2\n"),
        "wrong columns: sku_id stands there twice"
    );
    assert_eq!(
        csv(&",".repeat(10_000_000)),
        "wrong columns: header: too many columns: more than 8 columns"
    );
    assert_eq!(
        csv(&"x".repeat(10_000_000)),
        "wrong columns: header: too long: more than 200 bytes"
    );
    assert!(fault(Text::Csv, b"\xff\xfes\0k\0u\0").contains("not UTF-8"));
    assert_eq!(
        fault(Text::JsonLines, b"\n\r\n "),
        "empty: there is no row in the file"
    );
}

#[test]
fn lines_become_requests() {
    let long = format!("{{\"sku_id\":\"{}\"}}\n", "9".repeat(5_000_000));
    let file = [
        b"\xef\xbb\xbf{\"sku_id\": \"1\"}\r\n\n".as_slice(),
        b"{\"sku_id\":\"2\",\"as_of\":\"2018-01-01\"}\n{\"sku_id\":\"3\"},{\"sku_id\":\"4\"}\n",
        b"{\"sku_id\":\"5\"}],\"x\":[{}\n[1]\n\"as_of\"\n{\"sku_id\":\"\xff\"}\n{\"sku_id\"\n",
        long.as_bytes(),
        b"{\"sku_id\":\"as_of\"}",
    ]
    .concat();
    let whole = rows_of(Text::JsonLines, &SHAPE, &file, 65_536).unwrap();
    let tell = |row: &Row| match &row.body {
        Ok(body) => (row.number, serde_json::from_slice(body).unwrap()),
        Err(reject) => (row.number, json!(reject.kind)),
    };
    let expected = [
        (1, json!({"skus": [{"sku_id": "1"}]})),
        (3, json!({"skus": [{"sku_id": "2"}], "as_of": "2018-01-01"})),
        (4, json!("not JSON")),
        (5, json!("not JSON")),
        (6, json!("not JSON")),
        (7, json!("not JSON")),
        (8, json!("not UTF-8")),
        (9, json!("not JSON")),
        (10, json!("too long")),
        (11, json!({"skus": [{"sku_id": "as_of"}]})),
    ];
    assert_eq!(whole.iter().map(tell).collect::<Vec<_>>(), expected);
}

#[test]
fn a_row_may_be_the_request_itself() {
    let body = |format, text: &str| {
        let rows = rows_of(format, &FLAT, text.as_bytes(), 5).unwrap();
        serde_json::from_slice::<Value>(rows[0].body.as_ref().unwrap()).unwrap()
    };
    let expected = json!({"sku_id": "1", "as_of": "x"});
    assert_eq!(body(Text::Csv, "as_of,sku_id\nx,1\n"), expected);
    assert_eq!(body(Text::JsonLines, &expected.to_string()), expected);
    assert_eq!(FLAT.column_at("/on_hand"), "on_hand");
    assert_eq!(SHAPE.column_at("/skus/0/on_hand/deep"), "on_hand");
    assert_eq!(SHAPE.column_at("/as_of"), "as_of");
    assert_eq!(SHAPE.column_at("/skus/0"), "");
    assert_eq!(SHAPE.column_at(""), "");
}

/// Bytes that files are made of, so that interesting ones are common.
fn filelike() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..8),
        prop::sample::select(vec![
            "sku_id,on_hand\n",
            "\n",
            "\r",
            "\"",
            ",",
            "{\"sku_id\":",
            "}",
            "[",
            "as_of",
            "\\u0000",
            "\u{feff}",
            "1e999"
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
    ];
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    // `PROPTEST_CASES` makes it run longer.
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases.max(2000)))]

    /// Never a panic, never another result for other pieces, and never a row that is more than one request.
    #[test]
    fn arbitrary_bytes_become_rows_or_faults(bytes in filelike(), piece in 1usize..40, headed in any::<bool>()) {
        for format in [Text::Csv, Text::JsonLines] {
            let header: &[u8] = if headed { b"sku_id,on_hand\n" } else { b"" };
            let bytes = [header, &bytes].concat();
            let whole = rows_of(format, &SHAPE, &bytes, bytes.len().max(1));
            prop_assert_eq!(&rows_of(format, &SHAPE, &bytes, piece), &whole);
            check_resumed(format, &bytes, whole.as_deref().unwrap_or_default());
            for row in whole.into_iter().flatten() {
                if let Ok(body) = row.body {
                    let members: BTreeMap<String, &RawValue> = serde_json::from_slice(&body).unwrap();
                    let entities: Vec<&RawValue> = serde_json::from_str(members["skus"].get()).unwrap();
                    prop_assert_eq!(entities.len(), 1, "{:?}", members);
                }
            }
        }
    }
}
