//! What the report of a file says of its rows beside those of training.

use super::*;
use churn::Churn;
use serde_json::Value;

async fn report(rows: usize) -> Value {
    let rig = Rig::<Churn>::new().await;
    let ids: String = (0..rows)
        .map(|row| [shop::STEADY, "nobody", "\n"][row % 3].to_owned() + "\n")
        .collect();
    let arrival = rig
        .upload("uploads/churn/all.csv", format!("customer_id\n{ids}"))
        .await;
    rig.score(&arrival).await.expect("nothing fails");
    let report = rig.files.file(&place("scored/churn/all.csv.report.json"));
    serde_json::from_slice(&report.expect("a report")).expect("JSON")
}

#[tokio::test]
async fn only_rows_that_were_scored_by_the_model_count_and_only_enough_of_them() {
    let few = report(1_497).await;
    assert_eq!(few["drift"], Value::Null);
    let drift = report(1_500).await["drift"].take();
    assert_eq!(drift["rows"], 500);
    // One customer over and over is like no shop: each column has all rows in one bin.
    let columns = drift["columns"].as_object().expect("columns");
    assert_eq!(columns.len(), 36);
    let far = columns.values().filter(|index| index.as_f64() > Some(1.0));
    assert!(
        far.count() > 25 && drift["raw_score"].as_f64() > Some(1.0),
        "{drift}"
    );
}
