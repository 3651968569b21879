//! A customer goes from everything, and does not come back.

use super::shop::MadeUp;
use super::*;
use crate::batch::storm::Random;
use offline::orders::{Looked, Proof, forgotten};
use std::collections::BTreeMap;
use std::fmt::Write as _;

impl Rig {
    async fn put_at(&self, key: &str, text: &str) {
        let (place, bytes) = (place(key), Bytes::copy_from_slice(text.as_bytes()));
        let put = self.files.inner.put_file(&place, bytes);
        put.await.expect("memory");
    }

    async fn forget(&self, customer_id: &str) -> Proof {
        let merge = Merge {
            shop: &self.shop,
            bucket: BUCKET,
            files: &self.files,
            store: &self.store,
            clock: &SetClock::starting(&self.now_ms),
            owner: "forget",
            work: &self.work.path().join("0"),
        };
        merge.forget(customer_id).await.expect("no fault")
    }
}

/// What functions were asked about two customers, and answered; most of it a row for each.
async fn put_answers(rig: &Rig, who: &str) {
    let files = [
        ("uploads/churn/a.csv", format!("customer_id\nK1\n{who}\n")),
        (
            "scored/churn/a.csv",
            format!("row,customer_id,state\n2,K1,scored\n3,{who},scored\n"),
        ),
        (
            "scored/churn/a.csv.report.json",
            "{\"rows\": 2, \"key\": \"uploads/churn/a.csv\"}\n".to_owned(),
        ),
        (
            "uploads/churn/b.jsonl",
            format!("{{\"customer_id\":\"K1\"}}\n{{\"customer_id\":\"{who}\"}}\n{who}!\n"),
        ),
        (
            "scored/churn/b.jsonl.rejects.csv",
            format!("row,column,value,reason\n3,,K1,bad\n4,customer_id,{who},\"bad, and so on\"\n"),
        ),
        ("uploads/churn/c.csv", format!("customer\nK1\n{who}\n")),
        ("uploads/churn/d.csv", format!("customer\nK1\n{who}0\n")),
        (
            "scored/recommendations/e.jsonl",
            format!("{{\"answer\":{{\"customer_id\":\"{who}\"}}}}\n"),
        ),
        (
            "quarantine/churn/f.csv.report.json",
            format!("{{\"fault\": {{\"value\": \"{who}\"}}}}"),
        ),
    ];
    for (key, text) in files {
        rig.put_at(key, &text).await;
    }
}

fn counts(looked: &[Looked]) -> BTreeMap<&'static str, (u64, u64)> {
    let found = looked.iter().filter(|looked| looked.found());
    found
        .map(|looked| (looked.place, (looked.rows, looked.whole)))
        .collect()
}

#[tokio::test]
async fn a_forgotten_customer_is_nowhere_and_stays_away() {
    let made_up = MadeUp::new(12, 3);
    let who = made_up.somebody();
    let files = made_up.deliveries(3, &mut Random(5));
    let rig = Rig::new(&made_up.shop, &no_faults());
    for file in files.iter().chain(&made_up.poison()) {
        rig.put(&file.name, &file.bytes).await;
    }
    put_answers(&rig, &who).await;
    let merged = to_end(rig.merge("first", 0));
    assert!(matches!(merged, Ok(Outcome::Merged(_))), "{merged:?}");
    let folder = tempfile::tempdir().expect("a folder");
    let clean = load(&made_up.shop, &made_up.clean(), folder.path());
    assert!(
        clean
            .customers()
            .any(|found| found.expect("a history").0 == who)
    );

    let proof = to_end(rig.forget(&who));
    let first = counts(&proof.first);
    let (rows, whole) = first["uploads/orders/"];
    // The file with a bad row of another shape alone has it as a row; nothing is left of it but the header.
    assert!(rows > 10, "{first:?}");
    assert_eq!(whole, 0, "{first:?}");
    assert_eq!(first["uploads/churn/"], (3, 1));
    assert_eq!(first["scored/churn/"], (2, 0));
    assert_eq!(first["scored/recommendations/"], (1, 0));
    assert_eq!(first["quarantine/churn/"], (0, 1));
    assert_eq!((first["ledgers"], first["histories"]), ((0, 1), (1, 0)));
    assert!(proof.holds(), "{:?}", proof.again);
    assert_eq!(
        counts(proof.again.as_deref().expect("a second look")),
        BTreeMap::new()
    );
    assert_eq!(
        rig.text("scored/churn/a.csv").as_deref(),
        Some("row,customer_id,state\n2,K1,scored\n")
    );
    assert_eq!(
        rig.text("uploads/churn/b.jsonl").as_deref(),
        Some("{\"customer_id\":\"K1\"}\n")
    );
    let rejects = rig.text("scored/churn/b.jsonl.rejects.csv");
    assert_eq!(
        rejects.as_deref(),
        Some("row,column,value,reason\n3,,K1,bad\n")
    );
    assert_eq!(rig.text("uploads/churn/c.csv"), None, "no rows to take out");
    assert!(
        rig.text("uploads/churn/d.csv").is_some(),
        "another customer"
    );
    for place in rig
        .files
        .inner
        .places()
        .iter()
        .filter(|place| place.key.ends_with(".csv"))
    {
        let text = rig.text(&place.key).expect("listed");
        assert!(!text.contains(&format!("{who};")), "{}", place.key);
    }
    let others = made_up.clone().without(&who);
    let folder = tempfile::tempdir().expect("a folder");
    let clean = load(&others.shop, &others.clean(), folder.path());
    rig.is_like(&clean).await;

    // The till sends everything again, the forgotten customer too, with rows that are bad.
    let mut again = made_up.deliveries(2, &mut Random(6));
    for file in &mut again {
        if file.name.starts_with("bestellungen-07") && file.name.ends_with(".csv") {
            let mut text = String::from_utf8(file.bytes.clone()).expect("UTF-8");
            let _ = write!(text, "1;never;{who};x;1;1;\r\n");
            file.bytes = text.into_bytes();
        }
        file.name = file.name.replace("bestellungen-0", "bestellungen-1");
        rig.put(&file.name, &file.bytes).await;
    }
    let merged = to_end(rig.merge("again", 1));
    assert!(matches!(merged, Ok(Outcome::Merged(_))), "{merged:?}");
    rig.is_like(&clean).await;
    for place in rig.files.inner.places() {
        if place.key.ends_with(".rejects.csv") {
            let text = rig.text(&place.key).expect("listed");
            assert!(!text.contains("never"), "{text}");
        }
    }
    // Nor does a load of old files bring them back.
    let forgotten = forgotten(&*rig.store.inner).await.expect("memory");
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    std::fs::create_dir(&data).expect("a folder");
    for file in made_up.clean() {
        std::fs::write(data.join(file.name), file.bytes).expect("a file");
    }
    let options = Options {
        data_root: Some(&data),
        forgotten: &forgotten,
        ..Options::local(folder.path())
    };
    let reloaded = Histories::load(&made_up.shop, &options).expect("a load");
    rig.is_like(&reloaded).await;
    assert!(
        to_end(rig.forget(&who)).holds(),
        "what came again goes again"
    );
}
