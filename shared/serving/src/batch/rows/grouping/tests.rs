//! What lines of orders become, whatever is wrong with them.

mod products;

use super::*;
use crate::batch::name::Text;
use crate::batch::rows::Rows;
use crate::batch::shape::Field;
use crate::wire::InlineHistory;
use proptest::prelude::*;
use serde_json::json;

static LINES: LineShape = LineShape::of_customers(&[Field::text("as_of")]);
static SHAPE: RowShape = RowShape {
    list: Some("customers"),
    fields: &[Field::text("customer_id"), Field::json("history")],
    order_lines: Some(&LINES),
    ..LINES.line
};
static FLAT: RowShape = RowShape {
    list: None,
    ..SHAPE
};
static OTHER: RowShape = RowShape {
    order_lines: None,
    ..SHAPE
};
const HEADER: &str = "order_id,customer_id,placed_at,net_minor,quantity,as_of\n";

/// Rows behind the first `skip` ones, and how many lines they were made of.
fn grouped(
    format: Text,
    shape: &'static RowShape,
    limits: &Limits,
    file: &[u8],
    skip: u64,
) -> Result<(Vec<Row>, u64), FileFault> {
    let mut rows = Vec::new();
    let mut splitter = Rows::new(format, shape, limits);
    for piece in file.chunks(7) {
        splitter.push(piece, &mut rows)?;
    }
    splitter.finish(&mut rows)?;
    let mut lines = Grouping::new(shape, limits).unwrap();
    for row in rows {
        assert!(row.is_line, "{row:?}");
        lines.add(row)?;
    }
    let grouped = lines.grouped(skip);
    let order_lines = grouped.order_lines;
    Ok((grouped.collect(), order_lines))
}

fn csv(shape: &'static RowShape, header: &str, lines: &str) -> Vec<Row> {
    let file = [header, lines].concat();
    let found = grouped(Text::Csv, shape, &Limits::default(), file.as_bytes(), 0);
    found.unwrap().0
}

fn fault(shape: &'static RowShape, limits: &Limits, format: Text, file: &str) -> String {
    let found = grouped(format, shape, limits, file.as_bytes(), 0);
    found.unwrap_err().to_string()
}

/// Number, column, value and reason of a reject.
fn told(row: &Row) -> (u64, &str, &str, &str) {
    let reject = row.body.as_ref().unwrap_err();
    (row.number, &reject.column, &reject.value, &reject.reason)
}

fn request_of(row: &Row) -> Value {
    serde_json::from_slice(row.body.as_ref().unwrap()).unwrap()
}

#[test]
fn lines_in_any_order_become_requests_in_the_order_of_customers() {
    let file = "\u{feff}customer_id,placed_at,order_id,net_minor,quantity,discount_minor,product_id,category,as_of\r\n\
        \"b,1\",2017-05-02T10:00:00+01:00,o2,250,,,,,2018-01-01T00:00:00Z\r\n\r\n\
        a,2017-05-01T10:00:00Z,o1,100,2,10,p1,\"fruit\nand more\",\r\n\
        \"b,1\",2017-04-01T10:00:00Z,o1,-30,-1,,p1,,2018-01-01T00:00:00Z\r\n\
        \"b,1\",2017-05-02T10:00:00+01:00,o2,50,0.5,,p2,,2018-01-01T00:00:00Z";
    let limits = Limits::default();
    let of = |shape, skip| grouped(Text::Csv, shape, &limits, file.as_bytes(), skip).unwrap();
    let (rows, order_lines) = of(&SHAPE, 0);
    assert_eq!(order_lines, 4);
    let line = |net: i64, quantity: f64| json!({ "net_minor": net, "quantity": quantity, "discount_minor": 0 });
    let mut returned = line(-30, -1.0);
    returned["product_id"] = json!("p1");
    let mut half = line(50, 0.5);
    half["product_id"] = json!("p2");
    let first = json!({ "customer_id": "b,1", "history": { "orders": [
        { "order_id": "o1", "placed_at": "2017-04-01T10:00:00Z", "lines": [returned] },
        { "order_id": "o2", "placed_at": "2017-05-02T10:00:00+01:00", "lines": [line(250, 1.0), half] },
    ] } });
    let second = json!({ "customer_id": "a", "history": { "orders": [
        { "order_id": "o1", "placed_at": "2017-05-01T10:00:00Z", "lines": [{
            "product_id": "p1", "category": "fruit\nand more", "quantity": 2.0, "net_minor": 100, "discount_minor": 10 }] },
    ] } });
    let as_of = "2018-01-01T00:00:00Z";
    assert_eq!(
        request_of(&rows[0]),
        json!({ "customers": [first], "as_of": as_of })
    );
    assert_eq!(request_of(&rows[1]), json!({ "customers": [second] }));
    assert_eq!([rows[0].number, rows[1].number], [2, 3]);
    assert_eq!([rows[0].end, rows[1].end], [1, 2]);
    let mut flat = first;
    flat["as_of"] = json!(as_of);
    assert_eq!(request_of(&of(&FLAT, 0).0[0]), flat);
    assert_eq!(of(&SHAPE, 1).0, rows[1..]);
    assert_eq!(of(&SHAPE, 2).0, []);
}

#[test]
fn a_wrong_line_rejects_its_customer_and_no_other() {
    let rows = csv(
        &SHAPE,
        HEADER,
        "o1,a,2017-05-01T10:00:00Z,1,,\n\
        o1,b,2017-05-01T10:00:00Z,1,,\n\
        o2,a,yesterday,1,,\n\
        o2,c,2017-05-01T10:00:00Z,much,,\n\
        o3,a,2017-05-01T10:00:00Z,-1,1,\n\
        ,d,2017-05-01T10:00:00Z,1,,\n\
        o4,e,2017-05-01T10:00:00Z,-1,1,\n\
        o5,f,2017-05-01T10:00:00Z,1,,\n\
        o5,f,2017-05-01T11:00:00Z,1,,\n\
        o6,g,2017-05-01T10:00:00Z,1,,2018-01-01T00:00:00Z\n\
        o6,g,2017-05-01T10:00:00Z,1,,\n\
        o7,,2017-05-01T10:00:00Z,1,,\n\
        o7,b\n",
    );
    assert_eq!(request_of(&rows[1])["customers"][0]["customer_id"], "b");
    let rejects: Vec<_> = rows
        .iter()
        .filter(|row| row.body.is_err())
        .map(told)
        .collect();
    let unordered = r#"{"customer_id":"d","net_minor":1,"placed_at":"2017-05-01T10:00:00Z"}"#;
    let instant = "row 4: \"yesterday\" is not an RFC 3339 instant with an offset, such as 2026-01-31T12:00:00Z";
    let expected = [
        (2, "placed_at", "yesterday", instant),
        (
            5,
            "net_minor",
            "much",
            "row 5: invalid type: string \"much\", expected i64",
        ),
        (7, "", unordered, "row 7: missing field `order_id`"),
        (
            8,
            "net_minor",
            "-1",
            "row 8: -1 is negative for a purchase; a return has negative quantity",
        ),
        (
            9,
            "placed_at",
            "2017-05-01T11:00:00Z",
            "row 10: the order was placed at 2017-05-01T10:00:00Z before",
        ),
        (11, "as_of", "", "row 12: not as in row 11"),
        (13, "customer_id", "", "the line names nobody"),
        (14, "", "o7,b", "2 columns instead of 6"),
    ];
    assert_eq!(rejects, expected);
    assert_eq!(rows.len(), expected.len() + 1);
}

#[test]
fn lines_of_json_are_lines_of_orders_when_the_first_is() {
    let file = br#"
{"order_id":"o1","customer_id":"a","placed_at":"2017-05-01T10:00:00Z","net_minor":1}
{"order_id":"o2","customer_id":7,"placed_at":"2017-05-01T10:00:00Z","net_minor":1}
{"order_id":"o3","customer_id":"7","placed_at":"2017-05-01T10:00:00Z","net_minor":1}
{"order_id":"o3","customer_id":"b","placed_at":"2017-05-01T10:00:00Z","net_minor":1,"colour":"red"}
{"customer_id":"c"}
no JSON
"#;
    let limits = Limits::default();
    let (rows, order_lines) = grouped(Text::JsonLines, &SHAPE, &limits, file, 0).unwrap();
    assert_eq!((rows.len(), order_lines), (5, 5));
    assert_eq!(request_of(&rows[0])["customers"][0]["customer_id"], "a");
    let kinds = rows[1..]
        .iter()
        .map(|row| row.body.as_ref().unwrap_err().kind);
    let expected = [
        "unexpected shape",
        "unexpected shape",
        "unexpected shape",
        "not JSON",
    ];
    assert_eq!(kinds.collect::<Vec<_>>(), expected);
    assert_eq!(told(&rows[1]).1, "customer_id");
    assert!(told(&rows[2]).3.contains("colour"), "{:?}", rows[2]);
}

#[test]
fn a_file_whose_lines_cannot_be_told_apart_or_held_is_refused() {
    let all = Limits::default();
    let csv = |file: &str| fault(&SHAPE, &all, Text::Csv, file);
    assert_eq!(csv(HEADER), "no rows: there is a header and no row");
    for missing in ["placed_at", "net_minor", "customer_id"] {
        let header = HEADER
            .replace(missing, "quantity")
            .replacen("quantity,as_of", "as_of", 1);
        assert_eq!(csv(&header), format!("wrong columns: {missing} is missing"));
    }
    let colour = csv(&HEADER.replace("quantity", "colour"));
    assert!(
        colour
            .starts_with("wrong columns: \"colour\" is no column, allowed: customer_id, order_id")
    );
    let line = "o1,a,2017-05-01T10:00:00Z,1,,\n";
    let open = format!("{HEADER}{line}o2,\"a,2017-05-01T10:00:00Z,1,,\n{line}");
    let expected = "open quote: row 3: a quote is opened and never closed, and lines of other customers may be in it";
    assert_eq!(csv(&open), expected);
    let three = format!("{HEADER}{line}{line}{line}");
    let two = Limits {
        grouped_lines: 2,
        ..all
    };
    let advice = "which are grouped in memory; split the file by customer, or put it into uploads/orders/ and ask by id";
    let expected = format!("too many order lines: row 4: more than 2 order lines, {advice}");
    assert_eq!(fault(&SHAPE, &two, Text::Csv, &three), expected);
    let of_products = |text: &str| text.replace("customer", "product");
    assert_eq!(
        fault(&products::SHAPE, &two, Text::Csv, &of_products(&three)),
        of_products(&expected)
    );
    assert_eq!(
        fault(&products::SHAPE, &all, Text::Csv, &of_products(&open)),
        of_products(
            "open quote: row 3: a quote is opened and never closed, and lines of other customers may be in it"
        )
    );
    let few = Limits {
        grouped_bytes: 200,
        ..all
    };
    let expected = format!(
        "too many order lines: row 4: order lines of more than 200 bytes as JSON, {advice}"
    );
    assert_eq!(fault(&SHAPE, &few, Text::Csv, &three), expected);
    for (format, file) in [(Text::Csv, HEADER), (Text::JsonLines, "{\"order_id\":1}\n")] {
        let refused = fault(&OTHER, &all, format, file);
        let expected = "wrong columns: \"order_id\" is no column, allowed: customer_id, history";
        assert!(refused.starts_with(expected), "{refused}");
    }
}

#[test]
fn a_history_is_at_most_what_a_request_takes() {
    let line = |at| format!("o{at},a,2017-05-01T10:00:00Z,1,,\n");
    let lines = (0..10).map(line).collect::<Vec<_>>().concat();
    let file = format!("{HEADER}{lines}o,b,2017-05-01T10:00:00Z,1,,\n");
    let limits = Limits {
        row_bytes: 500,
        ..Limits::default()
    };
    let (rows, _) = grouped(Text::Csv, &SHAPE, &limits, file.as_bytes(), 0).unwrap();
    assert_eq!(
        told(&rows[0]),
        (2, "", "a", "a history of more than 500 bytes")
    );
    assert!(rows[1].body.is_ok());
}

/// Whose it is, order and amount of a line; each order has one instant.
fn lines() -> impl Strategy<Value = Vec<(u8, u8, i64)>> {
    prop::collection::vec((0u8..5, 0u8..4, 0i64..1000), 1..40)
}

/// Rows of lines, which are somebody's as well as something's; their ids and histories.
fn histories(shape: &'static RowShape, lines: &[(u8, u8, i64)]) -> Vec<(u8, String)> {
    let text = lines.iter().map(|(id, order, net)| {
        format!(
            "o{order},{id},{id},2017-05-0{}T10:00:00Z,{net}\n",
            order + 1
        )
    });
    let header = "order_id,customer_id,product_id,placed_at,net_minor\n";
    let rows = csv(shape, header, &text.collect::<String>());
    let of = |row: &Row| {
        let entity = request_of(row)[shape.list.unwrap()][0].take();
        let history = &entity["history"];
        let history = match serde_json::from_value::<InlineHistory>(history.clone()) {
            // In the one order that it has once it is read.
            Ok(orders) => format!("{:?}", orders.parse("").unwrap()),
            Err(_) => history.to_string(),
        };
        (entity[shape.id].as_str().unwrap().parse().unwrap(), history)
    };
    rows.iter().map(of).collect()
}

proptest! {
    /// The order of lines decides in which order rows come, and nothing else.
    #[test]
    fn shuffled_lines_make_the_same_histories((lines, shuffled) in lines().prop_flat_map(|lines| {
        (Just(lines.clone()), Just(lines).prop_shuffle())
    })) {
        for shape in [&SHAPE, &products::SHAPE] {
            let in_order = |lines: &[(u8, u8, i64)]| {
                let mut firsts = Vec::new();
                for (id, ..) in lines {
                    if !firsts.contains(id) {
                        firsts.push(*id);
                    }
                }
                let mut found = histories(shape, lines);
                assert_eq!(found.iter().map(|(id, _)| *id).collect::<Vec<_>>(), firsts);
                found.sort();
                found
            };
            prop_assert_eq!(in_order(&lines), in_order(&shuffled));
        }
    }
}
