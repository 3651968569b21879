//! Lines grouped by product: what was sold of it, day by day.

use super::*;

static LINES: LineShape = LineShape::of_products(
    &[
        Field::text("location"),
        Field::text("as_of"),
        Field::json("on_hand"),
        Field::json("target"),
    ],
    "location",
);
pub(super) static SHAPE: RowShape = RowShape {
    list: Some("skus"),
    id: "sku_id",
    fields: &[
        Field::text("sku_id"),
        Field::text("location"),
        Field::json("history"),
        Field::json("on_hand"),
        Field::json("target"),
    ],
    around: &[Field::text("as_of")],
    order_lines: Some(&LINES),
    ..LINES.line
};

fn day(date: &str, units: f64, net_minor: i64, discount_minor: i64) -> Value {
    json!({ "date": date, "units": units, "net_minor": net_minor, "discount_minor": discount_minor })
}

#[test]
fn a_day_is_the_date_as_written_and_what_came_back_is_no_demand() {
    let header =
        "order_id,customer_id,product_id,category,placed_at,quantity,net_minor,discount_minor\n";
    let rows = csv(
        &SHAPE,
        header,
        "o3,c1,\"p,1\",tea,2017-05-02T00:30:00+02:00,2,500,40\n\
         o1,,p2,,2017-05-01T10:00:00Z,,100,\n\
         o1,c2,\"p,1\",coffee,2017-05-02T23:59:59-09:00,0.25,60,0\n\
         o4,c1,\"p,1\",ale,2017-05-02T10:00:00Z,-1,-250,\n\
         o2,c1,\"p,1\",,2017-04-30T23:30:00Z,1,250,\n\
         o5,c3,p3,soap,2017-05-03T10:00:00Z,-2,-80,\n\
         o5,c3,p3,soap,2017-05-03T10:00:00Z,0.0004,80,\n",
    );
    let of_first = json!({ "category": "coffee", "days": [
        day("2017-04-30", 1.0, 250, 0),
        day("2017-05-02", 2.25, 560, 40),
    ] });
    let histories = [
        ("p,1", of_first),
        ("p2", json!({ "days": [day("2017-05-01", 1.0, 100, 0)] })),
        ("p3", json!({ "days": [] })),
    ];
    let expected: Vec<_> = histories
        .map(|(sku, history)| json!({ "skus": [{ "sku_id": sku, "history": history }] }))
        .to_vec();
    assert_eq!(rows.iter().map(request_of).collect::<Vec<_>>(), expected);
    let numbers: Vec<_> = rows.iter().map(|row| (row.number, row.end)).collect();
    assert_eq!(numbers, [(2, 1), (3, 2), (7, 3)]);
}

#[test]
fn lines_of_a_location_are_a_row_with_what_is_known_of_it() {
    let header = "product_id,location,order_id,placed_at,net_minor,category,on_hand,target,as_of\n";
    let file = [
        header,
        "p,north,o1,2017-05-01T10:00:00Z,100,tea,5,\"{\"\"fill_rate\"\":0.9}\",2018-01-01\n\
         p,,o2,2017-05-01T10:00:00Z,200,,,,\n\
         p,north,o3,2017-05-02T10:00:00Z,300,,5,\"{ \"\"fill_rate\"\" : 0.9 }\",2018-01-01\n\
         p,\"a\nb\",o4,2017-05-02T10:00:00Z,400,coffee,,costs,2018-01-01\n",
    ]
    .concat();
    let all = |skip| {
        let limits = Limits::default();
        grouped(Text::Csv, &SHAPE, &limits, file.as_bytes(), skip).unwrap()
    };
    // A product has one category, wherever it is sold.
    let history = |days: Vec<Value>| json!({ "category": "coffee", "days": days });
    let (may_1, may_2) = (
        |net| day("2017-05-01", 1.0, net, 0),
        |net| day("2017-05-02", 1.0, net, 0),
    );
    let expected = [
        json!({ "skus": [{ "sku_id": "p", "location": "north", "on_hand": 5, "target": { "fill_rate": 0.9 },
            "history": history(vec![may_1(100), may_2(300)]) }], "as_of": "2018-01-01" }),
        json!({ "skus": [{ "sku_id": "p", "history": history(vec![may_1(200)]) }] }),
        json!({ "skus": [{ "sku_id": "p", "location": "a\nb", "target": "costs",
            "history": history(vec![may_2(400)]) }], "as_of": "2018-01-01" }),
    ];
    let (rows, order_lines) = all(0);
    assert_eq!(
        (rows.iter().map(request_of).collect::<Vec<_>>(), order_lines),
        (expected.to_vec(), 4)
    );
    assert_eq!(all(1).0, rows[1..]);
}

#[test]
fn a_wrong_line_or_one_that_disagrees_rejects_its_sku_and_no_other() {
    let header = "product_id,location,order_id,placed_at,net_minor,on_hand,target\n";
    let rows = csv(
        &SHAPE,
        header,
        "p,north,o1,2017-05-01T10:00:00Z,1,5,costs\n\
         p,south,o1,2017-05-01T10:00:00Z,1,5,costs\n\
         q,,o1,2017-05-01T10:00:00Z,1,,\n\
         p,north,o2,2017-05-01T10:00:00Z,1,6,costs\n\
         ,north,o2,2017-05-01T10:00:00Z,1,6,costs\n\
         q,,o3,2017-05-01T10:00:00Z,1,,\"{\"\"fill_rate\"\":0.9}\"\n\
         r,south,o4,2017-05-01,1,,\n\
         s,,o4,2017-05-01T10:00:00Z,-1,,\n\
         p,south,o4,2017-05-01T11:00:00Z,1,5,costs\n",
    );
    let rejects: Vec<_> = rows
        .iter()
        .filter(|row| row.body.is_err())
        .map(told)
        .collect();
    let instant = "row 8: \"2017-05-01\" is not an RFC 3339 instant with an offset, such as 2026-01-31T12:00:00Z";
    let negative = "row 9: -1 is negative for a purchase; a return has negative quantity";
    let expected = [
        (2, "on_hand", "6", "row 5: not as in row 2"),
        (4, "target", "{\"fill_rate\":0.9}", "row 7: not as in row 4"),
        (6, "product_id", "", "the line names no product"),
        (8, "placed_at", "2017-05-01", instant),
        (9, "net_minor", "-1", negative),
    ];
    assert_eq!(rejects, expected);
    assert_eq!(rows[4 - 1].body.as_ref().unwrap_err().kind, "no product");
    let answered: Vec<_> = rows.iter().filter(|row| row.body.is_ok()).collect();
    assert_eq!(answered.len(), 1);
    assert_eq!(request_of(answered[0])["skus"][0]["location"], "south");
}

#[test]
fn lines_of_json_may_name_any_customer_and_nothing_twice() {
    let line = |more: &str| {
        format!(
            "{{\"order_id\":\"o\",\"placed_at\":\"2017-05-01T10:00:00Z\",\"net_minor\":1,{more}}}\n"
        )
    };
    let lines = [
        r#""product_id":"a","customer_id":7"#,
        r#""product_id":"a","customer_id":null,"on_hand":null"#,
        r#""product_id":"b","on_hand":3,"on_hand":3"#,
        r#""product_id":"c","colour":"red""#,
        r#""product_id":7"#,
        r#""product_id":"7""#,
        r#""product_id":"d","location":"x","quantity":1e999"#,
        r#""product_id":"d","location":"x""#,
        r#""product_id":"d","location":"y""#,
    ];
    let file: String = lines.map(line).concat();
    let limits = Limits::default();
    let (rows, order_lines) =
        grouped(Text::JsonLines, &SHAPE, &limits, file.as_bytes(), 0).unwrap();
    assert_eq!((rows.len(), order_lines), (6, 9));
    let days = &request_of(&rows[0])["skus"][0]["history"]["days"];
    assert_eq!(*days, json!([day("2017-05-01", 2.0, 2, 0)]));
    let rejects: Vec<_> = rows[1..5].iter().map(told).collect();
    let twice = (rejects[0].0, rejects[0].1, rejects[0].3);
    assert_eq!(twice, (3, "", "row 3: duplicate field `on_hand`"));
    let allowed = LINES.line.allowed();
    let colour = format!("row 4: \"colour\" is no column, allowed: {allowed}");
    assert_eq!(rejects[1], (4, "colour", "red", &colour[..]));
    assert_eq!(
        (rejects[2].0, rejects[2].1, rejects[2].2),
        (5, "product_id", "7")
    );
    assert_eq!((rejects[3].0, rejects[3].1), (7, "quantity"));
    assert_eq!(request_of(&rows[5])["skus"][0]["location"], "y");
}
