//! Orders that keep coming, by the real programs: loaded, asked about, merged, asked about again, forgotten.

mod function;

use super::*;
use crate::batch::tables;
use aws::uploaded_files::UploadedFiles;
use bytes::Bytes;
use local::uploads::UPLOAD_BUCKET;
use serving::batch::ports::FilePlace;
use serving::batch::{FileArchive, FileStore};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

pub(super) const SHOP: &str = r#"
format = 1
name = "weekly"
currency = "USD"
source = "made up"
licence = "CC0-1.0"
data_root = "."
[time]
naive_zone = "UTC"
[orders]
files = ["orders-*.csv"]
dates = ["%Y-%m-%d"]
[orders.columns]
order_id = "order"
customer_id = "customer"
placed_at = "day"
product_id = "product"
amount = "amount"
"#;
const HEADER: &str = "order,customer,day,product,amount\n";

/// One order of each customer on the first day of each of these months.
pub(super) fn orders(months: std::ops::RangeInclusive<u32>) -> String {
    months.fold(HEADER.to_owned(), |mut text, month| {
        for customer in ["anna", "bert"] {
            let _ = writeln!(
                text,
                "{month}-{customer},{customer},2025-{month:02}-01,tea,9.90"
            );
        }
        text
    })
}

fn succeed(stack: &Stack, arguments: &[&str]) -> String {
    let (code, said) = storecast(&stack.settings(), arguments);
    assert_eq!(code, 0, "{said}");
    said
}

async fn put(files: &UploadedFiles, name: &str, text: String) {
    let place = FilePlace {
        bucket: UPLOAD_BUCKET.to_owned(),
        key: format!("uploads/orders/{name}"),
    };
    files.put_file(&place, Bytes::from(text)).await.expect("S3");
}

/// The customers of the chunks of the whole base.
async fn in_chunks(files: &UploadedFiles) -> BTreeSet<String> {
    let listed = files.list_files(UPLOAD_BUCKET, "whole/churn/chunks/").await;
    let mut found = BTreeSet::new();
    for file in listed.expect("S3") {
        let bytes = files.read_all(&file.place, &file.head).await.expect("S3");
        let rows = tables::chunk_rows_of::<Churn>(&bytes.expect("it stays"));
        let bodies = rows.expect("a chunk").into_iter().map(|row| row.body);
        let body =
            |body: Result<Vec<u8>, _>| String::from_utf8(body.expect("a row")).expect("UTF-8");
        found.extend(bodies.map(body));
    }
    found
}

/// The answer about anna and bert.
async fn asked(lambda: &mut Lambda) -> Value {
    let body = json!({ "customers": [{ "customer_id": "anna" }, { "customer_id": "bert" }] });
    let (code, answer) = status(&lambda.invoke(&http("POST", "/v1/churn", &body)).await);
    assert_eq!(code, 200, "{answer}");
    answer
}

pub(super) fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_comes_is_seen_and_a_forgotten_customer_is_not() {
    let stack = Stack::start().await;
    let files = stack.put_uploads().await;
    let folder = tempfile::tempdir().expect("a folder");
    let (shop, work) = (folder.path().join("shop.toml"), folder.path().join("work"));
    std::fs::write(&shop, SHOP).expect("a file");
    std::fs::write(folder.path().join("orders-1.csv"), orders(1..=8)).expect("a file");
    succeed(
        &stack,
        &["load", "--shop", text(&shop), "--work", text(&work)],
    );
    let mut lambda = Lambda::start().await;
    let process = Process::start(Churn::NAME, &lambda, &stack.settings());
    let before = asked(&mut lambda).await;
    assert_eq!(before["complete_through"], "2025-08-01T00:00:01Z");

    put(&files, "orders-1.csv", orders(1..=8)).await;
    put(&files, "orders-2.csv", orders(8..=9)).await;
    put(&files, "orders-3.csv", "no,orders\n".to_owned()).await;
    let merge = folder.path().join("merge");
    let coming = [
        "--shop",
        text(&shop),
        "--bucket",
        UPLOAD_BUCKET,
        "--work",
        text(&merge),
    ];
    let said = succeed(&stack, &[&["merge"], &coming[..]].concat());
    assert!(said.contains("2 files accepted, 1 refused"), "{said}");
    let after = asked(&mut lambda).await;
    assert_eq!(after["complete_through"], "2025-09-01T00:00:01Z");
    for customer in 0..2 {
        let seen = |answer: &Value| answer["results"][customer]["state"].clone();
        assert_eq!(seen(&after), "scored", "{after}");
        assert_ne!(before["results"][customer], after["results"][customer]);
    }
    let said = succeed(&stack, &[&["merge"], &coming[..]].concat());
    assert!(said.contains("nothing new"), "{said}");

    let chunk = [
        "chunk",
        "churn",
        "--shop",
        text(&shop),
        "--work",
        text(&work),
        "--bucket",
        UPLOAD_BUCKET,
    ];
    succeed(&stack, &chunk);
    let named = async |customer: &str| {
        let rows = in_chunks(&files).await;
        let rows = rows.iter().filter(|row| row.contains(customer));
        rows.count()
    };
    assert_eq!((named("anna").await, named("bert").await), (1, 1));
    let said = succeed(&stack, &[&["forget", "bert"], &coming[..]].concat());
    assert!(said.contains("whole/churn/: "), "{said}");
    assert_eq!(in_chunks(&files).await, BTreeSet::new());
    succeed(&stack, &chunk);
    assert_eq!((named("anna").await, named("bert").await), (1, 0));
    assert!(
        said.contains("uploads/orders/: 3 looked at, 10 rows"),
        "{said}"
    );
    assert!(!said.contains("bert"), "{said}");
    put(&files, "orders-2.csv", orders(8..=9)).await;
    succeed(&stack, &[&["merge"], &coming[..]].concat());
    succeed(
        &stack,
        &["load", "--shop", text(&shop), "--work", text(&work)],
    );
    let last = asked(&mut lambda).await;
    let states = [0, 1].map(|customer| last["results"][customer]["state"].clone());
    assert_eq!(states, ["scored", "unknown"]);
    drop(process);
}
