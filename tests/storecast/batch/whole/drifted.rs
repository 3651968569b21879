//! How far the rows of a whole base are from those of training.

use super::*;
use serving::drift::Drift;

const ROWS: usize = 600;

/// Scores a base of one customer over and over in chunks of so many rows: the first chunk's report, and that of the run.
async fn scored_in_chunks_of(rows: usize) -> (Value, RunReport) {
    let base = Base::<Churn>::new().await;
    let found = filled()
        .await
        .get_histories(churn::CUSTOMER, &[shop::STEADY])
        .await;
    let found = found.expect("memory");
    let record = found.records[0].clone().expect("a record");
    let records = (0..ROWS).map(|row| (format!("c{row}"), record.clone()));
    let known = found.complete_through.expect("a stamp");
    write::<Churn>(&base.rig.files, (known, records.collect()), rows).await;
    let run = base.begin(None).await;
    let clock = base.clock();
    let batch = base.batch(&clock);
    for chunk in base.chunks(&run) {
        let (_, observed) = batch.score_chunk(&run, &chunk).await.expect("scored");
        assert_eq!(observed.drifts, [], "a part of the base tells nothing");
    }
    let report = batch.reconcile_whole(&run).await.expect("reconciled");
    assert!(report.is_balanced(), "{report:?}");
    let first = format!("scored/churn/whole/{}/00000.parquet.report.json", run.name);
    let first = serde_json::from_str(&base.rig.text(&first)).expect("a report");
    (first, report)
}

#[tokio::test]
async fn chunks_too_small_to_tell_of_drift_tell_of_it_together() {
    let (part, in_parts) = scored_in_chunks_of(200).await;
    assert_eq!(part["drift"], Value::Null);
    let (whole, at_once) = scored_in_chunks_of(ROWS).await;
    let drift = in_parts.drift.expect("enough rows");
    assert_eq!((drift.rows, drift.columns.len()), (ROWS as u64, 36));
    assert!(drift.raw_score > 1.0 && drift.drifted() > 25, "{drift:?}");
    assert_eq!(Some(&drift), at_once.drift.as_ref());
    let told: Drift = serde_json::from_value(whole["drift"].clone()).expect("a drift");
    assert!((told.raw_score - drift.raw_score).abs() < 1e-9);
}
