//! Each place where a customer can be, in each form that files there have.

use super::*;
use crate::batch::answered_tables::answers;
use crate::batch::tables::{Layout, texts, written};

/// A file with the customer in it, and what is left of it: the rows of somebody else, or nothing.
struct Stored {
    key: String,
    bytes: Vec<u8>,
    left: Option<Vec<u8>>,
}

fn rows(key: &str, before: String, left: &str) -> Stored {
    Stored {
        key: key.to_owned(),
        bytes: before.into_bytes(),
        left: Some(left.as_bytes().to_vec()),
    }
}

fn whole(key: &str, bytes: impl Into<Vec<u8>>) -> Stored {
    Stored {
        key: key.to_owned(),
        bytes: bytes.into(),
        left: None,
    }
}

fn table(ids: &[&str]) -> Vec<u8> {
    let ids = texts("customer_id", ids.iter().copied().map(Some));
    written(vec![ids], &Layout::default())
}

/// What lies below `prefix`, apart from the orders themselves.
fn stored(who: &str) -> Vec<Stored> {
    let rejects = format!("row,column,value,reason\n2,Kunde,K1,bad\n3,Kunde,{who},bad\n");
    let rejects_left = "row,column,value,reason\n2,Kunde,K1,bad\n";
    let ids = format!("customer_id\nK1\n{who}\n");
    let refused = format!("{{\"key\": \"x\", \"fault\": {{\"value\": \"{who}\"}}}}");
    let logged = format!("{{\"entity\":\"K1\"}}\n{{\"entity\":\"{who}\"}}\n");
    let mut stored = vec![
        rows(
            "merged/orders/notes.csv.rejects.csv",
            rejects.clone(),
            rejects_left,
        ),
        rows(
            "quarantine/orders/notes.csv.rejects.csv",
            rejects,
            rejects_left,
        ),
        rows("outcomes/churn/march.csv", ids.clone(), "customer_id\nK1\n"),
    ];
    // A row that could not be read is shown as it stood there.
    let unread = format!("row,column,value,reason\n2,,\"o1,K1,p\",bad\n3,,\"o1,{who},p\",bad\n");
    let unread_left = "row,column,value,reason\n2,,\"o1,K1,p\",bad\n";
    let lines = |ids: &[&str]| {
        let line = |id: &&str| format!("o1,{id},p,2017-05-01T10:00:00Z,4711\n");
        let lines: String = ids.iter().map(line).collect();
        format!("order_id,customer_id,product_id,placed_at,net_minor\n{lines}")
    };
    stored.extend([
        rows(
            "uploads/inventory/lines.csv",
            lines(&["K1", who, ""]),
            &lines(&["K1", ""]),
        ),
        rows(
            "scored/inventory/lines.csv.rejects.csv",
            unread,
            unread_left,
        ),
        whole("quarantine/inventory/f.csv.report.json", refused.clone()),
        whole("unfinished/inventory/a.csv.part", gzip(ids.as_bytes())),
    ]);
    for function in ["churn", "recommendations"] {
        let answers = format!("row,customer_id,state\n2,K1,scored\n3,{who},scored\n");
        let key = |prefix: &str, name: &str| format!("{prefix}/{function}/{name}");
        stored.extend([
            rows(&key("uploads", "a.csv"), ids.clone(), "customer_id\nK1\n"),
            rows(
                &key("scored", "a.csv"),
                answers,
                "row,customer_id,state\n2,K1,scored\n",
            ),
            rows(
                &key("predictions", "2024-03-01/r.jsonl"),
                logged.clone(),
                "{\"entity\":\"K1\"}\n",
            ),
            whole(&key("quarantine", "f.csv.report.json"), refused.clone()),
            // Packed answers of a file under way, and chunks: nobody can say whose they are, and all are written anew.
            whole(&key("unfinished", "a.csv.part"), gzip(ids.as_bytes())),
            whole(&key("unfinished", "a.csv.continue"), "{}"),
            whole(&key("whole", "chunks/ab.parquet"), table(&["K1", who])),
            whole(&key("whole", "manifest.json"), "{}"),
        ]);
    }
    stored
}

impl Rig {
    fn bytes(&self, key: &str) -> Option<Bytes> {
        self.files.inner.file(&place(key))
    }

    async fn put_bytes(&self, key: &str, bytes: &[u8]) {
        let (place, bytes) = (place(key), Bytes::copy_from_slice(bytes));
        let put = self.files.inner.put_file(&place, bytes);
        put.await.expect("memory");
    }
}

#[tokio::test]
async fn from_each_place_that_is_looked_at() {
    let made_up = MadeUp::new(3, 3);
    let who = made_up.somebody();
    let rig = Rig::new(&made_up.shop, &no_faults());
    for file in made_up.clean() {
        rig.put(&file.name, &file.bytes).await;
    }
    let merged = to_end(rig.merge("first", 0));
    assert!(matches!(merged, Ok(Outcome::Merged(_))), "{merged:?}");
    put_last_predictions(&rig, &who).await;
    let stored = stored(&who);
    for file in &stored {
        rig.put_bytes(&file.key, &file.bytes).await;
    }
    let proof = to_end(rig.forget(&who)).expect("no fault");
    // A place that is added to the list and not to this test is one where nobody was.
    let nobody_at = |looked: &&Looked| !looked.found();
    let nobody_at: Vec<_> = proof.first.iter().filter(nobody_at).collect();
    assert!(nobody_at.is_empty(), "{nobody_at:?}");
    assert!(proof.holds(), "{:?}", proof.again);
    for file in &stored {
        let left = rig.bytes(&file.key);
        assert!(
            left.as_deref() == file.left.as_deref(),
            "{}: {left:?}",
            file.key
        );
    }
    rig.no_file_holds(&who);
}

/// Answers in columns and in Zstandard, and as a request has them.
#[tokio::test]
async fn from_tables_and_from_each_packing() {
    let rig = Rig::new(&MadeUp::new(3, 3).shop, &no_faults());
    let who = "K-4711";
    let ids = format!("customer_id\nK1\n{who}\nK2\n");
    let zstandard = zstd::encode_all(ids.as_bytes(), 3).expect("memory");
    let [table_key, zstandard_key, gzip_key] =
        ["parquet", "csv.zst", "csv.gz"].map(|ending| format!("scored/churn/a.{ending}"));
    rig.put_bytes(&table_key, &table(&["K1", who, "K2"])).await;
    rig.put_bytes(&zstandard_key, &zstandard).await;
    rig.put_bytes(&gzip_key, &gzip(ids.as_bytes())).await;
    let proof = to_end(rig.forget(who)).expect("no fault");
    assert_eq!(counts(&proof.first)["scored/churn/"], (3, 0));
    assert!(proof.holds(), "{:?}", proof.again);
    let (names, rows) = answers(rig.bytes(&table_key).expect("a table"));
    assert_eq!(
        (names.join(","), rows),
        (
            "customer_id".to_owned(),
            vec![vec!["K1".into()], vec!["K2".into()]]
        )
    );
    let left = rig.bytes(&zstandard_key).expect("answers");
    assert_eq!(
        zstd::decode_all(&left[..]).expect("Zstandard"),
        b"customer_id\nK1\nK2\n"
    );
    let (left, mut text) = (rig.bytes(&gzip_key).expect("answers"), String::new());
    let read = MultiGzDecoder::new(&left[..]).read_to_string(&mut text);
    assert_eq!(
        (read.expect("gzip"), text.as_str()),
        (18, "customer_id\nK1\nK2\n")
    );
}

/// A SKU, an amount or a quantity may be written as the customer's id is.
#[tokio::test]
async fn files_about_skus_stay_where_no_column_names_customers() {
    let rig = Rig::new(&MadeUp::new(3, 3).shop, &no_faults());
    let who = "4711";
    let skus = texts("sku_id", ["7", who].map(Some).into_iter());
    let lines = format!(
        "order_id,product_id,placed_at,net_minor\n{who},{who},2017-05-01T10:00:00Z,{who}\n"
    );
    let files = [
        (
            "uploads/inventory/a.csv",
            format!("sku_id,on_hand\n{who},{who}\n").into_bytes(),
        ),
        (
            "uploads/inventory/b.jsonl",
            format!("{{\"sku_id\":\"{who}\"}}\n").into_bytes(),
        ),
        (
            "uploads/inventory/c.parquet",
            written(vec![skus], &Layout::default()),
        ),
        ("uploads/inventory/d.csv.gz", gzip(lines.as_bytes())),
        (
            "scored/inventory/a.csv",
            format!("row,sku_id,state\n2,{who},planned\n").into_bytes(),
        ),
    ];
    for (key, bytes) in &files {
        rig.put_bytes(key, bytes).await;
    }
    let refused = "uploads/inventory/e.csv";
    let with_another_column = format!("sku_id,customer\n7,{who}\n");
    rig.put_bytes(refused, with_another_column.as_bytes()).await;
    let proof = to_end(rig.forget(who)).expect("no fault");
    assert_eq!(counts(&proof.first)["uploads/inventory/"], (0, 1));
    assert!(proof.holds(), "{:?}", proof.again);
    for (key, bytes) in &files {
        assert_eq!(rig.bytes(key).as_deref(), Some(&bytes[..]), "{key}");
    }
    assert!(rig.bytes(refused).is_none());
}

/// A row that was rejected is shown to its hundredth character, which may be in the middle of the id.
#[tokio::test]
async fn from_rejects_that_were_cut_in_the_middle_of_the_id() {
    let rig = Rig::new(&MadeUp::new(3, 3).shop, &no_faults());
    let who = "0c5d4f80-0b1e-41f0-9a1c-0a1b2c3d4e5f";
    let (theirs, nobodys) = (&who[..20], &who[..19]);
    let kept = format!("row,column,value,reason\n4,,7;{nobodys}…,bad\n5,,7;{theirs},bad\n");
    let key = "scored/churn/a.csv.rejects.csv";
    let rejects = format!("{kept}6,,7;{theirs}…,bad\n7,customer_id,{theirs}…,bad\n");
    rig.put_bytes(key, rejects.as_bytes()).await;
    let proof = to_end(rig.forget(who)).expect("no fault");
    assert_eq!(counts(&proof.first)["scored/churn/"], (2, 0));
    assert!(proof.holds(), "{:?}", proof.again);
    assert_eq!(rig.text(key), Some(kept));
}
