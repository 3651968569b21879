//! One test per kind of file: the table of the README.

use super::kills::gzip;
use super::*;
use churn::Churn;
use inventory::Inventory;
use serde_json::{Value, json};

#[tokio::test]
async fn a_file_of_ids_is_answered_as_the_api_answers_each() {
    let rig = Rig::<Churn>::new().await;
    let key = "uploads/churn/2018/monday's customers + ünï.csv";
    let file = "\u{feff}customer_id,as_of\r\n1,\r\n208,2017-06-01T00:00:00Z\r\n\r\n\"lapsed\",\r\nnobody,\r\n=1+1,\r\n,\r\n7,soon\r\n";
    assert_eq!(rig.scored(key, file).await, Outcome::Scored(counts(5, 2)));
    let (scored, rejects, report) = rig.outputs(key);
    let lines: Vec<&str> = scored.lines().collect();
    assert!(lines[0].starts_with("row,customer_id,state,as_of,churn_probability,"));
    assert!(
        lines[1].starts_with("2,1,scored,2018-01-01T04:01:21Z,0."),
        "{}",
        lines[1]
    );
    assert!(
        lines[2].starts_with("3,208,scored,2017-06-01T00:00:00Z,0."),
        "{}",
        lines[2]
    );
    assert!(lines[3].starts_with("4,lapsed,lapsed,"), "{}", lines[3]);
    assert!(lines[4].starts_with("5,nobody,unknown,"), "{}", lines[4]);
    assert!(lines[5].starts_with("6,'=1+1,unknown,"), "{}", lines[5]);
    assert_eq!(
        rejects,
        "row,column,value,reason\n\
         7,,{},unexpected shape: missing field `customer_id`\n\
         8,as_of,soon,\"invalid value: \"\"soon\"\" is not an RFC 3339 instant with an offset, such as 2026-01-31T12:00:00Z\"\n"
    );
    let told = json!({"outcome": "scored", "function": "churn", "rows": 7, "scored": 5, "rejected": 2,
        "rejected_by_reason": {"invalid value": 1, "unexpected shape": 1}, "model_version": "first", "attempt": 1,
        "as_of": "2018-01-01T12:00:00Z", "duration_ms": 0});
    for (name, value) in told.as_object().expect("fields") {
        assert_eq!(report[name], *value, "{name}");
    }
    assert_eq!(report["input"]["key"], key);
    assert_eq!(report["feature_fingerprint"], Churn::schema().fingerprint);
    // The numbers are the API's.
    let one = shop::call(
        &shop::service::<Churn>().await,
        "GET",
        "/v1/customers/1/churn",
        "",
    )
    .await;
    let probability = one.body["results"][0]["churn_probability"].to_string();
    assert_eq!(lines[1].split(',').nth(4), Some(probability.as_str()));
}

#[tokio::test]
async fn lines_hold_the_answers_themselves_and_packed_files_come_back_packed() {
    let rig = Rig::<Inventory>::new().await;
    let lines = format!(
        "{{\"sku_id\": \"{}\", \"on_hand\": 3, \"as_of\": \"2017-12-20\"}}\n\n{{\"sku_id\": \"{}\", \"on_hand\": NaN}}\n{{\"sku_id\": 7}}\n{{\"sku_id\": \"nothing\"}}",
        shop::FAST,
        shop::SLOW
    );
    for (ending, bytes) in [
        ("jsonl", lines.clone().into_bytes()),
        ("ndjson.gz", gzip(lines.as_bytes())),
        (
            "jsonl.zst",
            zstd::encode_all(lines.as_bytes(), 3).expect("memory"),
        ),
    ] {
        let key = format!("uploads/inventory/all.{ending}");
        assert_eq!(rig.scored(&key, bytes).await, Outcome::Scored(counts(2, 2)));
        let packed = rig
            .files
            .file(&place(&format!("scored/inventory/all.{ending}")));
        let packed = packed.expect("answers");
        let mut text = String::new();
        let mut reader: Box<dyn std::io::Read> = match ending {
            "jsonl" => Box::new(&packed[..]),
            "ndjson.gz" => Box::new(flate2::read::GzDecoder::new(&packed[..])),
            _ => Box::new(zstd::Decoder::new(&packed[..]).expect("Zstandard")),
        };
        std::io::Read::read_to_string(&mut reader, &mut text).expect("UTF-8");
        let answers: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect();
        assert_eq!(
            (&answers[0]["row"], &answers[0]["state"]),
            (&json!(1), &json!("planned"))
        );
        assert_eq!(answers[0]["as_of"], "2017-12-20");
        assert_eq!(answers[0]["assumptions"]["on_hand"], 3);
        assert_eq!(
            (&answers[1]["row"], &answers[1]["state"]),
            (&json!(5), &json!("unknown"))
        );
        let rejects = rig.text(&format!("scored/inventory/all.{ending}.rejects.csv"));
        assert!(rejects.contains("\n3,,"), "{rejects}");
        assert!(rejects.contains("\n4,sku_id,7,"), "{rejects}");
    }
}

#[tokio::test]
async fn a_sheet_of_stock_is_planned_and_numbers_stay_numbers() {
    let rig = Rig::<Inventory>::new().await;
    let key = "uploads/inventory/stock.csv";
    let file = format!(
        "sku_id,on_hand,lead_time_days,target,on_order\n{0},-5,9.5,\"{{\"\"fill_rate\"\":0.9}}\",\"[{{\"\"arrives\"\":\"\"2018-01-20\"\",\"\"quantity\"\":5}}]\"\n{0},NaN,,,\n{0},1,Infinity,,\n{0},1,-1,,\n{0},1e999,,,\n",
        shop::FAST
    );
    assert_eq!(rig.scored(key, file).await, Outcome::Scored(counts(1, 4)));
    let (scored, rejects, _) = rig.outputs(key);
    let line = scored.lines().nth(1).expect("a row");
    assert!(
        line.starts_with(&format!("2,{},,planned,", shop::FAST)),
        "{line}"
    );
    assert_eq!(
        line.split(',').nth(5),
        Some("-5"),
        "a number is not escaped: {line}"
    );
    let columns: Vec<_> = rejects
        .lines()
        .skip(1)
        .map(|line| line.split(',').nth(1).expect("a column"))
        .collect();
    assert_eq!(
        columns,
        ["on_hand", "lead_time_days", "lead_time_days", "on_hand"],
        "{rejects}"
    );
}

/// Kind and reason of a file that is not scored, as its two reports say.
async fn quarantined(rig: &Rig<Churn>, name: &str, bytes: impl Into<Bytes>) -> String {
    let key = format!("uploads/churn/{name}");
    let outcome = rig.scored(&key, bytes).await;
    let Outcome::Quarantined(fault) = outcome else {
        panic!("{name}: {outcome:?}")
    };
    let report = rig.text(&format!("quarantine/churn/{name}.report.json"));
    assert_eq!(
        rig.text(&format!("scored/churn/{name}.report.json")),
        report
    );
    let report: Value = serde_json::from_str(&report).expect("JSON");
    assert_eq!(
        (&report["outcome"], &report["rows"]),
        (&json!("quarantined"), &json!(0))
    );
    assert_eq!(report["fault"]["kind"], fault.kind);
    assert!(!rig.exists(&format!("scored/churn/{name}")), "{name}");
    fault.to_string()
}

#[tokio::test]
async fn what_cannot_be_scored_is_quarantined_with_its_reason() {
    let mut rig = Rig::<Churn>::new().await;
    let ids = b"customer_id\n".to_vec();
    let bomb = gzip(&[ids.clone(), vec![b'1'; 40_000_000]].concat());
    let truncated = gzip(&b"customer_id\n1\n".repeat(1000));
    let long = [ids.clone(), vec![b'9'; 50_000_000]].concat();
    let wide = ",".repeat(10_000_000);
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        (
            "empty.csv",
            Vec::new(),
            "empty: there is nothing in the file",
        ),
        (
            "empty.csv.gz",
            Vec::new(),
            "empty: there is nothing in the file",
        ),
        (
            "header.csv",
            ids.clone(),
            "no rows: there is a header and no row",
        ),
        (
            "columns.csv",
            b"id,name\n1,2\n".to_vec(),
            "wrong columns: \"id\" is no column",
        ),
        (
            "latin.csv",
            b"customer_\xefd\n1\n".to_vec(),
            "wrong columns: header: not UTF-8",
        ),
        (
            "utf16.csv",
            b"\xff\xfec\0u\0s\0\n\0".to_vec(),
            "wrong columns: header: not UTF-8",
        ),
        (
            "wide.csv",
            wide.into_bytes(),
            "wrong columns: header: too many columns: more than 256",
        ),
        (
            "blank.jsonl",
            b"\n\n \n".to_vec(),
            "empty: there is no row in the file",
        ),
        ("bomb.csv.gz", bomb, "too tightly packed"),
        (
            "half.csv.gz",
            truncated[..truncated.len() - 5].to_vec(),
            "damaged",
        ),
        ("text.csv.zst", b"customer_id\n1\n".to_vec(), "damaged"),
        (
            "a.orc",
            ids.clone(),
            "wrong name: the name must end in .parquet",
        ),
        (
            "a.parquet.gz",
            ids.clone(),
            "wrong name: Parquet is packed inside",
        ),
        ("empty.parquet", Vec::new(), "empty: there is nothing"),
        (
            "a.parquet",
            b"PAR1".to_vec(),
            "damaged: no Parquet file: it does not end with PAR1",
        ),
        (
            "a.csv.rejects.csv",
            ids.clone(),
            "wrong name: the name is kept",
        ),
    ];
    for (name, bytes, expected) in cases {
        let fault = quarantined(&rig, name, bytes).await;
        assert!(fault.starts_with(expected), "{name}: {fault}");
    }
    // A line that is too long is a row like any other; the file goes on.
    let outcome = rig.scored("uploads/churn/long.csv", long).await;
    assert_eq!(outcome, Outcome::Scored(counts(0, 1)));
    rig.limits.object_bytes = 12;
    let fault = quarantined(&rig, "huge.csv", b"customer_id\n1\n".to_vec()).await;
    assert_eq!(fault, "too large: 14 bytes, at most 12 are read");
    rig.limits = Limits {
        rows: 100,
        ..Limits::default()
    };
    let many = [ids, b"1\n".repeat(300)].concat();
    let fault = quarantined(&rig, "many.csv", many).await;
    assert_eq!(fault, "too many rows: more than 100 rows");
}

#[tokio::test]
async fn what_is_no_upload_ends_without_a_loop() {
    let rig = Rig::<Churn>::new().await;
    assert_eq!(rig.scored("uploads/churn/2018/", "").await, Outcome::Folder);
    assert_eq!(rig.scored("scored/churn/a.csv", "x").await, Outcome::Output);
    assert_eq!(
        rig.scored("quarantine/churn/a.csv.report.json", "{}").await,
        Outcome::Output
    );
    let foreign = rig.upload("uploads/inventory/a.csv", "x").await;
    assert!(matches!(
        rig.score(&foreign).await,
        Err(Error::Internal { .. })
    ));
    let gone = rig
        .upload("uploads/churn/gone.csv", "customer_id\n1\n")
        .await;
    rig.files.remove(&place(&gone.key));
    assert_eq!(
        rig.score(&gone).await.expect("nothing fails"),
        Outcome::Gone
    );
    assert_eq!(rig.files.places().len(), 4, "no output of any of them");
}

#[tokio::test]
async fn duplicates_older_events_and_replaced_files_change_nothing() {
    let rig = Rig::<Churn>::new().await;
    let key = "uploads/churn/a.csv";
    let first = Arrival {
        sequencer: "01".to_owned(),
        ..rig.upload(key, "customer_id\n1\n").await
    };
    assert_eq!(
        rig.score(&first).await.expect("scored"),
        Outcome::Scored(counts(1, 0))
    );
    let outputs = rig.outputs(key);
    // Scored again by another model, it would differ.
    rig.releases.served.store(1, Ordering::Relaxed);
    let again = rig.score(&first).await.expect("known");
    assert!(matches!(again, Outcome::Duplicate(_)), "{again:?}");
    assert_eq!(rig.outputs(key), outputs);
    let second = Arrival {
        sequencer: "02".to_owned(),
        ..rig.upload(key, "customer_id\n208\n=2\n").await
    };
    assert_eq!(rig.score(&first).await.expect("known"), Outcome::Superseded);
    assert_eq!(
        rig.score(&second).await.expect("scored"),
        Outcome::Scored(counts(2, 0))
    );
    assert_eq!(rig.outputs(key).2["model_version"], "second");
    // The bucket brings the first content back by an event that is late.
    rig.upload(key, "customer_id\n1\n").await;
    assert_eq!(rig.score(&first).await.expect("known"), Outcome::Older);
    assert!(
        !rig.claim(key).await.contains("a.csv"),
        "claims name no keys"
    );
}

#[tokio::test]
async fn a_file_is_scored_by_one_at_a_time_and_in_time() {
    let rig = Rig::<Churn>::new().await;
    let key = "uploads/churn/a.csv";
    let arrival = rig.upload(key, "customer_id\n1\n").await;
    let late = SetClock {
        now_ms: Arc::clone(&rig.now_ms),
        deadline_ms: rig.now_ms.load(Ordering::Relaxed) + 1000,
    };
    let batch = Batch {
        files: &rig.files,
        claims: &rig.files,
        services: &rig.releases,
        clock: &late,
        owner: "late",
        limits: rig.limits,
    };
    let error = batch.score(&arrival).await.expect_err("too late");
    assert!(
        error.to_string().contains("1000 ms left after 0 rows"),
        "{error}"
    );
    assert!(
        rig.claim(key).await.contains("1000 ms left"),
        "the claim says why"
    );
    assert_eq!(rig.files.places().len(), 1, "nothing was written");
    assert_eq!(
        rig.score(&arrival).await.expect("scored"),
        Outcome::Scored(counts(1, 0))
    );
    assert_eq!(rig.outputs(key).2["attempt"], 2);
}
