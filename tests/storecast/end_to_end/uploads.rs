//! Files that land in a bucket, scored by the real binary.

use super::*;
use aws::uploaded_files::UploadedFiles;
use bytes::Bytes;
use local::uploads::UPLOAD_BUCKET;
use serving::batch::FileStore;
use serving::batch::ports::{FilePlace, Piece};

pub(super) fn place(key: &str) -> FilePlace {
    FilePlace {
        bucket: UPLOAD_BUCKET.to_owned(),
        key: key.to_owned(),
    }
}

pub(super) async fn text(files: &UploadedFiles, key: &str) -> String {
    let place = place(key);
    let head = files.head_file(&place, None).await.expect("S3");
    let head = head.unwrap_or_else(|| panic!("{key} is not there"));
    let read = files.read_file(&place, &head.version, 0..head.size).await;
    let Piece::Bytes(bytes) = read.expect("S3") else {
        panic!("{key} changed")
    };
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

pub(super) fn notification(key: &str) -> Value {
    json!({ "Records": [{ "eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": {
        "bucket": { "name": UPLOAD_BUCKET }, "object": { "key": key, "sequencer": "01" } } }] })
}

/// An event of a queue with these bodies, whose ids count from 0.
pub(super) fn messages(bodies: &[String]) -> String {
    let record = |(id, body): (usize, &String)| json!({ "messageId": id.to_string(), "eventSource": "aws:sqs", "body": body });
    json!({ "Records": bodies.iter().enumerate().map(record).collect::<Vec<_>>() }).to_string()
}

/// What a queue is told of the messages that come again.
pub(super) fn failed(ids: &[&str]) -> Reply {
    let failures = ids.iter().map(|id| json!({ "itemIdentifier": id }));
    Reply::Response(json!({ "batchItemFailures": failures.collect::<Vec<_>>() }))
}

#[tokio::test]
async fn messages_of_a_queue_are_scored_each_by_itself() {
    let stack = Stack::start().await;
    let files = stack.put_uploads().await;
    let put = async |key: &str, text: String| {
        files
            .put_file(&place(key), Bytes::from(text))
            .await
            .expect("S3");
    };
    let secret = "jane doe's customers";
    let ids = format!("customer_id\n{STEADY}\n{PRIVATE_ID}\n");
    put(&format!("uploads/churn/{secret}.csv"), ids).await;
    put("uploads/churn/bad.csv", "id\n1\n".to_owned()).await;
    let mut lambda = Lambda::start().await;
    let process = Process::start(Churn::NAME, &lambda, &stack.settings());
    let bodies = [
        notification("uploads/churn/jane+doe%27s+customers.csv").to_string(),
        "not JSON".to_owned(),
        notification("uploads/churn/bad.csv").to_string(),
        notification("uploads/inventory/elsewhere.csv").to_string(),
        json!({ "Service": "Amazon S3", "Event": "s3:TestEvent" }).to_string(),
        notification("uploads/churn/jane+doe%27s+customers.csv").to_string(),
        notification("uploads/churn/gone.csv").to_string(),
    ];
    assert_eq!(lambda.invoke(&messages(&bodies)).await, failed(&["1", "3"]));
    let scored = text(&files, &format!("scored/churn/{secret}.csv")).await;
    let states: Vec<_> = scored.lines().map(|line| line.split(',').nth(2)).collect();
    assert_eq!(states, [Some("state"), Some("scored"), Some("scored")]);
    let report = text(&files, &format!("scored/churn/{secret}.csv.report.json")).await;
    let report: Value = serde_json::from_str(&report).expect("JSON");
    // The function has 512 MB.
    let seconds = report["duration_ms"].as_f64().map(|ms| ms / 1000.0);
    let [billed, seconds] = [report["gb_seconds"].as_f64(), seconds].map(|n| n.expect("a number"));
    assert!((billed - 0.5 * seconds).abs() < 1e-9, "{report}");
    let rejects = text(&files, &format!("scored/churn/{secret}.csv.rejects.csv")).await;
    assert_eq!(rejects, "row,column,value,reason\n");
    let report = text(&files, "quarantine/churn/bad.csv.report.json").await;
    assert!(report.contains("wrong columns"), "{report}");
    let log = process.log();
    let told: Vec<_> = log
        .iter()
        .filter_map(|line| line["outcome"].as_str())
        .collect();
    assert_eq!(told.len(), 4, "{told:?}");
    for (told, kind) in told
        .iter()
        .zip(["scored", "quarantined", "duplicate", "gone"])
    {
        assert!(told.contains(kind), "{told}");
    }
    for line in &log {
        let line = line.to_string();
        assert!(!line.contains("jane") && !line.contains(".csv"), "{line}");
    }
}

#[tokio::test]
async fn a_bare_notification_that_fails_comes_again_and_is_done_once() {
    let stack = Stack::start().await;
    let files = stack.put_uploads().await;
    let mut lambda = Lambda::start().await;
    let process = Process::start(Inventory::NAME, &lambda, &stack.settings());
    let foreign = notification("uploads/churn/a.csv").to_string();
    let Reply::Error(error) = lambda.invoke(&foreign).await else {
        panic!("expected an error")
    };
    assert_eq!(error["errorType"], "urn:storecast:problem:unavailable");
    let line = |row| json!({ "sku_id": format!("{:0>20}", row) }).to_string();
    let lines = (0..60_000).map(line).collect::<Vec<_>>().join("\n");
    let large = place("uploads/inventory/large.jsonl");
    let put = files.put_file(&large, Bytes::from(lines));
    put.await.expect("S3");
    let event = notification("uploads/inventory/large.jsonl").to_string();
    let Reply::Response(first) = lambda.invoke(&event).await else {
        panic!("expected an answer")
    };
    let outcome = &first["outcomes"][0]["outcome"];
    assert_eq!(
        outcome["counts"],
        json!({ "rows": 60_000, "scored": 60_000, "rejected": 0 })
    );
    let scored = text(&files, "scored/inventory/large.jsonl").await;
    assert!(scored.len() > 8 * 1024 * 1024, "written in parts");
    assert_eq!(scored.lines().count(), 60_000);
    let Reply::Response(second) = lambda.invoke(&event).await else {
        panic!("expected an answer")
    };
    assert_eq!(second["outcomes"][0]["outcome"]["kind"], "duplicate");
    drop(process);
}

/// Orders of three households as a shop exports them: by time, prices in cents, a return, a guest.
const EXPORT: &str = "\
customer_id,order_id,placed_at,product_id,category,quantity,net_minor,discount_minor
4711,40000000101,2017-09-03T09:12:00-05:00,1029743,FLUID MILK PRODUCTS,2,538,0
4711,40000000101,2017-09-03T09:12:00-05:00,995785,PEPPERS-ALL,1,129,20
4712,40000000107,2017-09-08T17:45:10-05:00,893018,CHEESE,1,299,0
4711,40000000113,2017-10-01T10:02:00-05:00,1029743,FLUID MILK PRODUCTS,1,269,0
,40000000114,2017-10-02T11:20:00-05:00,909714,APPLES,1.25,311,0
4713,40000000120,2017-11-20T19:00:59-06:00,1082185,TROPICAL FRUIT,4,196,0
4711,40000000131,2017-12-03T09:30:00-06:00,1029743,FLUID MILK PRODUCTS,2,538,0
4712,40000000140,2017-12-10T12:00:00-06:00,893018,CHEESE,-1,-299,0
4712,40000000141,2017-12-11T12:00:00-06:00,909714,\"APPLES, LOOSE\",2,498,0
4713,40000000150,today,1082185,TROPICAL FRUIT,4,196,0
";

#[tokio::test]
async fn an_export_of_orders_is_scored_by_customer_or_by_product() {
    let stack = Stack::start().await;
    let files = stack.put_uploads().await;
    let nobody = "6,customer_id,,no customer: the line names nobody";
    for (function, scored, nobody, order_lines) in [
        (Churn::NAME, 2, &[nobody][..], 9),
        (Recommendations::NAME, 2, &[nobody], 9),
        (Inventory::NAME, 4, &[], 10),
    ] {
        let packed = crate::batch::kills::gzip(EXPORT.as_bytes());
        let key = format!("uploads/{function}/orders.csv.gz");
        let upload = place(&key);
        let put = files.put_file(&upload, Bytes::from(packed));
        put.await.expect("S3");
        let mut lambda = Lambda::start().await;
        let _process = Process::start(function, &lambda, &stack.settings());
        let reply = lambda.invoke(&notification(&key).to_string()).await;
        let Reply::Response(answer) = reply else {
            panic!("expected an answer, not {reply:?}")
        };
        let rejected = nobody.len() + 1;
        let counts = json!({ "rows": scored + rejected, "scored": scored, "rejected": rejected });
        assert_eq!(answer["outcomes"][0]["outcome"]["counts"], counts);
        let name = format!("scored/{function}/orders.csv.gz");
        let rejects = text(&files, &format!("{name}.rejects.csv")).await;
        let mut rejects: Vec<_> = rejects.lines().skip(1).collect();
        let wrong = rejects.pop().expect("a reject");
        assert_eq!(rejects, nobody);
        assert!(wrong.starts_with("7,placed_at,today,"), "{wrong}");
        assert!(wrong.contains("row 11: "), "{wrong}");
        let report = text(&files, &format!("{name}.report.json")).await;
        let report: Value = serde_json::from_str(&report).expect("JSON");
        assert_eq!(report["order_lines"], order_lines);
    }
}

#[tokio::test]
async fn an_export_with_what_a_planner_knows_is_planned_with_reasons() {
    let stack = Stack::start().await;
    let files = stack.put_uploads().await;
    let line = |day: i32| {
        let date = serving::calendar::format_date(features::time::LocalDay(17_532 - day));
        json!({ "order_id": day.to_string(), "placed_at": format!("{date}T21:00:00-05:00"), "customer_id": day,
            "product_id": "sencha", "location": "north", "quantity": 1 + day % 3, "net_minor": 450,
            "on_hand": 4, "lead_time_days": 3, "target": { "fill_rate": 0.95 }, "as_of": "2018-01-01" })
    };
    let lines = (1..=150).map(|day| line(day).to_string() + "\n");
    let key = "uploads/inventory/orders.jsonl";
    let put = place(key);
    let put = files.put_file(&put, Bytes::from(lines.collect::<String>()));
    put.await.expect("S3");
    let mut lambda = Lambda::start().await;
    let _process = Process::start(Inventory::NAME, &lambda, &stack.settings());
    let reply = lambda.invoke(&notification(key).to_string()).await;
    assert!(matches!(reply, Reply::Response(_)), "{reply:?}");
    let answer = text(&files, "scored/inventory/orders.jsonl").await;
    let answer: Value = serde_json::from_str(&answer).expect("one row");
    assert_eq!(answer["sku_id"], "sencha", "{answer}");
    assert_eq!(answer["location"], "north");
    assert_eq!(answer["assumptions"]["stock_from"], "request");
    assert!(
        answer["plan"]["order_quantity"].as_u64() > Some(0),
        "{answer}"
    );
    let forecast = &answer["forecast"];
    assert_eq!(forecast["forecaster"], "model", "{forecast}");
    let reasons = forecast["explained"]["reasons"]
        .as_array()
        .expect("reasons");
    let sold = |reason: &Value| {
        let sentence = reason["sentence"].as_str().expect("a sentence");
        sentence.starts_with("last sold 1 days ago")
    };
    assert!(reasons.iter().any(sold), "{reasons:?}");
}
