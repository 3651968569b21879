//! A customer goes from everything, and does not come back.

mod everywhere;
mod kills;

use super::shop::MadeUp;
use super::*;
use crate::batch::kills::gzip;
use crate::batch::storm::Random;
use features::time::Timestamp;
use flate2::read::MultiGzDecoder;
use offline::orders::{Looked, Proof, forgotten};
use recommendations::api::{SURFACES, key_of};
use serving::ports::{LastPrediction, PredictionStore};
use serving::prediction_log::hashed;
use std::collections::BTreeMap;
use std::io::Read;

const SALT: &str = "a secret of the made-up shop";

impl Rig {
    async fn put_at(&self, key: &str, text: &str) {
        let (place, bytes) = (place(key), Bytes::copy_from_slice(text.as_bytes()));
        let put = self.files.inner.put_file(&place, bytes);
        put.await.expect("memory");
    }

    async fn forget(&self, customer_id: &str) -> Result<Proof, MergeError> {
        let merge = Merge {
            shop: &self.shop,
            bucket: BUCKET,
            files: &self.files,
            store: &self.store,
            clock: &SetClock::starting(&self.now_ms),
            owner: "forget",
            work: &self.work.path().join("0"),
        };
        merge
            .forget(customer_id, Some(SALT), Some(&self.last))
            .await
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
        (
            "outcomes/churn/march.csv",
            format!("customer_id,as_of,purchased\nK1,2024-03-01,0\n{who},2024-03-01,1\n"),
        ),
        (
            "predictions/churn/2024-03-01/r.jsonl",
            format!(
                "{{\"entity\":\"{}\"}}\n{{\"entity\":\"{}\"}}\n",
                hashed(SALT, "K1"),
                hashed(SALT, who)
            ),
        ),
        (
            "predictions/recommendations/2024-03-01/r.jsonl",
            format!("{{\"entity\":\"K1\"}}\n{{\"entity\":\"{who}\"}}\n"),
        ),
    ];
    for (key, text) in files {
        rig.put_at(key, &text).await;
    }
}

/// Last predictions of two customers, by each key that they can have.
async fn put_last_predictions(rig: &Rig, who: &str) {
    let last = |key: String| LastPrediction {
        key,
        answer: "{}".to_owned(),
        model_version: "v1".to_owned(),
        as_of: Timestamp(0),
        computed_at: Timestamp(0),
        expires_at: Timestamp(i64::MAX),
    };
    for customer in ["K1", who] {
        let put = [last(customer.to_owned())];
        let put = rig.last.inner.put_predictions("churn", &put);
        assert_eq!(put.await.expect("memory").written, 1);
        let put = SURFACES.map(|surface| last(key_of(surface, customer)));
        let put = rig.last.inner.put_predictions("recommendations", &put);
        assert_eq!(put.await.expect("memory").written, 5);
    }
}

fn counts(looked: &[Looked]) -> BTreeMap<&'static str, (u64, u64)> {
    let found = looked.iter().filter(|looked| looked.found());
    found
        .map(|looked| (looked.place, (looked.rows, looked.whole)))
        .collect()
}

/// What was found is gone, and everything beside it is as it was.
fn only_the_customer_is_gone(rig: &Rig, proof: &Proof, who: &str) {
    let first = counts(&proof.first);
    let (rows, whole) = first["uploads/orders/"];
    // A file with nothing but a bad row of the customer is left with its header.
    assert!(rows > 10 && whole == 0, "{first:?}");
    assert_eq!(first["uploads/churn/"], (3, 1));
    assert_eq!(first["scored/churn/"], (2, 0));
    assert_eq!(first["scored/recommendations/"], (1, 0));
    assert_eq!(first["quarantine/churn/"], (0, 1));
    assert_eq!(first["outcomes/churn/"], (1, 0));
    assert_eq!(first["predictions/churn/"], (1, 0));
    assert_eq!(first["predictions/recommendations/"], (1, 0));
    assert_eq!((first["ledgers"], first["histories"]), ((0, 1), (1, 0)));
    assert_eq!(first["last predictions"], (6, 0));
    assert!(proof.holds(), "{:?}", proof.again);
    let again = proof.again.as_deref().expect("a second look");
    assert_eq!(counts(again), BTreeMap::new());
    let text = |key: &str| rig.text(key);
    let scored = "row,customer_id,state\n2,K1,scored\n";
    assert_eq!(text("scored/churn/a.csv").as_deref(), Some(scored));
    let asked = "{\"customer_id\":\"K1\"}\n";
    assert_eq!(text("uploads/churn/b.jsonl").as_deref(), Some(asked));
    let rejects = "row,column,value,reason\n3,,K1,bad\n";
    assert_eq!(
        text("scored/churn/b.jsonl.rejects.csv").as_deref(),
        Some(rejects)
    );
    assert_eq!(text("uploads/churn/c.csv"), None, "no rows to take out");
    assert!(text("uploads/churn/d.csv").is_some(), "another customer");
    let kept = format!("{{\"entity\":\"{}\"}}\n", hashed(SALT, "K1"));
    assert_eq!(text("predictions/churn/2024-03-01/r.jsonl"), Some(kept));
    rig.no_file_holds(&format!(";{who};"));
    rig.no_file_holds(&hashed(SALT, who));
}

impl Rig {
    fn no_file_holds(&self, text: &str) {
        for place in self.files.inner.places() {
            let bytes = self.files.inner.file(&place).expect("listed");
            let mut unpacked = Vec::new();
            let mut archive = MultiGzDecoder::new(&bytes[..]);
            if archive.read_to_end(&mut unpacked).is_err() {
                unpacked = bytes.to_vec();
            }
            let unpacked = String::from_utf8_lossy(&unpacked);
            assert!(!unpacked.contains(text), "{}", place.key);
        }
    }
}

/// The till sends everything again, under other names, the forgotten customer too, with rows that are bad.
async fn send_again(rig: &Rig, made_up: &MadeUp, who: &str) {
    for mut file in made_up.deliveries(2, &mut Random(6)) {
        if file.name.starts_with("bestellungen-07") && !file.bytes.starts_with(&[0x1f]) {
            file.bytes
                .extend(format!("1;never;{who};x;1;1;\r\n").bytes());
        }
        let name = file.name.replace("bestellungen-0", "bestellungen-1");
        rig.put(&name, &file.bytes).await;
    }
}

/// A load of old files into the table.
async fn reload(rig: &Rig, made_up: &MadeUp, folder: &Path) -> Histories {
    let forgotten = forgotten(&*rig.store.inner).await.expect("memory");
    let data = folder.join("data");
    std::fs::create_dir(&data).expect("a folder");
    for file in made_up.clean() {
        std::fs::write(data.join(file.name), file.bytes).expect("a file");
    }
    let options = Options {
        data_root: Some(&data),
        forgotten: &forgotten,
        ..Options::local(folder)
    };
    Histories::load(&made_up.shop, &options).expect("a load")
}

#[tokio::test]
async fn a_forgotten_customer_is_nowhere_and_stays_away() {
    let made_up = MadeUp::new(12, 3);
    let who = made_up.somebody();
    let rig = Rig::new(&made_up.shop, &no_faults());
    let files = made_up.deliveries(3, &mut Random(5));
    for file in files.iter().chain(&made_up.poison()) {
        rig.put(&file.name, &file.bytes).await;
    }
    put_answers(&rig, &who).await;
    put_last_predictions(&rig, &who).await;
    let merged = to_end(rig.merge("first", 0));
    assert!(matches!(merged, Ok(Outcome::Merged(_))), "{merged:?}");

    let proof = to_end(rig.forget(&who)).expect("no fault");
    only_the_customer_is_gone(&rig, &proof, &who);
    let last = rig.last.inner.get_predictions("churn", &["K1", &who]).await;
    assert!(matches!(&last.expect("memory")[..], [Some(_), None]));
    let others = made_up.clone().without(&who);
    let folder = tempfile::tempdir().expect("a folder");
    let clean = load(&others.shop, &others.clean(), folder.path());
    rig.is_like(&clean).await;

    send_again(&rig, &made_up, &who).await;
    let merged = to_end(rig.merge("again", 1));
    assert!(matches!(merged, Ok(Outcome::Merged(_))), "{merged:?}");
    rig.is_like(&clean).await;
    let folder = tempfile::tempdir().expect("a folder");
    let reloaded = reload(&rig, &made_up, folder.path()).await;
    rig.is_like(&reloaded).await;
    assert!(
        to_end(rig.forget(&who)).expect("no fault").holds(),
        "what came again goes again"
    );
    rig.no_file_holds("never");
}

/// A shop all of whose files are packed, with numbers for ids, which stand in other columns too.
const PACKED: &str = r#"
format = 1
name = "packed"
currency = "EUR"
source = "made up"
licence = "none"
data_root = "."
[time]
naive_zone = "UTC"
[orders]
files = ["*.csv.gz"]
dates = ["%Y-%m-%d"]
[orders.columns]
order_id = "order"
customer_id = "customer"
placed_at = "day"
amount = "amount"
"#;

#[tokio::test]
async fn rows_go_out_of_packed_files_until_no_order_is_left() {
    let shop = Shop::parse(PACKED, Path::new("shop.toml")).expect("a shop");
    let rig = Rig::new(&shop, &no_faults());
    let text = "order,customer,day,amount\na,7,2025-01-01,8\nb,8,2025-01-02,7\n";
    rig.put("all.csv.gz", &gzip(text.as_bytes())).await;
    let merged = to_end(rig.merge("first", 0));
    assert!(matches!(merged, Ok(Outcome::Merged(_))), "{merged:?}");
    for who in ["7", "8"] {
        let proof = to_end(rig.forget(who)).expect("no fault");
        assert_eq!(counts(&proof.first)["uploads/orders/"], (1, 0));
        assert!(proof.holds(), "{who}: {:?}", proof.again);
    }
}

#[tokio::test]
async fn a_shop_file_that_does_not_fit_removes_nothing() {
    let elsewhere = PACKED.replace("*.csv.gz", "s3://elsewhere/*.csv");
    let shop = Shop::parse(&elsewhere, Path::new("shop.toml")).expect("a shop");
    let rig = Rig::new(&shop, &no_faults());
    rig.put("all.csv", b"order,customer\na,7\n").await;
    let refused = to_end(rig.forget("7"));
    assert!(
        matches!(refused, Err(MergeError::Pattern { .. })),
        "{refused:?}"
    );
    assert!(rig.text("uploads/orders/all.csv").is_some());
}

#[tokio::test]
async fn hashes_that_nobody_can_tell_are_no_proof() {
    let made_up = MadeUp::new(3, 3);
    let rig = Rig::new(&made_up.shop, &no_faults());
    let line = format!("{{\"entity\":\"{}\"}}\n", hashed(SALT, "K1"));
    rig.put_at("predictions/churn/2024-03-01/r.jsonl", &line)
        .await;
    for file in made_up.clean() {
        rig.put(&file.name, &file.bytes).await;
    }
    let merge = Merge {
        shop: &rig.shop,
        bucket: BUCKET,
        files: &rig.files,
        store: &rig.store,
        clock: &SetClock::starting(&rig.now_ms),
        owner: "forget",
        work: &rig.work.path().join("0"),
    };
    let last = None::<&MemoryStore>;
    let proof = to_end(merge.forget("K2", None, last)).expect("no fault");
    assert!(!proof.holds());
    let found = proof.again.iter().flatten().filter(|looked| looked.found());
    let [unclear] = &found.collect::<Vec<_>>()[..] else {
        panic!("{proof:?}")
    };
    let told = (unclear.place, unclear.contents, unclear.unclear.len());
    assert_eq!(told, ("predictions/churn/", 1, 1), "{unclear:?}");
    let proof = to_end(merge.forget("K2", Some(SALT), last)).expect("no fault");
    assert!(proof.holds(), "{proof:?}");
}
