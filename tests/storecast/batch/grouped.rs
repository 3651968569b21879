//! Files of order lines: scored as the customers or products whose lines they are would be, asked about with their histories.

mod loaded;

use super::continued::{UNDISTURBED, World, deliver_all, expected};
use super::samples::{Line, export, lines_of};
use super::*;
use churn::Churn;
use inventory::Inventory;
use proptest::prelude::*;
use recommendations::Recommendations;
use serde_json::{Value, json};
use serving::wire::LinesOf;
use std::collections::BTreeSet;

/// Whose lines they are, in the order of first lines, each as a row that brings its history.
fn inline(of: LinesOf, lines: &[Line]) -> String {
    let mut entities: Vec<(&str, Vec<&Line>)> = Vec::new();
    for line in lines {
        match entities.iter_mut().find(|(id, _)| *id == line.0) {
            Some((_, own)) => own.push(line),
            None => entities.push((&line.0, vec![line])),
        }
    }
    let row = |(id, own): (&str, Vec<&Line>)| match of {
        LinesOf::Customers => {
            json!({ "customer_id": id, "history": { "orders": orders(&own) } })
        }
        LinesOf::Products => json!({ "sku_id": id, "history": { "days": days(&own) } }),
    };
    let rows = entities.into_iter().map(row);
    rows.map(|row| row.to_string() + "\n").collect()
}

fn orders(lines: &[&Line]) -> Vec<Value> {
    let mut orders: Vec<Value> = Vec::new();
    for (_, order_id, placed_at, product_id, net_minor) in lines {
        let line = json!({ "product_id": product_id, "net_minor": net_minor });
        let mut known = orders.iter_mut();
        match known.find(|order| order["order_id"] == order_id.as_str()) {
            Some(order) => order["lines"].as_array_mut().expect("a list").push(line),
            None => orders
                .push(json!({ "order_id": order_id, "placed_at": placed_at, "lines": [line] })),
        }
    }
    orders
}

/// Each line a day of its own, of which a request may have several of one date.
fn days(lines: &[&Line]) -> Vec<Value> {
    let day = |(.., placed_at, _, net_minor): &&Line| json!({ "date": placed_at[..10], "units": 1, "net_minor": net_minor });
    lines.iter().map(day).collect()
}

/// Answers in the order of rows, without their numbers: of an export, these are the numbers of first lines.
fn answers(scored: &str) -> Vec<&str> {
    scored
        .lines()
        .map(|line| line.split_once(',').expect("a number").1)
        .collect()
}

fn lines() -> impl Strategy<Value = Vec<Line>> {
    let line = (0u8..6, 0u32..8, 0usize..4, 0i64..9_000);
    prop::collection::vec(line, 1..60).prop_map(|lines| {
        let line = |(customer, order, product, net): (u8, u32, usize, i64)| {
            let placed_at = format!("2017-{:02}-11T10:00:00+01:00", order + 5);
            let product = ["1082185", "", "995242", "1029743"][product];
            (
                format!("c{customer}"),
                format!("o{order}"),
                placed_at,
                product.to_owned(),
                net,
            )
        };
        lines.into_iter().map(line).collect()
    })
}

async fn check<P: Predictor>(rig: &Rig<P>, lines: &[Line]) {
    let key = |name: &str| format!("uploads/{}/{name}", P::NAME);
    let (whole, of) = (key("inline.jsonl"), lines_of::<P>());
    let outcome = rig.scored(&whole, inline(of, lines)).await;
    let Outcome::Scored(counts) = outcome else {
        panic!("{outcome:?}")
    };
    let (scored, rejects, report) = rig.outputs(&whole);
    assert_eq!(
        (counts.rejected, &report["order_lines"]),
        (0, &Value::Null),
        "{rejects}"
    );
    for ending in ["jsonl", "jsonl.gz"] {
        let key = key(&format!("orders.{ending}"));
        assert_eq!(
            rig.scored(&key, export(of, ending, lines)).await,
            Outcome::Scored(counts)
        );
        let Key::Upload(name) = Key::read(&key, P::NAME) else {
            panic!("{key}")
        };
        let mut found = rig
            .files
            .file(&place(&name.scored()))
            .expect("answers")
            .to_vec();
        if ending == "jsonl.gz" {
            let mut reader = flate2::read::MultiGzDecoder::new(&found[..]);
            let mut text = Vec::new();
            std::io::Read::read_to_end(&mut reader, &mut text).expect("memory");
            found = text;
        }
        let found = String::from_utf8(found).expect("UTF-8");
        assert!(answers(&found) == answers(&scored), "{ending}");
        let report: Value = serde_json::from_str(&rig.text(&name.report())).expect("JSON");
        assert_eq!(report["order_lines"], lines.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn an_export_is_answered_as_whose_lines_it_holds_with_their_histories(lines in lines()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            check(&Rig::<Churn>::new().await, &lines).await;
            check(&Rig::<Recommendations>::new().await, &lines).await;
            check(&Rig::<Inventory>::new().await, &lines).await;
        });
    }
}

#[test]
fn left_behind_any_chunk_an_export_comes_out_as_in_one_run() {
    left_behind_any_chunk::<Churn>(&["orders.csv", "orders.jsonl.zst"]);
    left_behind_any_chunk::<Inventory>(&["orders.parquet"]);
}

fn left_behind_any_chunk<P: Predictor>(endings: &[&str]) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let rows = 60;
    for ending in endings {
        let wanted = expected::<P>(&runtime, ending, rows);
        let mut boundaries = BTreeSet::new();
        for lasts_ms in (5_000..).step_by(20) {
            let mut world = runtime.block_on(World::<P>::new(ending, rows));
            let short = continued::Invocation {
                lasts_ms,
                call_ms: 20,
                ..UNDISTURBED
            };
            let first = world.deliver(&short, 0).expect("nothing is killed");
            deliver_all(&mut world, &[UNDISTURBED]);
            assert!(world.outputs().0 == wanted, "{ending}, {lasts_ms} ms");
            match first {
                Ok(Outcome::Continued(counts)) => boundaries.insert(counts.rows),
                Ok(Outcome::Scored(_)) => break,
                Ok(other) => panic!("{other:?}"),
                Err(_) => continue,
            };
        }
        let chunks: Vec<u64> = (8..rows as u64).step_by(8).collect();
        assert_eq!(
            boundaries.into_iter().collect::<Vec<_>>(),
            chunks,
            "{ending}"
        );
    }
}

#[tokio::test]
async fn a_wrong_line_and_too_many_orders_cost_their_customers() {
    let rig = Rig::<Churn>::new().await;
    let key = "uploads/churn/orders.csv";
    let line = |order| format!("many,o{order},2017-05-01T10:00:00Z,100\n");
    let many = (0..=20_000).map(line).collect::<Vec<_>>().concat();
    let mut file = format!("customer_id,order_id,placed_at,net_minor\n{many}");
    file.push_str("wrong,o1,2017-05-01T10:00:00Z,100\ngood,o1,2017-05-01T10:00:00Z,100\n");
    file.push_str("wrong,o2,2017-05-01T10:00:00Z,=1+1\n,o3,2017-05-01T10:00:00Z,1\n");
    assert_eq!(rig.scored(key, file).await, Outcome::Scored(counts(1, 3)));
    let (scored, rejects, report) = rig.outputs(key);
    assert!(
        scored
            .lines()
            .nth(1)
            .expect("an answer")
            .starts_with("20004,good,"),
        "{scored}"
    );
    let mut told = rejects.lines().skip(1);
    let many = told.next().expect("a reject");
    assert!(many.starts_with("2,history,"), "{many}");
    assert!(
        many.ends_with("\"invalid value: 20001 orders, at most 20000 allowed\""),
        "{many}"
    );
    let wrong = r#"20003,net_minor,'=1+1,"unexpected shape: row 20005: invalid type: string ""=1+1"", expected i64""#;
    assert_eq!(told.next(), Some(wrong));
    let nobody = "20006,customer_id,,no customer: the line names nobody";
    assert_eq!(told.collect::<Vec<_>>(), [nobody]);
    let reasons = json!({ "invalid value": 1, "no customer": 1, "unexpected shape": 1 });
    assert_eq!(report["rejected_by_reason"], reasons);
    assert_eq!(report["order_lines"], 20_004);
}

#[tokio::test]
async fn a_wrong_line_and_too_many_days_cost_their_skus() {
    let rig = Rig::<Inventory>::new().await;
    let key = "uploads/inventory/orders.csv";
    let day = |day| {
        let date = serving::calendar::format_date(features::time::LocalDay(day));
        format!("many,o{day},{date}T10:00:00Z,100,\n")
    };
    let many = (0..=10_958).map(day).collect::<Vec<_>>().concat();
    let mut file = format!("product_id,order_id,placed_at,net_minor,on_hand\n{many}");
    file.push_str("wrong,o1,2017-05-01T10:00:00Z,100,\ngood,o1,2017-05-01T10:00:00Z,100,4\n");
    file.push_str("wrong,o2,2017-05-01T10:00:00Z,=1+1,\n,o3,2017-05-01T10:00:00Z,1,\n");
    file.push_str("other,o4,2017-05-01T10:00:00Z,100,4.5\nreturned,o5,2017-05-01T10:00:00Z,-5,\n");
    assert_eq!(rig.scored(key, file).await, Outcome::Scored(counts(1, 5)));
    let (scored, rejects, report) = rig.outputs(key);
    let good = scored.lines().nth(1).expect("an answer");
    assert!(good.starts_with("10962,good,,planned,"), "{scored}");
    let mut told = rejects.lines().skip(1);
    let many = told.next().expect("a reject");
    assert!(many.starts_with("2,history,"), "{many}");
    let days = "\"invalid value: 10959 entries, at most 10958 allowed\"";
    assert!(many.ends_with(days), "{many}");
    let wrong = r#"10961,net_minor,'=1+1,"unexpected shape: row 10963: invalid type: string ""=1+1"", expected i64""#;
    assert_eq!(told.next(), Some(wrong));
    let nothing = "10964,product_id,,no product: the line names no product";
    assert_eq!(told.next(), Some(nothing));
    let half =
        r#"10965,on_hand,4.5,"unexpected shape: invalid type: floating point `4.5`, expected i64""#;
    assert_eq!(told.next(), Some(half));
    let negative = "10966,net_minor,'-5,invalid value: row 10966: -5 is negative for a purchase; a return has negative quantity";
    assert_eq!(told.collect::<Vec<_>>(), [negative]);
    assert_eq!(report["order_lines"], 10_964);
}

#[tokio::test]
async fn a_product_that_only_came_back_is_answered_without_a_history() {
    let rig = Rig::<Inventory>::new().await;
    let key = "uploads/inventory/returns.jsonl";
    let line = json!({ "product_id": "back", "order_id": "o", "placed_at": "2017-12-01T10:00:00Z", "quantity": -1,
        "net_minor": -100, "on_hand": 3, "as_of": "2018-01-01" });
    let outcome = rig.scored(key, line.to_string()).await;
    assert_eq!(outcome, Outcome::Scored(counts(1, 0)));
    let answer: Value = serde_json::from_str(&rig.outputs(key).0).expect("JSON");
    assert_eq!(answer["forecast"]["forecaster"], "shop_prior", "{answer}");
    assert_eq!(answer["assumptions"]["on_hand"], 3);
}

#[tokio::test]
async fn more_lines_than_are_grouped_are_quarantined() {
    let mut rig = Rig::<Churn>::new().await;
    rig.limits.grouped_lines = 100;
    let file = export(LinesOf::Customers, "csv", &samples::lines(60));
    let outcome = rig.scored("uploads/churn/large.csv", file).await;
    let Outcome::Quarantined(fault) = outcome else {
        panic!("{outcome:?}")
    };
    let expected = "too many order lines: row 102: more than 100 order lines";
    assert!(fault.to_string().starts_with(expected), "{fault}");
}
