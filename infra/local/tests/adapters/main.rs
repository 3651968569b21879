//! The stores of the `aws` crate over the wire, against the local servers.

use aws::admin::{ensure_bucket, ensure_table};
use aws::clients::Clients;
use aws::dynamo::DynamoStore;
use aws::s3::S3Artifacts;
use bytes::Bytes;
use features::time::Timestamp;
use local::servers::{Server, ServerError, start_dynamo, start_s3};
use serving::conformance;
use serving::ports::{
    ArtifactStore, HistoryStore, LastPrediction, PointerStore, PredictionStore, StoreError,
};
use tempfile::TempDir;

mod batch;
mod orders;
mod throttling;

struct Stack {
    s3: Server,
    dynamo: Server,
    clients: Clients,
    files: TempDir,
}

impl Stack {
    async fn start() -> Self {
        let files = tempfile::tempdir().expect("start the stack");
        let s3 = start_s3(0, files.path()).expect("start the stack");
        let dynamo = start_dynamo(0, None).expect("start the stack");
        let clients = Clients::at(&s3.url(), &dynamo.url()).await;
        for _twice in 0..2 {
            ensure_table(&clients, "storecast")
                .await
                .expect("start the stack");
            ensure_bucket(&clients, "models")
                .await
                .expect("start the stack");
        }
        Self {
            s3,
            dynamo,
            clients,
            files,
        }
    }

    fn store(&self) -> DynamoStore {
        DynamoStore::new(self.clients.dynamo.clone(), "storecast").reading_own_writes()
    }

    fn artifacts(&self) -> S3Artifacts {
        S3Artifacts::new(self.clients.s3.clone(), "models", "registry/")
    }
}

#[tokio::test]
async fn dynamo_store_conforms() {
    let stack = Stack::start().await;
    conformance::histories(&stack.store()).await;
    conformance::pointers(&stack.store()).await;
    conformance::sets(&stack.store()).await;
    conformance::predictions(&stack.store()).await;
    conformance::one_winner_of(&stack.store(), 32).await;
}

#[tokio::test]
async fn s3_artifacts_conform() {
    conformance::artifacts(&Stack::start().await.artifacts()).await;
}

#[tokio::test]
async fn records_and_ids_beyond_the_limits_are_refused_before_the_call() {
    let stack = Stack::start().await;
    let store = stack.store();
    let item = |id: &str, size| vec![(id.to_owned(), Bytes::from(vec![7; size]))];
    // 409,600 bytes of an item less the attribute names `pk` and `record` and the key `customer#a`.
    let largest = 409_600 - 2 - 6 - 10;
    store
        .put_histories("customer", &item("a", largest))
        .await
        .unwrap();
    let error = store
        .put_histories("customer", &item("secret-id", largest))
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "put DynamoDB table storecast: record of a customer has 409608 bytes, an item holds 409600"
    );
    let long = "x".repeat(2048);
    let error = store
        .put_histories("customer", &item(&long, 1))
        .await
        .unwrap_err();
    assert!(
        matches!(&error, StoreError::Broken { reason, .. } if reason.contains("2048 bytes")),
        "{error}"
    );
    let found = store
        .get_histories("customer", &[&long, "a"])
        .await
        .unwrap()
        .records;
    assert!(
        found[0].is_none() && found[1].is_some(),
        "an id that cannot be is unknown, and spoils no other"
    );
}

#[tokio::test]
async fn answers_beyond_the_limit_are_counted_and_spoil_no_other() {
    let stack = Stack::start().await;
    let store = stack.store();
    let one = |key: &str, bytes: usize| LastPrediction {
        key: key.to_owned(),
        answer: "x".repeat(bytes),
        model_version: "v1".to_owned(),
        as_of: Timestamp(-62_000_000_000),
        computed_at: Timestamp(1_800_000_000),
        expires_at: Timestamp(1_900_000_000),
    };
    // 409,600 bytes of an item less the names of its attributes (47), the key, the version and three numbers of 21 bytes.
    let largest = 409_600 - 47 - "churn#a".len() - "v1".len() - 3 * 21;
    let put = [one("a", largest), one("b", largest + 1), one("c", 1)];
    let counts = store.put_predictions("churn", &put).await.unwrap();
    assert_eq!((counts.written, counts.too_large), (2, 1));
    let found = store.get_predictions("churn", &["a", "b", "c"]).await;
    let [a, b, c] = put;
    assert_eq!(found.unwrap(), [Some(a), None, Some(c)]);
    drop(b);
}

#[tokio::test]
async fn a_missing_table_is_broken_and_named() {
    let stack = Stack::start().await;
    let store = DynamoStore::new(stack.clients.dynamo.clone(), "elsewhere");
    let error = store
        .get_histories("customer", &["secret-id"])
        .await
        .unwrap_err();
    assert!(matches!(error, StoreError::Broken { .. }), "{error}");
    assert!(
        error
            .to_string()
            .starts_with("get DynamoDB table elsewhere: ResourceNotFoundException"),
        "{error}"
    );
    assert!(!error.to_string().contains("secret-id"), "{error}");
}

#[tokio::test]
async fn a_stopped_server_is_unavailable_and_named() {
    let stack = Stack::start().await;
    let (store, artifacts) = (stack.store(), stack.artifacts());
    assert_eq!(artifacts.get_artifact("model.onnx").await, Ok(None));
    stack.s3.stop().await;
    stack.dynamo.stop().await;
    let error = artifacts.get_artifact("model.onnx").await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error}");
    assert!(
        error
            .to_string()
            .starts_with("get s3://models/registry/model.onnx: "),
        "{error}"
    );
    let error = store
        .get_histories("customer", &["secret-id"])
        .await
        .unwrap_err();
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error}");
    assert!(
        error
            .to_string()
            .starts_with("get DynamoDB table storecast: "),
        "{error}"
    );
    assert!(!error.to_string().contains("secret-id"), "{error}");
    let error = store.set_pointer("churn", None, "v1").await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error}");
}

#[tokio::test]
async fn a_busy_port_is_named_with_what_to_do() {
    let files = tempfile::tempdir().unwrap();
    let first = start_s3(0, files.path()).unwrap();
    let port = first.address().port();
    let error = start_dynamo(port, None).unwrap_err();
    assert!(
        matches!(error, ServerError::PortBusy { port: named, .. } if named == port),
        "{error}"
    );
    assert!(
        error.to_string().contains(&format!(
            "port {port} on 127.0.0.1 is in use; end what listens"
        )),
        "{error}"
    );
    first.stop().await;
    start_dynamo(port, None)
        .expect("a stopped server leaves its port free")
        .stop()
        .await;
}

#[tokio::test]
async fn histories_outlive_a_server_with_a_file() {
    let files = tempfile::tempdir().unwrap();
    let file = files.path().join("dynamo.sqlite");
    for round in 0..2 {
        let server = start_dynamo(0, Some(&file)).unwrap();
        let clients = Clients::at("http://127.0.0.1:9", &server.url()).await;
        ensure_table(&clients, "storecast").await.unwrap();
        let store = DynamoStore::new(clients.dynamo, "storecast").reading_own_writes();
        let won = store.set_pointer("churn", None, "v1").await.unwrap();
        assert_eq!(
            won,
            round == 0,
            "the second server finds what the first wrote"
        );
        server.stop().await;
    }
}
