//! The whole base in chunks: scored as an upload of its ids would be, without the table, once, by one model, and proved.

mod drifted;
mod killed;
mod written_again;

use super::tables;
use super::*;
use churn::Churn;
use features::time::Timestamp;
use inventory::Inventory;
use offline::whole::{ChunkSize, publish, write_chunks};
use recommendations::Recommendations;
use serde_json::Value;
use serving::batch::run::RunReport;
use serving::batch::whole::{Chunk, HISTORY, Run};
use serving::manifest::sha256_hex;

const CUSTOMERS: [&str; 10] = [
    shop::STEADY,
    shop::FADING,
    "7",
    "16",
    "18",
    "31",
    shop::LAPSED,
    shop::RETURNS_ONLY,
    shop::ODD_ID,
    shop::PRIVATE_ID,
];
const SKUS: [&str; 3] = [shop::FAST, shop::SLOW, shop::NEW];
const CHUNK_ROWS: usize = 3;

fn ids<P: Predictor>() -> Vec<&'static str> {
    let is_customer = P::rows().expect("a shape").kind == churn::CUSTOMER;
    if is_customer { &CUSTOMERS[..] } else { &SKUS }.to_vec()
}

/// Writes the small shop's histories of a function's kind as chunks of so many rows.
async fn chunked<P: Predictor>(files: &MemoryFiles, rows: usize) {
    let (store, shape) = (filled().await, P::rows().expect("a shape"));
    let ids = ids::<P>();
    let found = store.get_histories(shape.kind, &ids).await.expect("memory");
    let known = found.complete_through.expect("a stamp");
    let owned = ids.iter().map(|id| (*id).to_owned());
    let records = owned
        .zip(found.records)
        .map(|(id, record)| (id, record.expect("a record")));
    write::<P>(files, (known, records.collect()), rows).await;
}

/// Writes and publishes records of a function's kind, known up to an instant, as chunks of so many rows.
async fn write<P: Predictor>(
    files: &MemoryFiles,
    (known, records): (Timestamp, Vec<(String, Bytes)>),
    rows: usize,
) {
    let shape = P::rows().expect("a shape");
    let size = ChunkSize {
        rows: rows as u64,
        bytes: 1 << 30,
    };
    let source = (known, Box::new(records.into_iter().map(Ok)) as _);
    let written = write_chunks(files, BUCKET, P::NAME, shape, source, size, &|_| {});
    let base = written.await.expect("memory");
    publish(files, BUCKET, P::NAME, &base)
        .await
        .expect("memory");
}

/// A function whose table has nothing of the kind that its chunks bring.
pub(super) struct Base<P: Predictor> {
    pub(super) rig: Rig<P>,
}

impl<P: Predictor> Base<P> {
    pub(super) async fn new() -> Self {
        let mut rig = Rig::<P>::new().await;
        let kind = P::rows().expect("a shape").kind;
        let mut stores = [filled().await, filled().await];
        for store in &mut stores {
            store
                .retain_histories(kind, &|_| false)
                .await
                .expect("memory");
        }
        let mut stores = stores.into_iter();
        rig.releases = Releases::new(|| stores.next().expect("two versions")).await;
        chunked::<P>(&rig.files, CHUNK_ROWS).await;
        Self { rig }
    }

    pub(super) fn batch<'a>(
        &'a self,
        clock: &'a SetClock,
    ) -> Batch<'a, MemoryFiles, MemoryFiles, Releases<P, MemoryStore>, SetClock> {
        Batch {
            files: &self.rig.files,
            claims: &self.rig.files,
            services: &self.rig.releases,
            clock,
            owner: "child",
            limits: self.rig.limits,
        }
    }

    pub(super) fn clock(&self) -> SetClock {
        SetClock::starting(&self.rig.now_ms)
    }

    pub(super) async fn begin(&self, as_of: Option<Timestamp>) -> Run {
        let clock = self.clock();
        let begun = self.batch(&clock).begin_whole(BUCKET, as_of).await;
        begun.expect("a run")
    }

    pub(super) fn chunks(&self, run: &Run) -> Vec<Chunk> {
        serde_json::from_str(&self.rig.text(&run.base.chunks)).expect("a list")
    }

    async fn score(&self, run: &Run, chunk: &Chunk) -> Result<Outcome, Error> {
        let clock = self.clock();
        let scored = self.batch(&clock).score_chunk(run, chunk).await;
        scored.map(|(outcome, _)| outcome)
    }

    async fn score_all(&self, run: &Run) {
        for chunk in self.chunks(run) {
            let outcome = self.score(run, &chunk).await.expect("nothing fails");
            let Outcome::Scored(found) = outcome else {
                panic!("{outcome:?}")
            };
            assert_eq!(found, counts(chunk.rows, 0));
        }
    }

    async fn reconcile(&self, run: &Run) -> RunReport {
        let clock = self.clock();
        let reconciled = self.batch(&clock).reconcile_whole(run).await;
        let report = reconciled.expect("the bucket answers");
        let written = self.rig.text(&Run::report_key(P::NAME, &run.name));
        let written: RunReport = serde_json::from_str(&written).expect("a report");
        // Read as well: numbers may change in their last digit.
        let told = serde_json::to_string(&report).expect("JSON");
        assert_eq!(written, serde_json::from_str(&told).expect("a report"));
        report
    }

    fn bytes(&self, key: &str) -> Bytes {
        let file = self.rig.files.file(&place(key));
        file.unwrap_or_else(|| panic!("{key} is not there"))
    }
}

/// The ids of a chunk as somebody would upload them.
fn upload_of<P: Predictor>(ids: &[&str]) -> Vec<u8> {
    let shape = P::rows().expect("a shape");
    let mut columns = vec![tables::texts(shape.id, ids.iter().map(|id| Some(*id)))];
    for (name, value) in shape.whole {
        columns.push(tables::texts(name, ids.iter().map(|_| Some(*value))));
    }
    tables::written(columns, &tables::Layout::default())
}

async fn a_chunk_is_scored_as_the_upload_of_its_ids<P: Predictor>() {
    let base = Base::<P>::new().await;
    let uploads = Rig::<P>::new().await;
    let run = base.begin(None).await;
    base.score_all(&run).await;
    for (index, ids) in ids::<P>().chunks(CHUNK_ROWS).enumerate() {
        let key = format!("uploads/{}/{index}.parquet", P::NAME);
        uploads.scored(&key, upload_of::<P>(ids)).await;
        for ending in ["", ".rejects.csv"] {
            let name = format!("{index:05}.parquet{ending}");
            let found = base.bytes(&format!("scored/{}/whole/{}/{name}", P::NAME, run.name));
            let expected = place(&format!("scored/{}/{index}.parquet{ending}", P::NAME));
            assert!(
                found == uploads.files.file(&expected).expect("an output"),
                "{name}"
            );
        }
    }
    let report = base.reconcile(&run).await;
    assert!(report.is_balanced(), "{report:?}");
    assert_eq!(report.counts, counts(ids::<P>().len() as u64, 0));
    // Written again, the base is the same one, and its run is done.
    chunked::<P>(&base.rig.files, CHUNK_ROWS).await;
    assert_eq!(base.begin(None).await, run);
    for chunk in base.chunks(&run) {
        let outcome = base.score(&run, &chunk).await.expect("known");
        assert!(matches!(outcome, Outcome::Duplicate(_)), "{outcome:?}");
    }
}

#[tokio::test]
async fn chunks_of_customers_are_scored_as_the_upload_of_their_ids() {
    a_chunk_is_scored_as_the_upload_of_its_ids::<Churn>().await;
    a_chunk_is_scored_as_the_upload_of_its_ids::<Recommendations>().await;
}

#[tokio::test]
async fn chunks_of_skus_are_scored_as_the_upload_of_their_ids() {
    a_chunk_is_scored_as_the_upload_of_its_ids::<Inventory>().await;
}

#[tokio::test]
async fn a_promote_in_the_middle_changes_no_row_of_the_run() {
    let mut base = Base::<Churn>::new().await;
    base.rig.releases.last = Some(last::kept());
    let run = base.begin(Some(NOW)).await;
    let chunks = base.chunks(&run);
    assert!(chunks.len() > 2);
    base.score(&run, &chunks[0]).await.expect("scored");
    base.rig.releases.served.store(1, Ordering::Relaxed);
    // Begun again, by a schedule that fires twice or by a person, it is the same run.
    assert_eq!(base.begin(Some(NOW)).await, run);
    for chunk in &chunks[1..] {
        base.score(&run, chunk).await.expect("scored");
    }
    let report = base.reconcile(&run).await;
    assert!(report.is_balanced(), "{report:?}");
    assert_eq!(report.model_version, "first");
    let written = report.predictions.map(|counts| counts.written);
    assert_eq!(written, Some(CUSTOMERS.len() as u64), "one each");
    // Another instant is another run, and keeps apart from this one.
    let next = base.begin(Some(Timestamp(NOW.0 + 60))).await;
    assert_eq!(
        (next.pins.model.version.as_str(), next.name == run.name),
        ("second", false)
    );
    base.score_all(&next).await;
    assert!(base.reconcile(&next).await.is_balanced());
    assert!(base.reconcile(&run).await.is_balanced());
    let last = base.rig.last(shop::STEADY).await.expect("kept");
    assert_eq!(last.model_version, "second", "of the later run");
    // What it was begun with cannot be loaded any more: nothing else is taken in its place.
    base.rig
        .releases
        .forgotten
        .lock()
        .unwrap()
        .push("first".to_owned());
    let left = base.begin(Some(Timestamp(NOW.0 + 120))).await;
    let gone = Run {
        pins: run.pins.clone(),
        ..left
    };
    let refused = base
        .score(&gone, &chunks[0])
        .await
        .expect_err("no such model");
    assert!(matches!(refused, Error::Internal { .. }), "{refused}");
}

/// What a reconciliation says of a run of which one file was changed.
async fn after_change(key_ending: &str, change: impl Fn(&mut Value)) -> RunReport {
    let base = Base::<Churn>::new().await;
    let run = base.begin(None).await;
    base.score_all(&run).await;
    let key = format!("scored/churn/whole/{}/{key_ending}", run.name);
    let key = if key_ending == "list" {
        run.base.chunks.clone()
    } else {
        key
    };
    let mut content: Value = serde_json::from_slice(&base.bytes(&key)).unwrap_or_default();
    change(&mut content);
    if content.is_null() {
        assert!(base.rig.files.remove(&place(&key)));
    } else {
        let (place, text) = (place(&key), content.to_string());
        let put = base.rig.files.put_file(&place, text.into());
        put.await.expect("memory");
    }
    base.reconcile(&run).await
}

#[tokio::test]
async fn what_does_not_balance_is_named() {
    const REPORT: &str = "00001.parquet.report.json";
    type Change = fn(&mut Value);
    let changes: [(&str, Change, &str); 9] = [
        (REPORT, |c| *c = Value::Null, "there is no report"),
        (
            "00001.parquet.rejects.csv",
            |c| *c = Value::Null,
            "answers or rejects are missing",
        ),
        (
            "00001.parquet",
            |c| *c = Value::Null,
            "answers or rejects are missing",
        ),
        (
            REPORT,
            |c| c["rows"] = 2.into(),
            "2 rows, 3 scored, 0 rejected; the chunk has 3",
        ),
        (
            REPORT,
            |c| c["rejected"] = 1.into(),
            "3 rows, 3 scored, 1 rejected; the chunk has 3",
        ),
        (
            REPORT,
            |c| c["model_version"] = "second".into(),
            "scored with second, the run with first",
        ),
        (
            REPORT,
            |c| c["input"]["sha256"] = "e".into(),
            "the report is of another content",
        ),
        (
            REPORT,
            |c| c["outcome"] = "quarantined".into(),
            "it is quarantined",
        ),
        (
            "list",
            |c| c.as_array_mut().unwrap().truncate(1),
            "the list has 1 chunks of 3 rows, the run has 4 of 10",
        ),
    ];
    for (key, change, fault) in changes {
        let report = after_change(key, change).await;
        assert!(!report.is_balanced());
        let [found] = &report.faults[..] else {
            panic!("{:?}", report.faults)
        };
        assert!(found.contains(fault), "{found}, expected {fault}");
    }
    let untouched = after_change(REPORT, |c| c["more"] = true.into()).await;
    assert!(untouched.is_balanced(), "{:?}", untouched.faults);
}

#[tokio::test]
async fn a_chunk_that_changed_or_is_gone_or_damaged_is_no_chunk_of_the_run() {
    let base = Base::<Churn>::new().await;
    let run = base.begin(None).await;
    let chunks = base.chunks(&run);
    base.score(&run, &chunks[0]).await.expect("scored");
    for chunk in &chunks[..2] {
        assert!(base.rig.files.remove(&place(&chunk.key)));
    }
    let done = base.score(&run, &chunks[0]).await.expect("known");
    assert!(matches!(done, Outcome::Duplicate(_)), "{done:?}");
    assert_eq!(
        base.score(&run, &chunks[1]).await.expect("known"),
        Outcome::Gone
    );
    base.rig.upload(&chunks[1].key, "another content").await;
    assert_eq!(
        base.score(&run, &chunks[1]).await.expect("known"),
        Outcome::Superseded
    );
    // A table without histories, such as an upload, is none.
    let table = upload_of::<Churn>(&["1"]);
    let chunk = Chunk {
        sha256: sha256_hex(&table),
        ..chunks[2].clone()
    };
    base.rig.upload(&chunk.key, table).await;
    let Outcome::Quarantined(fault) = base.score(&run, &chunk).await.expect("known") else {
        panic!("it was scored")
    };
    assert!(fault.detail.contains(HISTORY), "{fault}");
    let faults = base.reconcile(&run).await.faults;
    assert_eq!(faults.len(), 3, "{faults:?}");
}
