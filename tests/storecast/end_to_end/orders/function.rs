//! The function that merges what arrives: by notifications and messages, more often than needed, beside others, and in too little
//! time.

use super::*;
use crate::end_to_end::uploads::{failed, messages, notification, text as file_text};
use crate::orders::{Delivered, load};
use aws::clients::Clients;
use aws::dynamo::DynamoStore;
use local::orders::put_orders;
use offline::orders::Turn;
use offline::shop::Shop;
use offline::store::write_all;
use serving::batch::run::Clock;
use serving::ports::{HistoryStore, MemoryStore};
use std::time::Duration;
use tempfile::TempDir;

const NAME: &str = "orders";

/// A stack with the shop file in the bucket.
struct Rig {
    stack: Stack,
    files: UploadedFiles,
    store: DynamoStore,
    work: TempDir,
}

impl Rig {
    async fn start() -> Self {
        let stack = Stack::start().await;
        let files = stack.put_uploads().await;
        let clients = Clients::at(&stack.s3.url(), &stack.dynamo.url()).await;
        let rig = Self {
            files,
            store: DynamoStore::new(clients.dynamo, stack::TABLE).reading_own_writes(),
            work: tempfile::tempdir().expect("a folder"),
            stack,
        };
        rig.put("shop.toml", SHOP).await;
        rig
    }

    fn settings(&self) -> Vec<(&'static str, String)> {
        let mut settings = self.stack.settings();
        settings.retain(|(name, _)| *name != "STORECAST_MODEL_BUCKET");
        settings.extend([
            ("STORECAST_DATA_BUCKET", UPLOAD_BUCKET.to_owned()),
            ("STORECAST_SHOP", format!("s3://{UPLOAD_BUCKET}/shop.toml")),
            ("STORECAST_WORK", text(self.work.path()).to_owned()),
        ]);
        settings
    }

    fn function(&self, lambda: &Lambda) -> Process {
        Process::start(NAME, lambda, &self.settings())
    }

    async fn put(&self, key: &str, text: &str) {
        let place = FilePlace {
            bucket: UPLOAD_BUCKET.to_owned(),
            key: key.to_owned(),
        };
        let put = self.files.put_file(&place, Bytes::from(text.to_owned()));
        put.await.expect("S3");
    }

    /// Whether the table holds what a clean load of these files writes, and nothing else.
    async fn is_like(&self, files: &[(&str, String)]) {
        let folder = tempfile::tempdir().expect("a folder");
        let shop = Shop::parse(SHOP, Path::new("shop.toml")).expect("a shop");
        let delivered = files.iter().map(|(name, text)| Delivered {
            name: (*name).to_owned(),
            bytes: text.clone().into_bytes(),
        });
        let clean = load(&shop, &delivered.collect::<Vec<_>>(), folder.path());
        let expected = MemoryStore::default();
        let written = write_all(&expected, &clean, &|_| ()).await;
        written.expect("memory");
        for (kind, ids) in [("customer", ["anna", "bert"]), ("sku", ["tea", "cup"])] {
            let (found, clean) = (
                self.store
                    .get_histories(kind, &ids)
                    .await
                    .expect("DynamoDB"),
                expected.get_histories(kind, &ids).await.expect("memory"),
            );
            assert_eq!(found, clean, "{kind}");
            let is_named = |id: &str| ids.contains(&id);
            let strangers = self.store.retain_histories(kind, &is_named);
            assert_eq!(strangers.await, Ok(0), "{kind} that no file names");
        }
    }
}

/// Time of somebody who merges by hand.
struct Hours;

impl Clock for Hours {
    fn now_ms(&self) -> i64 {
        clock().0 * 1000
    }

    fn remaining_ms(&self) -> i64 {
        6 * 3_600_000
    }
}

fn told(key: &str) -> String {
    notification(&format!("uploads/orders/{key}")).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_arrives_is_merged_once_in_effect_and_like_a_clean_load() {
    let rig = Rig::start().await;
    let event = workspace::root().join("events/orders/s3-upload.json");
    let event = std::fs::read_to_string(event).expect("an event");
    let arrivals = aws::uploads::arrivals(&event).expect("a notification");
    let mut lambda = Lambda::start().await;
    let process = rig.function(&lambda);
    rig.put(&arrivals[0].key, &orders(1..=8)).await;
    rig.put("uploads/orders/jane doe.txt", "call her").await;
    let Reply::Response(answer) = lambda.invoke(&event).await else {
        panic!("expected an answer")
    };
    let outcome = &answer["outcome"];
    assert_eq!(outcome["files"], json!({ "accepted": 1, "refused": 1 }));
    assert_eq!(outcome["complete_through"], "2025-08-01T00:00:01Z");
    let first = arrivals[0].key.rsplit('/').next().expect("a name");
    rig.is_like(&[(first, orders(1..=8))]).await;

    // Two files, one of them told of twice, among messages that nobody understands or that are about nothing.
    let correction = orders(8..=9).replace("9.90", "7.50");
    rig.put("uploads/orders/orders-9.csv", &correction).await;
    let bodies = [
        told("orders-9.csv"),
        "not JSON".to_owned(),
        told("orders-9.csv"),
        notification("uploads/churn/a.csv").to_string(),
        json!({ "Service": "Amazon S3", "Event": "s3:TestEvent" }).to_string(),
        told("jane+doe.txt"),
    ];
    assert_eq!(lambda.invoke(&messages(&bodies)).await, failed(&["1", "3"]));
    let files = [(first, orders(1..=8)), ("orders-9.csv", correction)];
    rig.is_like(&files).await;
    assert_eq!(lambda.invoke(&messages(&bodies[..1])).await, failed(&[]));
    rig.is_like(&files).await;
    let report = file_text(&rig.files, "merged/orders/orders-9.csv.report.json").await;
    assert!(report.contains("\"accepted\": 4"), "{report}");

    for (name, expected) in [
        ("orders-9.csv", "4 rows = 4 accepted + 0 rejected"),
        (
            "jane doe.txt",
            "quarantined: no pattern of shop.toml names it",
        ),
    ] {
        let address = format!("s3://{UPLOAD_BUCKET}/uploads/orders/{name}");
        let said = succeed(&rig.stack, &["status", &address]);
        assert!(said.contains(expected), "{said}");
    }

    // Another shop file is told of like an order, and a broken one costs nothing but its messages.
    rig.put("shop.toml", &SHOP.replace("orders-*.csv", "orders-2*.csv"))
        .await;
    let shop = [notification("shop.toml").to_string()];
    assert_eq!(lambda.invoke(&messages(&shop)).await, failed(&[]));
    rig.is_like(&files[..1]).await;
    rig.put("shop.toml", "format = 1\n").await;
    assert_eq!(lambda.invoke(&messages(&shop)).await, failed(&["0"]));
    rig.is_like(&files[..1]).await;

    let log = process.log();
    let outcomes: Vec<&str> = log
        .iter()
        .filter_map(|line| line["outcome"].as_str())
        .collect();
    let kinds = ["merged", "merged", "unchanged", "merged"];
    assert_eq!(outcomes.len(), kinds.len(), "{outcomes:?}");
    for (outcome, kind) in outcomes.iter().zip(kinds) {
        assert!(outcome.contains(kind), "{outcome}");
    }
    for line in &log {
        let line = line.to_string();
        assert!(!line.contains("jane") && !line.contains(".csv"), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_meets_another_merge_or_has_too_little_time_comes_again() {
    let rig = Rig::start().await;
    rig.put("uploads/orders/orders-1.csv", &orders(1..=8)).await;
    let event = messages(&[told("orders-1.csv"), told("orders-1.csv")]);

    // No record may be written in the last five seconds, and the next merge goes on.
    let mut hurried = Lambda::lasting(Some(Duration::from_secs(4))).await;
    let process = rig.function(&hurried);
    assert_eq!(hurried.invoke(&event).await, failed(&["0", "1"]));
    let reason = process
        .log()
        .iter()
        .find_map(|line| line["reason"].as_str().map(str::to_owned));
    assert!(
        reason
            .as_ref()
            .is_some_and(|reason| reason.contains("no time is left")),
        "{reason:?}"
    );

    // Somebody else merges all the time that an invocation may wait.
    let turn = Turn::take(&rig.store, "somebody", &Hours).await;
    let mut turn = turn.expect("DynamoDB").expect("the turn was given up");
    let mut short = Lambda::lasting(Some(Duration::from_secs(6))).await;
    let process = rig.function(&short);
    assert_eq!(short.invoke(&event).await, failed(&["0", "1"]));
    let log = process.log();
    let waits = log
        .iter()
        .filter(|line| line["message"] == "others are at it, waiting");
    assert_eq!(waits.count(), 1, "said once");

    // With more time it waits for its turn, and sees what came meanwhile.
    let mut lambda = Lambda::start().await;
    let _process = rig.function(&lambda);
    let id = lambda.send(&event);
    let early = lambda.reply_within(&id, Duration::from_millis(1500)).await;
    assert_eq!(early, None);
    rig.put("uploads/orders/orders-2.csv", &orders(8..=9)).await;
    turn.release().await.expect("DynamoDB");
    let reply = lambda.reply_within(&id, Duration::from_mins(1)).await;
    assert_eq!(reply, Some(failed(&[])));
    let files = [
        ("orders-1.csv", orders(1..=8)),
        ("orders-2.csv", orders(8..=9)),
    ];
    rig.is_like(&files).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_files_of_the_local_stack_are_merged_by_its_event() {
    let rig = Rig::start().await;
    let folder = tempfile::tempdir().expect("a folder");
    let shop = folder.path().join("shop.toml");
    // A pattern that does not name the file of the event: the local stack adds one.
    std::fs::write(&shop, SHOP.replace("orders-*.csv", "all-*.csv")).expect("a file");
    std::fs::write(folder.path().join("all-1.csv"), orders(1..=8)).expect("a file");
    let shop = Shop::read(&shop).expect("a shop");
    let clients = Clients::at(&rig.stack.s3.url(), &rig.stack.dynamo.url()).await;
    let put = put_orders(&clients, &shop, workspace::root()).await;
    put.expect("S3");
    let event = workspace::root().join("events/orders/s3-upload.json");
    let event = std::fs::read_to_string(event).expect("an event");
    let mut lambda = Lambda::start().await;
    let _process = rig.function(&lambda);
    let Reply::Response(answer) = lambda.invoke(&event).await else {
        panic!("expected an answer")
    };
    // The sample is of the default shop, whose columns have other names.
    let files = json!({ "accepted": 1, "refused": 1 });
    assert_eq!(answer["outcome"]["files"], files, "{answer}");
    rig.is_like(&[("orders-1.csv", orders(1..=8))]).await;
    let report = "quarantine/orders/orders-2018-01-02.csv.report.json";
    let report = file_text(&rig.files, report).await;
    assert!(report.contains("column"), "{report}");
}
